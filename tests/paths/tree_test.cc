// The tree of candidates as an establishment builds it: golden dumps, and what holds for every node.
#include "phone.h"

namespace trellis::tests {
namespace {

struct Tree : Phone {
  /// All nodes, a line each, indented.
  std::string dump() const {
    std::string all;
    for (const RaceNode& node : report->nodes)
      all += std::string(2 * static_cast<std::size_t>(std::ranges::count(node.id, '.')), ' ') + node.id + " " +
             node.text() + "\n";
    return all;
  }
  void check_invariants() const {
    for (const RaceNode& node : report->nodes) {
      SCOPED_TRACE(node.id);
      const auto is_child = [&](const RaceNode& one) {
        return &report->nodes[one.parent] == &node && &one != report->nodes.data();
      };
      const auto children = std::ranges::count_if(report->nodes, is_child);
      EXPECT_EQ(node.attempt, node.remote.address && !node.path.empty() && !node.stack.empty());
      EXPECT_TRUE(!node.attempt || children == 0) << "what can be attempted holds no options";
      EXPECT_EQ(node.branch.has_value(), children > 0) << "and branches in one way, if it does";
      if (&node != report->nodes.data()) {
        const RaceNode& parent = report->nodes[node.parent];
        EXPECT_EQ(node.id.substr(0, node.id.rfind('.')), parent.id);
        EXPECT_TRUE(parent.stack.empty() || parent.stack == node.stack);
        EXPECT_EQ(node.remote.host, report->nodes[0].remote.host) << "it keeps what it came from";
      }
    }
  }
};

// RACE-12, RACE-13, RACE-14, RACE-15, RACE-16, RACE-20, RACE-21, RACE-22, RACE-23, RACE-27 (a)
// RACE-3, RACE-4: a name is resolved into endpoints that keep it.
// IMPL-14, IMPL-26: paths, then stacks, then addresses; what was gathered is raced.
TEST_F(Tree, OfANameOverTwoPaths) {
  swallow(*wifi);
  ASSERT_EQ(connect(to("www.example.net")), "wwan0");
  EXPECT_EQ(dump(),
            "1 [www.example.net:443, any, any]\n"
            "  1.1 [www.example.net:443, wlan0, any]\n"
            "  1.2 [www.example.net:443, wwan0, any]\n"
            "    1.1.1 [www.example.net:443, wlan0, tcp]\n"
            "      1.1.1.1 [[2001:db8:9::7]:443, wlan0, tcp]\n"
            "      1.1.1.2 [192.0.2.7:443, wlan0, tcp]\n"
            "    1.2.1 [www.example.net:443, wwan0, tcp]\n"
            "      1.2.1.1 [192.0.2.7:443, wwan0, tcp]\n");
  check_invariants();
}

// RACE-18: readiness goes from the leaf to the root, and the application hears of it once. RACE-98: it sees one
// Connection, whatever was tried. RACE-8, RACE-9
TEST_F(Tree, SuccessGoesUpToTheRoot) {
  swallow(*wifi);
  ASSERT_EQ(connect(to("www.example.net")), "wwan0");
  std::vector<std::string> ready;
  for (const RaceStep& step : report->steps) {
    if (step.kind == RaceStep::Kind::ready) ready.push_back(report->nodes[step.node].id);
  }
  EXPECT_EQ(ready, (std::vector<std::string>{"1.2.1.1", "1.2.1", "1.2", "1"}));
  EXPECT_EQ(connection.state(), ConnectionState::established);
  EXPECT_EQ(report->winner, "1.2.1.1");
}

// RACE-15: the roots of later Connections increase, and so do the ids below them.
TEST_F(Tree, RootsCountTheConnections) {
  for (const std::string root : {"1", "2", "3"}) {
    ASSERT_EQ(connect(to().interface_name("wlan0")), "wlan0");
    EXPECT_EQ(dump(), root + " [192.0.2.7:443, any, any]\n  " + root + ".1 [192.0.2.7:443, wlan0, any]\n    " + root +
                          ".1.1 [192.0.2.7:443, wlan0, tcp]\n");
    EXPECT_EQ(report->winner, root + ".1.1");
    EXPECT_EQ(connection.node(), root + ".1.1");
    check_invariants();
  }
}

// RACE-19
TEST_F(Tree, OfOneAddressIsOneLeafDeep) {
  ASSERT_EQ(connect(to().interface_name("wlan0")), "wlan0");
  EXPECT_EQ(dump(),
            "1 [192.0.2.7:443, any, any]\n"
            "  1.1 [192.0.2.7:443, wlan0, any]\n"
            "    1.1.1 [192.0.2.7:443, wlan0, tcp]\n");
  check_invariants();
}

// RACE-27 (d), RACE-28: stacks in the order of the policy.
// IMPL-33: where the policy says nothing, attempts are staggered.
TEST_F(Tree, OfTwoStacks) {
  auto policy = parse_policy(
      R"(<policy xmlns="urn:trellis:policy:1" name="two"><names><resolver name="simulated"/></names>
         <paths provider="simulated"/><stacks>
         <stack name="a"><layer framer="length-prefix"/><layer protocol="tcp"/></stack>
         <stack name="b"><layer framer="line"/><layer protocol="tcp"/></stack></stacks></policy>)",
      "two.xml");
  ASSERT_TRUE(policy);
  ASSERT_TRUE(framework->core().load({*policy}));
  swallow(*wifi);
  begin(to().interface_name("wlan0").connect_timeout(1s));
  finish();
  EXPECT_EQ(dump(),
            "1 [192.0.2.7:443, any, any]\n"
            "  1.1 [192.0.2.7:443, wlan0, any]\n"
            "    1.1.1 [192.0.2.7:443, wlan0, length-prefix/tcp]\n"
            "    1.1.2 [192.0.2.7:443, wlan0, line/tcp]\n");
  EXPECT_EQ(tried(), "wlan0@0 wlan0@300");
  check_invariants();
}

}  // namespace
}  // namespace trellis::tests
