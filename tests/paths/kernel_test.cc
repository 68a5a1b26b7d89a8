// The path provider "interfaces" and a real kernel, in a network of the test's own.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <functional>
#include <map>

#include "../support/process.h"
#include "../support/run_until.h"
#include "interfaces_provider.h"
#include "loop/socket_address.h"
#include "trellis/loop.h"

namespace trellis {
namespace {

struct PathLog final : PathObserver {
  void path_added(const Path& path) noexcept override {
    EXPECT_TRUE(paths.emplace(path.id, path).second);
    ++added;
  }
  void path_changed(const Path& path) noexcept override {
    EXPECT_TRUE(paths.contains(path.id));
    paths[path.id] = path;
    ++changed;
  }
  void path_removed(std::uint32_t id) noexcept override { removed += static_cast<int>(paths.erase(id)); }
  void settled() noexcept override { ++listings; }
  void passed_over(std::string_view what) noexcept override { wrong.emplace_back(what); }
  const Path* find(const std::string& local) const {
    for (const auto& [id, path] : paths) {
      if (describe(path.local) == local) return &path;
    }
    return nullptr;
  }
  std::map<std::uint32_t, Path> paths;
  std::vector<std::string> wrong;
  int added = 0, changed = 0, removed = 0, listings = 0;
};

class KernelPaths : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    const int flags = geteuid() == 0 ? CLONE_NEWNET : CLONE_NEWUSER | CLONE_NEWNET;
    if (unshare(flags) != 0) why_not_ = std::string("the kernel allows no network of our own: ") + strerror(errno);
  }
  void SetUp() override {
    if (!why_not_.empty()) GTEST_SKIP() << why_not_;
    tunnel_ = open("/dev/net/tun", O_RDWR | O_CLOEXEC);
    ifreq request{};
    std::strcpy(request.ifr_name, "test0");
    request.ifr_flags = IFF_TUN | IFF_NO_PI;
    if (tunnel_ < 0 || ioctl(tunnel_, TUNSETIFF, &request) != 0)
      GTEST_SKIP() << "the kernel allows no interface of our own (/dev/net/tun): " << strerror(errno);
    ip("link set lo up");
    loop = make_loop({});
  }
  void TearDown() override {
    watch.reset();
    if (tunnel_ >= 0) close(tunnel_);  // and the interface is gone
  }
  static void ip(const std::string& words, const std::string& input = {}) {
    std::vector<std::string> command{"ip"};
    for (std::size_t at = 0; at < words.size();) {
      const std::size_t end = std::min(words.find(' ', at), words.size());
      command.push_back(words.substr(at, end - at));
      at = end + 1;
    }
    test::Process process(command);
    process.write(input);
    process.close_input();
    EXPECT_EQ(process.wait(), 0) << words << ": " << process.error();
  }
  void begin(SystemDnsPlaces places = {.resolved = {}, .networkd = {}}) {
    auto begun = watch_interfaces(*loop, std::move(places), log);
    ASSERT_TRUE(begun) << begun.error().detail;
    watch = std::move(*begun);
    ASSERT_TRUE(until([&] { return log.listings == 1; }));
  }
  bool until(const std::function<bool()>& holds) { return test::run_until(*loop, holds); }

  std::unique_ptr<Loop> loop;
  /// A packet that comes in by the interface.
  void inject(const std::string& packet) const {
    EXPECT_EQ(write(tunnel_, packet.data(), packet.size()), static_cast<ssize_t>(packet.size())) << strerror(errno);
  }
  PathLog log;
  std::unique_ptr<PathProvider::Watch> watch;

 private:
  static inline std::string why_not_;
  int tunnel_ = -1;
};

TEST_F(KernelPaths, AreListedWithTheirFacts) {
  ip("addr add 192.0.2.1/24 dev test0");
  ip("addr add 2001:db8::1/64 dev test0 nodad");
  ip("link set test0 mtu 1380 up");
  ip("route add default via 192.0.2.254 metric 7");
  begin();
  const Path* const path = log.find("192.0.2.1:0");
  ASSERT_NE(path, nullptr);
  EXPECT_EQ(path->interface_name, "test0");
  EXPECT_EQ(path->type, InterfaceType::tunnel);
  EXPECT_EQ(path->mtu, 1380u);
  ASSERT_NE(path->routes, nullptr);
  const PathRoute standard{{.family = Address::Family::ipv4}, 0, 7};
  EXPECT_NE(std::ranges::find(*path->routes, standard), path->routes->end());
  EXPECT_NE(log.find("[2001:db8::1]:0"), nullptr);
  ASSERT_NE(log.find("127.0.0.1:0"), nullptr);
  EXPECT_EQ(log.find("127.0.0.1:0")->type, InterfaceType::loopback);
}

