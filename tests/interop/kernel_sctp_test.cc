// The SCTP of the Linux kernel as a peer, over UDP (RFC 6951) and over IP (RFC 9260): booted as user-mode Linux, joined
// to a host of the network lab by a TAP interface, with tshark as a witness. Its first process is kernel_sctp/init.sh,
// which runs kernel_sctp/peer.cc.
#include <gmock/gmock.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>

#include "../netlab/netlab.h"
#include "../stacks/world.h"
#include "../support/process.h"
#include "kernel_sctp/pattern.h"
#include "trellis/address_text.h"

namespace trellis::tests {
namespace {

using namespace std::chrono_literals;
using netlab::Host;
using netlab::Inside;
using test::Process;

constexpr const char* kOwnAddress = "10.77.0.1";
constexpr const char* kKernelAddress = "10.77.0.2";
constexpr std::uint16_t kUdpPort = 9899;  // RFC 6951
constexpr std::uint16_t kSctpPort = 5000;

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
    host->ip("tuntap add dev tap0 mode tap\naddr add 10.77.0.1/24 dev tap0\nlink set tap0 up");
    inside = std::make_unique<Inside>(*host);
    if (test::installed("tshark") && test::installed("dumpcap")) {
      witness = std::make_unique<Process>(std::vector<std::string>{"dumpcap", "-i", "tap0", "-w", capture});
      ASSERT_TRUE(witness->wait_error("File:")) << witness->error();
    }
    world = std::make_unique<World>();
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
  /// The packets that have passed the interface, by its counters.
  static std::size_t passed() {
    std::ifstream file("/proc/thread-self/net/dev");
    for (std::string line; std::getline(file, line);) {
      const std::size_t name = line.find("tap0:");
      if (name == std::string::npos) continue;
      std::istringstream numbers(line.substr(name + std::strlen("tap0:")));
      const std::vector<std::size_t> all(std::istream_iterator<std::size_t>(numbers), {});
      return all.at(1) + all.at(9);  // received, sent
    }
    throw std::runtime_error("there is no tap0");
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

  /// What kernel-sctp-peer is to do. The kernel is off when that is done.
  virtual std::string task() { return "listen 5000"; }
  void boot(const std::string& words) {
    kernel = std::make_unique<Process>(
        std::vector<std::string>{"linux.uml", "mem=96M", "uml_dir=" + directory.path(), "rootfstype=hostfs",
                                 "rootflags=/", "ro", "quiet", "loglevel=1", "con=null", "con0=fd:0,fd:1",
                                 "vec0:transport=tap,ifname=tap0,depth=64",
                                 "init=" TRELLIS_SOURCE_DIR "/tests/interop/kernel_sctp/init.sh",
                                 std::string("UDP=") + (over_udp() ? std::to_string(kUdpPort) : ""),
                                 "PEER=" + test::program("kernel-sctp-peer"), "TASK=\"" + words + "\""},
        test::kClosed);
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

std::string protocol_below(const testing::TestParamInfo<std::string>& about) { return about.param; }
INSTANTIATE_TEST_SUITE_P(Over, KernelSctp, testing::Values("udp", "ip"), protocol_below);

// IMPL-156, IMPL-162, IMPL-164: edges at any size, order, payload protocols, both ways, and a SHUTDOWN at the end.
TEST_P(KernelSctp, EchoesMessagesOfAnySize) {
  Connection& connection = connected();
  Reader reader(connection, 1, 1 << 20);
  const std::vector<std::string> all{"one", pattern(1200), pattern(70'000), pattern(300'000), "last"};
  for (const std::string& one : all) {
    Message message{.data = slice(connection, one)};
    message.properties.label = 51;
    message.properties.ordered = one.size() != 1200;
    connection.send(std::move(message));
  }
  ASSERT_TRUE(until([&] { return reader.messages.size() == all.size() || reader.error; }))
      << reader.messages.size() << '\n'
      << kernel->output();
  EXPECT_THAT(reader.messages, testing::UnorderedElementsAreArray(all));
  EXPECT_TRUE(told("message stream=0 protocol=51 bytes=300000"));
  EXPECT_TRUE(told("message stream=0 protocol=51 unordered bytes=1200"));
  world->close(connection);
  EXPECT_TRUE(told("over: shut down")) << kernel->output();
}

// IMPL-161, IMPL-164, IMPL-166: streams beyond those agreed on are added (RFC 6525), and one that is closed is reset in
// both directions.
TEST_P(KernelSctp, AddsAndResetsStreams) {
  Connection& first = connected(",streams=2");
  constexpr std::size_t kStreams = 6;
  std::vector<Connection> streams;
  std::vector<std::unique_ptr<Reader>> readers;
  streams.reserve(kStreams);
  std::size_t opened = 0;
  for (std::size_t i = 0; i < kStreams; ++i) {
    streams.push_back(first.clone([&](Result<void> how) {
      EXPECT_TRUE(how) << how.error().detail;
      ++opened;
    }));
  }
  ASSERT_TRUE(until([&] { return opened == kStreams; })) << kernel->output();
  for (Connection& stream : streams) {
    readers.push_back(std::make_unique<Reader>(stream));
    stream.send(slice(stream, "number " + std::to_string(readers.size())));
  }
  ASSERT_TRUE(until([&] { return std::ranges::all_of(readers, [](auto& r) { return r->messages.size() == 1; }); }))
      << kernel->output();
  for (std::size_t i = 0; i < kStreams; ++i) EXPECT_EQ(readers[i]->messages[0], "number " + std::to_string(i + 1));
  EXPECT_TRUE(told("streams added")) << kernel->output();
  world->close(streams.back());
  EXPECT_TRUE(told("reset stream=" + std::to_string(2 * kStreams))) << kernel->output();
  first.close_group([](Result<void>) {});
  EXPECT_TRUE(told("over: shut down")) << kernel->output();
}

// IMPL-162: what is given up while the network is away is skipped with a FORWARD TSN (RFC 3758); what follows arrives.
TEST_P(KernelSctp, SkipsWhatIsGivenUp) {
  Connection& connection = connected();
  Reader reader(connection);
  cut_off();
  std::optional<Fate> fate;
  Message late{.data = slice(connection, "too late")};
  late.properties.lifetime = 300ms;
  connection.send(std::move(late), [&](Fate f, const Error*) { fate = f; });
  ASSERT_TRUE(until([&] { return fate && *fate != Fate::sent; }));
  EXPECT_EQ(fate, Fate::expired);
  join_again();
  connection.send(slice(connection, "next"));
  ASSERT_TRUE(until([&] { return reader.messages.size() == 1; })) << kernel->output();
  EXPECT_EQ(reader.messages[0], "next");
  world->close(connection);
  EXPECT_TRUE(told("over: shut down")) << kernel->output();
  EXPECT_THAT(kernel->output(), testing::Not(testing::HasSubstr("bytes=8")));
}

// IMPL-165: an abort is an ABORT, and the kernel's program hears of it.
TEST_P(KernelSctp, HearsOfAnAbort) {
  Connection& connection = connected();
  Reader reader(connection);
  connection.send(slice(connection, "hello"));
  ASSERT_TRUE(until([&] { return reader.messages.size() == 1; }));
  connection.abort(7);
  EXPECT_TRUE(told("over: Connection reset by peer")) << kernel->output();
}

struct KernelSctpClient : KernelSctp {
  std::string task() override {
    listener = world->listen("sctp(port=5000)/" + GetParam(), kOwnAddress);
    const std::string udp_port = over_udp() ? std::to_string(listener.local().port) : "0";
    return "connect " + std::string(kOwnAddress) + " 5000 " + udp_port;
  }
  Listener listener;
};
INSTANTIATE_TEST_SUITE_P(Over, KernelSctpClient, testing::Values("udp", "ip"), protocol_below);

// IMPL-159, IMPL-160: the kernel connects to our Listener.
TEST_P(KernelSctpClient, ConnectsToOurListener) {
  ASSERT_TRUE(until([&] { return !world->accepted.empty(); })) << kernel->output();
  Connection connection = std::move(*world->accepted.front());
  world->accepted.clear();
  Reader reader(connection, 1, 1 << 20);
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

}  // namespace
}  // namespace trellis::tests
