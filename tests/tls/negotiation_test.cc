// What both sides agree upon: protocols, groups, suites, versions, keys that need no certificate.
#include <botan/pkcs8.h>
#include <botan/pubkey.h>
#include <botan/system_rng.h>

#include "support/process.h"
#include "tls/tls_pair.h"

namespace trellis::test {
namespace {

using testing::HasSubstr;

class Negotiation : public TlsPair {};

// API-232
TEST_F(Negotiation, ApplicationProtocols) {
  client_security->alpn = {"h3", "http/1.1", "h2"};
  server_security->alpn = {"h2", "http/1.1"};
  meet();
  expect_conversation();
  EXPECT_EQ(property(client, "tls.alpn"), "h2") << "the server's order decides";
  EXPECT_EQ(property(server, "tls.alpn"), "h2");
}

TEST_F(Negotiation, NoApplicationProtocolInCommon) {
  client_security->alpn = {"h2"};
  server_security->alpn = {"http/1.1"};
  meet();
  const Error error = failure();
  EXPECT_EQ(error.reason, Reason::unsupported) << error.detail;
  EXPECT_EQ(error.code, alert(120)) << error.detail;
}

// API-233
TEST_F(Negotiation, GroupsAndHelloRetryRequest) {
  for (const char* group : {"x25519", "secp256r1", "secp384r1", "X25519MLKEM768"}) {
    SCOPED_TRACE(group);
    listener.reset();
    listen(std::string("groups=") + group);
    meet("groups='x25519 secp256r1 secp384r1 X25519MLKEM768'");
    expect_conversation();
  }
}

// API-234
TEST_F(Negotiation, CipherSuites) {
  for (const char* suite : {"TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256"}) {
    client_security = new_security();
    client_security->trusted = {pki.anchor()};
    client_security->ciphers = {suite};
    meet();
    expect_conversation();
    EXPECT_EQ(property(client, "tls.cipherSuite"), suite);
  }
}

TEST_F(Negotiation, AnUnknownAlgorithmIsRefused) {
  client_security->ciphers = {"TLS_RSA_WITH_NULL_MD5"};
  meet();
  EXPECT_EQ(failure().reason, Reason::unsupported);
  EXPECT_THAT(failure().detail, HasSubstr("TLS_AES_128_GCM_SHA256"));
}

TEST_F(Negotiation, NothingInCommon) {
  client_security->ciphers = {"TLS_CHACHA20_POLY1305_SHA256"};
  server_security->ciphers = {"TLS_AES_128_GCM_SHA256"};
  meet();
  EXPECT_EQ(failure().code, alert(40)) << failure().detail;
}

// An option that allows an older version does not ask for it. What peers of older versions get: tests/interop.
TEST_F(Negotiation, TheNewestVersionIsChosen) {
  listen("minimum-version=1.2");
  meet("minimum-version=1.2");
  expect_conversation();
  EXPECT_EQ(property(client, "tls.version"), "1.3");
}

// API-238
TEST_F(Negotiation, PresharedKeys) {
  const PresharedKey psk{.identity = "sensor 7", .hash = "SHA-256", .key = Der(32, std::byte{0x42})};
  client_security = new_security();
  client_security->preshared_keys = {psk};
  server_security = new_security();
  server_security->preshared_keys = {psk};
  meet();
  expect_conversation();
  EXPECT_EQ(property(server, "tls.peer"), "sensor 7");
  client_security = new_security();
  client_security->preshared_keys = {{.identity = "sensor 7", .hash = "SHA-256", .key = Der(32, std::byte{0x43})}};
  meet();
  EXPECT_EQ(failure().reason, Reason::authentication) << failure().detail;
}

TEST_F(Negotiation, RawPublicKeys) {
  const Identity identity = pki.issue();
  server_security = new_security();
  server_security->server_identities = {raw_key(identity)};
  listen("raw-public-keys=true");
  client_security = new_security();
  client_security->pinned = {spki(identity)};
  meet("raw-public-keys=true");
  expect_conversation();
  client_security = new_security();
  client_security->pinned = {spki(pki.issue())};
  meet("raw-public-keys=true");
  EXPECT_EQ(failure().reason, Reason::authentication);
  EXPECT_EQ(failure().code, number(Code::not_pinned)) << failure().detail;
}

// API-80, API-242: the key is only available for signing.
TEST_F(Negotiation, AKeyInHardware) {
  Identity identity = pki.issue();
  auto der = std::exchange(identity.private_key, {});
  std::string asked;
  identity.sign = [&asked, der](std::string_view algorithm, std::span<const std::byte> data) -> Result<Der> {
    asked = algorithm;
    const std::span key(reinterpret_cast<const std::uint8_t*>(der.data()), der.size());
    const auto loaded = Botan::PKCS8::load_key(key);
    Botan::PK_Signer signer(*loaded, Botan::system_rng(), "SHA-256", Botan::Signature_Format::DerSequence);
    const auto made =
        signer.sign_message(reinterpret_cast<const std::uint8_t*>(data.data()), data.size(), Botan::system_rng());
    const auto* const begin = reinterpret_cast<const std::byte*>(made.data());
    return Der(begin, begin + made.size());
  };
  server_security = new_security();
  server_security->server_identities = {identity};
  meet();
  expect_conversation();
  EXPECT_EQ(asked, "ECDSA_SHA256");
}

// ---- the application's own check

class Verification : public TlsPair {
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
    client = world.preconnection("tls/tcp")
                 .security(client_security)
                 .remote({.host = host, .port = listener->local().port, .address = listener->local()})
                 .initiate(*world.loop, [this](Result<void> how) { client_ready = std::move(how); });
    ASSERT_TRUE(world.run_until([&] { return answer != nullptr; }));
    world.spin();
  }
  std::string server_options, asked_about;
  std::size_t chain = 0;
  bool valid = false, open = false;
  Security::Answer answer;
};

// API-79, API-245: establishment waits for the answer, on both sides.
TEST_F(Verification, AcceptedLater) {
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

TEST_F(Verification, RefusedLater) {
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

TEST_F(Verification, MayAcceptWhatTheUsualCheckRefuses) {
  client_security->trusted = {Pki("Another Authority").anchor()};
  ask_me(*client_security);
  start();
  EXPECT_FALSE(valid);
  answer({});
  ASSERT_TRUE(world.run_until([&] { return client_ready && !world.accepted.empty(); }));
  server = std::move(*world.accepted.front());
  expect_conversation();
}

TEST_F(Verification, TheQuestionGoesWithTheConnection) {
  ask_me(*client_security);
  start();
  EXPECT_TRUE(open);
  client = {};
  world.spin();
  EXPECT_FALSE(open);
}

TEST_F(Verification, AServerAsksAboutItsClient) {
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

TEST_F(Verification, AServerRefusesItsClient) {
  client_security->client_identities = {pki.issue({.client = true})};
  server_security->trusted = {pki.anchor()};
  server_options = "client-certificate=require";
  ask_me(*server_security);
  start();
  answer(fail(Reason::authentication, "not you"));
  ASSERT_TRUE(world.run_until([&] { return client_ready.has_value(); }));
  std::optional<Error> heard;
  client.receive(1, 100, [&](Result<Message> message) {
    if (!message) heard = message.error();
  });
  ASSERT_TRUE(world.run_until([&] { return heard.has_value(); }));
  EXPECT_EQ(heard->reason, Reason::authentication) << heard->detail;
  EXPECT_EQ(heard->code, alert(42)) << heard->detail;
  EXPECT_TRUE(world.accepted.empty());
}

}  // namespace
}  // namespace trellis::test
