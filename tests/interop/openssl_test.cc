// OpenSSL's s_client and s_server as peers of tls/tcp.
#include "interop/tls_peers.h"
#include "stacks/world.h"

namespace trellis::test {
namespace {

using testing::HasSubstr;

class OpenSsl : public TlsPeers {
 protected:
  void SetUp() override {
    if (!installed("openssl")) GTEST_SKIP() << "openssl is not installed: run sdk/setup interop";
  }
  /// s_server that echoes its peer's lines backwards; up to where it accepts.
  std::unique_ptr<Process> server(std::vector<std::string> options = {}) {
    port = free_port();
    options.insert(options.begin(), {"openssl", "s_server", "-accept", "127.0.0.1:" + port, "-cert", server_pem, "-key",
                                     server_key, "-cert_chain", ca, "-rev"});
    auto made = std::make_unique<Process>(options);
    EXPECT_TRUE(made->wait_output("ACCEPT")) << made->error();
    return made;
  }
  /// s_client that has sent "hello" and got it back; then it gives `command` and leaves.
  std::string client(Listen& to, std::vector<std::string> options = {}, const std::string& command = {}) {
    const std::string address = to.address();
    EXPECT_NE(address, "") << to.error();
    options.insert(options.begin(), {"openssl", "s_client", "-connect", address, "-CAfile", ca, "-servername",
                                     "peer.example", "-verify_hostname", "peer.example", "-verify_return_error"});
    Process process(options);
    process.write("hello\n");
    EXPECT_TRUE(process.wait_output("hello\n")) << process.output() << process.error() << to.error();
    if (!command.empty()) {  // one line at a time: what it reads together with a command it forgets
      process.write(command + "\n");
      EXPECT_TRUE(process.wait_error("KEYUPDATE"));
      process.write("afterwards\n");
      EXPECT_TRUE(process.wait_output("afterwards\n")) << process.error() << to.error();
    }
    process.write("Q\n");
    process.close_input();
    process.wait();
    return process.output() + process.error();
  }
  void expect_reversed(const Outcome& outcome) { EXPECT_THAT(outcome.output, HasSubstr("olleh\n")) << outcome.error; }
  std::string port;
};

TEST_F(OpenSsl, OurServer) {
  auto ours = listen();
  const std::string said = client(*ours);
  EXPECT_THAT(said, HasSubstr("TLSv1.3, Cipher is TLS_AES_128_GCM_SHA256"));
  EXPECT_THAT(said, HasSubstr("Verify return code: 0 (ok)"));
  EXPECT_THAT(said, HasSubstr("X25519MLKEM768"));
}

TEST_F(OpenSsl, OurServerAndApplicationProtocols) {
  auto ours = listen("alpn='h2 http/1.1'");
  EXPECT_THAT(client(*ours, {"-alpn", "http/1.1,h2"}), HasSubstr("ALPN protocol: h2"));
}

TEST_F(OpenSsl, OurServerAndCipherSuites) {
  for (const char* suite : {"TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256"}) {
    auto ours = listen();
    EXPECT_THAT(client(*ours, {"-ciphersuites", suite}), HasSubstr(std::string("Cipher is ") + suite));
  }
}

// The client's first share is of a group that the server does not take.
TEST_F(OpenSsl, OurServerAndGroups) {
  for (const char* group : {"X25519", "P-256", "P-384"}) {
    auto ours = listen("groups='secp384r1 secp256r1 x25519'");
    const std::string said = client(*ours, {"-groups", group});
    EXPECT_THAT(said, HasSubstr("Verify return code: 0 (ok)")) << group;
  }
  auto ours = listen("groups=secp384r1");
  EXPECT_THAT(client(*ours, {"-groups", "X25519:P-384"}), HasSubstr("Verify return code: 0 (ok)"));
}

TEST_F(OpenSsl, OurServerAndKeyUpdates) {
  auto ours = listen();
  for (const char* command : {"K", "k"}) client(*ours, {}, command);
}

TEST_F(OpenSsl, OurServerAndClientCertificates) {
  auto ours = listen("client-certificate=require,trust='" + ca + "'");
  client(*ours, {"-cert", client_pem, "-key", client_key});
}

TEST_F(OpenSsl, OurServerRefusesAClientWithoutACertificate) {
  auto ours = listen("client-certificate=require,trust='" + ca + "'");
  const std::string address = ours->address();
  Process process({"openssl", "s_client", "-connect", address, "-CAfile", ca});
  EXPECT_TRUE(process.wait_error("alert certificate required")) << process.error();
}

// Tickets are used once by OpenSSL too; the second connection resumes with the first one's.
TEST_F(OpenSsl, OurServerResumes) {
  auto ours = listen();
  const std::string session = directory.path() + "/session";
  EXPECT_THAT(client(*ours, {"-sess_out", session}), HasSubstr("New, TLSv1.3"));
  EXPECT_THAT(client(*ours, {"-sess_in", session}), HasSubstr("Reused, TLSv1.3"));
}

// Another process with the same ticket key takes them as well.
TEST_F(OpenSsl, OurServersShareATicketKey) {
  const std::string key = directory.write("tickets", "0123456789abcdef0123456789abcdef");
  const std::string session = directory.path() + "/session";
  auto first = listen("ticket-key='" + key + "'");
  client(*first, {"-sess_out", session});
  first.reset();
  auto second = listen("ticket-key='" + key + "'");
  EXPECT_THAT(client(*second, {"-sess_in", session}), HasSubstr("Reused, TLSv1.3"));
}

TEST_F(OpenSsl, OurServerWithPresharedKey) {
  const std::string keys = directory.write("psk", "sensor SHA-256 " + std::string(64, 'a') + "\n");
  auto ours = listen("preshared-keys='" + keys + "'");
  const std::string said = client(
      *ours, {"-psk_identity", "sensor", "-psk", std::string(64, 'a'), "-ciphersuites", "TLS_AES_128_GCM_SHA256"});
  EXPECT_THAT(said, HasSubstr("Reused, TLSv1.3"));  // OpenSSL's word for it
}

TEST_F(OpenSsl, OurServerDoesNotSpeakOlderVersions) {
  auto ours = listen();
  Process process({"openssl", "s_client", "-connect", ours->address(), "-tls1_2"});
  EXPECT_TRUE(process.wait_error("alert protocol version")) << process.error();
}

TEST_F(OpenSsl, OurServerSpeaksTls12WhereTheOptionSaysSo) {
  auto ours = listen("minimum-version=1.2");
  EXPECT_THAT(client(*ours, {"-tls1_2"}), HasSubstr("New, TLSv1.2, Cipher is ECDHE-ECDSA-AES128-GCM-SHA256"));
}

TEST_F(OpenSsl, OurServerStaplesAnOcspResponse) {
  auto ours = listen("ocsp-response='" + directory.write("staple.der", pki.staple(server_identity)) + "'");
  const std::string said = client(*ours, {"-status"});
  EXPECT_THAT(said, HasSubstr("OCSP Response Status: successful"));
  EXPECT_THAT(said, HasSubstr("Cert Status: good"));
}

TEST_F(OpenSsl, OurServerShowsARawPublicKey) {
  const std::string half = directory.write("server.pub", public_key_pem(server_identity));
  Listen ours({"--echo", "--stack", stack("raw-public-keys=true,certificate='" + half + "',key='" + server_key + "'")});
  Process process({"openssl", "s_client", "-connect", ours.address(), "-enable_server_rpk"});
  process.write("hello\n");
  EXPECT_TRUE(process.wait_output("\nhello\n")) << process.output() << process.error() << ours.error();
  EXPECT_THAT(process.output(), HasSubstr("Server raw public key"));
}

// ---- our client

TEST_F(OpenSsl, OurClient) {
  auto theirs = server();
  expect_reversed(connect(port, "hello\n"));
}

TEST_F(OpenSsl, OurClientAndApplicationProtocols) {
  auto theirs = server({"-alpn", "h2,http/1.1"});
  expect_reversed(connect(port, "hello\n", {}, {"--alpn", "http/1.1"}));
  const Outcome outcome = connect(port, "hello\n", {}, {"--alpn", "smtp"});
  EXPECT_EQ(outcome.code, 2) << outcome.error;
  EXPECT_THAT(outcome.error, HasSubstr("no_application_protocol"));
}

TEST_F(OpenSsl, OurClientAndCipherSuites) {
  for (const char* suite : {"TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256"}) {
    auto theirs = server({"-ciphersuites", suite});
    expect_reversed(connect(port, "hello\n"));
  }
}

TEST_F(OpenSsl, OurClientAndGroups) {
  for (const char* group : {"X25519MLKEM768", "X25519", "P-256", "P-384"}) {
    auto theirs = server({"-groups", group});
    expect_reversed(connect(port, "hello\n"));
  }
}

// The ticket goes from one process to the next through the state file.
TEST_F(OpenSsl, OurClientResumes) {
  auto theirs = server();
  const std::vector<std::string> words{"--state", directory.path() + "/state.sqlite", "-v"};
  const Outcome first = connect(port, "hello\n", {}, words), second = connect(port, "hello\n", {}, words);
  expect_reversed(first);
  expect_reversed(second);
  EXPECT_THAT(first.error, testing::Not(HasSubstr("resumed=yes")));
  EXPECT_THAT(second.error, HasSubstr("resumed=yes"));
}

TEST_F(OpenSsl, OurClientShowsItsCertificate) {
  auto theirs = server({"-Verify", "1", "-CAfile", ca, "-verify_return_error"});
  expect_reversed(connect(port, "hello\n", {}, {"--cert", client_pem, "--key", client_key}));
}

TEST_F(OpenSsl, OurClientHearsThatACertificateIsRequired) {
  auto theirs = server({"-Verify", "1", "-CAfile", ca, "-verify_return_error"});
  const Outcome outcome = connect(port, "hello\n");
  EXPECT_EQ(outcome.code, 4) << outcome.error;
  EXPECT_THAT(outcome.error, HasSubstr("certificate_required"));
}

TEST_F(OpenSsl, OurClientDoesNotKnowTheAuthority) {
  auto theirs = server();
  const Outcome outcome = connect(port, "hello\n", "trust='" + directory.write("x.pem", Pki().anchor_pem()) + "'");
  EXPECT_EQ(outcome.code, 4) << outcome.error;
  EXPECT_THAT(outcome.error, HasSubstr("no trust anchor leads to its certificate"));
  EXPECT_TRUE(theirs->wait_error("alert unknown ca")) << theirs->error();
}

// No client of ours can check such a signature, and none pretends to.
TEST_F(OpenSsl, OurClientHasNoUseForAnEd25519Certificate) {
  const std::string key = directory.path() + "/ed25519.key", certificate = directory.path() + "/ed25519.pem";
  Process make({"openssl", "req", "-x509", "-newkey", "ed25519", "-nodes", "-subj", "/CN=peer.example", "-keyout", key,
                "-out", certificate});
  ASSERT_EQ(make.wait(), 0) << make.error();
  port = free_port();
  Process theirs({"openssl", "s_server", "-accept", "127.0.0.1:" + port, "-cert", certificate, "-key", key});
  ASSERT_TRUE(theirs.wait_output("ACCEPT")) << theirs.error();
  const Outcome outcome = connect(port, "hello\n");
  EXPECT_EQ(outcome.code, 2) << outcome.error;
  EXPECT_THAT(outcome.error, HasSubstr("handshake_failure (40): nothing is in common, be it a version, a group, a "
                                       "suite, or a certificate of an RSA or ECDSA key"));
}

// API-228, API-243
TEST_F(OpenSsl, OurClientDoesNotSpeakOlderVersions) {
  auto theirs = server({"-tls1_2"});
  const Outcome outcome = connect(port, "hello\n");
  EXPECT_EQ(outcome.code, 2) << outcome.error;
  EXPECT_THAT(outcome.error, HasSubstr("protocol_version"));
}

TEST_F(OpenSsl, OurClientSpeaksTls12WhereTheOptionSaysSo) {
  auto theirs = server({"-tls1_2"});
  expect_reversed(connect(port, "hello\n", "minimum-version=1.2"));
}

TEST_F(OpenSsl, OurClientWithPresharedKey) {
  const std::string keys = directory.write("psk", "sensor SHA-256 " + std::string(64, 'b') + "\n");
  port = free_port();
  Process theirs({"openssl", "s_server", "-accept", "127.0.0.1:" + port, "-nocert", "-psk_identity", "sensor", "-psk",
                  std::string(64, 'b'), "-ciphersuites", "TLS_AES_128_GCM_SHA256", "-rev"});
  ASSERT_TRUE(theirs.wait_output("ACCEPT"));
  expect_reversed(connect(port, "hello\n", "preshared-keys='" + keys + "'"));
}

TEST_F(OpenSsl, OurClientReadsAStapledOcspResponse) {
  const auto answer = [&](const char* name, const StapleWish& wish) {
    auto theirs = server({"-status_file", directory.write(name, pki.staple(server_identity, wish))});
    return connect(port, "hello\n", "revocation=required");
  };
  expect_reversed(answer("good.der", {}));
  const Outcome revoked = answer("revoked.der", {.status = StapleWish::Status::revoked});
  EXPECT_EQ(revoked.code, 4) << revoked.error;
  EXPECT_THAT(revoked.error, HasSubstr("has been revoked"));
  auto theirs = server();
  const Outcome none = connect(port, "hello\n", "revocation=required");
  EXPECT_EQ(none.code, 4) << none.error;
  EXPECT_THAT(none.error, HasSubstr("nothing says whether its certificate is revoked"));
}

TEST_F(OpenSsl, OurClientKnowsThePinnedKey) {
  auto theirs = server();
  const std::string pin = directory.write("pin.pem", public_key_pem(server_identity));
  expect_reversed(connect(port, "hello\n", "pins='" + pin + "'"));
  const std::string other = directory.write("other.pem", public_key_pem(client_identity));
  const Outcome outcome = connect(port, "hello\n", "pins='" + other + "'");
  EXPECT_EQ(outcome.code, 4) << outcome.error;
  EXPECT_THAT(outcome.error, HasSubstr("none of those that were pinned"));
}

TEST_F(OpenSsl, OurClientKnowsARawPublicKey) {
  auto theirs = server({"-enable_server_rpk"});
  const std::string pin = directory.write("pin.pem", public_key_pem(server_identity));
  expect_reversed(connect(port, "hello\n", "raw-public-keys=true,pins='" + pin + "'"));
  const std::string other = directory.write("other.pem", public_key_pem(client_identity));
  EXPECT_EQ(connect(port, "hello\n", "raw-public-keys=true,pins='" + other + "'").code, 4);
}

// Our key changes with `false`, both keys with `true`.
TEST_F(OpenSsl, OurClientUpdatesKeys) {
  auto theirs = server();
  tests::World world;
  auto security = std::make_shared<Security>();
  security->id = 1;
  security->trusted = {pki.anchor()};
  bool ready = false;
  Connection client = world.preconnection("tls/tcp")
                          .security(security)
                          .remote({.host = "127.0.0.1", .port = static_cast<std::uint16_t>(std::stoi(port))})
                          .initiate(*world.loop, [&](Result<void> how) { ready = how.has_value(); });
  ASSERT_TRUE(world.run_until([&] { return ready; }));
  tests::Reader reader(client);
  for (const auto& [line, both] : {std::pair("one\n", true), std::pair("two\n", false), std::pair("three\n", true)}) {
    ASSERT_TRUE(client.set("tls.keyUpdate", both));
    client.send(tests::slice(client, line));
  }
  EXPECT_TRUE(world.run_until([&] { return reader.all.ends_with("eerht\n") || reader.error; }));
  EXPECT_EQ(reader.all, "eno\nowt\neerht\n");
}

}  // namespace
}  // namespace trellis::test
