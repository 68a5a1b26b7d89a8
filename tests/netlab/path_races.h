// path_races.h: races of the real engine on the real kernel, over paths of a lab: one loop serves both ends.
#pragma once
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <format>
#include <memory>
#include <optional>

#include "../names/dns_server.h"
#include "../support/run_until.h"
#include "measure.h"
#include "netlab.h"
#include "trellis/address_text.h"
#include "trellis/loop.h"
#include "trellis/preconnection.h"

namespace trellis::netlab {

using namespace std::chrono_literals;

inline constexpr std::uint16_t kDnsPort = 5353;

class PathRaces : public testing::Test {
 protected:
  void SetUp() override {
    if (const std::string why = Lab::why_not(); !why.empty()) GTEST_SKIP() << why;
  }
  void TearDown() override {
    connection = {};
    peers.clear();
    listener = {};
    names.reset();
    framework.reset();
    loop.reset();
  }
  /// `policy`: a file.
  void begin(const std::vector<LinkOptions>& paths, const std::string& policy) {
    lab = std::make_unique<ClientServer>(paths);
    loop = make_loop();
    auto made = Framework::create({.policies = {policy}, .plugin_directories = {TRELLIS_BUILD_DIR "/plugins"}});
    ASSERT_TRUE(made) << made.error().detail;
    framework = std::move(*made);
    const Inside inside(lab->server);
    bool there = false;
    listener = Preconnection(*framework)
                   .stack("tcp")
                   .local({.host = {}, .port = kPort})
                   .listen(*loop, {.listening = [&](const Address&) { there = true; },
                                   .received = [this](Connection c) { peers.push_back(std::move(c)); },
                                   .failed = [](const Error& e) { ADD_FAILURE() << e.detail; }});
    ASSERT_TRUE(until([&] { return there; }));
    names = std::make_unique<tests::DnsServer>(*loop, parse_address(ClientServer::address(), kDnsPort).value());
  }
  /// Initiates from the client; call it, and let the loop run, inside.
  void connect(const std::string& host) { connect(Endpoint{.host = host, .port = kPort}); }
  void connect(Endpoint remote) {
    how.reset();
    Preconnection to(*framework);
    to.remote(std::move(remote)).connect_timeout(50s);
    to.on_race([this](const RaceReport& told) { report = told; });
    connection = to.initiate(*loop, [this](Result<void> result) { how = std::move(result); });
  }
  bool until(const std::function<bool()>& holds) { return test::run_until(*loop, holds); }
  bool over() const { return how.has_value(); }
  /// Lets the loop run until the path has swallowed something.
  void wait_for_loss(Link& path) {
    struct Tick final : Alarm {
      void on_alarm() noexcept override {}
    } tick;
    ASSERT_TRUE(until([&] {
      if (!tick.armed()) tick.arm(*loop, loop->now() + 2ms);
      return path.counters(Way::forth).lost > 0;
    }));
  }
  void finish() {
    ASSERT_TRUE(until([this] { return over(); }));
    ASSERT_TRUE(*how) << how->error().detail;
  }
  const RaceNode& node(std::string_view id) const { return *std::ranges::find(report.nodes, id, &RaceNode::id); }
  std::string policy(const std::string& paths, const std::string& racing, const std::string& naming = {}) const {
    return files.write("policy.xml", std::format(R"(<policy xmlns="urn:trellis:policy:1" name="lab">{}{}<stacks>)"
                                                 R"(<stack name="tcp"><layer protocol="tcp"/></stack></stacks>)"
                                                 R"(<racing>{}</racing></policy>)",
                                                 naming, paths, racing));
  }

  test::TemporaryDirectory files;
  std::unique_ptr<ClientServer> lab;
  std::unique_ptr<Loop> loop;
  std::unique_ptr<Framework> framework;
  std::unique_ptr<tests::DnsServer> names;
  Listener listener;
  std::vector<Connection> peers;
  Connection connection;
  std::optional<Result<void>> how;
  RaceReport report;
};

inline const LinkOptions kNear{.forth = {.delay = 5ms}, .back = {.delay = 5ms}};
// So patient that only an event can be what starts the second path.
inline constexpr char kOneAfterTheOther[] = R"(<branch on="path" policy="failover"/>)";

}  // namespace trellis::netlab
