// The application is asked about the peer: establishment waits for its answer, however late it is.
#include "security/secure_pair.h"

namespace trellis::test {
namespace {

using testing::HasSubstr;

class Verification : public SecurePair {
 protected:
  struct Open final : Security::Question {
    explicit Open(bool* there) : open(there) { *open = true; }
    ~Open() override { *open = false; }
    bool* open;
  };
  /// Asks the test: the question is answered by calling `answer`.
  void ask_me(Security& security) {
    security.verify = [this](const PeerIdentity& peer, Security::Answer give) {
      valid = peer.valid;
      asked_about = std::string(peer.host);
      chain = peer.chain.size();
      answer = std::move(give);
      return std::make_unique<Open>(&open);
    };
  }
  void start() {
    listen(server_options);
    dial(client_options);
    ASSERT_TRUE(world.run_until([&] { return answer != nullptr; }));
    world.spin();
  }
  std::string client_options, server_options, asked_about;
  std::size_t chain = 0;
  bool valid = false, open = false;
  Security::Answer answer;
};

// API-79, API-245, IMPL-35: establishment waits for the answer, on both sides.
TEST_P(Verification, AcceptedLater) {
  ask_me(*client_security);
  start();
  EXPECT_TRUE(valid);
  EXPECT_EQ(asked_about, "peer.example");
  EXPECT_EQ(chain, 2u);
  EXPECT_FALSE(client_ready);
  EXPECT_TRUE(world.accepted.empty()) << "the server has heard that the client accepts it";
  answer({});
  ASSERT_TRUE(world.run_until([&] { return client_ready && !world.accepted.empty(); }));
  EXPECT_FALSE(open);
  server = std::move(*world.accepted.front());
  expect_conversation();
}

// API-211: a clone has the security parameters of whom it was cloned from, with their callbacks.
TEST_P(Verification, AboutACloneToo) {
  ask_me(*client_security);
  client_options = "resumption=false";
  start();
  answer({});
  ASSERT_TRUE(world.run_until([&] { return client_ready && !world.accepted.empty(); }));
  ASSERT_TRUE(*client_ready);
  answer = {};
  asked_about.clear();
  std::optional<Result<void>> ready;
  const Connection clone = client.clone([&](Result<void> how) { ready = std::move(how); });
  ASSERT_TRUE(world.run_until([&] { return answer != nullptr; }));
  EXPECT_EQ(asked_about, "peer.example");
  EXPECT_FALSE(ready);
  answer({});
  ASSERT_TRUE(world.run_until([&] { return ready.has_value(); }));
  EXPECT_TRUE(*ready) << ready->error().detail;
}

TEST_P(Verification, RefusedLater) {
  ask_me(*client_security);
  start();
  answer(fail(Reason::authentication, "I do not like it"));
  ASSERT_TRUE(world.run_until([&] { return client_ready.has_value(); }));
  EXPECT_EQ(failure().reason, Reason::authentication);
  EXPECT_EQ(failure().code, number(Code::refused));
  EXPECT_THAT(failure().detail, HasSubstr("I do not like it"));
  world.spin();
  EXPECT_TRUE(world.accepted.empty());
}

TEST_P(Verification, MayAcceptWhatTheUsualCheckRefuses) {
  client_security->trusted = {Pki("Another Authority").anchor()};
  ask_me(*client_security);
  start();
  EXPECT_FALSE(valid);
  answer({});
  ASSERT_TRUE(world.run_until([&] { return client_ready && !world.accepted.empty(); }));
  server = std::move(*world.accepted.front());
  expect_conversation();
}

TEST_P(Verification, TheQuestionGoesWithTheConnection) {
  ask_me(*client_security);
  start();
  EXPECT_TRUE(open);
  client = {};
  world.spin();
  EXPECT_FALSE(open);
}

TEST_P(Verification, AServerAsksAboutItsClient) {
  client_security->client_identities = {pki.issue({.client = true})};
  server_security->trusted = {pki.anchor()};
  server_options = "client-certificate=require";
  ask_me(*server_security);
  start();
  EXPECT_TRUE(world.accepted.empty());
  answer({});
  ASSERT_TRUE(world.run_until([&] { return client_ready && !world.accepted.empty(); }));
  server = std::move(*world.accepted.front());
  expect_conversation();
}

TEST_P(Verification, AServerRefusesItsClient) {
  client_security->client_identities = {pki.issue({.client = true})};
  server_security->trusted = {pki.anchor()};
  server_options = "client-certificate=require";
  ask_me(*server_security);
  start();
  answer(fail(Reason::authentication, "not you"));
  ASSERT_TRUE(world.run_until([&] { return client_ready.has_value(); }));
  std::optional<Error> heard;
  if (!*client_ready) heard = client_ready->error();  // where a client waits for the server's last word
  client.receive(1, 100, [&](Result<Message> message) {
    if (!message) heard = message.error();
  });
  ASSERT_TRUE(world.run_until([&] { return heard.has_value(); }));
  EXPECT_EQ(heard->reason, Reason::authentication) << heard->detail;
  EXPECT_EQ(heard->code, alert(42)) << heard->detail;
  EXPECT_TRUE(world.accepted.empty());
}

// A peer that does not wait has left: the question is withdrawn.
TEST_P(Verification, ThePeerLeavesBeforeTheAnswer) {
  ask_me(*client_security);
  server_options = "handshake-timeout-ms=50";
  start();
  ASSERT_TRUE(open);
  ASSERT_TRUE(world.run_until([&] { return client_ready.has_value(); }));
  EXPECT_FALSE(open);
  EXPECT_FALSE(*client_ready);
  answer({});  // too late: nothing happens
  world.spin();
  EXPECT_FALSE(*client_ready);
}

// API-245: nobody waits for ever, so that a question that was forgotten costs nothing.
TEST_P(Verification, NeverAnswered) {
  ask_me(*client_security);
  client_options = "answer-timeout-ms=50";
  start();
  ASSERT_TRUE(world.run_until([&] { return client_ready.has_value(); }));
  EXPECT_FALSE(open);
  EXPECT_EQ(failure().reason, Reason::timed_out);
  EXPECT_EQ(failure().code, number(Code::unanswered));
  EXPECT_EQ(failure().detail, "the application has not said within 50 ms whether it trusts peer.example");
}

TEST_P(Verification, AServerIsNeverAnswered) {
  client_security->client_identities = {pki.issue({.client = true})};
  server_security->trusted = {pki.anchor()};
  server_options = "client-certificate=require,answer-timeout-ms=50";
  ask_me(*server_security);
  start();
  ASSERT_TRUE(world.run_until([&] { return !open; }));
  world.spin();
  EXPECT_TRUE(world.accepted.empty());
}

TEST_P(Verification, AnsweredTwice) {
  ask_me(*client_security);
  start();
  answer({});
  answer(fail(Reason::authentication, "on second thoughts"));
  ASSERT_TRUE(world.run_until([&] { return client_ready && !world.accepted.empty(); }));
  server = std::move(*world.accepted.front());
  expect_conversation();
}

INSTANTIATE_TEST_SUITE_P(Stacks, Verification, kSecureStacks, stack_name);
INSTANTIATE_TEST_SUITE_P(Datagrams, Verification, testing::Values("dtls/udp"), stack_name);

}  // namespace
}  // namespace trellis::test
