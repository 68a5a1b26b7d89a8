// A peer that is not who it must be is refused by dtls in the words of tls: one judge, one error.
#include "security/secure_pair.h"
#include "support/process.h"

namespace trellis::test {
namespace {

struct Told {
  Reason reason;
  std::uint64_t code;
  std::string detail;
  bool operator==(const Told&) const = default;
};

/// The same ends over another stack.
struct Over : SecureEnds {
  explicit Over(const char* layers) : SecureEnds(layers) {}
  void TestBody() override {}
  /// What a client with that Security hears of this server.
  Told tell(const Identity& identity, const Security& of_client, const std::string& options) {
    server_security = new_security();
    server_security->server_identities = {identity};
    const std::uint64_t id = client_security->id;
    *client_security = of_client;
    client_security->id = id;
    wait_for_server = false;
    meet(options);
    const Error error = failure();
    EXPECT_EQ(error.layer, layer());
    EXPECT_TRUE(world.accepted.empty());
    return {error.reason, error.code, error.detail};
  }
};

Told told(const char* layers, const Identity& identity, const Security& client, const std::string& options) {
  return Over(layers).tell(identity, client, options);
}

void expect_same(const Identity& identity, const Security& client, Code code, const std::string& options = {}) {
  const Told streams = told("tls/tcp", identity, client, options);
  const Told datagrams = told("dtls/udp", identity, client, options);
  EXPECT_EQ(streams.code, number(code));
  EXPECT_EQ(streams.reason, Reason::authentication);
  EXPECT_EQ(streams, datagrams) << streams.detail << "\n" << datagrams.detail;
}

// RACE-95, API-231: the reason is the peer's identity.
TEST(DtlsRefusal, InTheWordsOfTls) {
  Pki pki;
  const TemporaryDirectory directory;
  Security client;
  client.trusted = {pki.anchor()};
  Security stranger;
  stranger.trusted = {Pki("Another Authority").anchor()};
  Security pinning = client;
  pinning.pinned = {spki(pki.issue())};
  const Identity good = pki.issue();
  expect_same(pki.issue({.dns = {"other.example"}}), client, Code::wrong_name);
  expect_same(good, stranger, Code::unknown_issuer);
  expect_same(good, pinning, Code::not_pinned);
  expect_same(pki.issue({.key = "RSA-1024"}), client, Code::weak_key);
  expect_same(pki.issue({.client = true}), client, Code::bad_certificate);
  const std::string crl = directory.write("crl.pem", pki.revoke(good));
  expect_same(good, client, Code::revoked, "crl='" + crl + "'");
  expect_same(good, client, Code::no_revocation_status, "revocation=required");
}

// The time in the sentence differs by a moment.
TEST(DtlsRefusal, OutOfItsTime) {
  Pki pki;
  Security client;
  client.trusted = {pki.anchor()};
  const Identity old = pki.issue({.from = std::chrono::hours(-48), .until = std::chrono::hours(-1)});
  const Identity young = pki.issue({.from = std::chrono::hours(1)});
  EXPECT_EQ(told("dtls/udp", old, client, {}).code, number(Code::certificate_expired));
  EXPECT_THAT(told("dtls/udp", old, client, {}).detail, testing::HasSubstr("the certificate has expired: "));
  EXPECT_EQ(told("dtls/udp", young, client, {}).code, number(Code::certificate_not_yet_valid));
}

}  // namespace
}  // namespace trellis::test
