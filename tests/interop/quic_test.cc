// OpenSSL's QUIC client as a peer of quic/udp.
#include "interop/tls_peers.h"

namespace trellis::test {
namespace {

using testing::HasSubstr;

class OpenSslQuic : public TlsPeers {
 protected:
  void SetUp() override {
    if (!installed("openssl")) GTEST_SKIP() << "openssl is not installed: run sdk/setup interop";
    if (run_openssl({"s_client", "-help"}).find("-quic") == std::string::npos)
      GTEST_SKIP() << "this openssl has no QUIC: version 3.5 has";
  }
  static std::string run_openssl(std::vector<std::string> words) {
    words.insert(words.begin(), "openssl");
    Process process(words);
    process.close_input();
    process.wait();
    return process.output() + process.error();
  }
  std::unique_ptr<Listen> listen_quic(const std::string& options = {}) {
    const std::string stack = "quic(alpn=test" + (options.empty() ? "" : "," + options) + ")/udp";
    return std::make_unique<Listen>(
        std::vector<std::string>{"--echo", "--stack", stack, "--cert", server_pem, "--key", server_key});
  }
  /// s_client that has sent "hello" and got it back.
  std::string client(Listen& to, std::vector<std::string> options = {}) {
    const std::string address = to.address();
    EXPECT_NE(address, "") << to.error();
    options.insert(options.begin(),
                   {"openssl", "s_client", "-quic", "-alpn", "test", "-connect", address, "-CAfile", ca, "-servername",
                    "peer.example", "-verify_hostname", "peer.example", "-verify_return_error"});
    Process process(options);
    process.write("hello\n");
    EXPECT_TRUE(process.wait_output("hello\n")) << process.output() << process.error() << to.error();
    process.write("Q\n");
    process.close_input();
    process.wait();
    return process.output() + process.error();
  }
};

TEST_F(OpenSslQuic, OurServer) {
  auto ours = listen_quic();
  const std::string said = client(*ours);
  EXPECT_THAT(said, HasSubstr("Verify return code: 0 (ok)"));
  EXPECT_THAT(said, HasSubstr("ALPN protocol: test"));
}

// QUIC-86
TEST_F(OpenSslQuic, OurServerWithRetry) {
  auto ours = listen_quic("retry=always");
  EXPECT_THAT(client(*ours), HasSubstr("Verify return code: 0 (ok)"));
}

TEST_F(OpenSslQuic, OurServerAndCipherSuites) {
  for (const char* suite : {"TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256"}) {
    auto ours = listen_quic();
    EXPECT_THAT(client(*ours, {"-ciphersuites", suite}), HasSubstr(std::string("Cipher is ") + suite));
  }
}

// QUIC-63
TEST_F(OpenSslQuic, OurServerRefusesOtherApplicationProtocols) {
  auto ours = listen_quic();
  const std::string address = ours->address();
  EXPECT_THAT(run_openssl({"s_client", "-quic", "-alpn", "other", "-connect", address, "-CAfile", ca, "-servername",
                           "peer.example"}),
              HasSubstr("No ALPN negotiated"));
}

}  // namespace
}  // namespace trellis::test
