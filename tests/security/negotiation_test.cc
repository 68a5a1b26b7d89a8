// What both sides agree upon: protocols, groups, suites, versions, keys that need no certificate.
#include <botan/pkcs8.h>
#include <botan/pubkey.h>
#include <botan/system_rng.h>

#include "security/secure_pair.h"
#include "support/process.h"

namespace trellis::test {
namespace {

using testing::HasSubstr;

// API-78: each parameter is set by itself, and does what it says.
class Negotiation : public SecurePair {};

// API-232
TEST_P(Negotiation, ApplicationProtocols) {
  client_security->alpn = {"h3", "http/1.1", "h2"};
  server_security->alpn = {"h2", "http/1.1"};
  meet();
  expect_conversation();
  EXPECT_EQ(property(client, "tls.alpn"), "h2") << "the server's order decides";
  EXPECT_EQ(property(server, "tls.alpn"), "h2");
}

TEST_P(Negotiation, NoApplicationProtocolInCommon) {
  client_security->alpn = {"h2"};
  server_security->alpn = {"http/1.1"};
  meet();
  const Error error = failure();
  EXPECT_EQ(error.reason, Reason::unsupported) << error.detail;
  EXPECT_EQ(error.code, alert(120)) << error.detail;
}

// API-233
TEST_P(Negotiation, GroupsAndHelloRetryRequest) {
  for (const char* group : {"x25519", "secp256r1", "secp384r1", "X25519MLKEM768"}) {
    SCOPED_TRACE(group);
    listener.reset();
    listen(std::string("groups=") + group);
    meet("groups='x25519 secp256r1 secp384r1 X25519MLKEM768'");
    expect_conversation();
    EXPECT_EQ(property(client, "tls.group"), group);
  }
}

// API-234
TEST_P(Negotiation, CipherSuites) {
  for (const char* suite : {"TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256"}) {
    client_security = new_security();
    client_security->trusted = {pki.anchor()};
    client_security->ciphers = {suite};
    meet();
    expect_conversation();
    EXPECT_EQ(property(client, "tls.cipherSuite"), suite);
  }
}

TEST_P(Negotiation, AnUnknownAlgorithmIsRefused) {
  client_security->ciphers = {"TLS_RSA_WITH_NULL_MD5"};
  meet();
  EXPECT_EQ(failure().reason, Reason::unsupported);
  EXPECT_THAT(failure().detail, HasSubstr("TLS_AES_128_GCM_SHA256"));
}

TEST_P(Negotiation, NothingInCommon) {
  client_security->ciphers = {"TLS_CHACHA20_POLY1305_SHA256"};
  server_security->ciphers = {"TLS_AES_128_GCM_SHA256"};
  meet();
  EXPECT_EQ(failure().code, alert(40)) << failure().detail;
}

// An option that allows an older version does not ask for it. What peers of older versions get: tests/interop.
TEST_P(Negotiation, TheNewestVersionIsChosen) {
  listen("minimum-version=1.2");
  meet("minimum-version=1.2");
  expect_conversation();
  EXPECT_EQ(property(client, "tls.version"), "1.3");
}

// API-238
TEST_P(Negotiation, PresharedKeys) {
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

TEST_P(Negotiation, RawPublicKeys) {
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

// API-235
TEST_P(Negotiation, SignatureAlgorithms) {
  server_security->server_identities.push_back(pki.issue({.key = "RSA-2048"}));
  const std::pair<const char*, bool> cases[] = {
      {"ecdsa_secp256r1_sha256", true}, {"rsa_pss_rsae_sha256", true}, {"ecdsa_secp384r1_sha384", false}};
  for (const auto& [name, fits] : cases) {
    SCOPED_TRACE(name);
    client_security = new_security();
    client_security->trusted = {pki.anchor()};
    client_security->signatures = {name};
    meet();
    if (fits) {
      expect_conversation();
    } else {
      EXPECT_EQ(failure().reason, Reason::unsupported) << failure().detail;
    }
  }
}

// API-228, API-239: an application raises the floor of a policy, and never lowers it.
TEST_P(Negotiation, TheVersionThatTheApplicationAsksFor) {
  client_security->version_floor = 0x0304;
  meet();
  expect_conversation();
  client_security = new_security();
  client_security->version_floor = 0x0303;
  client_security->trusted = {pki.anchor()};
  meet();
  EXPECT_EQ(property(client, "tls.version"), "1.3");
  client_security = new_security();
  client_security->version_floor = 0x0305;
  meet();
  EXPECT_EQ(failure().reason, Reason::unsupported);
  EXPECT_THAT(failure().detail, HasSubstr("the newest here is TLS 1.3"));
}

// API-80, API-242: the key is only available for signing.
TEST_P(Negotiation, AKeyInHardware) {
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

INSTANTIATE_TEST_SUITE_P(Stacks, Negotiation, kSecureStacks, stack_name);

}  // namespace
}  // namespace trellis::test
