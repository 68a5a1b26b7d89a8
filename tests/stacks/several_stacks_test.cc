// A Listener of a policy with several stacks: it listens with each that can, and is one Listener all the same.
#include "../core/fake_protocols.h"
#include "virtual_pair.h"

namespace trellis::tests {
namespace {

struct SeveralStacks : testing::Test {
  /// The policy of both sides: streams over datagrams, or over TCP.
  void load(const std::string& stacks = R"(<stack name="d"><layer protocol="dmux"/><layer protocol="udp"/></stack>)"
                                        R"(<stack name="s"><layer protocol="mux"/><layer protocol="tcp"/></stack>)") {
    auto policy = parse_policy("<policy xmlns='urn:trellis:policy:1' name='p'><stacks>" + stacks +
                                   "</stacks><racing><branch on='protocol' policy='failover'/></racing></policy>",
                               "p.xml");
    ASSERT_TRUE(policy) << policy.error().detail;
    const auto loaded = core().load({std::move(*policy)});
    ASSERT_TRUE(loaded) << loaded.error().detail;
  }
  FrameworkCore& core() { return pair.framework->core(); }
  /// Whether a Connection over this stack is established and heard; it stays.
  bool call(std::string_view stack) {
    const std::size_t had = pair.peers.size();
    Talker& t = pair.dial(stack);
    EXPECT_TRUE(pair.until([&] { return t.ready.has_value(); }));
    if (!*t.ready) return false;
    t.send("hello");
    if (!pair.world.run_until([&] { return pair.peers.size() > had && pair.peers.back()->reader->all == "hello"; }, 5s))
      return false;
    EXPECT_EQ(pair.peers.back()->connection.stack(), stack);
    return true;
  }
  VirtualPair pair;
};

// IMPL-44: all eligible protocols, at one port.
TEST_F(SeveralStacks, AllAreListenedWith) {
  load();
  pair.listen("");
  EXPECT_EQ(pair.listener.stack(), "dmux/udp");
  EXPECT_EQ(pair.listener.local().port, 4433);
  EXPECT_TRUE(call("dmux/udp"));
  EXPECT_TRUE(call("mux/tcp"));
  Talker& any = pair.dial("");
  ASSERT_TRUE(pair.until([&] { return any.ready.has_value(); }));
  EXPECT_EQ(any.connection.stack(), "dmux/udp") << "what connects has the same policy";
}

// IMPL-44: a port that the system chooses is the same for all.
TEST_F(SeveralStacks, ThePortIsChosenOnce) {
  load();
  Address at;
  pair.listener = Preconnection(*pair.framework)
                      .local({.host = "10.0.0.2"})
                      .listen(pair.server.loop(), {.listening = [&](const Address& local) { at = local; },
                                                   .received = [this](Connection c) { pair.take(std::move(c)); },
                                                   .failed = [](const Error& e) { ADD_FAILURE() << e.detail; }});
  ASSERT_TRUE(pair.until([&] { return bool(at); }));
  for (const char* stack : {"dmux/udp", "mux/tcp"}) {
    Talker t;
    t.connection = Preconnection(*pair.framework)
                       .stack(stack)
                       .remote({.host = "10.0.0.2", .port = at.port})
                       .initiate(pair.client.loop(), t.on_ready());
    ASSERT_TRUE(pair.until([&] { return t.ready.has_value(); }));
    EXPECT_TRUE(*t.ready) << stack << ": " << t.ready->error().detail;
  }
}

// API-77: what the application requires, prefers, avoids and prohibits chooses among the stacks of a policy.
TEST_F(SeveralStacks, TheApplicationChooses) {
  load();
  pair.listen("");
  const auto chosen = [&](Preconnection& to) {
    Talker t;
    t.connection = to.initiate(pair.client.loop(), t.on_ready());
    EXPECT_TRUE(pair.until([&] { return t.ready.has_value(); }));
    return std::string(t.connection.stack());
  };
  const auto to = [&] { return pair.to_server(""); };
  EXPECT_EQ(chosen(to().prefer(Feature::multistreaming)), "dmux/udp") << "both have it: the policy's order";
  EXPECT_EQ(chosen(to().prefer(Feature::keepalive)), "mux/tcp");
  EXPECT_EQ(chosen(to().require(Feature::keepalive)), "mux/tcp");
  EXPECT_EQ(chosen(to().avoid(Feature::soft_errors)), "mux/tcp");
  EXPECT_EQ(chosen(to().prohibit(Feature::soft_errors)), "mux/tcp");
}

// API-61, API-62: one limit and one end for all of them.
TEST_F(SeveralStacks, ItIsOneListener) {
  load();
  pair.listen("");
  pair.listener.new_connection_limit(1);
  EXPECT_TRUE(call("mux/tcp"));
  EXPECT_FALSE(call("dmux/udp")) << "that was the one";
  pair.listener.new_connection_limit(UINT64_MAX);
  EXPECT_TRUE(call("dmux/udp"));
  pair.listener.stop();
  pair.world.run_for(100ms);
  Talker& late = pair.dial("mux/tcp");
  ASSERT_TRUE(pair.until([&] { return late.ready.has_value(); }));
  EXPECT_FALSE(*late.ready);
  pair.talkers.front()->send(", still here");
  EXPECT_TRUE(pair.until([&] { return pair.peers.front()->reader->all == "hello, still here"; }));
}

// Somebody has the port of the second one: the log says so, and the first one goes on.
TEST_F(SeveralStacks, OneThatCannotIsMissed) {
  load();
  const Listener other = Preconnection(*pair.framework)
                             .stack("tcp")
                             .local({.host = "10.0.0.2", .port = 4433})
                             .listen(pair.server.loop(), {});
  pair.world.run_for(100ms);
  pair.listen("");
  EXPECT_TRUE(call("dmux/udp"));
  EXPECT_TRUE(std::ranges::any_of(pair.log, [](const std::string& line) {
    return line.contains("mux/tcp is not listened with: ") && line.contains("4433");
  })) << pair.log.size();
}

// What cannot listen is left out, and of those that would share a port the first one has it.
TEST_F(SeveralStacks, WhatCanListenIsChosen) {
  ASSERT_TRUE(core().registry.link("pipe", [](Registrar& registrar) {
    registrar.add(std::make_unique<FakeKind>("pipe", std::vector{LayerTraits{.above = Face::bytestream}}));
  }));
  load(R"(<stack name="a"><layer protocol="pipe"/></stack><stack name="b"><layer protocol="tcp"/></stack>)"
       R"(<stack name="c"><layer protocol="mux"/><layer protocol="tcp"/></stack>)");
  pair.listen("");
  EXPECT_EQ(pair.listener.stack(), "tcp");
  EXPECT_TRUE(call("tcp"));
  EXPECT_TRUE(pair.log.empty()) << pair.log.front();
}

// For the address sanitizer: the handle, the Listener and what is on its way go in any order.
TEST(SeveralStacksTeardown, DestroyedAtEveryTurn) {
  for (int turns = 0; turns < 60; ++turns) {
    VirtualPair one;
    auto policy = parse_policy(
        R"(<policy xmlns='urn:trellis:policy:1' name='p'><stacks><stack name="d"><layer protocol="dmux"/>)"
        R"(<layer protocol="udp"/></stack><stack name="s"><layer protocol="mux"/><layer protocol="tcp"/></stack>)"
        R"(</stacks></policy>)",
        "p.xml");
    ASSERT_TRUE(one.framework->core().load({std::move(*policy)}));
    one.listen("");
    one.dial("dmux/udp").send("a");
    one.dial("mux/tcp").send("b");
    for (int i = 0; i < turns; ++i) one.world.run_once();
    if (turns % 2 == 0) one.listener = {};
    if (turns % 3 == 0) one.world.run_for(50ms);
    one.shut();
    ASSERT_EQ(mux_facts.alive, 0) << "after " << turns;
    ASSERT_EQ(mux_facts.acceptors, 0);
  }
}

}  // namespace
}  // namespace trellis::tests
