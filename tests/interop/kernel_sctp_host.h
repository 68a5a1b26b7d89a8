// kernel_sctp_host.h: the SCTP of the Linux kernel as a peer, over UDP (RFC 6951) and over IP (RFC 9260): booted as
// user-mode Linux, joined to a host of the network lab by TAP interfaces, with tshark as a witness. Its first process
// is kernel_sctp/init.sh, which runs kernel_sctp/peer.cc.
#pragma once
#include <gmock/gmock.h>

#include <algorithm>
#include <filesystem>
#include <format>
#include <fstream>
#include <iterator>
#include <sstream>

#include "../netlab/netlab.h"
#include "../stacks/world.h"
#include "../support/process.h"
#include "kernel_sctp/pattern.h"
#include "trellis/address_text.h"

namespace trellis::tests {

using namespace std::chrono_literals;
using netlab::Host;
using netlab::Inside;
using test::Process;

inline constexpr const char* kOwnAddress = "10.77.0.1";
inline constexpr const char* kKernelAddress = "10.77.0.2";
inline constexpr std::uint16_t kUdpPort = 9899;  // RFC 6951
inline constexpr std::uint16_t kSctpPort = 5000;

/// The parameter is the protocol below SCTP: "udp", "ip".
class KernelSctp : public testing::TestWithParam<std::string> {
 protected:
  static bool over_udp() { return GetParam() == "udp"; }
  void SetUp() override {
    if (!over_udp() && std::filesystem::exists("/proc/net/sctp"))
      GTEST_SKIP() << "the kernel of this host speaks SCTP and would answer what is for us";
    if (!test::installed("linux.uml")) GTEST_SKIP() << "user-mode-linux is not installed: run sdk/setup interop";
    if (const std::string why = netlab::Lab::why_not(); !why.empty()) GTEST_SKIP() << why;
    host = std::make_unique<Host>("host");
    for (std::size_t i = 0; i < links(); ++i)
      host->ip(std::format("tuntap add dev tap{0} mode tap\naddr add 10.{1}.0.1/24 dev tap{0}\nlink set tap{0} up", i,
                           77 + i));
    inside = std::make_unique<Inside>(*host);
    if (test::installed("tshark") && test::installed("dumpcap")) {
      std::vector<std::string> words{"dumpcap", "-w", capture};
      for (std::size_t i = 0; i < links(); ++i) words.insert(words.end(), {"-i", "tap" + std::to_string(i)});
      witness = std::make_unique<Process>(words);
      ASSERT_TRUE(witness->wait_error("File:")) << witness->error();
    }
    world = make_world();
    boot(task());
    if (!kernel->wait_output("booted")) GTEST_SKIP() << "no user-mode Linux here: " << kernel->output();
  }
  void TearDown() override {
    if (IsSkipped()) return;
    if (kernel && kernel->wait() != 0) ADD_FAILURE() << kernel->output() << kernel->error();
    if (!witness) return;
    EXPECT_TRUE(until([&] { return witnessed() >= passed(); })) << witness->error();
    witness->signal(SIGINT);
    EXPECT_EQ(witness->wait(), 0) << witness->error();
    EXPECT_NE(seen(over_udp() ? "sctp && udp" : "sctp && !udp"), "") << witness->error();
    EXPECT_EQ(seen(over_udp() ? "sctp && !udp && !icmp" : "udp"), "");
    EXPECT_EQ(seen("_ws.malformed || sctp.checksum.status == \"Bad\" || _ws.expert.severity == \"Error\""), "");
  }
  /// The packets that have passed the interfaces, by their counters.
  static std::size_t passed() {
    std::ifstream file("/proc/thread-self/net/dev");
    std::size_t sum = 0;
    for (std::string line; std::getline(file, line);) {
      const std::size_t colon = line.find(':');
      if (colon == std::string::npos || !line.contains("tap")) continue;
      std::istringstream numbers(line.substr(colon + 1));
      const std::vector<std::size_t> all(std::istream_iterator<std::size_t>(numbers), {});
      sum += all.at(1) + all.at(9);  // received, sent
    }
    return sum;
  }
  /// The packets that the witness has so far: they come to it in blocks, which a timer ends.
  std::size_t witnessed() const {
    constexpr std::string_view kCount = "Packets: ";
    const std::string text = witness->error();
    const std::size_t last = text.rfind(kCount);
    return last == std::string::npos ? 0 : std::stoul(text.substr(last + kCount.size()));
  }
  /// The packets in the capture for which this display filter holds, one a line.
  std::string seen(const std::string& filter) const {
    Process tshark({"tshark", "-r", capture, "-d", "udp.port==9899,sctp", "-o", "sctp.checksum:CRC32C", "-Y", filter});
    EXPECT_EQ(tshark.wait(), 0) << tshark.error();
    return tshark.output();
  }

