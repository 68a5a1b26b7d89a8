// The paths that a policy may use, in its order, and what is told when they change.
#include "core/path_table.h"

#include <gtest/gtest.h>

#include "../support/given.h"
#include "core/ways.h"
#include "loop/sim_network.h"
#include "loop/virtual_loop.h"
#include "loop/virtual_world.h"
#include "trellis/address_text.h"

namespace trellis {
namespace {

Path path(std::uint32_t id, std::string name, std::string_view local, InterfaceType type = InterfaceType::wired) {
  return {.id = id, .interface_name = std::move(name), .local = parse_address(local, 0).value(), .type = type};
}
Path with_route(Path path, std::string_view destination, std::uint8_t length, std::uint32_t metric) {
  path.routes = std::make_shared<const std::vector<PathRoute>>(
      std::vector<PathRoute>{{parse_address(destination, 0).value(), length, metric}});
  return path;
}

struct Provider final : PathProvider {
  struct Watching final : Watch {
    explicit Watching(Provider& owner) : provider(owner) {}
    ~Watching() override { provider.observer = nullptr; }
    Provider& provider;
  };
  std::string_view name() const noexcept override { return "fake"; }
  Result<std::unique_ptr<Watch>> watch(Executor&, const Options&, PathObserver& who) noexcept override {
    if (refuses) return fail(Reason::unsupported, "it knows nothing");
    observer = &who;
    return std::make_unique<Watching>(*this);
  }
  PathObserver* observer = nullptr;
  bool refuses = false;
};

struct Watcher final : PathWatcher {
  void paths_changed(const PathNews& news) noexcept override {
    ++told;
    last = news;
    if (leaves) unfollow();
  }
  int told = 0;
  PathNews last;
  bool leaves = false;
};

struct Table : testing::Test {
  std::shared_ptr<PathTable> open(std::vector<PathRule> rules = {}) {
    const PathSource source{&provider, &options};
    return PathTable::open(host.loop(), {&source, 1}, std::move(rules), {}).value();
  }
  void turn() { world.run_for(std::chrono::milliseconds(1)); }
  static std::string names(const PathTable& table) {
    std::string all;
    for (const Path& path : table.paths()) all += (all.empty() ? "" : " ") + path.interface_name;
    return all;
  }
  VirtualWorld world;
  SimNetwork network{world};
  SimHost& host = network.add_host("host");
  Provider provider;
  test::Given options{{}, {}};
};

// What a provider has passed over is told with its name.
TEST_F(Table, SaysWhoHasPassedOverWhat) {
  std::vector<std::string> heard;
  const PathSource source{&provider, &options};
  const auto table = PathTable::open(host.loop(), {&source, 1}, {},
                                     {.gone = {}, .passed_over = [&](std::string_view who, std::string_view what) {
                                        heard.push_back(std::string(who) + ": " + std::string(what));
                                      }});
  ASSERT_TRUE(table);
  provider.observer->passed_over("FILE:1: found this, expected that");
  EXPECT_EQ(heard, std::vector<std::string>{"fake: FILE:1: found this, expected that"});
}

TEST_F(Table, TellsNothingBeforeTheListingIsComplete) {
  const auto table = open();
  Watcher watcher;
  watcher.follow(table);
  provider.observer->path_added(path(1, "eth0", "192.0.2.1"));
  turn();
  EXPECT_EQ(watcher.told, 0);
  EXPECT_FALSE(table->complete());
  provider.observer->settled();
  turn();
  EXPECT_TRUE(table->complete());
  EXPECT_EQ(watcher.told, 1);
  EXPECT_EQ(watcher.last.added.size(), 1u);
}

TEST_F(Table, TellsWhatIsDifferentOnce) {
  const auto table = open();
  Watcher watcher, leaver;
  watcher.follow(table);
  leaver.leaves = true;
  leaver.follow(table);
  provider.observer->path_added(path(1, "eth0", "192.0.2.1"));
  provider.observer->path_added(path(2, "wlan0", "192.0.2.2"));
  provider.observer->settled();
  turn();
  Path other = path(1, "eth0", "192.0.2.1");
  other.mtu = 1280;
  provider.observer->path_changed(other);
  provider.observer->path_removed(2);
  provider.observer->path_added(path(3, "wwan0", "192.0.2.3"));
  turn();
  EXPECT_EQ(watcher.told, 2);
  ASSERT_EQ(watcher.last.changed.size(), 1u);
  EXPECT_EQ(watcher.last.changed[0].mtu, 1280u);
  ASSERT_EQ(watcher.last.removed.size(), 1u);
  EXPECT_EQ(watcher.last.removed[0].interface_name, "wlan0");
  EXPECT_EQ(watcher.last.added.size(), 1u);
  provider.observer->path_changed(other);  // the same again
  turn();
  EXPECT_EQ(watcher.told, 2);
  EXPECT_EQ(leaver.told, 1);
}

TEST_F(Table, EndsItsWatchWithTheLastWhoNeedsIt) {
  auto table = open();
  Watcher watcher;
  watcher.leaves = true;
  watcher.follow(std::exchange(table, {}));
  EXPECT_NE(provider.observer, nullptr);
  provider.observer->settled();
  turn();
  EXPECT_EQ(watcher.told, 1);
  EXPECT_EQ(provider.observer, nullptr);
}

TEST_F(Table, JoinsSeveralProviders) {
  Provider other;
  const PathSource sources[] = {{&provider, &options}, {&other, &options}};
  const auto table = PathTable::open(host.loop(), sources, {}, {}).value();
  provider.observer->path_added(path(1, "eth0", "192.0.2.1"));
  provider.observer->settled();
  turn();
  EXPECT_FALSE(table->complete()) << "the other one has more to say";
  other.observer->path_added(path(1, "wlan0", "192.0.2.2"));
  other.observer->settled();
  turn();
  ASSERT_EQ(names(*table), "eth0 wlan0");
  EXPECT_NE(table->paths()[0].id, table->paths()[1].id);
  other.observer->path_removed(1);
  turn();
  EXPECT_EQ(names(*table), "eth0");
}

TEST_F(Table, SaysWhyItCannotWatch) {
  provider.refuses = true;
  const PathSource source{&provider, &options};
  const auto table = PathTable::open(host.loop(), {&source, 1}, {}, {});
  ASSERT_FALSE(table);
  EXPECT_EQ(table.error().detail, "it knows nothing");
}

// RACE-34, RACE-36, RACE-43, IMPL-28: rules of the policy first, then costs, then the host's routes, then the kind of
// link.
TEST_F(Table, IsOrderedByRulesCostsRoutesAndKind) {
  const auto table = open({{.preference = Preference::prohibit, .interface_name = "docker*"},
                           {.preference = Preference::prefer, .provisioning_domain = "wlan1"},
                           {.preference = Preference::avoid, .interface_name = "eth1"}});
  Path costly = path(1, "wwan0", "192.0.2.1", InterfaceType::cellular);
  costly.metered = true;
  provider.observer->path_added(costly);
  provider.observer->path_added(path(2, "eth1", "192.0.2.2"));
  provider.observer->path_added(with_route(path(3, "eth0", "192.0.2.3"), "0.0.0.0", 0, 100));
  provider.observer->path_added(with_route(path(4, "eth2", "192.0.2.4"), "10.0.0.0", 8, 0));
  provider.observer->path_added(with_route(path(5, "tun0", "192.0.2.5", InterfaceType::tunnel), "0.0.0.0", 0, 50));
  provider.observer->path_added(path(6, "docker0", "192.0.2.6"));
  provider.observer->path_added(path(7, "wlan1", "192.0.2.7", InterfaceType::wifi));
  provider.observer->path_added(path(8, "wlan0", "192.0.2.8", InterfaceType::wifi));
  provider.observer->settled();
  turn();
  EXPECT_EQ(names(*table), "wlan1 wlan0 tun0 eth0 eth2 wwan0 eth1");
  ASSERT_EQ(table->refused().size(), 1u);
  EXPECT_EQ(table->refused()[0].second, "the policy prohibits interface=docker*");
}

// IMPL-28
TEST_F(Table, RequiredPathsAreAlternatives) {
  const auto table = open({{.preference = Preference::require, .interface_name = "eth0"},
                           {.preference = Preference::require, .type = InterfaceType::wifi, .metered = false}});
  provider.observer->path_added(path(1, "eth0", "192.0.2.1"));
  provider.observer->path_added(path(2, "wlan0", "192.0.2.2", InterfaceType::wifi));
  Path costly = path(3, "wlan1", "192.0.2.3", InterfaceType::wifi);
  costly.metered = true;
  provider.observer->path_added(costly);
  provider.observer->settled();
  turn();
  EXPECT_EQ(names(*table), "eth0 wlan0");
  ASSERT_EQ(table->refused().size(), 1u);
  EXPECT_EQ(table->refused()[0].second, "the policy requires interface=eth0 or type=wifi metered=false");
}

struct Ways : Table {
  std::string found(std::string_view host, std::string_view address = {}) {
    Endpoint remote{.host = std::string(host), .port = 443};
    if (!address.empty()) remote.address = parse_address(address, 443).value();
    std::string all;
    const WaysFound ways = find_ways(*table, wishes, remote, [&](const Path&) { return std::vector{remote}; });
    for (const Way& way : ways.ways) {
      if (way.raced) all += (all.empty() ? "" : " ") + way.name + ":" + std::to_string(way.paths.size());
    }
    left_out.clear();
    for (const auto& [which, why] : ways.left_out) left_out += which + ": " + why + "\n";
    return all;
  }
  void add(const Path& one) { provider.observer->path_added(one); }
  void settle() {
    provider.observer->settled();
    turn();
  }
  std::shared_ptr<PathTable> table = open();
  Preconnection::Wishes wishes;
  std::string left_out;
};

// RACE-7: a way is one interface in one provisioning domain, with all its addresses.
TEST_F(Ways, AreInterfacesInDomains) {
  add(path(1, "eth0", "192.0.2.1"));
  add(path(2, "eth0", "2001:db8::1"));
  Path corporate = path(3, "eth0", "10.0.0.1");
  corporate.provisioning_domain = "corp.example";
  add(corporate);
  settle();
  EXPECT_EQ(found("example.net"), "eth0:2 eth0 (corp.example):1");
}

TEST_F(Ways, ToAnAddressAreThoseThatLeadThere) {
  add(with_route(path(1, "eth0", "192.0.2.1"), "0.0.0.0", 0, 100));
  add(with_route(path(2, "tun0", "10.9.0.1", InterfaceType::tunnel), "10.0.0.0", 8, 500));
  add(with_route(path(3, "eth1", "2001:db8::1"), "::", 0, 1));
  settle();
  EXPECT_EQ(found("", "10.1.2.3"), "tun0:1 eth0:1 eth1:1") << "the more specific route first, whatever its metric";
  EXPECT_EQ(found("", "198.51.100.1"), "eth0:1 eth1:1") << "the network behind eth1 may translate (RACE-136)";
  EXPECT_EQ(left_out, "tun0: it does not lead to the address\n");
  EXPECT_EQ(found("", "2001:db8:9::1"), "eth1:1");
  EXPECT_EQ(left_out, "eth0: it does not lead to the address\ntun0: it does not lead to the address\n");
}

TEST_F(Ways, TheLoopbackIsForThisHost) {
  add(with_route(path(1, "eth0", "192.0.2.1"), "0.0.0.0", 0, 100));
  add(with_route(path(2, "lo", "127.0.0.1", InterfaceType::loopback), "127.0.0.0", 8, 0));
  settle();
  EXPECT_EQ(found("", "127.0.0.1"), "lo:1");
  EXPECT_EQ(found("localhost"), "lo:1");
  EXPECT_EQ(found("a.localhost."), "lo:1");
  EXPECT_EQ(found("example.net"), "eth0:1");
  EXPECT_EQ(found("", "198.51.100.1"), "eth0:1");
}

// RACE-33, RACE-100, IMPL-28: what the application asks for.
TEST_F(Ways, FollowTheApplication) {
  add(path(1, "eth0", "192.0.2.1"));
  Path passing = path(2, "wlan0", "2001:db8::1", InterfaceType::wifi);
  passing.temporary = true;
  add(passing);
  add(path(3, "wlan0", "192.0.2.3", InterfaceType::wifi));
  settle();
  wishes.paths = {{.preference = Preference::prefer, .type = InterfaceType::wifi}};
  EXPECT_EQ(found("example.net"), "wlan0:2 eth0:1");
  wishes.paths = {{.preference = Preference::require, .temporary = true}};
  EXPECT_EQ(found("example.net"), "wlan0:1") << "IPv4 has no temporary addresses";
  wishes.paths = {{.preference = Preference::prohibit, .interface_name = "wlan*"}};
  EXPECT_EQ(found("example.net"), "eth0:1");
  EXPECT_EQ(left_out, "wlan0: the application prohibits interface=wlan*\n");
  wishes.paths.clear();
  wishes.interface_name = "eth0";
  EXPECT_EQ(found("example.net"), "eth0:1");
  wishes.interface_name.clear();
  wishes.family = Address::Family::ipv6;
  EXPECT_EQ(found("example.net"), "wlan0:1");
}

// RACE-139: a family needs an address and a route that are more than link-local. RACE-144: IPv6 is preferred, unless
// only IPv4 has a default route ("p").
TEST(WayFamilies, AreThoseThatItLeadsTo) {
  const auto families = [](const std::vector<Path>& paths) {
    Way way;
    way.paths.assign(paths.begin(), paths.end());
    const Families found = families_of(way);
    return std::string(found.ipv6 ? "6" : "") + (found.ipv4 ? "4" : "") + (found.ipv4_preferred ? "p" : "");
  };
  const Path v4 = path(1, "eth0", "192.0.2.1"), v6 = path(2, "eth0", "2001:db8::1");
  const auto linked = [](const Path& of, const char* prefix, std::uint8_t bits) {
    return with_route(of, prefix, bits, 0);
  };
  EXPECT_EQ(families({v4}), "4p");
  EXPECT_EQ(families({v6, v4}), "64");
  EXPECT_EQ(families({linked(v6, "fe80::", 64), linked(v4, "0.0.0.0", 0)}), "4p") << "no route beyond the link";
  EXPECT_EQ(families({linked(v6, "2001:db8:5::", 48), linked(v4, "0.0.0.0", 0)}), "64p")
      << "no default route is needed";
  EXPECT_EQ(families({linked(v6, "::", 0), linked(v4, "0.0.0.0", 0)}), "64");
  EXPECT_EQ(families({linked(v6, "::", 0), linked(v4, "10.0.0.0", 8)}), "64");
  EXPECT_EQ(families({linked(v6, "2001:db8:5::", 48), linked(v4, "10.0.0.0", 8)}), "64") << "neither leads everywhere";
  EXPECT_EQ(families({linked(path(3, "eth0", "fe80::1"), "::", 0), linked(v4, "0.0.0.0", 0)}), "4");
  EXPECT_EQ(families({path(3, "eth0", "169.254.0.9"), linked(v6, "::", 0)}), "6");
  EXPECT_EQ(families({path(3, "eth0", "169.254.0.9")}), "64") << "neither: nothing is known";
  EXPECT_EQ(families({Path{.id = 1}}), "64") << "routing decides";
}

}  // namespace
}  // namespace trellis
