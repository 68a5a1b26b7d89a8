#include "get/http_response.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace {

using testing::HasSubstr;

struct Read {
  trellis::Result<void> how;
  bool complete = false;
  int status = 0;
  std::string body;
};

// Feeds the text in pieces of `size` bytes.
Read read(const std::string& text, std::size_t size, bool then_end = false) {
  Read result;
  HttpResponse response([&](std::string_view body) {
    result.body += body;
    return true;
  });
  for (std::size_t at = 0; at < text.size() && result.how; at += size)
    result.how = response.read(text.substr(at, size));
  if (result.how && then_end) result.how = response.end();
  result.complete = response.complete();
  result.status = response.status();
  return result;
}

class HttpResponseInPieces : public testing::TestWithParam<std::size_t> {};

TEST_P(HttpResponseInPieces, OfKnownLength) {
  const Read result = read("HTTP/1.1 200 OK\r\ncontent-LENGTH:  5 \r\nX: y\r\n\r\nhelloignored", GetParam());
  ASSERT_TRUE(result.how) << result.how.error().detail;
  EXPECT_TRUE(result.complete);
  EXPECT_EQ(result.status, 200);
  EXPECT_EQ(result.body, "hello");
}

TEST_P(HttpResponseInPieces, InChunks) {
  const Read result = read(
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nA;name=value\r\n, dear all\r\n0\r\nT: "
      "x\r\n\r\n",
      GetParam());
  ASSERT_TRUE(result.how) << result.how.error().detail;
  EXPECT_TRUE(result.complete);
  EXPECT_EQ(result.body, "hello, dear all");
}

TEST_P(HttpResponseInPieces, UntilTheEnd) {
  const std::string text = "HTTP/1.0 200 OK\n\nall there is";
  EXPECT_FALSE(read(text, GetParam()).complete);
  const Read result = read(text, GetParam(), true);
  EXPECT_TRUE(result.how);
  EXPECT_TRUE(result.complete);
  EXPECT_EQ(result.body, "all there is");
}

TEST_P(HttpResponseInPieces, BehindAnInterimResponse) {
  const Read result =
      read("HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 404 No\r\nContent-Length: 2\r\n\r\nno", GetParam());
  EXPECT_TRUE(result.complete);
  EXPECT_EQ(result.status, 404);
  EXPECT_EQ(result.body, "no");
}

INSTANTIATE_TEST_SUITE_P(Sizes, HttpResponseInPieces, testing::Values(1, 2, 3, 7, 1000));

TEST(HttpResponse, WithoutABody) {
  for (const char* text : {"HTTP/1.1 204 No Content\r\n\r\n", "HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n",
                           "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"}) {
    const Read result = read(text, 1000);
    EXPECT_TRUE(result.complete) << text;
    EXPECT_EQ(result.body, "");
  }
}

TEST(HttpResponse, WhatIsWrongIsRefused) {
  const std::string ok = "HTTP/1.1 200 OK\r\n";
  const std::pair<std::string, const char*> cases[] = {
      {"SSH-2.0-OpenSSH\r\n", "expected a status line"},
      {"HTTP/1.1 abc\r\n", "expected a status line"},
      {ok + "no colon\r\n", "without a colon"},
      {ok + "Content-Length: -1\r\n", "Content-Length"},
      {ok + "Content-Length: 1\r\nContent-Length: 2\r\n", "Content-Length"},
      {ok + "Transfer-Encoding: gzip\r\n", "Transfer-Encoding"},
      {ok + "Transfer-Encoding: chunked\r\n\r\nxyz\r\n", "size of a chunk"},
      {ok + "Transfer-Encoding: chunked\r\n\r\n1\r\nab\r\n", "behind the end of a chunk"},
      {ok + std::string(70000, 'x'), "longer than"},
  };
  for (const auto& [text, because] : cases) {
    const Read result = read(text, 1000);
    ASSERT_FALSE(result.how) << text.substr(0, 80);
    EXPECT_THAT(result.how.error().detail, HasSubstr(because));
  }
}

TEST(HttpResponse, MayNotEndTooEarly) {
  for (const char* text : {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell", "HTTP/1.1 200", "",
                           "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n"}) {
    const Read result = read(text, 1000, true);
    ASSERT_FALSE(result.how) << text;
    EXPECT_THAT(result.how.error().detail, HasSubstr("before the end"));
  }
}

TEST(HttpResponse, AFullDiskEndsIt) {
  HttpResponse response([](std::string_view) { return false; });
  EXPECT_FALSE(response.read("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"));
}

}  // namespace
