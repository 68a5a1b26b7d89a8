// A client's layer between two ports: what is pushed up is what was granted.
#include "dtls_instance.h"

#include <gtest/gtest.h>

#include "memory_end.h"

namespace trellis::dtls {
namespace {

struct InstanceTest : testing::Test {
  InstanceTest() {
    schedule.begin = [](Schedule&) noexcept {};
    for (Link* link : {&above, &below}) {
      link->schedule = &schedule;
      link->face = Face::datagram;
      link->down.credit = 1 << 30;
    }
    client.open(args);
  }
  /// All that the server has said, in one datagram for those that it has made.
  void hear_in_one() {
    std::vector<std::byte> all;
    for (const auto& datagram : server.take()) all.insert(all.end(), datagram.begin(), datagram.end());
    hear(all);
  }
  void hear(std::span<const std::byte> datagram) {
    Slice slice = pool.allocate(0, static_cast<std::uint32_t>(datagram.size()), 0);
    std::ranges::copy(datagram, slice.edit().begin());
    Batch batch;
    batch.add(Chunk{.data = std::move(slice)});
    client.on_up(LowerPort(below), batch);
  }
  /// What the client has said goes to the server.
  void speak() {
    while (!below.down.batch.empty()) server.feed(below.down.batch.pop().data.bytes());
  }
  /// Up to the server's last flight, which it has not sent yet.
  void meet() {
    auto first = below.down.batch.pop();
    const auto judge = [&](const Slice& hello) {
      return judge_stranger(hello.bytes(), {.port = 7}, host.loop.wall, *credentials, pool);
    };
    hear(judge(first.data).reply.bytes());
    const auto judged = judge(below.down.batch.pop().data);
    ASSERT_TRUE(judged.hello);
    server.open(&*judged.hello);
    for (const auto& datagram : server.take()) hear(datagram);
    speak();
    ASSERT_TRUE(server.is_open);
  }
  std::vector<std::string> received() {
    std::vector<std::string> all;
    while (!above.up.batch.empty()) {
      const Chunk chunk = above.up.batch.pop();
      all.emplace_back(reinterpret_cast<const char*>(chunk.data.bytes().data()), chunk.data.size());
    }
    return all;
  }
  /// The layer above takes `count` small datagrams more.
  void grant(int count) {
    above.up.credit += count * static_cast<std::int64_t>(kLeastCharge);
    client.on_credit(UpperPort(above));
  }

  using Texts = std::vector<std::string>;
  std::unique_ptr<Shared> shared = test_shared();
  std::shared_ptr<tls::Credentials> credentials = *shared->credentials_of(Security{}, true);
  tls::HeapPool pool;
  End host{*shared}, server{*shared};
  Schedule schedule;
  Link above, below;
  Endpoint remote{.host = "peer.example", .port = 443};
  Route route;
  std::vector<std::string> alpn;
  OpenArgs args{remote, route, alpn, false};
  DtlsInstance client{Seat{host, UpperPort(above), LowerPort(below)}, *shared};
};

TEST_F(InstanceTest, RecordsOfOneDatagramWaitForCredit) {
  meet();
  hear_in_one();
  for (const char* text : {"a", "b", "c"}) server.send(text);
  grant(1);
  hear_in_one();
  EXPECT_EQ(received(), Texts{"a"});
  grant(1);
  EXPECT_EQ(received(), Texts{"b"});
  grant(9);
  EXPECT_EQ(received(), Texts{"c"});
}

TEST_F(InstanceTest, WhatCameBeforeTheGoodbyeIsNotLost) {
  meet();
  hear_in_one();
  for (const char* text : {"a", "b"}) server.send(text);
  server.association->close(false);
  grant(1);
  hear_in_one();
  EXPECT_EQ(received(), (Texts{"a", "b"}));
}

TEST_F(InstanceTest, RecordsThatCameTooEarlyWaitForCredit) {
  meet();
  const auto last_flight = server.take();
  for (const char* text : {"a", "b"}) server.send(text);
  hear_in_one();
  for (const auto& datagram : last_flight) hear(datagram);
  EXPECT_EQ(received(), Texts{});
  grant(1);
  EXPECT_EQ(received(), Texts{"a"});
  grant(1);
  EXPECT_EQ(received(), Texts{"b"});
}

}  // namespace
}  // namespace trellis::dtls
