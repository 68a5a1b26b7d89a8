// A file goes from one computer to another by samples/file-transfer while what it goes over fails; the copy is whole.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <functional>
#include <iterator>
#include <memory>
#include <thread>

#include "netlab/netlab.h"
#include "support/process.h"

namespace trellis::netlab {
namespace {

using namespace std::chrono_literals;
using test::Process;
using testing::HasSubstr;

std::string stack(const std::string& options = {}) {
  const std::string pki = TRELLIS_SOURCE_DIR "/plugins/protocols/tls/test-pki";
  return "tcpls(trust='" + pki + "/ca.pem',certificate='" + pki + "/server.pem',key='" + pki +
         "/server.key',server-name=peer.example,tokens=4" + options + ")/tcp";
}

struct Transfer : testing::Test {
  void SetUp() override {
    if (const std::string why = Lab::why_not(); !why.empty()) GTEST_SKIP() << why;
    lab = std::make_unique<ClientServer>(std::vector<LinkOptions>{kPath, kPath});
  }
  /// Runs the transfer; `trouble` is called when it goes and a second connection has joined.
  void run(std::size_t bytes, const std::string& options, const std::function<void(Process& sender)>& trouble) {
    std::string content(bytes, 0);
    for (std::size_t i = 0; i < bytes; ++i) content[i] = static_cast<char>(i * 7 + i / 253 + i / 65521);
    const std::string from = files.write("file", content), to = from + ".copy";
    const std::string policy = TRELLIS_SOURCE_DIR "/policies/resilient.xml", program = test::program("file-transfer");
    Process receiver(lab->server.command({program, "receive", "--stack", stack(options), to, "0.0.0.0:7000"}));
    ASSERT_TRUE(receiver.wait_output("listening")) << receiver.error();
    Process sender(lab->client.command(
        {program, "send", "--policy", policy, "--stack", stack(options), from, ClientServer::address() + ":7000"}));
    ASSERT_TRUE(sender.wait_error("; 1:")) << sender.error();  // a second connection has joined
    trouble(sender);
    EXPECT_EQ(sender.wait(), 0) << sender.error();
    EXPECT_EQ(receiver.wait(), 0) << receiver.error();
    std::ifstream in(to, std::ios::binary);
    EXPECT_TRUE(content == std::string(std::istreambuf_iterator<char>(in), {})) << "the copy differs";
    told = sender.error();
  }
  std::uint64_t carried(std::size_t path) const { return lab->path(path).counters(Way::forth).bytes; }

  static constexpr LinkOptions kPath{.forth = {.delay = 5ms, .bits_per_second = 25'000'000}, .back = {.delay = 5ms}};
  test::TemporaryDirectory files;
  std::unique_ptr<ClientServer> lab;
  std::string told;
};

// TCPLS-78, TCPLS-85: a way out that is switched off.
TEST_F(Transfer, AnInterfaceGoesDown) {
  run(6'000'000, "", [this](Process&) { lab->path(0).take_down(End::first); });
  EXPECT_GT(carried(1), 1'000'000u);
}

// TCPLS-78, TCPLS-85: a black hole, without any sign.
TEST_F(Transfer, ABlackHole) {
  run(6'000'000, "", [this](Process&) { lab->path(0).black_hole(); });
  EXPECT_GT(carried(1), 1'000'000u);
}

// TCPLS-78, TCPLS-82, TCPLS-85: somebody on the first path answers with RST.
TEST_F(Transfer, Resets) {
  std::unique_ptr<Block> block;
  run(6'000'000, "", [&](Process&) {
    block = std::make_unique<Block>(lab->server, Rule{.answer = Rule::Answer::reset,
                                                      .protocol = Rule::Protocol::tcp,
                                                      .port = 7000,
                                                      .more = "iifname \"" + lab->path(0).interface() + "\""});
  });
  EXPECT_GT(carried(1), 1'000'000u);
}

// TCPLS-79, TCPLS-80, TCPLS-89: all connections are reset at once, again and again; a token brings the session back.
TEST_F(Transfer, AllConnectionsAreResetAgainAndAgain) {
  run(12'000'000, "", [&](Process& sender) {
    for (int kill = 1; kill <= 10; ++kill) {
      std::uint64_t before = carried(0) + carried(1);
      {
        const Block block(lab->server, {.answer = Rule::Answer::reset, .protocol = Rule::Protocol::tcp, .port = 7000});
        const std::uint64_t seen = carried(0) + carried(1);
        while (carried(0) + carried(1) < seen + 3000 && carried(0) + carried(1) < 12'000'000) std::this_thread::yield();
      }
      before = carried(0) + carried(1);
      while (carried(0) + carried(1) < before + 500'000 && !sender.output().contains("sent")) std::this_thread::yield();
    }
  });
}

// TCPLS-49, TCPLS-87: both paths carry the file.
TEST_F(Transfer, BothPathsTogether) {
  run(8'000'000, ",scheduler=aggregate", [](Process&) {});
  EXPECT_GT(carried(0), 2'500'000u) << told;
  EXPECT_GT(carried(1), 2'500'000u) << told;
}

}  // namespace
}  // namespace trellis::netlab
