// A provisioning domain as a policy writes it, and what it makes of the paths of interfaces.
#include <gtest/gtest.h>

#include <map>

#include "domain_paths.h"

namespace trellis {
namespace {

struct Given final : Options {
  std::map<std::string, std::string, std::less<>> texts{{"domain", "corp.example"}, {"interface", "*"}};
  std::int64_t rtt = 0;
  bool metered = false;
  std::int64_t number(std::string_view) const noexcept override { return rtt; }
  bool flag(std::string_view) const noexcept override { return metered; }
  std::string_view text(std::string_view name) const noexcept override {
    const auto found = texts.find(name);
    return found == texts.end() ? std::string_view() : found->second;
  }
};

Given with(std::string name, std::string value) {
  Given given;
  given.texts[std::move(name)] = std::move(value);
  return given;
}

struct Log final : PathObserver {
  void path_added(const Path& path) noexcept override { paths[path.id] = path; }
  void path_changed(const Path& path) noexcept override { paths[path.id] = path, ++changed; }
  void path_removed(std::uint32_t id) noexcept override { EXPECT_EQ(paths.erase(id), 1u); }
  void settled() noexcept override { complete = true; }
  std::map<std::uint32_t, Path> paths;
  int changed = 0;
  bool complete = false;
};

Path path(std::uint32_t id, std::string name, std::uint8_t first = 10, InterfaceType type = InterfaceType::wired) {
  Path made{.id = id, .interface_name = std::move(name), .local = {.family = Address::Family::ipv4}, .type = type};
  made.local.ip = {first, 0, 0, static_cast<std::uint8_t>(id)};
  return made;
}

// RACE-6: a path tells the servers and metadata of its domain.
TEST(Provisioned, TellsWhatTheDomainOffers) {
  Given given = with("dns-servers", " 10.0.0.53 [2001:db8::53]:5353  2001:db8::54 10.0.0.54:54");
  given.texts["search-domains"] = "corp.example. example.net";
  given.texts["proxies"] = "socks5://proxy.corp.example:1080 http://[2001:db8::1]:3128";
  given.metered = true;
  given.rtt = 40;
  Log log;
  DomainPaths paths(read_domain(given).value(), log);
  paths.path_added(path(3, "eth0"));
  paths.settled();
  ASSERT_TRUE(log.complete);
  const Path& told = log.paths.at(3);
  EXPECT_EQ(told.provisioning_domain, "corp.example");
  EXPECT_TRUE(told.metered);
  EXPECT_EQ(told.smoothed_rtt, std::chrono::milliseconds(40));
  const auto& servers = told.provisioned().dns_servers;
  ASSERT_EQ(servers.size(), 4u);
  EXPECT_EQ(servers[0].port, 0);
  EXPECT_EQ(servers[1].port, 5353);
  EXPECT_EQ(servers[1].family, Address::Family::ipv6);
  EXPECT_EQ(servers[2].family, Address::Family::ipv6);
  EXPECT_EQ(servers[3].port, 54);
  EXPECT_EQ(told.provisioned().search_domains, (std::vector<std::string>{"corp.example", "example.net"}));
  EXPECT_EQ(told.provisioned().proxies.size(), 2u);
}

// RACE-162: the prefix of NAT64 may be written; what is not written is what the interface itself has.
TEST(Provisioned, InheritsWhatIsNotWritten) {
  Given given = with("dns-servers", "10.0.0.53");
  given.texts["nat64-prefix"] = "64:ff9b::/96";
  Path with_offers = path(3, "eth0");
  Provisioning offered;
  offered.dns_servers = {{.family = Address::Family::ipv4, .ip = {192, 0, 2, 53}}};
  offered.search_domains = {"home.example"};
  with_offers.provisioning = std::make_shared<const Provisioning>(offered);
  Log log;
  DomainPaths paths(read_domain(given).value(), log);
  paths.path_added(with_offers);
  const Provisioning& told = log.paths.at(3).provisioned();
  ASSERT_EQ(told.dns_servers.size(), 1u);
  EXPECT_EQ(told.dns_servers[0].ip[0], 10);
  EXPECT_EQ(told.search_domains, std::vector<std::string>{"home.example"});
  ASSERT_EQ(told.nat64.size(), 1u);
  EXPECT_EQ(told.nat64[0], (Nat64Prefix{.prefix = {0, 0x64, 0xff, 0x9b}, .bits = 96}));
  for (const char* prefix : {"64:ff9b::/95", "64:ff9b::", "10.0.0.0/32", "prefix"})
    EXPECT_FALSE(read_domain(with("nat64-prefix", prefix))) << prefix;
  EXPECT_EQ(read_domain(with("nat64-prefix", "::/33")).error().detail,
            "found \"::/33\" in option nat64-prefix, expected a prefix of 32, 40, 48, 56, 64 or 96 bits, like "
            "64:ff9b::/96");
}

TEST(Provisioned, HasThePathsThatBelongToIt) {
  Given given = with("interface", "tun*");
  given.texts["addresses"] = "10.0.0.0/8";
  Log log;
  DomainPaths paths(read_domain(given).value(), log);
  paths.path_added(path(1, "eth0"));
  paths.path_added(path(2, "tun0"));
  paths.path_added(path(3, "tun1", 192));
  paths.path_added(path(4, "tun-lo", 10, InterfaceType::loopback));
  EXPECT_EQ(log.paths.size(), 1u);
  EXPECT_TRUE(log.paths.contains(2));
  Path other = path(2, "tun0");
  other.mtu = 1280;
  paths.path_changed(other);
  EXPECT_EQ(log.paths.at(2).mtu, 1280u);
  paths.path_changed(path(1, "tun2"));
  EXPECT_TRUE(log.paths.contains(1)) << "it has got another name";
  paths.path_changed(path(2, "eth7"));
  EXPECT_FALSE(log.paths.contains(2));
  paths.path_removed(3);
  paths.path_removed(1);
  EXPECT_TRUE(log.paths.empty());
}

TEST(Provisioned, RefusesWhatItCannotRead) {
  const auto refused = [](const std::string& option, const std::string& value) {
    const auto read = read_domain(with(option, value));
    return read ? std::string("accepted") : read.error().detail;
  };
  EXPECT_EQ(refused("domain", ""), "found \"\" in option domain, expected the name of the provisioning domain");
  EXPECT_EQ(refused("addresses", "10.0.0.0/33"),
            "found \"10.0.0.0/33\" in option addresses, expected a prefix like 10.0.0.0/8 or 2001:db8::/32");
  EXPECT_EQ(refused("dns-servers", "10.0.0.53 dns.example"),
            "found \"dns.example\" in option dns-servers, expected an address, with a port or without: 192.0.2.53 "
            "[2001:db8::53]:5353");
  for (const char* server : {"10.0.0.53:", "10.0.0.53:0", "10.0.0.53:65536", "[10.0.0.53]", "[2001:db8::53", "10.0.0",
                             "[2001:db8::53]:x", "2001:db8::53]:53"})
    EXPECT_NE(refused("dns-servers", server), "accepted") << server;
  for (const char* proxy : {"proxy.example:80", "ftp://proxy.example:21", "http://proxy.example", "http://:80",
                            "socks5://proxy.example:0", "http://[::1:80", "http://user@proxy.example:80"})
    EXPECT_NE(refused("proxies", proxy), "accepted") << proxy;
  for (const char* domain : {".example", "a..b", "http://a"})
    EXPECT_NE(refused("search-domains", domain), "accepted") << domain;
}

}  // namespace
}  // namespace trellis
