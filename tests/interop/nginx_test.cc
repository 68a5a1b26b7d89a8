// nginx as a web server: pages of known length, chunked, and until the end, through samples/get and `trellis connect`.
#include "interop/nginx_server.h"

namespace trellis::test {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

constexpr char kPages[] = R"(
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
)";

class Nginx : public testing::Test {
 protected:
  void SetUp() override {
    find_servers();
    if (!installed("nginx")) GTEST_SKIP() << "nginx is not installed: run sdk/setup interop";
    text = write_pages(directory);
    std::ofstream(directory.path() + "/pages/nothing.txt") << "";
    port = std::to_string(RawSocket::tcp_listener().port());
    server = start_nginx(directory, "listen 127.0.0.1:" + port + ";" + kPages);
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
