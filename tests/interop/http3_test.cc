// HTTP/3 between strangers: curl at samples/http3, samples/get at nginx and at samples/http3.
#include "interop/nginx_server.h"
#include "interop/tls_peers.h"

namespace trellis::test {
namespace {

using testing::HasSubstr;

class Http3 : public TlsPeers {
 protected:
  void SetUp() override {
    find_servers();
    text = write_pages(directory);
    std::ofstream(pages + "/empty.txt") << "";
  }
  /// samples/http3; its address.
  std::string serve(const std::vector<std::string>& more = {}) {
    std::vector<std::string> words{program("http3-server"), "--cert", server_pem, "--key", server_key, pages};
    words.insert(words.end(), more.begin(), more.end());
    server = std::make_unique<Process>(words, kClosed);
    EXPECT_TRUE(server->wait_output("\n")) << server->error();
    const std::string line = server->output();
    return line.substr(line.find('=') + 1, line.find('\n') - line.find('=') - 1);
  }
  /// nginx; its address.
  std::string serve_by_nginx(const std::string& retry) {
    const std::string port = std::to_string(RawSocket::udp().port());
    server = start_nginx(directory, "listen 127.0.0.1:" + port + " quic; quic_retry " + retry +
                                        "; ssl_certificate server.pem; ssl_certificate_key server.key; root pages;");
    return "127.0.0.1:" + port;
  }
  Outcome get(const std::string& address, const std::string& path) const {
    Process process({program("get"), "--stack", "quic(trust='" + ca + "')/udp", "https://" + address + path}, kClosed);
    const int code = process.wait();
    return {code, process.output(), process.error()};
  }
  Outcome curl(const std::string& address, const std::vector<std::string>& paths,
               const std::vector<std::string>& options = {}) const {
    std::vector<std::string> words{"curl", "--http3-only", "--silent", "--show-error", "--cacert", ca};
    words.insert(words.end(), options.begin(), options.end());
    for (const std::string& path : paths) words.push_back("https://" + address + path);
    Process process(words, kClosed);
    const int code = process.wait();
    return {code, process.output(), process.error()};
  }
  static bool curl_has_http3() {
    Process process({"curl", "--version"}, kClosed);
    process.wait();
    return process.output().find("HTTP3") != std::string::npos;
  }

  std::string pages = directory.path() + "/pages", text;
  std::unique_ptr<Process> server;
};

// QUIC-27, QUIC-65
TEST_F(Http3, CurlAtOurServer) {
  if (!installed("curl") || !curl_has_http3()) GTEST_SKIP() << "there is no curl with HTTP/3: run sdk/setup interop";
  const std::string address = serve();
  const Outcome page = curl(address, {"/page.txt"}, {"--include"});
  EXPECT_EQ(page.code, 0) << page.error << server->error();
  EXPECT_THAT(page.output.substr(0, 100), HasSubstr("HTTP/3 200"));
  EXPECT_TRUE(page.output.ends_with(text)) << page.output.size();
  // Several requests on one connection, one after the other and at once.
  const Outcome two = curl(address, {"/page.txt", "/empty.txt", "/page.txt"}, {"--parallel"});
  EXPECT_EQ(two.code, 0) << two.error << server->error();
  EXPECT_EQ(two.output.size(), 2 * text.size());
  const Outcome head = curl(address, {"/page.txt"}, {"--head"});
  EXPECT_THAT(head.output, HasSubstr("content-length: " + std::to_string(text.size()))) << head.error;
  EXPECT_THAT(curl(address, {"/nothing.txt"}, {"--include"}).output, HasSubstr("HTTP/3 404"));
  EXPECT_THAT(curl(address, {"/../server.key"}, {"--include", "--path-as-is"}).output, HasSubstr("HTTP/3 404"));
}

// QUIC-86
TEST_F(Http3, CurlAtOurServerWithRetry) {
  if (!installed("curl") || !curl_has_http3()) GTEST_SKIP() << "there is no curl with HTTP/3: run sdk/setup interop";
  const Outcome page = curl(serve({"--retry"}), {"/page.txt"});
  EXPECT_EQ(page.code, 0) << page.error << server->error();
  EXPECT_TRUE(page.output == text);
}

TEST_F(Http3, GetAtNginx) {
  if (!installed("nginx")) GTEST_SKIP() << "nginx is not installed: run sdk/setup interop";
  for (const char* retry : {"off", "on"}) {
    const std::string address = serve_by_nginx(retry);
    const Outcome page = get(address, "/page.txt");
    EXPECT_EQ(page.code, 0) << page.error << server->error();
    EXPECT_TRUE(page.output == text) << page.output.size();
    EXPECT_THAT(page.error, HasSubstr("HTTP/3 200"));
    EXPECT_THAT(page.error, HasSubstr("stack: quic"));
    const Outcome nothing = get(address, "/nothing.txt");
    EXPECT_EQ(nothing.code, 2);
    EXPECT_THAT(nothing.error, HasSubstr("the server answered 404"));
  }
}

TEST_F(Http3, GetAtOurServer) {
  const std::string address = serve();
  const Outcome page = get(address, "/page.txt");
  EXPECT_EQ(page.code, 0) << page.error << server->error();
  EXPECT_TRUE(page.output == text) << page.output.size();
  EXPECT_EQ(get(address, "/empty.txt").output, "");
}

}  // namespace
}  // namespace trellis::test
