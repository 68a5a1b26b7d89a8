// sctp_over_udp.h: a test with a foreign program that speaks SCTP over UDP (RFC 6951), in a network of its own.
#pragma once
#include <gtest/gtest.h>

#include "../netlab/netlab.h"
#include "../stacks/world.h"
#include "../support/process.h"
#include "trellis/address_text.h"

namespace trellis::tests {

class SctpOverUdp : public testing::Test {
 protected:
  static constexpr const char* kLoopback = "127.0.0.1";
  static constexpr std::uint16_t kOurUdp = 9901, kTheirUdp = 9900;

  void SetUp() override {
    if (const std::string why = netlab::Lab::why_not(); !why.empty()) GTEST_SKIP() << why;
    host = std::make_unique<netlab::Host>("host");
    host->ip("link set lo up");
    inside = std::make_unique<netlab::Inside>(*host);
    world = std::make_unique<World>();
  }
  void start(const std::vector<std::string>& words) { peer = std::make_unique<test::Process>(words); }
  bool until(const std::function<bool()>& done) { return world->run_until(done); }
  bool told(const std::string& text) {
    return until([&] { return peer->output().contains(text); });
  }

  /// A ready Connection to a server at this SCTP port that may still be starting, and refuses as long.
  Connection& connected(std::uint16_t port) {
    bool ready = false, failed = true;
    EXPECT_TRUE(until([&] {
      if (std::exchange(failed, false)) dial(port, ready, failed);
      return ready;
    }));
    return client;
  }
  /// The first Connection that a Listener of the world got.
  Connection accepted() {
    if (!until([&] { return !world->accepted.empty(); })) throw std::runtime_error(peer->output());
    Connection first = std::move(*world->accepted.front());
    world->accepted.erase(world->accepted.begin());
    return first;
  }

  std::unique_ptr<netlab::Host> host;
  std::unique_ptr<netlab::Inside> inside;
  std::unique_ptr<World> world;
  std::unique_ptr<test::Process> peer;
  Connection client;

 private:
  void dial(std::uint16_t port, bool& ready, bool& failed) {
    client = world->preconnection("sctp(port=" + std::to_string(port) + ")/udp")
                 .local({.port = kOurUdp, .address = *parse_address(kLoopback, kOurUdp)})
                 .remote({.port = kTheirUdp, .address = *parse_address(kLoopback, kTheirUdp)})
                 .initiate(*world->loop, [&](Result<void> how) { (how ? ready : failed) = true; });
  }
};

}  // namespace trellis::tests
