// Web servers and clients over tls/tcp: nginx through samples/get, curl through `trellis listen`.
#include <filesystem>
#include <fstream>

#include "interop/tls_peers.h"

namespace trellis::test {
namespace {

using testing::HasSubstr;

// One process with everything in a directory of its own.
constexpr char kHttpsConfiguration[] = R"(
daemon off;
master_process off;
worker_processes 1;
pid nginx.pid;
error_log stderr notice;
events { worker_connections 64; }
http {
  access_log off;
  client_body_temp_path body;
  proxy_temp_path proxy;
  fastcgi_temp_path fastcgi;
  uwsgi_temp_path uwsgi;
  scgi_temp_path scgi;
  server {
    listen 127.0.0.1:PORT ssl;
    ssl_certificate server.pem;
    ssl_certificate_key server.key;
    ssl_protocols TLSv1.3;
    root pages;
  }
}
)";

class Https : public TlsPeers {
 protected:
  void SetUp() override {
    std::string path = std::getenv("PATH") != nullptr ? std::getenv("PATH") : "";
    ::setenv("PATH", (path + ":/usr/sbin:/usr/local/sbin").c_str(), 1);
  }
};

TEST_F(Https, NginxThroughGet) {
  if (!installed("nginx")) GTEST_SKIP() << "nginx is not installed: run sdk/setup interop";
  std::filesystem::create_directory(directory.path() + "/pages");
  std::string text;
  for (int i = 0; text.size() < 3'000'000; ++i) text += std::to_string(i) + (i % 20 == 19 ? '\n' : ' ');
  std::ofstream(directory.path() + "/pages/page.txt") << text;
  std::string configuration = kHttpsConfiguration;
  const std::string port = free_port();
  configuration.replace(configuration.find("PORT"), 4, port);
  Process server(
      {"nginx", "-e", "stderr", "-p", directory.path() + "/", "-c", directory.write("nginx.conf", configuration)},
      file("/dev/null"));
  ASSERT_TRUE(server.wait_error("using the \"epoll\" event method")) << server.error();
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
