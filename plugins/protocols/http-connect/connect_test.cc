// CONNECT byte by byte: what is sent, what is understood, and what is said
// about a proxy that does something else.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "http_connect.h"
#include "talk.h"

namespace trellis::http_connect {
namespace {

using testing::HasSubstr;

const Endpoint kTarget{.host = "example.com", .port = 443, .address = {}};

proxy::ProxySettings with_user() { return proxy::with_user("Aladdin", "open sesame"); }

TEST(ConnectClient, AsksForNamesAndAddresses) {  // RFC 9110 section 9.3.6
  const proxy::ProxySettings settings;
  EXPECT_EQ(Client(settings).begin(kTarget).value(),
            "CONNECT example.com:443 HTTP/1.1\r\nHost: example.com:443\r\n\r\n");
  EXPECT_EQ(Client(settings).begin({.host = "2001:db8::1", .port = 80, .address = {}}).value(),
            "CONNECT [2001:db8::1]:80 HTTP/1.1\r\nHost: [2001:db8::1]:80\r\n\r\n");
  // The example of RFC 7617 section 2.
  const auto user = with_user();
  EXPECT_THAT(Client(user).begin(kTarget).value(),
              HasSubstr("\r\nProxy-Authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==\r\n"));
  for (const char* host : {"a b", "a\r\nX: y", "", "a/b", "a:b"})
    EXPECT_FALSE(Client(settings).begin({.host = host, .port = 80, .address = {}})) << host;
}

TEST(ConnectClient, UnderstandsSuccess) {
  const proxy::ProxySettings settings;
  for (const std::string head :
       {"HTTP/1.1 200 Connection established\r\n\r\n", "HTTP/1.0 200 OK\r\nVia: x\r\n\r\n", "HTTP/1.1 204 \r\n\r\n",
        "HTTP/1.1 200\r\nContent-Length: 7\r\nTransfer-Encoding: "
        "chunked\r\n\r\n"}) {
    Client client(settings);
    for (std::size_t size = 0; size < head.size(); ++size) {
      const auto early = client.read(std::string_view(head).substr(0, size));
      ASSERT_TRUE(early) << early.error().detail;
      EXPECT_FALSE(early->done);
    }
    const auto step = client.read(head + "SSH-2.0");
    ASSERT_TRUE(step);
    EXPECT_TRUE(step->done);
    EXPECT_EQ(step->consumed, head.size());
  }
}

TEST(ConnectClient, PassesInterimResponsesOver) {
  const proxy::ProxySettings settings;
  Client client(settings);
  const auto step = client.read("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n\r\n");
  ASSERT_TRUE(step);
  EXPECT_FALSE(step->done);
  EXPECT_EQ(step->consumed, 25u);
  Result<proxy::Handshake::Step> last = Client::Step{};
  for (int i = 0; i < 2000 && last; ++i) last = client.read("HTTP/1.1 100 Continue\r\n\r\n");
  ASSERT_FALSE(last) << "there must be an end";
}

TEST(ConnectClient, SaysWhatIsWrong) {
  struct Case {
    bool user;
    std::string said;
    Reason reason;
    const char* text;
  };
  const Case cases[] = {
      {false, "\5\1", Reason::protocol_violation, "it is no HTTP proxy"},
      {false, "HTTP/2.0 200 OK\r\n\r\n", Reason::protocol_violation, "it is no HTTP proxy"},
      {false, "HTTP/1.1 2000\r\n\r\n", Reason::protocol_violation, "it is no HTTP proxy"},
      {false, "HTTP/1.1 2x0 OK\r\n\r\n", Reason::protocol_violation, "it is no HTTP proxy"},
      {false, "HTTP/1.1 200 OK\r\nno field\r\n\r\n", Reason::protocol_violation, "expected NAME: VALUE"},
      {false, "HTTP/1.1 200 OK\r\n folded: x\r\n\r\n", Reason::protocol_violation, "expected NAME: VALUE"},
      {false, "HTTP/1.1 200 OK\r\na: b\nc: d\r\n\r\n", Reason::protocol_violation, "control characters"},
      {false, "HTTP/1.1 403 No\r\n\r\n", Reason::prohibited, "HTTP/1.1 403 No"},
      {false, "HTTP/1.1 502 Bad Gateway\r\n\r\n", Reason::unreachable, "502 Bad Gateway"},
      {false, "HTTP/1.1 504 Late\r\n\r\n", Reason::timed_out, "504 Late"},
      {false, "HTTP/1.1 301 Moved\r\n\r\n", Reason::unreachable, "301 Moved"},
      {false, "HTTP/1.1 101 Switch\r\n\r\n", Reason::unreachable, "101 Switch"},
      {false, "HTTP/1.1 407 A\r\nProxy-Authenticate: basic realm=\"x\"\r\n\r\n", Reason::authentication,
       "options user and password-file give it"},
      {true, "HTTP/1.1 407 A\r\nProxy-Authenticate: Basic realm=\"x\"\r\n\r\n", Reason::authentication,
       "refuses the password of user 'Aladdin'"},
      {true, "HTTP/1.1 407 A\r\nProxy-Authenticate: Negotiate\r\n\r\n", Reason::authentication,
       "authentication by Negotiate, expected Basic"},
      {true, "HTTP/1.1 407 A\r\n\r\n", Reason::authentication, "an unknown scheme"},
      {true, "HTTP/1.0 401 A\r\nWWW-Authenticate: Basic realm=\"x\"\r\n\r\n", Reason::authentication,
       "refuses the password of user 'Aladdin'"},  // tinyproxy
  };
  for (const Case& c : cases) {
    const auto settings = c.user ? with_user() : proxy::ProxySettings{};
    Client client(settings);
    const auto step = client.read(c.said);
    ASSERT_FALSE(step) << c.said;
    EXPECT_EQ(step.error().reason, c.reason) << c.said;
    EXPECT_THAT(step.error().detail, HasSubstr(c.text));
    EXPECT_THAT(step.error().detail, testing::Not(HasSubstr("sesame")));
  }
}

TEST(ConnectServer, UnderstandsTheClient) {
  const auto user = with_user();
  for (const char* host : {"example.com", "192.0.2.1", "2001:db8::1"}) {
    Server server(user);
    const auto step = server.read(Client(user).begin({.host = host, .port = 443, .address = {}}).value());
    ASSERT_TRUE(step && !step->refusal) << host;
    EXPECT_TRUE(step->done);
    EXPECT_THAT(server.target(), HasSubstr(host));
  }
}

TEST(ConnectServer, RefusesWithAStatus) {
  const auto user = with_user();
  const std::pair<std::string, const char*> cases[] = {
      {"GET / HTTP/1.1\r\n\r\n", "HTTP/1.1 405 "},
      {"CONNECT a:1 HTTP/2\r\n\r\n", "HTTP/1.1 400 "},
      {"CONNECT HTTP/1.1\r\n\r\n", "HTTP/1.1 400 "},
      {"CONNECT a HTTP/1.1\r\n\r\n", "HTTP/1.1 400 "},
      {"CONNECT a:0 HTTP/1.1\r\n\r\n", "HTTP/1.1 400 "},
      {"CONNECT a:65536 HTTP/1.1\r\n\r\n", "HTTP/1.1 400 "},
      {"CONNECT 2001:db8::1:80 HTTP/1.1\r\n\r\n", "HTTP/1.1 400 "},
      {"CONNECT [a]:80 HTTP/1.1\r\n\r\n", "HTTP/1.1 400 "},
      {"CONNECT a:1 HTTP/1.1\r\nbad\r\n\r\n", "HTTP/1.1 400 "},
      {"CONNECT a:1 HTTP/1.1\r\n\r\n", "HTTP/1.1 407 "},
      {"CONNECT a:1 HTTP/1.1\r\nProxy-Authorization: Basic QQ==\r\n\r\n", "HTTP/1.1 407 "},
  };
  for (const auto& [request, status] : cases) {
    Server server(user);
    const auto step = server.read(request);
    ASSERT_TRUE(step && step->refusal) << request;
    EXPECT_THAT(step->answer, testing::StartsWith(status)) << request;
  }
}

}  // namespace
}  // namespace trellis::http_connect
