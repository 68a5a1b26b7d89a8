// secure_race.h: a client that connects by a policy with several stacks, and whoever it meets.
#pragma once
#include "security/secure_pair.h"
#include "support/process.h"

namespace trellis::test {

class SecureRace : public SecureEnds {
 protected:
  /// Connects by a policy with these stacks, after `requirements` in XML.
  void race(const std::string& stacks, const std::string& requirements = {}) {
    const std::string policy =
        directory.write("race.xml", R"(<policy xmlns="urn:trellis:policy:1" name="race">)" + requirements + "<stacks>" +
                                        stacks + "</stacks></policy>");
    FrameworkOptions options;
    options.policies = {policy};
    options.plugin_directories = {TRELLIS_BUILD_DIR "/plugins"};
    auto made = Framework::create(std::move(options));
    if (!made) {
      refused_policy = made.error().detail;
      return;
    }
    racing = std::move(*made);
    Preconnection to(*racing);
    to.on_race([this](const RaceReport& report) {
      ++races;
      for (const RaceNode& node : report.nodes) attempts += node.attempt && node.started_at != TimePoint{};
    });
    client_ready.reset();
    client = to.security(client_security)
                 .remote({.host = host, .port = listener->local().port, .address = listener->local()})
                 .initiate(*world.loop, [this](Result<void> how) { client_ready = std::move(how); });
    client.on_notice([this](Notice, const Error& detail) { noticed += detail.detail; });
    ASSERT_TRUE(world.run_until([&] { return client_ready.has_value(); }));
  }
  static std::string tls(const std::string& name, const std::string& options = {}) {
    return "<stack name='" + name + "'><layer protocol='tls'>" + options + "</layer><layer protocol='tcp'/></stack>";
  }
  static std::string expecting(const std::string& server) {
    return "<option name='server-name' value='" + server + "'/>";
  }
  /// Listens on TCP without TLS, greets whoever comes, and keeps what it hears.
  void listen_in_clear() {
    Listener plain =
        world.preconnection("tcp")
            .local({.host = "127.0.0.1"})
            .listen(*world.loop, {.listening = {},
                                  .received =
                                      [this](Connection c) {
                                        world.accepted.push_back(std::make_unique<Connection>(std::move(c)));
                                        greet(*world.accepted.back());
                                      },
                                  .failed = {}});
    ASSERT_TRUE(world.run_until([&] { return plain.local().port != 0; }));
    listener = std::move(plain);
  }
  ~SecureRace() override { client = {}; }  // before its framework
  const TemporaryDirectory directory;
  std::unique_ptr<Framework> racing;
  std::string refused_policy;
  std::string heard, noticed;
  int attempts = 0, races = 0;

 private:
  void greet(Connection& peer) {
    peer.receive(1, 65536, [this, &peer](Result<Message> message) {
      if (message) heard += tests::text(message->data);
      peer.send(tests::slice(peer, "400 in clear, please\r\n"));
    });
  }
};

}  // namespace trellis::test