TEST_F(KernelPaths, AreFollowed) {
  begin();
  ip("link set test0 up");
  ip("addr add 192.0.2.1/24 dev test0");
  ASSERT_TRUE(until([&] { return log.find("192.0.2.1:0") != nullptr; }));
  const std::uint32_t id = log.find("192.0.2.1:0")->id;
  ip("link set test0 mtu 1300");
  ASSERT_TRUE(until([&] { return log.paths.at(id).mtu == 1300; }));
  ip("route add default via 192.0.2.254");
  const PathRoute standard{{.family = Address::Family::ipv4}, 0, 0};
  ASSERT_TRUE(until([&] { return std::ranges::contains(*log.paths.at(id).routes, standard); }));
  ip("link set test0 down");
  ASSERT_TRUE(until([&] { return !log.paths.contains(id); }));
  ip("link set test0 up");
  ASSERT_TRUE(until([&] { return log.find("192.0.2.1:0") != nullptr; }));
  EXPECT_FALSE(std::ranges::contains(*log.find("192.0.2.1:0")->routes, standard)) << "it went with the interface";
  ip("addr del 192.0.2.1/24 dev test0");
  ASSERT_TRUE(until([&] { return log.find("192.0.2.1:0") == nullptr; }));
  ip("addr add 2001:db8::7/64 dev test0 nodad");
  ASSERT_TRUE(until([&] { return log.find("[2001:db8::7]:0") != nullptr; }));
  EXPECT_EQ(log.listings, 1);
}

/// A router's advertisement with options (RFC 4861 section 4.2), as a packet from fe80::1 to all hosts of the link.
std::string advertisement(const std::string& options) {
  std::string icmp{'\x86', 0, 0, 0, 64, 0, 0, 60, 0, 0, 0, 0, 0, 0, 0, 0};
  icmp += options;
  std::string addresses(32, '\0');
  addresses[0] = addresses[16] = '\xfe';
  addresses[1] = '\x80', addresses[15] = 1;
  addresses[16] = '\xff', addresses[17] = 2, addresses[31] = 1;
  const auto size = static_cast<char>(icmp.size());
  const std::string summed = addresses + std::string{0, 0, 0, size, 0, 0, 0, 58} + icmp;
  unsigned sum = 0;
  for (std::size_t i = 0; i + 1 < summed.size(); i += 2)
    sum +=
        static_cast<unsigned>(static_cast<unsigned char>(summed[i]) << 8 | static_cast<unsigned char>(summed[i + 1]));
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >> 16);
  icmp[2] = static_cast<char>(~sum >> 8), icmp[3] = static_cast<char>(~sum);
  return std::string{0x60, 0, 0, 0, 0, size, 58, '\xff'} + addresses + icmp;
}

// RACE-162, RACE-163: what routers tell of NAT64 and name servers reaches the paths of their link.
TEST_F(KernelPaths, OfferWhatRoutersTell) {
  ip("link set test0 up");
  ip("addr add 2001:db8::7/64 dev test0 nodad");
  begin();
  ASSERT_TRUE(until([&] { return log.find("[2001:db8::7]:0") != nullptr; }));
  const std::uint32_t id = log.find("[2001:db8::7]:0")->id;
  const std::string pref64{38, 2, 0x02, 0x58, 0, 0x64, '\xff', '\x9b', 0, 0, 0, 0, 0, 0, 0, 0};
  const std::string servers{25, 3, 0, 0, 0, 0, 0, 60, 0x20, 1, 0x0d, '\xb8', 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x53};
  inject(advertisement(pref64 + servers));
  ASSERT_TRUE(until([&] { return !log.paths.at(id).provisioned().dns_servers.empty(); }));
  const Provisioning& told = log.paths.at(id).provisioned();
  EXPECT_EQ(describe(told.dns_servers.front()), "[2001:db8::53]:0");
  ASSERT_EQ(told.nat64.size(), 1u);
  EXPECT_EQ(told.nat64.front(), (Nat64Prefix{.prefix = {0, 0x64, 0xff, 0x9b}, .bits = 96}));
  EXPECT_EQ(log.find("127.0.0.1:0")->provisioning, nullptr);
  EXPECT_TRUE(log.wrong.empty());
  std::string odd = pref64;
  odd[3] = 0x5f;
  inject(advertisement(odd));
  ASSERT_TRUE(until([&] { return !log.wrong.empty(); }));
  EXPECT_EQ(
      log.wrong.front(),
      "router advertisement on test0: PREF64: found length code 7, expected 0 to 5 (RFC 8781 section 4): it counts "
      "for nothing, see to the router's settings");
}

