// A file goes from one computer to another over SCTP, by samples/file-transfer, while a path of the two fails; the copy
// is whole.
#include "tcpls-lab/transfer_lab.h"

namespace trellis::netlab {
namespace {

struct SctpTransfer : Transfer {
  /// The receiver tells both addresses of its paths.
  void begin() {
    const std::string ours = lab->path(0).address(End::second), other = lab->path(1).address(End::second);
    begin(",addresses='" + ours + " " + other + "'", ours);
  }
  void begin(const std::string& options, const std::string& server) {
    make_file(from, kBytes);
    const std::string policy = TRELLIS_SOURCE_DIR "/policies/resilient.xml", program = test::program("file-transfer");
    const std::string stack = "sctp(bytestream=true,advertise-addresses=true" + options + ")/udp";
    receiver =
        std::make_unique<Process>(lab->server.command({program, "receive", "--stack", stack, to, "0.0.0.0:7000"}));
    ASSERT_TRUE(receiver->wait_output("listening")) << receiver->error();
    sender = std::make_unique<Process>(
        lab->client.command({program, "send", "--policy", policy, "--stack", stack, from, server + ":7000"}));
  }
  void end() {
    EXPECT_EQ(sender->wait(), 0) << sender->error();
    EXPECT_EQ(receiver->wait(), 0) << receiver->error();
    EXPECT_TRUE(same_bytes(from, to)) << "the copy differs";
    EXPECT_GT(carried(1), 100'000u);
  }
  /// Cuts a path in the middle, in some way.
  void run(const std::function<void()>& cut) {
    ASSERT_NO_FATAL_FAILURE(begin());
    ASSERT_TRUE(sender->wait_error("1: " + second() + " port 7000, active")) << sender->error();
    wait_for(kBytes / 4, *sender);
    cut();
    end();
  }
  /// The path that is left.
  std::string second() const { return lab->path(1).address(End::first) + " to " + lab->path(1).address(End::second); }

  static constexpr std::size_t kBytes = 8'000'000;
  const std::string from = files.path() + "/file", to = from + ".copy";
  std::unique_ptr<Process> receiver, sender;
};

// IMPL-92: the second address comes while the file goes, and then the first one is taken away (RFC 5061).
TEST_F(SctpTransfer, AnAddressComesAndTheFirstOneGoes) {
  lab->path(1).take_down(End::first);
  ASSERT_NO_FATAL_FAILURE(begin());
  wait_for(kBytes / 8, *sender);
  lab->path(1).bring_up(End::first);
  ASSERT_TRUE(sender->wait_error(second() + " port 7000, active")) << sender->error();
  wait_for(kBytes / 8, *sender);
  lab->client.ip("addr flush dev " + lab->path(0).interface());
  end();
  EXPECT_THAT(sender->error(), testing::ContainsRegex("MB/s  [0-9]: " + second() + "[^;\n]*, primary, in use\n"))
      << "the only path that is left";
}

// IMPL-93: the only address goes, and a while later there is another one, from which the peer is asked.
TEST_F(SctpTransfer, ToAnotherNetwork) {
  lab->path(1).take_down(End::first);
  ASSERT_NO_FATAL_FAILURE(begin("", ClientServer::address()));
  wait_for(kBytes / 4, *sender);
  lab->path(0).take_down(End::first);
  std::this_thread::sleep_for(300ms);  // that long there is no network
  lab->path(1).bring_up(End::first);
  end();
}

// IMPL-92
TEST_F(SctpTransfer, ABlackHole) {
  run([this] { lab->path(0).black_hole(); });
}

// IMPL-90: the kernel says that the way out is not there any more.
TEST_F(SctpTransfer, AnInterfaceGoesDown) {
  run([this] { lab->path(0).take_down(End::first); });
}

// What the client hears nothing of.
TEST_F(SctpTransfer, TheServersInterfaceGoesDown) {
  run([this] { lab->path(0).take_down(End::second); });
}

}  // namespace
}  // namespace trellis::netlab
