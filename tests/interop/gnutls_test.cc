// GnuTLS's command line tools as peers of tls/tcp.
#include "interop/tls_peers.h"

namespace trellis::test {
namespace {

using testing::HasSubstr;

constexpr char kPriority[] = "NORMAL:-VERS-ALL:+VERS-TLS1.3";

class GnuTls : public TlsPeers {
 protected:
  void SetUp() override {
    if (!installed("gnutls-cli")) GTEST_SKIP() << "gnutls-bin is not installed: run sdk/setup interop";
  }
};

TEST_F(GnuTls, OurServer) {
  auto ours = listen();
  const std::string port = port_of(ours->address());
  Process client({"gnutls-cli", "--priority", kPriority, "--x509cafile", ca, "--sni-hostname", "peer.example",
                  "--verify-hostname", "peer.example", "-p", port, "127.0.0.1"});
  ASSERT_TRUE(client.wait_output("Simple Client Mode")) << client.output() << client.error();
  client.write("hello\n");
  EXPECT_TRUE(client.wait_output("\nhello\n")) << client.output();
  client.close_input();
  EXPECT_EQ(client.wait(), 0) << client.output() << client.error();
  EXPECT_THAT(client.output(), HasSubstr("TLS1.3"));
}

TEST_F(GnuTls, OurServerResumes) {
  auto ours = listen();
  const std::string port = port_of(ours->address());
  Process client({"gnutls-cli", "--priority", kPriority, "--x509cafile", ca, "--sni-hostname", "peer.example",
                  "--verify-hostname", "peer.example", "--resume", "--waitresumption", "-p", port, "127.0.0.1"});
  EXPECT_TRUE(client.wait_output("This is a resumed session")) << client.output() << client.error();
}

TEST_F(GnuTls, OurClient) {
  const std::string port = free_port();
  Process server({"gnutls-serv", "--echo", "--priority", kPriority, "--x509certfile", server_pem, "--x509keyfile",
                  server_key, "-p", port});
  ASSERT_TRUE(server.wait_error("Echo Server listening on IPv4 0.0.0.0 port " + port)) << server.error();
  const Outcome outcome = connect(port, "hello\n");
  EXPECT_THAT(outcome.output, HasSubstr("hello\n")) << outcome.error;
  EXPECT_EQ(outcome.code, 0) << outcome.error;
}

}  // namespace
}  // namespace trellis::test
