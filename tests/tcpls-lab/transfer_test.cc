// A file goes from one computer to another by samples/file-transfer while what it goes over fails; the copy is whole.

#include <csignal>

#include "transfer_lab.h"

namespace trellis::netlab {
namespace {

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
  const auto connected = [this] {
    Process list(lab->client.command({"ss", "-tnH", "state", "established", "dport", "=", ":7000"}));
    return list.wait() == 0 && !list.output().empty();
  };
  run(12'000'000, "", [&](Process& sender) {
    for (int kill = 1; kill <= 10; ++kill) {
      {
        const Block block(lab->server, {.answer = Rule::Answer::reset, .protocol = Rule::Protocol::tcp, .port = 7000});
        const std::uint64_t before = carried(0) + carried(1);
        while (connected() && carried(0) + carried(1) < before + 3000) {
        }
      }
      wait_for(500'000, sender);
    }
  });
}

// TCPLS-53, TCPLS-80, TCPLS-107, TCPLS-115: the kernel ends all connections, a hundred times; more joins in a second
// than a session may have by default.
TEST_F(Transfer, AHundredKills) {
#ifdef __SANITIZE_ADDRESS__
  constexpr std::size_t bytes = 128 << 20;  // the programs are several times slower then
#else
  constexpr std::size_t bytes = 1 << 30;
#endif
  for (const std::size_t n : {0, 1}) lab->path(n).set({.delay = 1ms, .bits_per_second = 1'000'000'000});
  int kills = 0;
  run(bytes, ",joins-per-second=255", [&](Process& sender) {
    for (; kills < 100 && !over(sender); ++kills) {
      wait_for(bytes / 400, sender);  // on a busy machine more passes before the next one
      end_connections(lab->client, 7000);
    }
  });
  EXPECT_EQ(kills, 100) << "the file was there before";
}

// TCPLS-85, TCPLS-107: a receiver that takes nothing for long, so that TCP's window closes, is not a lost one.
TEST_F(Transfer, AReceiverThatStandsStill) {
  for (const std::size_t n : {0, 1}) lab->path(n).set({.delay = 1ms, .bits_per_second = 200'000'000});
  run(60'000'000, "", [this](Process&) {
    receiving->signal(SIGSTOP);
    std::this_thread::sleep_for(3s);
    receiving->signal(SIGCONT);
  });
  EXPECT_FALSE(told.contains("2:")) << told;
}

// TCPLS-49, TCPLS-87: both paths carry the file.
TEST_F(Transfer, BothPathsTogether) {
  run(8'000'000, ",scheduler=aggregate", [](Process&) {});
  EXPECT_GT(carried(0), 2'500'000u) << told;
  EXPECT_GT(carried(1), 2'500'000u) << told;
}

// TCPLS-49, TCPLS-80: one path loses what goes forth, the other one what comes back.
TEST_F(Transfer, LossInOneDirection) {
  Shape lossy{.delay = 5ms, .loss = 0.02, .bits_per_second = 25'000'000};
  lab->path(0).set(Way::forth, lossy);
  lossy.loss = 0.1;
  lab->path(1).set(Way::back, lossy);
  run(4'000'000, ",scheduler=aggregate", [](Process&) {});
  EXPECT_GT(lab->path(0).counters(Way::forth).lost, 10u);
  EXPECT_GT(lab->path(1).counters(Way::back).lost, 10u);
  EXPECT_GT(carried(1), 1'000'000u) << told;
}

}  // namespace
}  // namespace trellis::netlab
