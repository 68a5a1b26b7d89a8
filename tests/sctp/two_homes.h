// two_homes.h: sctp/udp between two simulated hosts with two addresses each, joined by two links.
#pragma once
#include "sctp_pair.h"
#include "stacks/path_world.h"

namespace trellis::tests {

struct TwoHomes : PathWorld {
  /// With these addresses on the second link.
  explicit TwoHomes(const char* there = "10.2.0.1", const char* beyond = "10.2.0.2")
      : second(network.link(client.add_interface("eth1", {there}), server.add_interface("eth1", {beyond}),
                            {.delay = 20ms})) {
    find_paths();
  }
  void listen(const std::string& options = kAddresses) { listen_with(sctp(options)); }
  Preconnection to_server(const std::string& options = {}) {
    Preconnection preconnection(*framework);
    preconnection.stack(sctp(options)).remote({.host = "10.1.0.2", .port = 4433}).set("advertisesAltaddr", true);
    return preconnection;
  }
  /// Connects, and a moment later all paths are known that will be.
  void connect(Preconnection preconnection) {
    ASSERT_NO_FATAL_FAILURE(establish(std::move(preconnection)));
    world.run_for(1s);
    ASSERT_EQ(peers.size(), 1u);
  }
  void connect() {
    listen();
    connect(to_server());
  }
  static std::string fact(Connection& of, std::string_view name) {
    const auto value = of.get(name);
    if (!value) return value.error().detail;
    const auto* const text = std::get_if<std::string>(&*value);
    return text != nullptr ? *text : std::to_string(std::get<std::uint64_t>(*value));
  }
  std::string paths(Talker& of) { return fact(of.connection, "sctp.paths"); }
  Talker& peer() { return *peers[0]; }
  static bool told(const Talker& t, const std::string& what) {
    return std::ranges::any_of(
        t.soft, [&](const Error& e) { return std::string_view(e.layer) == "sctp" && e.detail.contains(what); });
  }
  /// What passes a link from now on, in bytes.
  static std::shared_ptr<std::size_t> count(SimLinkDirection& way) {
    auto bytes = std::make_shared<std::size_t>(0);
    way.tap = [bytes](SimPacket& packet) { return *bytes += packet.payload.size(), Verdict::pass; };
    return bytes;
  }
  static void cut(SimLink& link) { link.block({.verdict = Verdict::drop}); }

  static constexpr const char* kAddresses = "addresses='10.1.0.2 10.2.0.2'";
  SimLink& first = network.link(client.add_interface("eth0", {"10.1.0.1"}), server.add_interface("eth0", {"10.1.0.2"}),
                                {.delay = 5ms});
  SimLink& second;
};

}  // namespace trellis::tests
