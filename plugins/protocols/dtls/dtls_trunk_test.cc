// The peers of a layer that tells them apart by itself, such as sctp: an association of one is never that of another.
#include "dtls_trunk.h"

#include <gtest/gtest.h>

#include "cookies.h"
#include "memory_end.h"

namespace trellis::dtls {
namespace {

struct TrunkTest : testing::Test {
  TrunkTest() {
    schedule.begin = [](Schedule&) noexcept {};
    for (Link* link : {&above, &below}) {
      link->schedule = &schedule;
      link->face = Face::datagram;
      link->up.credit = link->down.credit = 1 << 30;
    }
    trunk.open(args);
  }
  /// Carries what both sides say until nobody says anything.
  void converse(End& client) {
    for (;;) {
      Batch batch;
      for (const auto& datagram : client.take()) {
        Slice slice = pool.allocate(0, static_cast<std::uint32_t>(datagram.size()), 0);
        std::ranges::copy(datagram, slice.edit().begin());
        batch.add(Chunk{.data = std::move(slice), .info = flow.as_info()});
      }
      trunk.on_up(LowerPort(below), batch);
      if (below.down.batch.empty()) return;
      while (!below.down.batch.empty()) {
        const Chunk chunk = below.down.batch.pop();
        EXPECT_EQ(Flow::of(*chunk.info.get()), flow);
        client.feed(chunk.data.bytes());
      }
    }
  }
  /// What the layer above got last.
  Chunk heard() {
    Chunk last;
    while (!above.up.batch.empty()) last = above.up.batch.pop();
    return last;
  }
  void answer(const MessageRef& to, std::string_view text) {
    Slice slice = pool.allocate(kHeadroom, static_cast<std::uint32_t>(text.size()), kTailroom);
    std::ranges::copy(std::as_bytes(std::span(text)), slice.edit().begin());
    Batch batch;
    batch.add(Chunk{.data = std::move(slice), .info = to});
    trunk.on_down(UpperPort(above), batch);
  }

  std::unique_ptr<Shared> of_client = test_shared(), of_server = test_shared();
  tls::HeapPool pool;
  Flow flow{.remote = {.family = Address::Family::ipv4, .port = 7, .ip = {10, 0, 0, 1}},
            .local = {.family = Address::Family::ipv4, .port = 443, .ip = {10, 0, 0, 2}}};
  End host{*of_server}, first{*of_client}, second{*of_client};
  Schedule schedule;
  Link above, below;
  Endpoint remote;
  Route route;
  std::vector<std::string> alpn;
  OpenArgs args{remote, route, alpn, true};
  DtlsTrunk trunk{host, UpperPort(above), LowerPort(below), *of_server};
};

TEST_F(TrunkTest, AnswersGoBackToWhoAsked) {
  first.open();
  converse(first);
  ASSERT_TRUE(first.is_open);
  first.send("question");
  converse(first);
  const Chunk question = heard();
  ASSERT_TRUE(question.info);
  answer(question.info, "answer");
  converse(first);
  EXPECT_EQ(first.received, std::vector<std::string>{"answer"});
}

// Whoever can take over a peer's addresses can begin anew there. What the layer above still has for the peer that was
// there before must not be sealed for the new one, and what the new one says must not pass for the words of the old.
TEST_F(TrunkTest, ANewAssociationHearsNothingOfTheOldOne) {
  first.open();
  converse(first);
  first.send("question");
  converse(first);
  const Chunk question = heard();
  ASSERT_TRUE(question.info);
  second.open();
  converse(second);
  ASSERT_TRUE(second.is_open);
  answer(question.info, "for the first alone");
  converse(second);
  EXPECT_EQ(second.received, std::vector<std::string>{});
  second.send("another question");
  converse(second);
  const Chunk other = heard();
  ASSERT_TRUE(other.info);
  EXPECT_NE(other.info->label, question.info->label);
  answer(other.info, "for the second");
  converse(second);
  EXPECT_EQ(second.received, std::vector<std::string>{"for the second"});
}

// An alert in clear would end the handshake of the new one: both have the same addresses.
TEST_F(TrunkTest, AClientThatBeginsAnewInTheHandshake) {
  first.open();
  Batch hello;
  for (int i = 0; i < 2; ++i) {  // without the cookie, and with it
    for (const auto& datagram : first.take()) {
      Slice slice = pool.allocate(0, static_cast<std::uint32_t>(datagram.size()), 0);
      std::ranges::copy(datagram, slice.edit().begin());
      hello.add(Chunk{.data = std::move(slice), .info = flow.as_info()});
    }
    trunk.on_up(LowerPort(below), hello);
    if (i == 0) first.feed(below.down.batch.pop().data.bytes());
  }
  ASSERT_FALSE(below.down.batch.empty());
  while (!below.down.batch.empty()) below.down.batch.pop();
  second.open();
  converse(second);
  EXPECT_TRUE(second.is_open) << (second.error ? second.error->detail : "it waits");
}

}  // namespace
}  // namespace trellis::dtls
