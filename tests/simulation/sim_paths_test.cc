// Paths of simulated hosts come, go, and keep their numbers.
#include "loop/sim_paths.h"

#include "../support/given.h"
#include "sim_fixture.h"

namespace trellis::simulation {
namespace {

struct Log final : PathObserver {
  void path_added(const Path& path) noexcept override {
    lines.push_back("+" + path.interface_name + " " + describe(path.local));
    last = path;
  }
  void path_changed(const Path& path) noexcept override {
    lines.push_back("~" + path.interface_name + " mtu " + std::to_string(path.mtu));
  }
  void path_removed(std::uint32_t id) noexcept override { lines.push_back("-" + std::to_string(id)); }
  void settled() noexcept override { lines.push_back("settled"); }
  std::vector<std::string> take() { return std::exchange(lines, {}); }
  std::vector<std::string> lines;
  Path last;
};

TEST(SimPaths, AreListedThenFollowed) {
  TwoHosts net;
  SimInterface& cellular = net.client.add_interface("wwan0", {"10.2.0.1"});
  SimLink& slow = net.network.link(cellular, net.server.add_interface("eth1", {"10.2.0.2"}));
  SimPaths paths(net.network);
  Log log;
  auto watch = *paths.watch(net.client.loop(), test::Given({}, {}), log);
  EXPECT_TRUE(log.lines.empty());  // not inside the call
  EXPECT_TRUE(net.world.run_until_idle());
  EXPECT_EQ(log.take(),
            (std::vector<std::string>{"+eth0 10.0.0.1:0", "+eth0 [2001:db8::1]:0", "+wwan0 10.2.0.1:0", "settled"}));
  const std::uint32_t id = log.last.id;
  net.network.set_up(slow, false);
  EXPECT_TRUE(net.world.run_until_idle());
  EXPECT_EQ(log.take(), std::vector{"-" + std::to_string(id)});
  net.network.set_up(slow, true);
  cellular.add_address("2001:db8:2::1");
  EXPECT_TRUE(net.world.run_until_idle());
  EXPECT_EQ(log.take(), (std::vector<std::string>{"+wwan0 10.2.0.1:0", "+wwan0 [2001:db8:2::1]:0"}));
  net.link->forth().conditions.mtu = 1280;
  net.client.interface("eth0").set_up(true);  // a change of conditions alone tells nobody
  EXPECT_TRUE(net.world.run_until_idle());
  EXPECT_EQ(log.take(), (std::vector<std::string>{"~eth0 mtu 1280", "~eth0 mtu 1280"}));
  watch.reset();
  cellular.set_up(false);
  EXPECT_TRUE(net.world.run_until_idle());
  EXPECT_TRUE(log.lines.empty());
}

TEST(SimPaths, BelongToTheHostOfTheLoop) {
  TwoHosts net;
  SimPaths paths(net.network);
  Log log;
  auto watch = *paths.watch(net.server.loop(), test::Given({}, {}), log);
  net.client.interface("eth0").set_up(false);
  EXPECT_TRUE(net.world.run_until_idle());
  EXPECT_EQ(log.lines.size(), 3u);
  EXPECT_EQ(log.last.local, ip("2001:db8::2"));
  VirtualLoop stranger(net.world, {});
  EXPECT_EQ(paths.watch(stranger, test::Given({}, {}), log).error().reason, Reason::unsupported);
}

}  // namespace
}  // namespace trellis::simulation
