// What the kernel says, as bytes and as facts, and the paths that it comes to.
#include <gtest/gtest.h>
#include <linux/if.h>
#include <linux/if_addr.h>
#include <linux/if_arp.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <chrono>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "interface_table.h"

namespace trellis {
namespace {

using Text = std::string;  // bytes

template <class T>
Text raw(const T& value) {
  return Text(reinterpret_cast<const char*>(&value), sizeof value);
}
Text padded(Text bytes) {
  bytes.resize((bytes.size() + 3) & ~std::size_t{3});
  return bytes;
}
Text attribute(unsigned type, const Text& value) {
  return padded(raw(rtattr{static_cast<unsigned short>(4 + value.size()), static_cast<unsigned short>(type)}) + value);
}
Text message(unsigned type, const Text& body, std::uint32_t sequence = 0, unsigned flags = 0) {
  return padded(raw(nlmsghdr{static_cast<std::uint32_t>(16 + body.size()), static_cast<std::uint16_t>(type),
                             static_cast<std::uint16_t>(flags), sequence, 0}) +
                body);
}
Text link(int index, const Text& name, unsigned flags, unsigned hardware = ARPHRD_ETHER, const Text& more = {}) {
  const ifinfomsg header{AF_UNSPEC, 0, static_cast<unsigned short>(hardware), index, flags, 0};
  return message(RTM_NEWLINK, raw(header) + attribute(IFLA_IFNAME, name + '\0') +
                                  attribute(IFLA_MTU, raw(std::uint32_t{1400})) + more);
}
constexpr unsigned kUp = IFF_UP | IFF_RUNNING;
const Text kV4 = {10, 0, 0, 1}, kV4Peer = {10, 0, 0, 2};
Text v6(char last) {
  Text ip(16, '\0');
  ip[0] = 0x20, ip[1] = 0x01, ip[2] = 0x0d, ip[3] = '\xb8', ip[15] = last;
  return ip;
}
Text address(int family, std::uint32_t index, const Text& attributes, std::uint8_t flags = 0, std::uint8_t length = 24,
             unsigned type = RTM_NEWADDR) {
  const ifaddrmsg header{static_cast<std::uint8_t>(family), length, flags, 0, index};
  return message(type, raw(header) + attributes);
}
Text route(int family, std::uint8_t length, const Text& attributes, unsigned type = RTM_NEWROUTE,
           std::uint8_t table = RT_TABLE_MAIN, std::uint8_t kind = RTN_UNICAST) {
  const rtmsg header{static_cast<std::uint8_t>(family), length, 0, 0, table, 0, 0, kind, 0};
  return message(type, raw(header) + attributes);
}
Text out_by(std::uint32_t index) { return attribute(RTA_OIF, raw(index)); }

Text router(int index, const Text& options, std::uint8_t icmp_type = 134) {
  const nduseroptmsg header{AF_INET6, 0, static_cast<std::uint16_t>(options.size()), index, icmp_type, 0, 0, 0};
  return message(RTM_NEWNDUSEROPT, raw(header) + options);
}
constexpr TimePoint kNow{std::chrono::seconds(1000)};

struct Heard final : RtnetlinkSink {
  void link(const LinkFact& fact) noexcept override { links.push_back(fact), table.learn(fact); }
  void address(const AddressFact& fact) noexcept override { addresses.push_back(fact), table.learn(fact, kNow); }
  void router(const RouterFact& fact) noexcept override { routers.push_back(fact), table.learn(fact, kNow); }
  void route(const RouteFact& fact) noexcept override { routes.push_back(fact), table.learn(fact); }
  void listed(std::uint32_t sequence, int error, bool torn) noexcept override {
    ends.emplace_back(sequence, error, torn);
  }
  void malformed(std::string_view what) noexcept override { faults.emplace_back(what); }
  bool hear(const Text& bytes) { return read_rtnetlink(std::as_bytes(std::span(bytes)), *this); }
  std::vector<LinkFact> links;
  std::vector<AddressFact> addresses;
  std::vector<RouteFact> routes;
  std::vector<RouterFact> routers;
  std::vector<std::tuple<std::uint32_t, int, bool>> ends;
  std::vector<std::string> faults;
  InterfaceTable table;
};

TEST(Rtnetlink, TellsLinks) {
  Heard heard;
  const auto kind = [](const Text& name) { return attribute(IFLA_LINKINFO, attribute(IFLA_INFO_KIND, name + '\0')); };
  ASSERT_TRUE(heard.hear(link(1, "lo", kUp | IFF_LOOPBACK, ARPHRD_LOOPBACK) + link(2, "eth0", kUp) +
                         link(3, "eth1", IFF_UP) + link(4, "wg0", kUp, ARPHRD_NONE, kind("wireguard")) +
                         link(5, "rmnet0", kUp, 519) + link(6, "wwan0", kUp, ARPHRD_ETHER, kind("wwan")) +
                         link(7, "veth0", kUp, ARPHRD_ETHER, kind("veth"))));
  ASSERT_EQ(heard.links.size(), 7u);
  EXPECT_EQ(heard.links[5].type, InterfaceType::cellular);
  EXPECT_EQ(heard.links[6].type, InterfaceType::wired);
  EXPECT_TRUE(heard.links[6].made_here && !heard.links[1].made_here);
  EXPECT_EQ(heard.links[0].type, InterfaceType::loopback);
  EXPECT_EQ(heard.links[1].name, "eth0");
  EXPECT_EQ(heard.links[1].mtu, 1400u);
  EXPECT_EQ(heard.links[1].type, InterfaceType::wired);
  EXPECT_TRUE(heard.links[1].running);
  EXPECT_TRUE(heard.links[2].enabled && !heard.links[2].running);
  EXPECT_EQ(heard.links[3].type, InterfaceType::tunnel);
  EXPECT_EQ(heard.links[4].type, InterfaceType::cellular);
}

TEST(Rtnetlink, TellsAddressesWithFlagsAndLifetimes) {
  Heard heard;
  const ifa_cacheinfo lifetimes{.ifa_prefered = 0, .ifa_valid = 3600, .cstamp = 0, .tstamp = 0};
  const std::uint32_t managed = IFA_F_TEMPORARY | 0x100;
  ASSERT_TRUE(
      heard.hear(address(AF_INET, 2, attribute(IFA_ADDRESS, kV4Peer) + attribute(IFA_LOCAL, kV4)) +
                 address(AF_INET6, 2, attribute(IFA_ADDRESS, v6(1)) + attribute(IFA_CACHEINFO, raw(lifetimes)), 0, 64) +
                 address(AF_INET6, 2, attribute(IFA_ADDRESS, v6(2)) + attribute(IFA_FLAGS, raw(managed)), 0, 64) +
                 address(AF_INET6, 2, attribute(IFA_ADDRESS, v6(3)), IFA_F_TENTATIVE, 64) +
                 address(AF_INET, 2, attribute(IFA_LOCAL, kV4), IFA_F_SECONDARY)));
  ASSERT_EQ(heard.addresses.size(), 5u);
  EXPECT_EQ(heard.addresses[0].address.ip[3], 1) << "ours, not the other end's";
  EXPECT_EQ(heard.addresses[0].valid_seconds, UINT32_MAX);
  EXPECT_TRUE(heard.addresses[1].deprecated && !heard.addresses[1].temporary);
  EXPECT_EQ(heard.addresses[1].valid_seconds, 3600u);
  EXPECT_TRUE(heard.addresses[2].temporary && heard.addresses[2].usable);
  EXPECT_FALSE(heard.addresses[3].usable);
  EXPECT_FALSE(heard.addresses[4].temporary) << "the bit means another thing for IPv4";
}

TEST(Rtnetlink, TellsRoutesOfTheMainTable) {
  Heard heard;
  const Text hops = raw(rtnexthop{8, 0, 0, 2}) + raw(rtnexthop{8, 0, 0, 3});
  ASSERT_TRUE(heard.hear(route(AF_INET, 0, out_by(2) + attribute(RTA_PRIORITY, raw(std::uint32_t{600}))) +
                         route(AF_INET, 24, attribute(RTA_DST, {10, 0, 0, 0}) + out_by(2)) +
                         route(AF_INET, 0, out_by(2), RTM_NEWROUTE, RT_TABLE_LOCAL) +
                         route(AF_INET6, 0, out_by(2), RTM_NEWROUTE, RT_TABLE_MAIN, RTN_UNREACHABLE) +
                         route(AF_INET6, 0, attribute(RTA_MULTIPATH, hops)) +
                         message(NLMSG_DONE, raw(std::int32_t{0}), 7) +
                         message(NLMSG_ERROR, raw(std::int32_t{-16}) + Text(16, '\0'), 8, NLM_F_DUMP_INTR)));
  ASSERT_EQ(heard.routes.size(), 4u);
  EXPECT_EQ(heard.routes[0].route.metric, 600u);
  EXPECT_EQ(heard.routes[1].route.prefix_length, 24);
  EXPECT_EQ(heard.routes[2].index, 2u);
  EXPECT_EQ(heard.routes[3].index, 3u);
  EXPECT_EQ(heard.ends, (std::vector<std::tuple<std::uint32_t, int, bool>>{{7, 0, false}, {8, 16, true}}));
}

TEST(Rtnetlink, RefusesWhatIsMalformed) {
  Heard heard;
  EXPECT_FALSE(heard.hear(link(0, "eth0", kUp)));
  EXPECT_FALSE(heard.hear(link(2, "", kUp)));
  EXPECT_FALSE(heard.hear(link(2, "sixteen-letters-", kUp)));
  EXPECT_FALSE(heard.hear(address(AF_INET, 2, attribute(IFA_LOCAL, kV4 + kV4))));
  EXPECT_FALSE(heard.hear(address(AF_INET, 2, attribute(IFA_LOCAL, kV4), 0, 33)));
  EXPECT_FALSE(heard.hear(address(AF_INET, 2, {})));
  EXPECT_FALSE(heard.hear(route(AF_INET6, 129, out_by(2))));
  EXPECT_FALSE(heard.hear(route(AF_INET, 0, attribute(RTA_MULTIPATH, raw(rtnexthop{0, 0, 0, 2})))));
  EXPECT_FALSE(heard.hear(message(RTM_NEWLINK, Text(3, 'x'))));
  EXPECT_FALSE(heard.hear(message(NLMSG_ERROR, {})));
  EXPECT_FALSE(heard.hear(Text(5, 'x')));
  EXPECT_TRUE(heard.links.empty() && heard.addresses.empty() && heard.routes.empty());
  const std::string length = ": found an attribute whose length does not fit, expected the kind's, within the message",
                    prefix = ": found a prefix longer than the address, expected 32 or 128 bits at most",
                    part = ": found less than its fixed part, expected all of that",
                    name = ": found no name, or a longer one, expected 1 to 15 bytes";
  EXPECT_EQ(heard.faults,
            (Faults{"message RTM_NEWLINK: found no number of an interface, expected one", "message RTM_NEWLINK" + name,
                    "message RTM_NEWLINK" + name, "message RTM_NEWADDR" + length, "message RTM_NEWADDR" + prefix,
                    "message RTM_NEWADDR: found no address, expected one", "message RTM_NEWROUTE" + prefix,
                    "message RTM_NEWROUTE" + length, "message RTM_NEWLINK" + part, "message NLMSG_ERROR" + part,
                    "message without a header: found another length than there are bytes, expected its header and what "
                    "that says"}));
  const Text whole = link(2, "eth0", kUp) + address(AF_INET, 2, attribute(IFA_LOCAL, kV4));
  for (std::size_t cut = 1; cut < whole.size(); ++cut) {
    if (cut == link(2, "eth0", kUp).size()) continue;
    Heard partly;
    EXPECT_FALSE(partly.hear(whole.substr(0, cut))) << cut;
    EXPECT_EQ(partly.faults.size(), 1u) << "and once named";
  }
}

// IMPL-19: a path for each interface and address, of both families.
TEST(InterfaceTable, MakesPathsOfWhatCanBeUsed) {
  Heard heard;
  heard.hear(link(1, "lo", kUp | IFF_LOOPBACK, ARPHRD_LOOPBACK) + link(2, "eth0", kUp) + link(3, "eth1", IFF_UP) +
             address(AF_INET, 1, attribute(IFA_LOCAL, {127, 0, 0, 1}), 0, 8) +
             address(AF_INET, 2, attribute(IFA_LOCAL, kV4)) + address(AF_INET, 3, attribute(IFA_LOCAL, kV4Peer)) +
             address(AF_INET6, 2, attribute(IFA_ADDRESS, v6(1)), 0, 64) +
             address(AF_INET6, 2, attribute(IFA_ADDRESS, v6(2)), IFA_F_TEMPORARY, 64) +
             address(AF_INET6, 2, attribute(IFA_ADDRESS, v6(0)), IFA_F_DEPRECATED, 64) + route(AF_INET, 0, out_by(2)));
  auto paths = heard.table.paths();
  ASSERT_EQ(paths.size(), 5u) << "eth1 has no carrier";
  EXPECT_EQ(paths[0].interface_name, "lo");
  ASSERT_EQ(paths[0].routes->size(), 3u);
  EXPECT_EQ((*paths[0].routes)[0].prefix_length, 8);
  EXPECT_EQ((*paths[0].routes)[1].prefix_length, 32) << "our own addresses do not leave the host";
  EXPECT_TRUE(paths[1].temporary);
  EXPECT_EQ(paths[1].local.ip[15], 2);
  EXPECT_TRUE(paths[1].routes->empty());
  EXPECT_TRUE(paths[3].deprecated && !paths[2].deprecated) << "nothing new begins from it, what has begun goes on";
  EXPECT_EQ(paths[3].local.ip[15], 0);
  ASSERT_EQ(paths[4].routes->size(), 1u);
  EXPECT_EQ((*paths[4].routes)[0].prefix_length, 0);
  EXPECT_EQ(paths[4].mtu, 1400u);

  heard.hear(address(AF_INET6, 2, attribute(IFA_ADDRESS, v6(1)), 0, 64, RTM_DELADDR) +
             address(AF_INET6, 2, attribute(IFA_ADDRESS, v6(2)), 0, 64, RTM_DELADDR) + link(3, "eth1", kUp));
  paths = heard.table.paths();
  ASSERT_EQ(paths.size(), 4u);
  EXPECT_EQ(paths[1].local.ip[15], 0) << "deprecated, but there is no other";
  heard.hear(link(2, "eth0", 0));
  heard.hear(link(2, "eth0", kUp));
  paths = heard.table.paths();
  EXPECT_TRUE(paths[2].routes->empty()) << "IPv4 routes go with the interface, and the kernel does not say so";
}

// RFC 4862 section 5.5.4: lifetimes are known, and renewing them is no news.
TEST(InterfaceTable, KnowsHowLongAddressesLast) {
  using namespace std::chrono_literals;
  Heard heard;
  const auto lasts = [](std::uint32_t preferred, std::uint32_t valid) {
    return attribute(IFA_CACHEINFO,
                     raw(ifa_cacheinfo{.ifa_prefered = preferred, .ifa_valid = valid, .cstamp = 0, .tstamp = 0}));
  };
  heard.hear(link(2, "eth0", kUp) + address(AF_INET, 2, attribute(IFA_LOCAL, kV4) + lasts(UINT32_MAX, UINT32_MAX)) +
             address(AF_INET6, 2, attribute(IFA_ADDRESS, v6(1)) + lasts(600, 3600), 0, 64));
  const auto paths = heard.table.paths();
  ASSERT_EQ(paths.size(), 2u);
  EXPECT_EQ(paths[0].preferred_until, kNow + 600s);
  EXPECT_EQ(paths[0].valid_until, kNow + 3600s);
  EXPECT_EQ(paths[1].valid_until, TimePoint::max());
  Path renewed = paths[0];
  renewed.valid_until += 1s;
  EXPECT_TRUE(same_facts(paths[0], renewed));
  renewed.valid_until += 600s;
  EXPECT_FALSE(same_facts(paths[0], renewed));
  renewed = paths[0];
  renewed.deprecated = true;
  EXPECT_FALSE(same_facts(paths[0], renewed));
}

// ---- what routers tell

Text pref64(unsigned scaled, const Text& prefix, std::uint8_t units = 2) {
  Text option{38, static_cast<char>(units), static_cast<char>(scaled >> 8), static_cast<char>(scaled)};
  option += prefix;
  option.resize(std::size_t{units} * 8);
  return option;
}
Text lasting(std::uint8_t type, std::uint8_t units, char seconds, const Text& rest) {
  Text option{static_cast<char>(type), static_cast<char>(units), 0, 0, 0, 0, 0, seconds};
  option += rest;
  option.resize(std::size_t{units} * 8);
  return option;
}
const Text kPrefix{0x20, 0x01, 0x0d, '\xb8', 0, 0x64, 1, 2, 3, 4, 5, 6};

// RACE-163: PREF64 (RFC 8781 section 4).
TEST(RouterOptions, TellThePrefixOfNat64) {
  constexpr std::uint8_t kBits[] = {96, 64, 56, 48, 40, 32};
  for (unsigned code = 0; code < 8; ++code) {
    const Text option = pref64(75 << 3 | code, kPrefix);
    const auto read = read_router_options(std::as_bytes(std::span(option)));
    ASSERT_EQ(read.options.size(), code < 6 ? 1u : 0u) << "other codes are ignored";
    EXPECT_EQ(read.faults.size(), code < 6 ? 0u : 1u) << "and told";
    if (code >= 6) continue;
    const RouterOption& told = read.options.front();
    EXPECT_EQ(told.seconds, 600u) << "in units of eight";
    ASSERT_EQ(told.nat64.size(), 1u);
    EXPECT_EQ(told.nat64.front().bits, kBits[code]);
    for (std::size_t i = 0; i < 16; ++i)
      EXPECT_EQ(told.nat64.front().prefix[i], i < kBits[code] / 8u ? static_cast<std::uint8_t>(kPrefix[i]) : 0) << code;
  }
  const Text longer = pref64(8, kPrefix, 3), shorter = pref64(8, {}, 1);
  for (const Text* other : {&longer, &shorter})
    EXPECT_TRUE(read_router_options(std::as_bytes(std::span(*other))).options.empty()) << "another length is ignored";
}

// Each rejected option says what was found and what was expected.
TEST(RouterOptions, WhatIsWrongIsNamed) {
  const std::pair<Text, std::string> wrong[] = {
      {pref64(8 | 6, kPrefix), "PREF64: found length code 6, expected 0 to 5 (RFC 8781 section 4)"},
      {pref64(8, kPrefix, 3), "PREF64: found 24 bytes, expected 16 (RFC 8781 section 4)"},
      {lasting(25, 4, 60, v6(1)), "RDNSS: found 32 bytes, expected 8 and 16 for each server (RFC 8106 section 5.1)"},
      {lasting(31, 2, 60, Text("\3a/b\0", 5)),
       "DNSSL: found something else, expected names of labels with 1 to 63 letters, digits, - and _ (RFC 8106 section "
       "5.2)"},
      {lasting(31, 2, 60, {}),
       "DNSSL: found no name, expected names of labels with 1 to 63 letters, digits, - and _ (RFC 8106 section 5.2)"},
      {Text{25, 9, 0, 0}, "found an option of 72 bytes where 4 are left, expected them to fit (RFC 4861 section 4.6)"},
      {Text{25, 0, 0, 0, 0, 0, 0, 0},
       "found an option of 0 bytes where 8 are left, expected them to fit (RFC 4861 section 4.6)"},
  };
  for (const auto& [bytes, what] : wrong) {
    const Text all = pref64(8, kPrefix) + bytes;
    const auto read = read_router_options(std::as_bytes(std::span(all)));
    EXPECT_EQ(read.options.size(), 1u) << "what was sound before it counts";
    EXPECT_EQ(read.faults, Faults{what});
  }
  Text many;
  for (int i = 0; i < 100; ++i) many += pref64(8 | 7, kPrefix);
  EXPECT_EQ(read_router_options(std::as_bytes(std::span(many))).faults.size(), kFaultsMost) << "bounded";
}

// RFC 8106
TEST(RouterOptions, TellNameServersAndSearchDomains) {
  const Text options = lasting(25, 5, 60, v6(1) + v6(2)) + lasting(31, 4, 60, Text("\4corp\7example\0\2b2\0", 17)) +
                       Text{1, 1, 0, 0, 0, 0, 0, 0};
  const auto read = read_router_options(std::as_bytes(std::span(options)));
  EXPECT_TRUE(read.faults.empty());
  ASSERT_EQ(read.options.size(), 2u);
  ASSERT_EQ(read.options[0].dns_servers.size(), 2u);
  EXPECT_EQ(read.options[0].dns_servers[1].ip[15], 2);
  EXPECT_EQ(read.options[1].search_domains, (std::vector<std::string>{"corp.example", "b2"}));
  const Text endless = lasting(31, 2, 60, Text("\7abcdefg", 8));
  EXPECT_TRUE(read_router_options(std::as_bytes(std::span(endless))).options.empty());
}

// RACE-162, RACE-6: what the routers of a link tell is what its paths offer, as long as it lasts.
TEST(InterfaceTable, OffersWhatRoutersTell) {
  using namespace std::chrono_literals;
  Heard heard;
  ASSERT_TRUE(heard.hear(link(2, "eth0", kUp) + link(3, "eth1", kUp) +
                         address(AF_INET6, 2, attribute(IFA_ADDRESS, v6(1)), 0, 64) +
                         address(AF_INET6, 3, attribute(IFA_ADDRESS, v6(2)), 0, 64) +
                         router(2, pref64(75 << 3, kPrefix) + lasting(25, 3, 60, v6(9))) +
                         router(2, lasting(25, 3, 60, v6(8)), 137) + router(7, pref64(75 << 3, kPrefix))));
  auto paths = heard.table.paths();
  ASSERT_EQ(paths.size(), 2u);
  ASSERT_EQ(paths[0].provisioned().nat64.size(), 1u);
  ASSERT_EQ(paths[0].provisioned().dns_servers.size(), 1u) << "a redirect tells no servers";
  EXPECT_EQ(paths[0].provisioned().dns_servers[0].ip[15], 9);
  EXPECT_EQ(paths[1].provisioning, nullptr) << "another link";
  EXPECT_EQ(heard.table.first_offer_end(), kNow + 60s);
  heard.table.forget_offers(kNow + 60s);
  EXPECT_TRUE(heard.table.paths()[0].provisioned().dns_servers.empty());
  heard.hear(router(2, pref64(0, kPrefix)));
  EXPECT_EQ(heard.table.paths()[0].provisioning, nullptr) << "it was taken back";
  EXPECT_TRUE(heard.hear(router(2, Text{38, 2, 0, 0}))) << "the message is sound, and what is in it is told";
  EXPECT_EQ(heard.routers.back().told.faults.size(), 1u);
  EXPECT_FALSE(heard.hear(router(0, pref64(8, kPrefix))));
  EXPECT_EQ(heard.faults.back(), "message RTM_NEWNDUSEROPT: found no number of an interface, expected one");
}

// ---- what the host's services keep

struct SystemDns : testing::Test {
  SystemDns() {
    std::filesystem::create_directories(places.resolved);
    std::filesystem::create_directories(places.networkd);
  }
  ~SystemDns() override { std::filesystem::remove_all(folder); }
  static void write(const std::string& place, unsigned index, const std::string& text) {
    std::ofstream(place + "/" + std::to_string(index)) << text;
  }
  Provisioning of(unsigned index) const {
    Provisioning found;
    add_system_dns(places, index, found, faults);
    return found;
  }
  mutable Faults faults;
  std::string folder = std::filesystem::temp_directory_path() / ("system-dns-" + std::to_string(getpid()));
  SystemDnsPlaces places{.resolved = folder + "/resolve", .networkd = folder + "/links"};
};

// Each interface has servers of its own: names are resolved on each path by those.
TEST_F(SystemDns, IsReadForEachInterface) {
  write(places.resolved, 2,
        "# This is private data. Do not parse.\nLLMNR=yes\nSERVERS=192.0.2.53 [2001:db8::53]:5353%eth0#dns.example\n"
        "DOMAINS=corp.example ~routed.example\n");
  write(places.networkd, 2, "DNS=203.0.113.1\n");
  write(places.networkd, 3, "ADMIN_STATE=configured\nDNS=198.51.100.53 nonsense 300.1.1.1\nDOMAINS=home.example.\n");
  const Provisioning both = of(2), networkd = of(3);
  ASSERT_EQ(both.dns_servers.size(), 2u) << "systemd-resolved knows best";
  EXPECT_EQ(both.dns_servers[0].ip[3], 53);
  EXPECT_EQ(both.dns_servers[1].port, 5353);
  EXPECT_EQ(both.search_domains, std::vector<std::string>{"corp.example"});
  ASSERT_EQ(networkd.dns_servers.size(), 1u) << "what is wrong is passed over";
  EXPECT_EQ(networkd.search_domains, std::vector<std::string>{"home.example"});
  EXPECT_EQ(of(4), Provisioning{}) << "no file";
  write(
      places.resolved, 5, std::string(20'000, 'x') + "=1\nSERVERS=" + [] {
        std::string many;
        for (int i = 1; i < 100; ++i) many += "192.0.2." + std::to_string(i) + " ";
        return many;
      }());
  EXPECT_EQ(of(5).dns_servers.size(), 16u) << "bounded";
  const std::string servers = ", expected an address like 192.0.2.53 or [2001:db8::53]:53: it counts for nothing";
  EXPECT_EQ(faults, (Faults{places.networkd + "/3:2: found name server \"nonsense\"" + servers,
                            places.networkd + "/3:2: found name server \"300.1.1.1\"" + servers,
                            places.resolved + "/5:1: found \"" + std::string(64, 'x') +
                                "...\", expected NAME=VALUE in 8192 letters at most: it counts for nothing",
                            places.resolved + "/5:2: found more than 16 name servers: it counts for nothing"}));

  Heard heard;
  heard.hear(link(2, "eth0", kUp) + link(3, "eth1", kUp) + address(AF_INET, 2, attribute(IFA_LOCAL, kV4)) +
             address(AF_INET, 3, attribute(IFA_LOCAL, kV4Peer)));
  const auto paths = heard.table.paths(places, faults);
  EXPECT_EQ(paths[0].provisioned().dns_servers, both.dns_servers);
  EXPECT_EQ(paths[1].provisioned().dns_servers, networkd.dns_servers);
}

// Each rejected line or word is named with its place, the first eight of them.
TEST_F(SystemDns, WhatIsWrongIsNamed) {
  write(places.resolved, 2, "no equals sign\n\nSERVERS=192.0.2.53\nDOMAINS=a..b ~. corp.example /etc\n");
  const Provisioning found = of(2);
  EXPECT_EQ(found.dns_servers.size(), 1u);
  EXPECT_EQ(found.search_domains, std::vector<std::string>{"corp.example"});
  const std::string at = places.resolved + "/2:", domain = ", expected a name like example.net: it counts for nothing";
  EXPECT_EQ(faults,
            (Faults{at + "1: found \"no equals sign\", expected NAME=VALUE in 8192 letters at most: it counts "
                         "for nothing",
                    at + "4: found search domain \"a..b\"" + domain, at + "4: found search domain \"/etc\"" + domain}));
  std::string flood;
  for (int i = 0; i < 10'000; ++i) flood += "SERVERS=x\n";
  write(places.resolved, 2, flood);
  faults.clear();
  of(2);
  EXPECT_EQ(faults.size(), kFaultsMost);
}

TEST_F(SystemDns, ChangesAreSeen) {
  const auto before = system_dns_version(places);
  EXPECT_EQ(system_dns_version(places), before);
  write(places.resolved, 2, "SERVERS=192.0.2.53\n");
  std::filesystem::last_write_time(places.resolved,
                                   std::filesystem::last_write_time(places.resolved) + std::chrono::seconds(1));
  EXPECT_NE(system_dns_version(places), before);
  EXPECT_EQ(system_dns_version({.resolved = {}, .networkd = {}}), 0);
}

// A thousand addresses, each with a prefix of its own, are read and made paths of in less than 20 ms.
TEST(InterfaceTable, IsFastAndBounded) {
  Text bytes = link(2, "eth0", kUp);
  for (int i = 0; i < 1000; ++i) {
    const Text ip = {10, static_cast<char>(i >> 8), static_cast<char>(i), 1};
    bytes += address(AF_INET, 2, attribute(IFA_LOCAL, ip)) + route(AF_INET, 24, attribute(RTA_DST, ip) + out_by(2));
  }
  auto best = std::chrono::nanoseconds::max();
  for (int i = 0; i < 5; ++i) {
    Heard heard;
    const auto begin = std::chrono::steady_clock::now();
    ASSERT_TRUE(heard.hear(bytes));
    EXPECT_EQ(heard.table.paths().size(), 1000u);
    best = std::min<std::chrono::nanoseconds>(best, std::chrono::steady_clock::now() - begin);
  }
#if defined(__OPTIMIZE__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
  EXPECT_LT(best, std::chrono::milliseconds(20));
#endif
  RecordProperty("microseconds", static_cast<int>(best.count() / 1000));

  InterfaceTable table;
  table.learn(LinkFact{.index = 2, .name = "eth0", .enabled = true, .running = true});
  for (unsigned i = 0; i < InterfaceTable::kAddressesMost + 10; ++i) {
    AddressFact fact{.index = 2};
    fact.address.family = Address::Family::ipv6;
    std::memcpy(fact.address.ip.data(), &i, sizeof i);
    table.learn(fact, kNow);
  }
  EXPECT_EQ(table.paths().size(), InterfaceTable::kAddressesMost);
}

}  // namespace
}  // namespace trellis
