// Both sides of an association face to face: the cookie, the clock, and what ends it.
#include <gtest/gtest.h>

#include "memory_end.h"

namespace trellis::dtls {
namespace {

using namespace std::chrono_literals;

struct Pair : testing::Test {
  /// What comes of a datagram that a stranger sends.
  Judgement judge(std::span<const std::byte> datagram, const Address& from = {.port = 7}) {
    return judge_stranger(datagram, from, client.loop.wall + later, *credentials, pool);
  }
  /// The client's hello with its cookie.
  std::vector<std::byte> second_hello() {
    client.open();
    const auto first = client.take();
    EXPECT_EQ(first.size(), 1u);
    const auto judged = judge(first.at(0));
    EXPECT_FALSE(judged.hello);
    EXPECT_GT(judged.reply.size(), 0u);
    client.feed(judged.reply.bytes());
    auto second = client.take();
    EXPECT_EQ(second.size(), 1u);
    return second.at(0);
  }
  void meet() {
    const auto judged = judge(second_hello());
    ASSERT_TRUE(judged.hello);
    server.open(&*judged.hello);
    converse();
    ASSERT_TRUE(client.is_open && server.is_open);
  }
  void converse() {
    for (bool moved = true; moved;) {
      moved = false;
      for (End* from : {&client, &server}) {
        End& to = from == &client ? server : client;
        for (const auto& datagram : from->take()) {
          moved = true;
          to.feed(datagram);
        }
      }
    }
  }
  std::unique_ptr<Shared> of_client = test_shared(), of_server = test_shared();
  std::shared_ptr<tls::Credentials> credentials = *of_server->credentials_of(Security{}, true);
  tls::HeapPool pool;
  End client{*of_client}, server{*of_server};
  std::chrono::seconds later{0};
};

TEST_F(Pair, DataBothWays) {
  meet();
  EXPECT_EQ(client.left, 1u);
  client.send("ping");
  server.send("");
  converse();
  EXPECT_EQ(server.received, std::vector<std::string>{"ping"});
  EXPECT_EQ(client.received, std::vector<std::string>{""});
}

TEST_F(Pair, ACookieIsForItsAddressAndItsTime) {
  const auto hello = second_hello();
  EXPECT_TRUE(judge(hello).hello);
  const auto of_another_port = judge(hello, {.port = 8});
  EXPECT_FALSE(of_another_port.hello);
  EXPECT_GT(of_another_port.reply.size(), 0u) << "it is asked again";
  later = 59s;
  EXPECT_TRUE(judge(hello).hello);
  later = 180s;
  EXPECT_FALSE(judge(hello).hello);
}

// The bytes of an IPv4 address are those of an IPv6 address too.
TEST_F(Pair, ACookieIsForItsFamily) {
  Address from{.family = Address::Family::ipv4, .port = 7, .ip = {0x20, 0x01, 0x0d, 0xb8}};
  client.open();
  const auto asked = judge(client.take().at(0), from);
  client.feed(asked.reply.bytes());
  const auto hello = client.take().at(0);
  EXPECT_TRUE(judge(hello, from).hello);
  from.family = Address::Family::ipv6;
  EXPECT_FALSE(judge(hello, from).hello);
}

TEST_F(Pair, ACookieIsForItsHello) {
  auto hello = second_hello();
  hello[kRecordHeader + kMessageHeader + 10] ^= std::byte{1};  // in the random value
  EXPECT_FALSE(judge(hello).hello);
}

// Asked twice, because the servers' secret was another one before: messages are counted on, and the handshake goes on.
TEST_F(Pair, AClientThatIsAskedTwice) {
  const auto hello = second_hello();
  const auto again = judge(hello, {.port = 8});
  client.feed(again.reply.bytes());
  const auto third = client.take();
  ASSERT_EQ(third.size(), 1u);
  const auto judged = judge(third.at(0), {.port = 8});
  ASSERT_TRUE(judged.hello);
  EXPECT_EQ(judged.hello->sequence, 2);
  server.open(&*judged.hello);
  converse();
  EXPECT_TRUE(client.is_open && server.is_open);
}

TEST_F(Pair, OtherThingsAreNoHellos) {
  EXPECT_FALSE(is_client_hello({}));
  client.open();
  const auto hello = client.take().at(0);
  EXPECT_TRUE(is_client_hello(hello));
  for (std::size_t size = 0; size < hello.size(); ++size) {
    const auto judged = judge(std::span(hello).first(size));
    EXPECT_FALSE(judged.hello);
    EXPECT_EQ(judged.reply.size(), 0u);
  }
}

// RFC 6347 section 4.2.4.1: after 1, 2 and 4 seconds, until the handshake has taken too long.
TEST_F(Pair, AFlightIsRepeatedLessAndLessOften) {
  client.open();
  const TimePoint begin = client.loop.time;
  std::vector<Duration> times;
  while (!client.is_over) {
    client.take();
    client.wait();
    if (!client.is_over) times.push_back(client.loop.time - begin);
  }
  EXPECT_EQ(times, (std::vector<Duration>{1s, 3s, 7s}));
  EXPECT_EQ(client.error->reason, Reason::timed_out);
}

// The server's last flight is lost: the client repeats its own, and hears it again, however often that takes.
TEST_F(Pair, TheLastFlightIsLostTwice) {
  const auto judged = judge(second_hello());
  server.open(&*judged.hello);
  for (const auto& datagram : server.take()) client.feed(datagram);
  for (int lost = 0; lost < 2; ++lost) {
    for (const auto& datagram : client.take()) server.feed(datagram);
    EXPECT_TRUE(server.is_open);
    EXPECT_FALSE(server.take().empty()) << lost;
    client.wait();
    server.loop.time = client.loop.time;
  }
  converse();
  EXPECT_TRUE(client.is_open);
}

// Data that overtake the last flight are kept.
TEST_F(Pair, DataBeforeTheFinishedMessage) {
  const auto judged = judge(second_hello());
  server.open(&*judged.hello);
  for (const auto& datagram : server.take()) client.feed(datagram);
  for (const auto& datagram : client.take()) server.feed(datagram);
  ASSERT_TRUE(server.is_open);
  server.send("early");
  const auto out = server.take();
  ASSERT_EQ(out.size(), 2u);
  client.feed(out[1]);
  EXPECT_FALSE(client.is_open);
  client.feed(out[0]);
  EXPECT_TRUE(client.is_open);
  EXPECT_EQ(client.received, std::vector<std::string>{"early"});
}

// What waited for the keys is judged as what comes later: of another epoch there is nothing to open.
TEST_F(Pair, EarlyRecordsOfAnotherEpoch) {
  const auto judged = judge(second_hello());
  server.open(&*judged.hello);
  for (const auto& datagram : server.take()) client.feed(datagram);
  std::vector<std::byte> record(kRecordHeader + 40);
  RecordHeader{.type = ContentType::application_data, .number = 2 * kFirstSealed, .length = 40}.write(
      std::span(record).first<kRecordHeader>());
  client.feed(record);
  converse();
  ASSERT_TRUE(client.is_open);
  client.feed(record);
  EXPECT_EQ(client.association->forged(), 0u);
}

// Each cookie makes the library remember one more hello.
TEST_F(Pair, AServerThatAsksForCookiesForEver) {
  client.open();
  const auto judged = judge(client.take().at(0));
  std::vector<std::byte> ask(judged.reply.bytes().begin(), judged.reply.bytes().end());
  int hellos = 0;
  for (std::uint16_t i = 0; i < 100 && !client.is_over; ++i) {
    auto header = *MessageHeader::read(std::span(ask).subspan(kRecordHeader));
    header.sequence = i;
    header.write(std::span(ask).subspan<kRecordHeader, kMessageHeader>());
    client.feed(ask);
    if (!client.is_over) hellos += static_cast<int>(client.take().size());
  }
  ASSERT_TRUE(client.is_over) << hellos;
  EXPECT_EQ(client.error->reason, Reason::protocol_violation);
  EXPECT_EQ(hellos, 8);
}

TEST_F(Pair, CloseNotifyIsAnswered) {
  meet();
  client.association->close(false);
  const auto goodbye = client.take();
  ASSERT_EQ(goodbye.size(), 1u);
  server.feed(goodbye[0]);
  EXPECT_TRUE(server.is_over);
  EXPECT_FALSE(server.error);
  EXPECT_EQ(server.take().size(), 1u);
}

// An alert that nobody has sealed ends nothing that is open.
TEST_F(Pair, AnAlertInClearEndsNoOpenAssociation) {
  meet();
  std::vector<std::byte> alert(kRecordHeader + 2);
  RecordHeader{.type = ContentType::alert, .number = 9, .length = 2}.write(std::span(alert).first<kRecordHeader>());
  alert[kRecordHeader] = std::byte{2};
  client.feed(alert);
  server.feed(alert);
  EXPECT_FALSE(client.is_over || server.is_over);
}

TEST_F(Pair, AnIdlePeerIsLetGo) {
  meet();
  server.loop.time += 299s;
  server.association->on_deadline();
  EXPECT_FALSE(server.is_over);
  server.wait();
  EXPECT_TRUE(server.is_over);
  EXPECT_EQ(server.take().size(), 1u) << "it says goodbye";
}

// A deadline of the handshake may still be told when that is over.
TEST_F(Pair, WhereNobodyIsIdleALateDeadlineEndsNothing) {
  const auto patient = test_shared({{"peer-idle-ms", std::int64_t{0}}});
  End other(*patient);
  const auto judged = judge(second_hello());
  other.open(&*judged.hello);
  for (bool moved = true; moved;) {
    moved = false;
    for (const auto& datagram : other.take()) client.feed(datagram), moved = true;
    for (const auto& datagram : client.take()) other.feed(datagram), moved = true;
  }
  ASSERT_TRUE(other.is_open);
  EXPECT_EQ(other.at, TimePoint::max());
  other.association->on_deadline();
  EXPECT_FALSE(other.is_over);
}

TEST(DtlsSettings, WhatTls13AloneHasIsRefused) {
  const auto refused = [](std::map<std::string, OptionValue> options) {
    const auto made = Settings::from(tls::Given(dtls_options(), std::move(options)));
    return made ? std::string("accepted") : made.error().detail;
  };
  EXPECT_EQ(refused({{"raw-public-keys", true}}),
            "found raw-public-keys=true, which DTLS 1.2 has not here: expected false");
  EXPECT_EQ(refused({{"groups", std::string_view("X25519MLKEM768")}}),
            "found groups=X25519MLKEM768, which TLS 1.3 alone has: expected one more");
  EXPECT_EQ(refused({{"groups", std::string_view("X25519MLKEM768 x25519")}}), "accepted");
}

// What the application asks for is never widened: the library would negotiate without a list.
TEST(DtlsSettings, GroupsOfTheApplicationThatTls13AloneHas) {
  const auto shared = test_shared();
  Security security;
  security.groups = {"X25519MLKEM768"};
  for (const bool server : {false, true}) {
    const auto made = shared->credentials_of(security, server);
    ASSERT_FALSE(made);
    EXPECT_EQ(made.error().reason, Reason::configuration);
  }
  security.groups.push_back("x25519");
  EXPECT_TRUE(shared->credentials_of(security, false));
}

}  // namespace
}  // namespace trellis::dtls
