// Who the peer is: every way in which that can be wrong is told apart, and is never forgiven.
#include "security/secure_pair.h"
#include "support/process.h"

namespace trellis::test {
namespace {

using testing::AllOf;
using testing::HasSubstr;

class Authentication : public SecurePair {
 protected:
  void expect_refused(Code code, const std::string& words) {
    const Error error = failure();
    EXPECT_EQ(error.reason, Reason::authentication) << error.detail;
    EXPECT_EQ(error.code, number(code)) << error.detail;
    EXPECT_EQ(error.layer, layer());
    EXPECT_THAT(error.detail, AllOf(HasSubstr(host), HasSubstr(words), HasSubstr("chain: ")));
    EXPECT_TRUE(world.accepted.empty()) << "the server took a client that has not finished its handshake";
  }
  void show(const CertificateWish& wish) {
    server_security = new_security();
    server_security->server_identities = {pki.issue(wish)};
  }
  void staple(const StapleWish& wish) {
    const std::string response = pki.staple(server_security->server_identities[0], wish);
    listen("ocsp-response='" + directory.write("staple.der", response) + "'");
  }
  const TemporaryDirectory directory;
};

// API-241: what is agreed where nobody has said anything.
TEST_P(Authentication, AServerThatIsWhoItMustBe) {
  meet();
  expect_conversation();
  EXPECT_EQ(property(client, "tls.version"), "1.3");
  EXPECT_EQ(property(client, "tls.cipherSuite"), "TLS_AES_128_GCM_SHA256");
  EXPECT_EQ(property(client, "tls.group"), "X25519MLKEM768");
  EXPECT_THAT(property(client, "tls.peer"), HasSubstr("peer.example"));
}

TEST_P(Authentication, OtherKindsOfKeys) {
  for (const char* kind : {"RSA-2048", "P-384"}) {
    SCOPED_TRACE(kind);
    show({.key = kind});
    listener.reset();
    meet();
    expect_conversation();
  }
}

// The server sends the certificates between its own and the anchor.
TEST_P(Authentication, AChainOverAnotherAuthority) {
  Pki between("Authority in between", pki);
  server_security = new_security();
  server_security->server_identities = {between.issue()};
  meet();
  expect_conversation();
  server_security = new_security();
  server_security->server_identities = {between.issue()};
  server_security->server_identities[0].chain.resize(1);
  listener.reset();
  meet();
  expect_refused(Code::unknown_issuer, "the last issuer is CN=\"Authority in between\"");
}

TEST_P(Authentication, Expired) {
  show({.from = std::chrono::hours(-48), .until = std::chrono::hours(-1)});
  meet();
  expect_refused(Code::certificate_expired, "has expired: ");
}

TEST_P(Authentication, NotYetValid) {
  show({.from = std::chrono::hours(1)});
  meet();
  expect_refused(Code::certificate_not_yet_valid, "not yet valid");
}

TEST_P(Authentication, AnotherName) {
  show({.dns = {"other.example", "www.other.example"}});
  meet();
  expect_refused(Code::wrong_name, "is for other names: other.example, www.other.example");
}

TEST_P(Authentication, UnknownIssuer) {
  client_security->trusted = {Pki("Another Authority").anchor()};
  meet();
  expect_refused(Code::unknown_issuer, "no trust anchor leads to its certificate");
}

TEST_P(Authentication, TheSystemsAnchorsDoNotKnowATestAuthority) {
  client_security = nullptr;
  meet();
  expect_refused(Code::unknown_issuer, "no trust anchor leads to its certificate");
}

TEST_P(Authentication, Revoked) {
  const std::string crl = directory.write("crl.pem", pki.revoke(server_security->server_identities[0]));
  meet("crl='" + crl + "'");
  expect_refused(Code::revoked, "has been revoked");
}

TEST_P(Authentication, NothingSaysThatItIsNotRevoked) {
  meet("revocation=required");
  expect_refused(Code::no_revocation_status, "nothing says whether its certificate is revoked");
}

TEST_P(Authentication, AStapledResponseSaysThatItIsGood) {
  staple({});
  meet("revocation=required");
  expect_conversation();
}

TEST_P(Authentication, AStapledResponseSaysThatItIsRevoked) {
  staple({.status = StapleWish::Status::revoked});
  meet();
  expect_refused(Code::revoked, "has been revoked");
}

TEST_P(Authentication, AStapledResponseThatIsTooOld) {
  staple({.from = std::chrono::hours(-48), .until = std::chrono::hours(-24)});
  meet("revocation=required");
  expect_refused(Code::no_revocation_status, "nothing says whether its certificate is revoked");
}

TEST_P(Authentication, AStapledResponseThatDoesNotKnowIt) {
  staple({.status = StapleWish::Status::unknown});
  meet("revocation=required");
  expect_refused(Code::no_revocation_status, "nothing says whether its certificate is revoked");
}

TEST_P(Authentication, AStapledResponseAboutAnotherCertificate) {
  listen("ocsp-response='" + directory.write("other.der", pki.staple(pki.issue())) + "'");
  meet("revocation=required");
  expect_refused(Code::no_revocation_status, "nothing says whether its certificate is revoked");
}

TEST_P(Authentication, AStapledResponseOfSomebodyElse) {
  Pki other;  // of the same name
  listen("ocsp-response='" + directory.write("forged.der", other.staple(server_security->server_identities[0])) + "'");
  meet("revocation=required");
  expect_refused(Code::no_revocation_status, "nothing says whether its certificate is revoked");
}

TEST_P(Authentication, AStapleThatIsNoResponse) {
  listen("ocsp-response='" + directory.write("staple.der", "no DER") + "'");
  meet("revocation=required");
  expect_refused(Code::no_revocation_status, "nothing says whether its certificate is revoked");
}

TEST_P(Authentication, RevocationIsNotAskedForWherePolicySaysSo) {
  meet("revocation=off");
  expect_conversation();
}

TEST_P(Authentication, WeakKey) {
  show({.key = "RSA-1024"});
  meet();
  expect_refused(Code::weak_key, "1024 bit RSA key");
}

TEST_P(Authentication, ACertificateForClientsOnly) {
  show({.client = true});
  meet();
  expect_refused(Code::bad_certificate, "not acceptable");
}

// API-231: connect only if the certificate shown matches one that is pinned.
TEST_P(Authentication, PinnedKeys) {
  client_security->pinned = {spki(pki.issue())};
  meet();
  expect_refused(Code::not_pinned, "none of those that were pinned");
  client_security = new_security();
  client_security->trusted = {pki.anchor()};
  client_security->pinned = {spki(pki.issue()), spki(server_security->server_identities[0])};
  meet();
  expect_conversation();
}

TEST_P(Authentication, AddressesAreNamesToo) {
  show({.dns = {}, .addresses = {"127.0.0.1", "2001:db8::7"}});
  for (const char* name : {"127.0.0.1", "", "2001:db8:0:0::7"}) {
    SCOPED_TRACE(name);
    host = name;
    meet();
    expect_conversation();
  }
  host = "2001:db8::8";
  meet();
  expect_refused(Code::wrong_name, "2001:db8:0:0:0:0:0:7");
}

// API-229: of several identities a server shows the one for the name that the client wants.
TEST_P(Authentication, TheServerChoosesByName) {
  server_security->server_identities = {pki.issue({.name = "one", .dns = {"one.example"}}),
                                        pki.issue({.name = "two", .dns = {"two.example"}})};
  for (const char* name : {"one.example", "two.example"}) {
    host = name;
    meet();
    expect_conversation();
  }
  EXPECT_THAT(property(client, "tls.peer"), HasSubstr("two"));
}

TEST_P(Authentication, TheOptionServerNameReplacesTheHost) {
  host = "somebody.else";
  meet("server-name=peer.example");
  expect_conversation();
}

TEST_P(Authentication, AServerWithoutAnIdentity) {
  server_security = nullptr;
  meet();
  EXPECT_EQ(failure().reason, Reason::reset);
}

INSTANTIATE_TEST_SUITE_P(Stacks, Authentication, kSecureStacks, stack_name);

// ---- clients

class ClientCertificates : public SecurePair {
 protected:
  ClientCertificates() { server_security->trusted.push_back(pki.anchor()); }
  /// What the server's side of the one connection was told in the end; the client is ready before it hears of it.
  Error client_hears() {
    std::optional<Error> heard;
    client.receive(1, 100, [&](Result<Message> message) {
      if (!message) heard = message.error();
    });
    EXPECT_TRUE(world.run_until([&] { return heard.has_value(); }));
    return heard.value_or(Error{Reason::canceled});
  }
};

// API-230: the identity of a client.
TEST_P(ClientCertificates, RequiredAndShown) {
  client_security->client_identities = {pki.issue({.name = "the client", .dns = {"client.example"}, .client = true})};
  meet({}, "client-certificate=require");
  expect_conversation();
  EXPECT_THAT(property(server, "tls.peer"), HasSubstr("the client"));
}

TEST_P(ClientCertificates, RequiredAndMissing) {
  wait_for_server = false;
  meet({}, "client-certificate=require");
  const Error error = client_hears();
  EXPECT_EQ(error.reason, Reason::authentication) << error.detail;
  EXPECT_EQ(error.code, alert(116)) << error.detail;
  EXPECT_TRUE(world.accepted.empty());
}

TEST_P(ClientCertificates, RequestedAndMissing) {
  meet({}, "client-certificate=request");
  expect_conversation();
}

TEST_P(ClientCertificates, FromAnotherAuthority) {
  wait_for_server = false;
  Pki other("Another Authority");
  client_security->client_identities = {other.issue({.client = true})};
  meet({}, "client-certificate=require");
  const Error error = client_hears();
  EXPECT_EQ(error.reason, Reason::authentication) << error.detail;
  EXPECT_TRUE(world.accepted.empty());
}

// API-244: keys are used in the role that they were given for.
TEST_P(ClientCertificates, AServersIdentityIsNotAClients) {
  wait_for_server = false;
  client_security->server_identities = {pki.issue({.client = true})};
  meet({}, "client-certificate=require");
  EXPECT_EQ(client_hears().code, alert(116));
}

INSTANTIATE_TEST_SUITE_P(Stacks, ClientCertificates, kSecureStacks, stack_name);

}  // namespace
}  // namespace trellis::test
