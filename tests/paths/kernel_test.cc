// The path provider "interfaces" and a real kernel, in a network of the test's own.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <functional>
#include <map>

#include "../support/no_options.h"
#include "../support/process.h"
#include "interfaces_provider.h"
#include "loop/socket_address.h"
#include "trellis/loop.h"

namespace trellis {
namespace {

struct Log final : PathObserver {
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
  const Path* find(const std::string& local) const {
    for (const auto& [id, path] : paths) {
      if (describe(path.local) == local) return &path;
    }
    return nullptr;
  }
  std::map<std::uint32_t, Path> paths;
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
  void begin() {
    auto begun = provider.watch(*loop, tests::NoOptions(), log);
    ASSERT_TRUE(begun) << begun.error().detail;
    watch = std::move(*begun);
    ASSERT_TRUE(until([&] { return log.listings == 1; }));
  }
  bool until(const std::function<bool()>& holds) {
    struct Late final : Alarm {
      void on_alarm() noexcept override {}
    } late;
    late.arm(*loop, loop->now() + test::kDeadline);
    while (!holds() && late.armed()) loop->run_once(true);
    return holds();
  }

  std::unique_ptr<Loop> loop;
  InterfacesProvider provider;
  Log log;
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
