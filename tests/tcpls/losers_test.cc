// Losers of a race (keep-losers): where another candidate was on its way when the session was there, a connection joins
// it. A server with two addresses, one of them far away.
#include "stacks/roaming.h"
#include "tcpls_world.h"

namespace trellis::test {
namespace {

using testing::HasSubstr;

constexpr const char* kNear = "192.0.2.7";
constexpr const char* kFar = "198.51.100.7";
constexpr const char* kKeep = "keep-losers=true";

struct KeptLosers : tests::Roaming {
  KeptLosers() : Roaming(TcplsWorld::stack()) {
    client.interface("wwan0").set_up(false);  // one way out, so that no connection in reserve is wanted
    far.forth().tap = [this](SimPacket& packet) {
      opened += packet.tcp.syn ? 1 : 0;
      bytes += packet.payload.size();
      return Verdict::pass;
    };
  }
  ~KeptLosers() override { far.forth().tap = {}; }
  /// Races both addresses, this one first.
  void race(const std::string& options, const char* first, const char* racing = "staggered", const char* at = "") {
    const std::string text =
        std::string(R"(<policy xmlns="urn:trellis:policy:1" name="roaming">)") +
        R"(<paths provider="simulated"/><stacks><stack name="tcp"><layer protocol="tcp"/></stack>)" +
        R"(</stacks><racing><branch on="endpoint" policy=")" + racing + R"("/></racing></policy>)";
    ASSERT_TRUE(framework->core().load({parse_policy(text, "racing.xml").value()}));
    ASSERT_NO_FATAL_FAILURE(listen_with(TcplsWorld::stack(), at));
    Preconnection to(*framework);
    to.stack(TcplsWorld::stack(options))
        .remote({.host = first, .port = 4433})
        .add_remote({{.host = std::string(first) == kNear ? kFar : kNear, .port = 4433}});
    dial(std::move(to));
    EXPECT_EQ(talker->connection.remote().ip[0], 192) << "the near one wins";
    world.run_for(5s);
  }
  std::string connections() { return TcplsWorld::connections(*talker); }
  std::ptrdiff_t count() { return 1 + std::ranges::count(connections(), ';'); }

  SimLink& far = network.link(router.add_interface("eth1", {"198.51.100.1"}), server.add_interface("eth1", {kFar}),
                              {.delay = 200ms});
  unsigned opened = 0;    // TCP connections to the far address
  std::size_t bytes = 0;  // that went there
};

// TCPLS-78: the first candidate is slow, so another one is tried after the delay of the policy, and wins. The path of
// the slow one is in reserve then, and carries the streams when that of the winner breaks.
TEST_F(KeptLosers, JoinsWhereTheFirstWasSlow) {
  race(kKeep, kFar);
  EXPECT_EQ(opened, 2u) << "the candidate of the race, and the connection that joins";
  EXPECT_EQ(count(), 2) << connections();
  EXPECT_FALSE(connections().contains("joining")) << connections();
  EXPECT_THAT(connections(), HasSubstr("0:")) << "which the session began with";
  uplink.forth().tap = [](SimPacket& packet) { return packet.to.port == 4433 ? Verdict::drop : Verdict::pass; };
  bytes = 0;
  arrives(std::string(100'000, 'x'));
  EXPECT_GT(bytes, 100'000u);
  EXPECT_FALSE(talker->failed);
  uplink.forth().tap = {};
}

TEST_F(KeptLosers, AreDroppedWithoutTheOption) {
  race("", kFar);
  EXPECT_EQ(opened, 1u) << "the candidate of the race";
  EXPECT_EQ(count(), 1) << connections();
}

// The second is the slow one: it is a loser if it was tried.
TEST_F(KeptLosers, JoinsWhereTheSecondWasSlow) {
  race(kKeep, kNear, "simultaneous");
  EXPECT_EQ(opened, 2u);
  EXPECT_EQ(count(), 2) << connections();
}
TEST_F(KeptLosers, WhatWasNotTriedIsNoLoser) {
  race(kKeep, kNear);
  EXPECT_EQ(opened, 0u);
  EXPECT_EQ(count(), 1) << connections();
}

// What failed before the race was over is not tried again.
TEST_F(KeptLosers, WhatFailedIsNoLoser) {
  far.set({.delay = 30ms});
  race(kKeep, kFar, "staggered", kNear);
  EXPECT_EQ(opened, 1u) << "it was refused";
  EXPECT_EQ(count(), 1) << connections();
}

// A loser that would have failed does so once, and nothing else takes its place.
TEST_F(KeptLosers, OneThatIsRefusedLaterIsGivenUp) {
  race(kKeep, kFar, "staggered", kNear);
  EXPECT_EQ(opened, 2u);
  EXPECT_EQ(count(), 1) << connections();
  arrives(" still");
  EXPECT_FALSE(talker->failed);
}

// Who prohibits several paths gets none.
TEST_F(KeptLosers, NotAgainstTheWordOfTheApplication) {
  const std::string all = TcplsWorld::stack(kKeep);
  race(std::string(kKeep), kNear, "simultaneous");
  ASSERT_EQ(count(), 2) << connections();
  Preconnection to(*framework);
  to.stack(all).remote({.host = kFar, .port = 4433}).add_remote({{.host = kNear, .port = 4433}});
  to.set(kMultipath.name, std::string("Disabled"));
  peers.clear();
  dial(std::move(to));
  world.run_for(5s);
  EXPECT_EQ(count(), 1) << connections();
}

}  // namespace
}  // namespace trellis::test