  virtual std::size_t links() const { return 1; }  ///< number n joins 10.77+n.0.1 here to .2 there
  virtual std::unique_ptr<World> make_world() { return std::make_unique<World>(); }
  virtual bool changes() const { return false; }  ///< the addresses of its associations may change (RFC 5061)
  /// What kernel-sctp-peer is to do. The kernel is off when that is done.
  virtual std::string task() { return "listen 5000"; }
  void boot(const std::string& words) {
    std::vector<std::string> all{"linux.uml",
                                 "mem=96M",
                                 "uml_dir=" + directory.path(),
                                 "rootfstype=hostfs",
                                 "rootflags=/",
                                 "ro",
                                 "quiet",
                                 "loglevel=1",
                                 "con=null",
                                 "con0=fd:0,fd:1",

                                 "init=" TRELLIS_SOURCE_DIR "/tests/interop/kernel_sctp/init.sh",
                                 std::string("UDP=") + (over_udp() ? std::to_string(kUdpPort) : ""),
                                 std::string("CHANGES=") + (changes() ? "yes" : ""),
                                 "PEER=" + test::program("kernel-sctp-peer"),
                                 "TASK=\"" + words + "\""};
    for (std::size_t i = 0; i < links(); ++i)
      all.push_back(std::format("vec{0}:transport=tap,ifname=tap{0},depth=64", i));
    kernel = std::make_unique<Process>(all, test::kClosed);
  }
  /// A ready Connection to the kernel that echoes.
  Connection& connected(const std::string& options = {}) {
    if (!kernel->wait_output("listening")) throw std::runtime_error(kernel->output());  // nothing can be tested
    const std::string stack = "sctp(port=5000" + options + ")/" + GetParam();
    const std::uint16_t port = over_udp() ? kUdpPort : kSctpPort;
    client = world->preconnection(stack)
                 .remote({.port = port, .address = *parse_address(kKernelAddress, port)})
                 .initiate(*world->loop, [&](Result<void> how) {
                   ready = how.has_value();
                   if (!how) ADD_FAILURE() << how.error().detail;
                 });
    EXPECT_TRUE(until([&] { return ready; }));
    return client;
  }
  /// The kernel's Connection to our Listener.
  Connection accepted() {
    if (!until([&] { return !world->accepted.empty(); })) throw std::runtime_error(kernel->output());
    Connection first = std::move(*world->accepted.front());
    world->accepted.clear();
    return first;
  }
  /// Returns what the kernel sends, to the end: all of its messages.
  void echo(Connection& connection, const Reader& reader) {
    for (std::size_t had = 0; !reader.ended && !reader.error;) {
      ASSERT_TRUE(until([&] { return reader.messages.size() > had || reader.ended || reader.error; }))
          << kernel->output();
      for (; had < reader.messages.size(); ++had) connection.send(slice(connection, reader.messages[had]));
    }
    EXPECT_TRUE(reader.ended) << reader.error->detail;
    EXPECT_THAT(reader.messages, testing::ElementsAre(pattern(1), pattern(1200), pattern(1 << 16), pattern(150'000)));
    world->close(connection);
    EXPECT_TRUE(told("over: shut down")) << kernel->output();
    EXPECT_THAT(kernel->output(), testing::Not(testing::HasSubstr("DIFFERENT")));
  }
  /// Whether the kernel's program says this, while our side goes on.
  bool told(const std::string& line) {
    return until([&] { return kernel->output().contains(line); });
  }
  bool until(const std::function<bool()>& done) { return world->run_until(done); }
  void cut_off() {
    host->nft(
        "add table inet cut\nadd chain inet cut out { type filter hook output priority 0; }\n"
        "add rule inet cut out oifname tap0 drop");
  }
  /// In both directions.
  void cut_link() {
    cut_off();
    host->nft("add chain inet cut in { type filter hook input priority 0; }\nadd rule inet cut in iifname tap0 drop");
  }
  void join_again() { host->nft("delete table inet cut"); }

  test::TemporaryDirectory directory;
  const std::string capture = directory.path() + "/capture.pcapng";
  std::unique_ptr<Host> host;
  std::unique_ptr<Inside> inside;
  std::unique_ptr<Process> witness;
  std::unique_ptr<World> world;
  std::unique_ptr<Process> kernel;
  Connection client;
  bool ready = false;
};

}  // namespace trellis::tests
