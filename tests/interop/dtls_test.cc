// OpenSSL's and GnuTLS's command line tools as peers of dtls/udp.
#include "interop/tls_peers.h"

namespace trellis::test {
namespace {

using testing::HasSubstr;

constexpr char kDatagramPriority[] = "NORMAL:-VERS-ALL:+VERS-DTLS1.2";

class DtlsPeers : public TlsPeers {
 protected:
  static std::string datagrams(const std::string& options = {}) {
    return options.empty() ? "dtls/udp" : "dtls(" + options + ")/udp";
  }
  std::unique_ptr<Listen> serve(const std::string& options = {}) {
    return std::make_unique<Listen>(
        std::vector<std::string>{"--echo", "--stack", datagrams(options), "--cert", server_pem, "--key", server_key});
  }
  /// `trellis connect` that has said "hello".
  std::unique_ptr<Process> dial(const std::string& port, const std::string& authority,
                                std::vector<std::string> words = {}) {
    words.insert(words.begin(), {"connect", "--stack", datagrams(), "--servername", "peer.example", "--cafile",
                                 authority, "--wait", "5"});
    words.push_back("127.0.0.1:" + port);
    auto made = std::make_unique<Process>(trellis(std::move(words)));
    made->write("hello\n");
    return made;
  }
};

class DtlsOpenSsl : public DtlsPeers {
 protected:
  void SetUp() override {
    if (!installed("openssl")) GTEST_SKIP() << "openssl is not installed: run sdk/setup interop";
  }
  std::unique_ptr<Process> server(const std::string& port, std::vector<std::string> options = {}) {
    options.insert(options.begin(), {"openssl", "s_server", "-dtls1_2", "-accept", "127.0.0.1:" + port, "-cert",
                                     server_pem, "-key", server_key, "-cert_chain", ca});
    auto made = std::make_unique<Process>(options);
    EXPECT_TRUE(made->wait_output("ACCEPT")) << made->error();
    return made;
  }
  /// s_client that has sent "hello" and got it back.
  std::string client(Listen& to, std::vector<std::string> options = {}) {
    const std::string address = to.address();
    EXPECT_NE(address, "") << to.error();
    options.insert(options.begin(),
                   {"openssl", "s_client", "-dtls1_2", "-connect", address, "-CAfile", ca, "-servername",
                    "peer.example", "-verify_hostname", "peer.example", "-verify_return_error"});
    Process process(options);
    EXPECT_TRUE(process.wait_output("Verify return code")) << process.output() << process.error() << to.error();
    process.write("hello\n");
    EXPECT_TRUE(process.wait_output("\nhello\n")) << process.output() << process.error() << to.error();
    process.write("Q\n");
    process.close_input();
    process.wait();
    return process.output() + process.error();
  }
};

TEST_F(DtlsOpenSsl, OurServer) {
  auto ours = serve();
  const std::string said = client(*ours);
  EXPECT_THAT(said, HasSubstr("Protocol: DTLSv1.2"));
  EXPECT_THAT(said, HasSubstr("Cipher is ECDHE-ECDSA-AES128-GCM-SHA256"));
  EXPECT_THAT(said, HasSubstr("Verify return code: 0 (ok)"));
  EXPECT_THAT(said, HasSubstr("Extended master secret: yes"));
}

TEST_F(DtlsOpenSsl, OurServerAndTheOtherSuites) {
  for (const char* suite : {"ECDHE-ECDSA-AES256-GCM-SHA384", "ECDHE-ECDSA-CHACHA20-POLY1305"}) {
    auto ours = serve();
    EXPECT_THAT(client(*ours, {"-cipher", suite}), HasSubstr(std::string("Cipher is ") + suite));
  }
}

// The flight of the server goes in several datagrams, and so do its messages.
TEST_F(DtlsOpenSsl, OurServerInSmallDatagrams) {
  auto ours = serve("handshake-bytes=300");
  EXPECT_THAT(client(*ours), HasSubstr("Verify return code: 0 (ok)"));
}

TEST_F(DtlsOpenSsl, OurServerAndClientCertificates) {
  auto ours = serve("client-certificate=require,trust='" + ca + "'");
  client(*ours, {"-cert", client_pem, "-key", client_key});
}

// No CBC and no RSA key exchange, whoever asks for them.
TEST_F(DtlsOpenSsl, OurServerHasNoWeakSuites) {
  for (const char* suite : {"ECDHE-ECDSA-AES128-SHA256", "AES128-GCM-SHA256", "AES128-SHA"}) {
    auto ours = serve();
    Process process({"openssl", "s_client", "-dtls1_2", "-connect", ours->address(), "-cipher", suite});
    EXPECT_TRUE(process.wait_error("alert handshake failure")) << suite << process.error();
  }
}

// RFC 7627: without it who knows one association's secret could join it to another.
TEST_F(DtlsOpenSsl, OurServerWantsTheExtendedMasterSecret) {
  auto ours = serve();
  Process process({"openssl", "s_client", "-dtls1_2", "-connect", ours->address(), "-no_ems"});
  EXPECT_TRUE(process.wait_error("alert handshake failure")) << process.error();
}

TEST_F(DtlsOpenSsl, OurClientWantsTheExtendedMasterSecret) {
  const std::string port = free_port();
  auto theirs = server(port, {"-no_ems"});
  auto ours = dial(port, ca);
  EXPECT_NE(ours->wait(), 0) << ours->error();
  EXPECT_TRUE(theirs->wait_error("alert handshake failure")) << theirs->error();
}

TEST_F(DtlsOpenSsl, OurServerHasNoOlderVersion) {
  auto ours = serve();
  Process process({"openssl", "s_client", "-dtls1", "-cipher", "DEFAULT:@SECLEVEL=0", "-connect", ours->address()});
  EXPECT_TRUE(process.wait_error("alert protocol version")) << process.error();
}

TEST_F(DtlsOpenSsl, OurServerDoesNotBeginAnew) {
  auto ours = serve();
  Process process({"openssl", "s_client", "-dtls1_2", "-connect", ours->address(), "-CAfile", ca});
  EXPECT_TRUE(process.wait_output("Verify return code")) << process.output() << process.error();
  process.write("R\n");
  EXPECT_TRUE(process.wait_error("RENEGOTIATING")) << process.error();
  EXPECT_THAT(process.output(), testing::Not(HasSubstr("verify return:1\nverify return:1")));
}

TEST_F(DtlsOpenSsl, OurClient) {
  const std::string port = free_port();
  auto theirs = server(port);
  auto ours = dial(port, ca);
  ASSERT_TRUE(theirs->wait_output("hello\n")) << theirs->output() << theirs->error() << ours->error();
  theirs->write("welcome\n");
  EXPECT_TRUE(ours->wait_output("welcome\n")) << ours->error();
}

// With s_server's own cookies, which it keeps as little of as we do.
TEST_F(DtlsOpenSsl, OurClientAndCookies) {
  const std::string port = free_port();
  auto theirs = server(port, {"-listen"});
  auto ours = dial(port, ca);
  EXPECT_TRUE(theirs->wait_output("hello\n")) << theirs->output() << theirs->error() << ours->error();
}

TEST_F(DtlsOpenSsl, OurClientAndSmallDatagrams) {
  const std::string port = free_port();
  auto theirs = server(port, {"-mtu", "300"});
  auto ours = dial(port, ca);
  EXPECT_TRUE(theirs->wait_output("hello\n")) << theirs->output() << theirs->error() << ours->error();
}

TEST_F(DtlsOpenSsl, OurClientDoesNotKnowTheAuthority) {
  const std::string port = free_port();
  auto theirs = server(port);
  auto ours = dial(port, directory.write("x.pem", Pki().anchor_pem()));
  EXPECT_EQ(ours->wait(), 4) << ours->error();
  EXPECT_THAT(ours->error(), HasSubstr("no trust anchor leads to its certificate"));
  EXPECT_TRUE(theirs->wait_error("alert unknown ca")) << theirs->error();
}

class DtlsGnuTls : public DtlsPeers {
 protected:
  void SetUp() override {
    if (!installed("gnutls-cli")) GTEST_SKIP() << "gnutls-bin is not installed: run sdk/setup interop";
  }
};

TEST_F(DtlsGnuTls, OurServer) {
  auto ours = serve();
  const std::string port = port_of(ours->address());
  Process client({"gnutls-cli", "--udp", "--priority", kDatagramPriority, "--x509cafile", ca, "--sni-hostname",
                  "peer.example", "--verify-hostname", "peer.example", "-p", port, "127.0.0.1"});
  ASSERT_TRUE(client.wait_output("Simple Client Mode")) << client.output() << client.error();
  client.write("hello\n");
  EXPECT_TRUE(client.wait_output("\nhello\n")) << client.output() << client.error();
  EXPECT_THAT(client.output(), HasSubstr("DTLS1.2"));
  EXPECT_THAT(client.output(), HasSubstr("extended master secret"));
}

TEST_F(DtlsGnuTls, OurClient) {
  const std::string port = free_port();
  Process server({"gnutls-serv", "--udp", "--echo", "--priority", kDatagramPriority, "--x509certfile", server_pem,
                  "--x509keyfile", server_key, "-p", port});
  ASSERT_TRUE(server.wait_error("UDP Echo Server listening on IPv4")) << server.error();
  auto ours = dial(port, ca);
  EXPECT_TRUE(ours->wait_output("hello\n")) << ours->error() << server.error();
}

}  // namespace
}  // namespace trellis::test
