// transfer_lab.h: a file goes from one computer of the lab to another over two paths, by samples/file-transfer.
#pragma once
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <fstream>
#include <functional>
#include <memory>
#include <thread>

#include "netlab/netlab.h"
#include "support/process.h"

namespace trellis::netlab {

using namespace std::chrono_literals;
using test::Process;

inline std::string stack(const std::string& options = {}) {
  const std::string pki = TRELLIS_SOURCE_DIR "/plugins/protocols/tls/test-pki";
  return "tcpls(trust='" + pki + "/ca.pem',certificate='" + pki + "/server.pem',key='" + pki +
         "/server.key',server-name=peer.example,tokens=4" + options + ")/tcp";
}

struct Transfer : testing::Test {
  void SetUp() override {
    if (const std::string why = Lab::why_not(); !why.empty()) GTEST_SKIP() << why;
    lab = std::make_unique<ClientServer>(std::vector<LinkOptions>{kPath, kPath});
  }
  /// Runs the transfer; `trouble` is called when it goes.
  void run(std::size_t bytes, const std::string& options, const std::function<void(Process& sender)>& trouble) {
    const std::string from = files.path() + "/file", to = from + ".copy";
    make_file(from, bytes);
    const std::string policy = TRELLIS_SOURCE_DIR "/policies/resilient.xml", program = test::program("file-transfer");
    Process receiver(lab->server.command({program, "receive", "--stack", stack(options), to, "0.0.0.0:7000"}));
    ASSERT_TRUE(receiver.wait_output("listening")) << receiver.error();
    receiving = &receiver;
    Process sender(lab->client.command({"env", "SSLKEYLOGFILE=" + keys(), program, "send", "--policy", policy,
                                        "--stack", stack(options), from, ClientServer::address() + ":7000"}));
    ASSERT_TRUE(sender.wait_error(begins_when)) << sender.error();
    trouble(sender);
    EXPECT_EQ(sender.wait(), 0) << sender.error();
    EXPECT_EQ(receiver.wait(), 0) << receiver.error();
    EXPECT_TRUE(same_bytes(from, to)) << "the copy differs";
    told = sender.error();
  }
  /// Until the paths have carried so much more, or the sender has ended.
  void wait_for(std::uint64_t bytes, const Process& sender) const {
    const std::uint64_t before = carried(0) + carried(1);
    while (carried(0) + carried(1) < before + bytes && !over(sender)) std::this_thread::sleep_for(100us);
  }
  static bool over(const Process& sender) {
    return sender.output().contains("sent") || sender.error().contains("file-transfer:");
  }
  /// Of the file that is sent: no two places look alike. `from` is a multiple of 8.
  static std::string content_of(std::size_t bytes, std::size_t from = 0) {
    std::vector<std::uint64_t> words(bytes / 8 + 1);
    std::uint64_t n = from / 8;
    for (std::uint64_t& word : words) word = ++n * 0x9E3779B97F4A7C15;
    return {reinterpret_cast<const char*>(words.data()), bytes};
  }
  static void make_file(const std::string& name, std::size_t bytes) {
    std::ofstream out(name, std::ios::binary);
    for (std::size_t at = 0; at < bytes; at += kBlock) {
      const std::string block = content_of(std::min(kBlock, bytes - at), at);
      out.write(block.data(), static_cast<std::streamsize>(block.size()));
    }
  }
  static bool same_bytes(const std::string& one, const std::string& other) {
    std::ifstream first(one, std::ios::binary), second(other, std::ios::binary);
    std::string a(kBlock, 0), b(kBlock, 1);
    while (first && second) {
      first.read(a.data(), kBlock);
      second.read(b.data(), kBlock);
      if (first.gcount() != second.gcount()) return false;
      if (std::memcmp(a.data(), b.data(), static_cast<std::size_t>(first.gcount())) != 0) return false;
    }
    return first.eof() && second.eof();
  }
  /// Where the sender leaves its secrets, with the option key-log.
  std::string keys() const { return files.path() + "/keys.log"; }
  std::uint64_t carried(std::size_t path) const { return lab->path(path).counters(Way::forth).bytes; }

  static constexpr std::size_t kBlock = 1 << 20;
  static constexpr LinkOptions kPath{.forth = {.delay = 5ms, .bits_per_second = 25'000'000}, .back = {.delay = 5ms}};
  test::TemporaryDirectory files;
  std::unique_ptr<ClientServer> lab;
  std::string begins_when = "; 1:";  // what the sender says before trouble begins: a second connection has joined
  std::string told;
  Process* receiving = nullptr;  // while run() does its work
};

}  // namespace trellis::netlab
