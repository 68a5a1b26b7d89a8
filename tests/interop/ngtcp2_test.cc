// The programs that come with ngtcp2, at samples/http3 and for samples/get: the scenarios of the QUIC interop runner
// that they can play. The library is ours too, but everything around it is theirs.
#include <fstream>
#include <iterator>

#include "interop/nginx_server.h"
#include "interop/tls_peers.h"

namespace trellis::test {
namespace {

using testing::HasSubstr;
using Words = std::vector<std::string>;

constexpr const char* kServer = "/usr/sbin/gtlsserver";

class Ngtcp2 : public TlsPeers {
 protected:
  void SetUp() override {
    find_servers();
    if (!installed("gtlsclient") || !installed("gtlsserver"))
      GTEST_SKIP() << "ngtcp2-client and ngtcp2-server are not installed: run sdk/setup interop";
    text = write_pages(directory);
  }
  /// samples/http3; its port.
  std::string serve(const Words& more = {}) {
    Words words{program("http3-server"), "--cert", server_pem, "--key", server_key, pages};
    words.insert(words.end(), more.begin(), more.end());
    server = std::make_unique<Process>(words, kClosed);
    EXPECT_TRUE(server->wait_output("\n")) << server->error();
    const std::string line = server->output();
    return line.substr(line.rfind(':') + 1, line.find('\n') - line.rfind(':') - 1);
  }
  /// What their client says of a download from our server, which it must get right.
  std::string download(const std::string& port, Words options) {
    const std::string to = directory.path() + "/page.txt";
    std::remove(to.c_str());
    options.insert(options.begin(), {"gtlsclient", "--no-quic-dump", "--no-http-dump", "--exit-on-all-streams-close",
                                     "--download=" + directory.path()});
    options.insert(options.end(), {"127.0.0.1", port, "https://peer.example/page.txt"});
    Process client(options, kClosed);
    EXPECT_EQ(client.wait(), 0) << server->error();
    std::ifstream file(to);
    const std::string got{std::istreambuf_iterator<char>(file), {}};
    EXPECT_TRUE(got == text) << got.size() << " bytes instead of " << text.size();
    return client.output() + client.error();
  }
  /// What our client gets from their server, and says.
  Outcome get(const Words& options, const std::string& path = "/page.txt") {
    const std::string port = std::to_string(RawSocket::udp().port());
    Words words{kServer, "--no-quic-dump", "--no-http-dump", "--htdocs=" + pages};
    words.insert(words.end(), options.begin(), options.end());
    words.insert(words.end(), {"127.0.0.1", port, server_key, server_pem});
    server = std::make_unique<Process>(words, kClosed);
    Process process({program("get"), "--stack", "quic(trust='" + ca + "')/udp", "https://127.0.0.1:" + port + path},
                    kClosed);
    const int code = process.wait();
    return {code, process.output(), process.error()};
  }

  std::string pages = directory.path() + "/pages", text;
  std::unique_ptr<Process> server;
};

// QUIC-65
TEST_F(Ngtcp2, ClientAtOurServer) {
  const std::string port = serve();
  EXPECT_THAT(download(port, {}), HasSubstr("Negotiated ALPN is h3"));
  EXPECT_THAT(download(port, {"--version=v2"}), HasSubstr("the negotiated version is 0x6b3343cf"));
  EXPECT_THAT(download(port, {"--ciphers=NORMAL:-VERS-ALL:+VERS-TLS1.3:-CIPHER-ALL:+CHACHA20-POLY1305"}),
              HasSubstr("Negotiated cipher suite is CHACHA20-POLY1305"));
  EXPECT_THAT(download(port, {"--key-update=1ms"}), HasSubstr("Initiate key update"));
}

// QUIC-86
TEST_F(Ngtcp2, ClientIsSentAwayOnce) { EXPECT_THAT(download(serve({"--retry"}), {}), HasSubstr("type=Retry")); }

// QUIC-71
TEST_F(Ngtcp2, ClientMoves) {
  const std::string port = serve();
  EXPECT_THAT(download(port, {"--change-local-addr=1ms"}), HasSubstr("path has been validated"));
  download(port, {"--change-local-addr=1ms", "--nat-rebinding"});
}

TEST_F(Ngtcp2, ClientResumes) {
  const std::string port = serve(), session = directory.path() + "/session", parameters = directory.path() + "/tp";
  const Words keep{"--session-file=" + session, "--tp-file=" + parameters};
  Words first = keep;
  first.push_back("--wait-for-ticket");
  download(port, first);
  EXPECT_THAT(download(port, keep), HasSubstr("type=0RTT"));
}

// Handshakes and transfers with losses in both directions: handshakeloss, transferloss.
TEST_F(Ngtcp2, ClientWithLosses) {
  const std::string port = serve();
  for (const char* loss : {"0.01", "0.05", "0.1"}) {
    for (int i = 0; i < 3; ++i) download(port, {std::string("--tx-loss=") + loss, std::string("--rx-loss=") + loss});
  }
}

TEST_F(Ngtcp2, ServerForOurClient) {
  for (const Words& options : {Words{}, Words{"--validate-addr"}, Words{"--preferred-versions=v2,v1"},
                               Words{"--tx-loss=0.05", "--rx-loss=0.05"}}) {
    const Outcome page = get(options);
    EXPECT_EQ(page.code, 0) << page.error << server->error();
    EXPECT_TRUE(page.output == text) << page.output.size();
    EXPECT_THAT(page.error, HasSubstr("HTTP/3 200"));
  }
}

}  // namespace
}  // namespace trellis::test
