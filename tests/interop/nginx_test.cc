// nginx as a web server: pages of known length, chunked, and until the end, through samples/get and `trellis connect`.
#include <filesystem>
#include <fstream>
#include <memory>

#include "cli/tool.h"

namespace trellis::test {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

// A server of one process with everything in a directory of its own, so that it is one child with one id.
constexpr char kConfiguration[] = R"(
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
    listen 127.0.0.1:PORT;
    root pages;
    location /chunked/ {
      alias pages/;
      ssi on;
      ssi_types *;
      chunked_transfer_encoding on;
    }
    location /until-end/ {
      alias pages/;
      ssi on;
      ssi_types *;
      chunked_transfer_encoding off;
    }
    location /empty { return 204; }
  }
}
)";

class Nginx : public testing::Test {
 protected:
  void SetUp() override {
    std::string path = std::getenv("PATH") != nullptr ? std::getenv("PATH") : "";
    ::setenv("PATH", (path + ":/usr/sbin:/usr/local/sbin").c_str(), 1);
    if (!installed("nginx")) GTEST_SKIP() << "nginx is not installed: run sdk/setup interop";
    const std::string pages = directory.path() + "/pages";
    std::filesystem::create_directory(pages);
    for (int i = 0; text.size() < 3'000'000; ++i) text += std::to_string(i) + (i % 20 == 19 ? '\n' : ' ');
    std::ofstream(pages + "/page.txt") << text;
    std::ofstream(pages + "/nothing.txt") << "";
    start();
  }
  // Nginx cannot say which port the system chose for it, so it is given one that was free a moment ago.
  void start() {
    std::string configuration = kConfiguration;
    port = std::to_string(RawSocket::tcp_listener().port());
    configuration.replace(configuration.find("PORT"), 4, port);
    const std::string file = directory.write("nginx.conf", configuration);
    const std::vector<std::string> words = {"nginx", "-e", "stderr", "-p", directory.path() + "/", "-c", file};
    server = std::make_unique<Process>(words, test::file("/dev/null"));
    // It says so after it has begun to listen.
    ASSERT_TRUE(server->wait_error("using the \"epoll\" event method")) << server->error();
  }
  Outcome get(const std::string& path) const {
    Process process({program("get"), "http://127.0.0.1:" + port + path}, kClosed);
    const int code = process.wait();
    return {code, process.output(), process.error()};
  }

  TemporaryDirectory directory;
  std::string text, port;
  std::unique_ptr<Process> server;
};

TEST_F(Nginx, PageOfKnownLength) {
  const Outcome outcome = get("/page.txt");
  EXPECT_EQ(outcome.code, 0) << outcome.error;
  EXPECT_TRUE(outcome.output == text);
  EXPECT_THAT(outcome.error, HasSubstr("stack: tcp to 127.0.0.1:" + port));
  EXPECT_THAT(outcome.error, HasSubstr("HTTP/1.1 200 OK"));
}

TEST_F(Nginx, PageInChunks) {
  const Outcome outcome = get("/chunked/page.txt");
  EXPECT_EQ(outcome.code, 0) << outcome.error;
  EXPECT_TRUE(outcome.output == text);
}

TEST_F(Nginx, PageUntilTheEnd) {
  const Outcome outcome = get("/until-end/page.txt");
  EXPECT_EQ(outcome.code, 0) << outcome.error;
  EXPECT_TRUE(outcome.output == text);
}

TEST_F(Nginx, EmptyPages) {
  for (const char* path : {"/nothing.txt", "/empty"}) {
    const Outcome outcome = get(path);
    EXPECT_EQ(outcome.code, 0) << outcome.error;
    EXPECT_EQ(outcome.output, "");
  }
}

TEST_F(Nginx, MissingPageIsAnError) {
  const Outcome outcome = get("/nowhere");
  EXPECT_EQ(outcome.code, 2);
  EXPECT_THAT(outcome.error, HasSubstr("HTTP/1.1 404 Not Found"));
}

TEST_F(Nginx, ConnectCarriesARequest) {
  const Outcome outcome =
      run({"connect", "127.0.0.1:" + port}, "GET /page.txt HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
  EXPECT_EQ(outcome.code, 0) << outcome.error;
  EXPECT_THAT(outcome.output.substr(0, 100), StartsWith("HTTP/1.1 200 OK\r\n"));
  const std::size_t body = outcome.output.find("\r\n\r\n");
  ASSERT_NE(body, std::string::npos);
  EXPECT_TRUE(outcome.output.substr(body + 4) == text);
}

TEST_F(Nginx, WithoutItGetFails) {
  server.reset();
  EXPECT_EQ(get("/page.txt").code, 2);
}

}  // namespace
}  // namespace trellis::test
