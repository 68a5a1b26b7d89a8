// Web servers and clients over tls/tcp: nginx through samples/get, curl through `trellis listen`.
#include "interop/nginx_server.h"
#include "interop/tls_peers.h"

namespace trellis::test {
namespace {

using testing::HasSubstr;

class Https : public TlsPeers {
 protected:
  void SetUp() override { find_servers(); }
};

TEST_F(Https, NginxThroughGet) {
  if (!installed("nginx")) GTEST_SKIP() << "nginx is not installed: run sdk/setup interop";
  const std::string text = write_pages(directory), port = free_port();
  const auto server = start_nginx(directory, "listen 127.0.0.1:" + port +
                                                 " ssl; ssl_certificate server.pem; ssl_certificate_key server.key; "
                                                 "ssl_protocols TLSv1.3; root pages;");
  Process get({program("get"), "--stack", stack("trust='" + ca + "'"), "https://127.0.0.1:" + port + "/page.txt"},
              kClosed);
  EXPECT_EQ(get.wait(), 0) << get.error();
  EXPECT_TRUE(get.output() == text);
  EXPECT_THAT(get.error(), HasSubstr("HTTP/1.1 200 OK"));
  EXPECT_THAT(get.error(), HasSubstr("stack: tls"));
}

TEST_F(Https, GetDoesNotSendAPageRequestInClear) {
  Process get({program("get"), "https://127.0.0.1:1/page.txt"}, kClosed);
  EXPECT_EQ(get.wait(), 2);
  EXPECT_THAT(get.error(), HasSubstr("confidentiality"));
}

TEST_F(Https, CurlThroughListen) {
  if (!installed("curl")) GTEST_SKIP() << "curl is not installed: run sdk/setup interop";
  auto ours = listen({}, {});
  const std::string address = ours->address_on_error();
  Process curl({"curl", "--silent", "--show-error", "--cacert", ca, "https://" + address + "/"}, kClosed);
  EXPECT_TRUE(ours->wait_output("\r\n\r\n")) << ours->error() << curl.error();
  ours->write("HTTP/1.1 200 OK\r\nContent-Length: 6\r\nConnection: close\r\n\r\nhello\n");
  ours->close_input();
  EXPECT_EQ(curl.wait(), 0) << curl.error();
  EXPECT_EQ(curl.output(), "hello\n");
  EXPECT_THAT(ours->output(), HasSubstr("GET / HTTP/1.1"));
}

}  // namespace
}  // namespace trellis::test
