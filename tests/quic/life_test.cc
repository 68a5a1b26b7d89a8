// How a QUIC connection begins and ends.
#include "quic_pair.h"
#include "security/peer_error.h"

namespace trellis::tests {
namespace {

using security::Code;

Error failure(Quic&, Talker& t) {
  if (t.ready && !*t.ready) return t.ready->error();
  ADD_FAILURE() << "expected a failure";
  return {Reason::canceled};
}

// QUIC-63: no application protocol in common.
TEST_F(Quic, ApplicationProtocolsMustAgree) {
  pair.listen(quic());
  auto security = std::make_shared<Security>();
  security->id = 1;
  security->alpn = {"other"};
  Talker& t = *pair.talkers.emplace_back(std::make_unique<Talker>());
  t.connection = pair.to_server(quic()).security(security).initiate(pair.client.loop(), t.on_ready());
  ASSERT_TRUE(pair.until([&] { return t.ready.has_value(); }));
  const Error error = failure(*this, t);
  EXPECT_EQ(error.reason, Reason::unsupported) << error.detail;
  EXPECT_EQ(error.code, static_cast<std::uint64_t>(Code::alert_received) + 120) << error.detail;
}

// QUIC-63: one is required.
TEST_F(Quic, AnApplicationProtocolIsRequired) {
  const std::string pki = TEST_PKI;
  Talker& t = pair.dial("quic(trust='" + pki + "/ca.pem')/udp");
  ASSERT_TRUE(pair.until([&] { return t.ready.has_value(); }));
  const Error error = failure(*this, t);
  EXPECT_EQ(error.reason, Reason::configuration);
  EXPECT_THAT(error.detail, testing::HasSubstr("alpn"));
}

// QUIC-89, QUIC-92
TEST_F(Quic, VersionsAreNegotiated) {
  pair.listen(quic("versions=v2"));
  Talker& both = pair.dial_ready(quic("versions='v2 v1'"));
  EXPECT_EQ(fact<std::string>(both.connection, "quic.version"), "v2");
  Talker& old = pair.dial(quic("versions=v1"));
  ASSERT_TRUE(pair.until([&] { return old.ready.has_value(); }));
  const Error error = failure(*this, old);
  EXPECT_EQ(error.reason, Reason::unsupported) << error.detail;
  EXPECT_EQ(error.code, static_cast<std::uint64_t>(Code::nothing_in_common));
}

// QUIC-92: compatible version negotiation, by the server's preference.
TEST_F(Quic, TheServerPrefersAVersion) {
  pair.listen(quic("versions='v2 v1'"));
  Talker& t = pair.dial_ready(quic("versions='v1 v2'"));
  EXPECT_EQ(fact<std::string>(t.connection, "quic.version"), "v2");
}

// QUIC-21, QUIC-76, QUIC-78
TEST_F(Quic, IdleTimeoutIsTheShorterOne) {
  pair.listen(quic("idle-timeout-ms=4000"));
  Talker& t = pair.dial_ready(quic());
  t.send("hello");
  ASSERT_TRUE(pair.until([&] { return peer_with("hello") != nullptr; }));
  EXPECT_EQ(fact<Duration>(t.connection, "quic.idleTimeout"), Duration(4s));
  const TimePoint before = pair.world.now();
  ASSERT_TRUE(pair.until([&] { return t.failed.has_value(); }));
  EXPECT_EQ(t.failed->reason, Reason::timed_out);
  EXPECT_NEAR(static_cast<double>((pair.world.now() - before) / 1ms), 4000, 1000);
}

// QUIC-19, QUIC-22, QUIC-23, QUIC-79: by the side that was asked to.
TEST_F(Quic, KeepAlive) {
  pair.listen(quic("idle-timeout-ms=20000"));
  Talker& t = pair.dial_ready(quic("keep-alive-ms=15000"));
  t.send("hello");
  pair.world.run_for(300s);
  EXPECT_FALSE(t.failed);
  t.send(", still here");
  EXPECT_TRUE(pair.until([&] { return peer_with("hello, still here") != nullptr; }));
  Talker& bad = pair.dial(quic("keep-alive-ms=14999"));
  ASSERT_TRUE(pair.until([&] { return bad.ready.has_value(); }));
  EXPECT_THAT(failure(*this, bad).detail, testing::HasSubstr("15000"));
}

// QUIC-14, QUIC-16, QUIC-17, API-178, IMPL-65: early data arrive a round trip earlier, marked; the ticket is used once.
TEST_F(Quic, EarlyData) {
  pair.peers_read = false;
  pair.listen(quic());
  earn_a_ticket();
  pair.world.run_for(1s);
  const auto expect_arrival = [&](Duration after, bool marked) {
    const TimePoint before = pair.world.now();
    ASSERT_TRUE(pair.until([&] { return pair.peers.size() == 1; }));
    std::optional<Message> got;
    pair.peers[0]->connection.receive(5, 5, [&](Result<Message> m) {
      if (m) got = std::move(*m);
    });
    ASSERT_TRUE(pair.until([&] { return got.has_value(); }));
    EXPECT_EQ(text(got->data), "early");
    EXPECT_EQ(got->early, marked);
    EXPECT_NEAR(static_cast<double>((pair.world.now() - before) / 1ms), static_cast<double>(after / 1ms), 2)
        << "pacing";
    pair.peers.clear();
  };
  Talker& first = dial_early(true);
  expect_arrival(10ms, true);
  EXPECT_TRUE(pair.until([&] { return first.ready && *first.ready; }));
  EXPECT_TRUE(fact<bool>(first.connection, "tls.resumed"));
  Talker& second = dial_early(false);  // QUIC-10, QUIC-11: not marked
  expect_arrival(30ms, false);
  EXPECT_TRUE(pair.until([&] { return second.ready && *second.ready; }));
}

// QUIC-22: each connection leaves a ticket for the next one, also when it has used one itself.
TEST_F(Quic, EveryConnectionLeavesATicket) {
  pair.listen(quic("tickets=1"));
  for (int i = 0; i < 5; ++i) {
    Talker& t = pair.dial_ready(quic());
    EXPECT_EQ(fact<bool>(t.connection, "tls.resumed"), i > 0) << i;
    t.send("hello");
    pair.world.run_for(1s);
    t.close();
    ASSERT_TRUE(pair.until([&] { return t.closed.has_value(); }));
  }
}

// A client keeps two tickets and lets go of its TLS session then; those that follow do no harm, and nothing is lost
// that is asked later.
TEST_F(Quic, MoreTicketsThanAreKept) {
  pair.listen(quic("tickets=8"));
  for (const bool resumed : {false, true}) {
    Talker& t = pair.dial_ready(quic());
    t.send("hello");
    pair.world.run_for(1s);
    EXPECT_FALSE(t.failed.has_value()) << t.failed->detail;
    EXPECT_EQ(fact<bool>(t.connection, "tls.resumed"), resumed);
    EXPECT_EQ(fact<std::string>(t.connection, "tls.alpn"), "test");
    EXPECT_TRUE(t.connection.set("quic.keyUpdate", true));
    t.send(" again");
    ASSERT_TRUE(pair.until([&] { return peer_with("hello again") != nullptr; }));
    EXPECT_EQ(fact<bool>(peer_with("hello again")->connection, "tls.resumed"), resumed);
    t.close();
    ASSERT_TRUE(pair.until([&] { return t.closed.has_value(); }));
    pair.peers.clear();
  }
}

// QUIC-12, QUIC-15, QUIC-97: who sends a recorded first flight again gets nothing of it to the application.
TEST_F(Quic, ARecordedFlightIsWorthNothing) {
  pair.listen(quic());
  earn_a_ticket();
  pair.world.run_for(60s);
  std::vector<std::string> recorded;
  link.forth().tap = [&](SimPacket& packet) {
    recorded.emplace_back(reinterpret_cast<const char*>(packet.payload.data()), packet.payload.size());
    return Verdict::pass;
  };
  Talker& t = dial_early(true);
  pair.world.run_for(11ms);  // one way: what left until now is the first flight
  link.forth().tap = {};
  ASSERT_TRUE(pair.until([&] { return peer_with("early") != nullptr; }));
  EXPECT_GE(recorded.size(), 1u);
  t.close();
  ASSERT_TRUE(pair.until([&] { return t.closed.has_value(); }));
  pair.world.run_for(60s);  // the server has forgotten the ids
  pair.peers.clear();
  Talker& thief = pair.dial_ready("udp");
  for (const std::string& datagram : recorded) thief.send(datagram);
  pair.world.run_for(20s);
  EXPECT_TRUE(pair.peers.empty());
}

// QUIC-56: datagrams of a handshake fill what every path must carry.
TEST_F(Quic, FirstDatagramsAreFull) {
  std::size_t initials = 0;
  const auto look = [&](SimPacket& packet) {
    const auto first = std::to_integer<unsigned>(packet.payload.at(0));
    if ((first & 0xb0) != 0x80) return Verdict::pass;  // an Initial of version 1
    ++initials;
    EXPECT_GE(packet.payload.size(), 1200u);
    return Verdict::pass;
  };
  link.forth().tap = look;
  link.back().tap = look;
  pair.listen(quic("versions=v1"));
  pair.dial_ready(quic("versions=v1"));
  EXPECT_GE(initials, 2u);
}

// QUIC-82: an observer sees the version and both ids during the handshake, and then the receiver's id only.
TEST_F(Quic, HeadersShowWhatTheyMust) {
  std::string ids[2];  // of the client, of the server
  std::size_t long_headers = 0, short_headers = 0;
  const auto look = [&](std::size_t sender) {
    return [&, sender](SimPacket& packet) {
      const std::string text(reinterpret_cast<const char*>(packet.payload.data()), packet.payload.size());
      if ((text.at(0) & 0x80) != 0) {
        ++long_headers;
        EXPECT_EQ(text.substr(1, 4), std::string("\0\0\0\1", 4));
        const auto theirs = static_cast<std::size_t>(text.at(5));
        const auto ours = static_cast<std::size_t>(text.at(6 + theirs));
        EXPECT_LE(std::max(theirs, ours), 20u);
        ids[sender] = text.substr(7 + theirs, ours);
      } else {
        ++short_headers;
        EXPECT_EQ(text.substr(1, ids[1 - sender].size()), ids[1 - sender]);
        EXPECT_TRUE(ids[sender].empty() || !text.contains(ids[sender]));
      }
      return Verdict::pass;
    };
  };
  link.forth().tap = look(0);
  link.back().tap = look(1);
  pair.listen(quic("versions=v1"));
  Talker& t = pair.dial_ready(quic("versions=v1"));
  t.send("hello");
  ASSERT_TRUE(pair.until([&] { return peer_with("hello") != nullptr; }));
  EXPECT_GE(long_headers, 2u);
  EXPECT_GE(short_headers, 2u);
  EXPECT_FALSE(ids[1].empty());
}

// QUIC-16: refused early data arrive all the same, once.
TEST_F(Quic, EarlyDataRefused) {
  pair.listen(quic());
  earn_a_ticket();
  pair.listener = {};
  pair.world.run_for(60s);
  pair.listening = false;
  pair.listen(quic("streams=7"));  // other limits, other tickets
  Talker& t = dial_early(true);
  ASSERT_TRUE(pair.until([&] { return t.ready && *t.ready; }));
  t.send(", and late");
  EXPECT_TRUE(pair.until([&] { return peer_with("early, and late") != nullptr; }));
  EXPECT_FALSE(fact<bool>(t.connection, "tls.resumed"));
}

// A key update in the middle of a transfer.
TEST_F(Quic, KeyUpdate) {
  pair.listen(quic());
  Talker& t = pair.dial_ready(quic());
  t.send("before");
  ASSERT_TRUE(pair.until([&] { return peer_with("before") != nullptr; }));
  pair.world.run_for(100ms);  // the server has said that it has the first ones
  Talker& sibling = pair.clone(t);
  ASSERT_TRUE(pair.until([&] { return sibling.ready.has_value(); }));
  EXPECT_TRUE(t.connection.set("quic.keyUpdate", true));
  t.send(" and after");
  EXPECT_TRUE(pair.until([&] { return peer_with("before and after") != nullptr; }));
  Talker& late = pair.clone(t);
  ASSERT_TRUE(pair.until([&] { return late.ready.has_value(); }));
  EXPECT_TRUE(*late.ready) << "it is done once, and not again for each stream: " << late.ready->error().detail;
  EXPECT_EQ(t.connection.group_size(), 3u);
}

}  // namespace
}  // namespace trellis::tests