// A path whose address ages stays; nothing but its facts change (RFC 4862 section 5.5.4).
TEST_F(KernelPaths, AddressesAgeWithoutGoing) {
  ip("link set test0 up");
  ip("addr add 2001:db8::7/64 dev test0 nodad valid_lft 3600 preferred_lft 1800");
  begin();
  ASSERT_TRUE(until([&] { return log.find("[2001:db8::7]:0") != nullptr; }));
  const std::uint32_t id = log.find("[2001:db8::7]:0")->id;
  const auto left = [&] { return log.paths.at(id).valid_until - loop->now(); };
  EXPECT_GT(left(), std::chrono::seconds(3500));
  EXPECT_LE(left(), std::chrono::seconds(3600));
  EXPECT_FALSE(log.paths.at(id).deprecated);
  ip("addr change 2001:db8::7/64 dev test0 valid_lft 3600 preferred_lft 0");
  ASSERT_TRUE(until([&] { return log.paths.at(id).deprecated; }));
  EXPECT_EQ(log.removed, 0);
}

// The servers that systemd-resolved keeps for an interface are those of its paths, and so are their changes.
TEST_F(KernelPaths, HaveTheNameServersOfTheSystem) {
  const test::TemporaryDirectory folder;
  ip("link set test0 up");
  ip("addr add 192.0.2.1/24 dev test0");
  folder.write(std::to_string(if_nametoindex("test0")), "SERVERS=192.0.2.53\n");
  begin({.resolved = folder.path(), .networkd = {}});
  ASSERT_NE(log.find("192.0.2.1:0"), nullptr);
  const std::uint32_t id = log.find("192.0.2.1:0")->id;
  ASSERT_EQ(log.paths.at(id).provisioned().dns_servers.size(), 1u);
  EXPECT_EQ(describe(log.paths.at(id).provisioned().dns_servers.front()), "192.0.2.53:0");
  EXPECT_EQ(log.find("127.0.0.1:0")->provisioning, nullptr);
  std::filesystem::rename(folder.write("new", "SERVERS=192.0.2.54 192.0.2.55\n"),
                          folder.path() + "/" + std::to_string(if_nametoindex("test0")));
  ASSERT_TRUE(until([&] { return log.paths.at(id).provisioned().dns_servers.size() == 2; }));
}

TEST_F(KernelPaths, AreManyIfNeedBe) {  // how fast is a row of the benchmark
  std::string commands;
  for (int i = 0; i < 1000; ++i)
    commands += "addr add 10." + std::to_string(i / 250) + "." + std::to_string(i % 250) + ".1/24 dev test0\n";
  ip("-batch -", commands);
  ip("link set test0 up");
  begin();
  EXPECT_GE(log.paths.size(), 1001u);
}

// What is lost because nobody read in time is made good by another listing.
TEST_F(KernelPaths, SurviveLostMessages) {
  begin();
  ip("link set test0 up");
  std::string commands;
  for (int i = 0; i < 3000; ++i) {
    const std::string address = "10." + std::to_string(i / 250) + "." + std::to_string(i % 250) + ".1/24 dev test0\n";
    commands += "addr add " + address + (i % 3 == 0 ? "" : "addr del " + address);
  }
  ip("-batch -", commands);  // the loop does not run meanwhile
  ASSERT_TRUE(until([&] { return log.paths.size() >= 1001; }));
  ip("addr add 192.0.2.9/24 dev test0");
  ASSERT_TRUE(until([&] { return log.find("192.0.2.9:0") != nullptr; }));
  EXPECT_NE(log.find("10.0.0.1:0"), nullptr);
  EXPECT_EQ(log.find("10.0.1.1:0"), nullptr);
}

}  // namespace
}  // namespace trellis
