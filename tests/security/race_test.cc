// What a failed authentication does to a race: it ends the candidate; only one of equal security may still win, and
// where none does, the application hears why the peer was refused.
#include "security/secure_pair.h"
#include "support/process.h"

namespace trellis::test {
namespace {

using testing::HasSubstr;

class SecureRace : public SecureEnds {
 protected:
  /// Connects by a policy with these stacks.
  void race(const std::string& stacks) {
    const std::string policy = directory.write(
        "race.xml", R"(<policy xmlns="urn:trellis:policy:1" name="race"><stacks>)" + stacks + "</stacks></policy>");
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
      for (const RaceNode& node : report.nodes) attempts += node.attempt && node.started_at != TimePoint{};
    });
    client_ready.reset();
    client = to.security(client_security)
                 .remote({.host = host, .port = listener->local().port, .address = listener->local()})
                 .initiate(*world.loop, [this](Result<void> how) { client_ready = std::move(how); });
    ASSERT_TRUE(world.run_until([&] { return client_ready.has_value(); }));
  }
  static std::string tls(const std::string& name, const std::string& options = {}) {
    return "<stack name='" + name + "'><layer protocol='tls'>" + options + "</layer><layer protocol='tcp'/></stack>";
  }
  static std::string expecting(const std::string& server) {
    return "<option name='server-name' value='" + server + "'/>";
  }
  ~SecureRace() override { client = {}; }  // before its framework
  const TemporaryDirectory directory;
  std::unique_ptr<Framework> racing;
  std::string refused_policy;
  int attempts = 0;
};

// RACE-94: both are of equal security, so the second may win.
TEST_F(SecureRace, AnotherCandidateOfEqualSecurityMayWin) {
  listen();
  race(tls("wrong", expecting("other.example")) + tls("right"));
  ASSERT_TRUE(client_ready);
  EXPECT_TRUE(*client_ready) << client_ready->error().detail;
  EXPECT_EQ(attempts, 2);
}

// RACE-95, QUIC-2, QUIC-9: nobody weaker follows, and the reason is the peer's identity, not "unreachable".
TEST_F(SecureRace, WhereAllAreRefusedTheApplicationHearsWhy) {
  listen();
  race(tls("one", expecting("one.example")) + tls("two", expecting("two.example")));
  EXPECT_EQ(failure().reason, Reason::authentication) << failure().detail;
  EXPECT_EQ(failure().code, number(Code::wrong_name));
  EXPECT_THAT(failure().detail, HasSubstr("one.example"));
  EXPECT_EQ(attempts, 2);
  EXPECT_TRUE(world.accepted.empty());
}

// QUIC-3, QUIC-4, RACE-96, IMPL-169: what is weaker cannot stand beside it in a policy, so no race has it.
TEST_F(SecureRace, NothingWeakerIsInTheRace) {
  listen();
  race(tls("tls") + "<stack name='plain'><layer protocol='tcp'/></stack>");
  EXPECT_THAT(refused_policy, HasSubstr("one is secure and the other is not: never equivalent"));
  race(tls("tls") + tls("old", "<option name='minimum-version' value='1.2'/>"));
  EXPECT_THAT(refused_policy, HasSubstr("security differs and the policy does not declare it equal"));
  EXPECT_FALSE(client_ready);
}

// QUIC-8: the reason tells "no secure way" from "no way".
TEST_F(SecureRace, AServerWithoutTlsIsNotSpokenToInClear) {
  std::string heard;
  Listener plain = world.preconnection("tcp")
                       .local({.host = "127.0.0.1"})
                       .listen(*world.loop, {.listening = {},
                                             .received =
                                                 [&](Connection c) {
                                                   world.accepted.push_back(std::make_unique<Connection>(std::move(c)));
                                                   Connection& peer = *world.accepted.back();
                                                   peer.receive(1, 65536, [&](Result<Message> message) {
                                                     if (message) heard += tests::text(message->data);
                                                     peer.send(tests::slice(peer, "400 in clear, please\r\n"));
                                                   });
                                                 },
                                             .failed = {}});
  ASSERT_TRUE(world.run_until([&] { return plain.local().port != 0; }));
  listener = std::move(plain);
  race(tls("one") + tls("two", expecting("peer.example")));
  EXPECT_EQ(failure().reason, Reason::protocol_violation) << failure().detail;
  EXPECT_EQ(heard.substr(0, 3), std::string("\x16\x03\x01", 3)) << "the first thing said was no ClientHello";
}

}  // namespace
}  // namespace trellis::test
