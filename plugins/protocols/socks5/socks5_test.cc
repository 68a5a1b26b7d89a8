// SOCKS 5 byte by byte: what is sent, what is understood, and what is said
// about a proxy that does something else.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "socks5.h"
#include "talk.h"

namespace trellis::socks5 {
namespace {

using namespace std::string_literals;
using testing::HasSubstr;

using proxy::Talk;

proxy::ProxySettings with_user() { return proxy::with_user("ann", "secret"); }

TEST(Socks5Client, AsksForNamesAndAddresses) {  // RFC 1928 sections 3 to 6
  const proxy::ProxySettings settings;
  const std::pair<Endpoint, std::string> targets[] = {
      {{.host = "example.com", .port = 443, .address = {}},
       "\5\1\0\3\x0b"s
       "example.com\1\xbb"},
      {{.host = "192.0.2.7", .port = 80, .address = {}}, "\5\1\0\1\xc0\0\2\7\0\x50"s},
      {{.host = "2001:db8::1", .port = 80, .address = {}}, "\5\1\0\4\x20\1\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\1\0\x50"s},
      {{.host = "", .port = 0, .address = {.family = Address::Family::ipv4, .port = 80, .ip = {10, 0, 0, 1}}},
       "\5\1\0\1\x0a\0\0\1\0\x50"s},
  };
  for (const auto& [target, request] : targets) {
    Client client(settings);
    EXPECT_EQ(client.begin(target).value(), "\5\1\0"s);
    Talk talk;
    EXPECT_EQ(talk.hear_slowly(client, "\5\0"s).value(), request);
    EXPECT_EQ(talk.hear_slowly(client, "\5\0\0\1\0\0\0\0\0\0"s).value(), "");
    EXPECT_TRUE(talk.done);
  }
}

TEST(Socks5Client, LeavesWhatFollowsTheReply) {
  const proxy::ProxySettings settings;
  Client client(settings);
  ASSERT_TRUE(client.begin({.host = "example.com", .port = 443, .address = {}}));
  ASSERT_TRUE(client.read("\5\0"s));
  const auto step = client.read("\5\0\0\3\3abc\0\x50SSH-2.0"s);
  ASSERT_TRUE(step);
  EXPECT_EQ(step->consumed, 10u);
  EXPECT_TRUE(step->done);
}

TEST(Socks5Client, GivesUserAndPassword) {  // RFC 1929
  const auto settings = with_user();
  Client client(settings);
  EXPECT_EQ(client.begin({.host = "a", .port = 1, .address = {}}).value(), "\5\2\0\2"s);
  Talk talk;
  EXPECT_EQ(talk.hear_slowly(client, "\5\2").value(), "\1\3ann\6secret");
  EXPECT_EQ(talk.hear_slowly(client, "\1\0"s).value(), "\5\1\0\3\1a\0\1"s);
}

TEST(Socks5Client, SaysWhatIsWrong) {
  struct Case {
    bool user;
    std::string said;
    Reason reason;
    const char* text;
  };
  const Case cases[] = {
      {false, "HTTP/1.1 400", Reason::protocol_violation, "found version 72, expected 5"},
      {false, "\5\xff", Reason::authentication, "options user and password-file give it"},
      {true, "\5\xff", Reason::authentication, "another authentication than user name and password"},
      {false, "\5\2", Reason::protocol_violation, "method 2, which was not offered"},
      {true, "\5\1", Reason::protocol_violation, "method 1, which was not offered"},
      {true, "\5\2\5"s, Reason::protocol_violation, "found version 5 of the authentication, expected 1"},
      {true, "\5\2\1\1"s, Reason::authentication, "refuses the password of user 'ann'"},
      {false, "\5\0\4"s, Reason::protocol_violation, "a reply of version 4"},
      {false, "\5\0\5\1"s, Reason::unreachable, "a general failure"},
      {false, "\5\0\5\2"s, Reason::prohibited, "its rules do not allow it"},
      {false, "\5\0\5\5"s, Reason::unreachable, "the connection was refused"},
      {false, "\5\0\5\7"s, Reason::unsupported, "does not know CONNECT"},
      {false, "\5\0\5\x99"s, Reason::unreachable, "a code that RFC 1928 does not have"},
      {false, "\5\0\5\0\0\2\0"s, Reason::protocol_violation, "an address of type 2"},
  };
  for (const Case& c : cases) {
    const auto settings = c.user ? with_user() : proxy::ProxySettings{};
    Client client(settings);
    ASSERT_TRUE(client.begin({.host = "example.com", .port = 443, .address = {}}));
    Talk talk;
    const auto heard = talk.hear_slowly(client, c.said);
    ASSERT_FALSE(heard) << c.text;
    EXPECT_EQ(heard.error().reason, c.reason) << c.text;
    EXPECT_THAT(heard.error().detail, HasSubstr(c.text));
    EXPECT_THAT(heard.error().detail, testing::Not(HasSubstr("secret")));
  }
}

TEST(Socks5Client, RefusesTargetsThatCannotBeSaid) {
  const proxy::ProxySettings settings;
  for (const Endpoint& target :
       {Endpoint{.host = "a b", .port = 1, .address = {}}, Endpoint{.host = "a", .port = 0, .address = {}},
        Endpoint{.host = "", .port = 1, .address = {}},
        Endpoint{.host = std::string(256, 'a'), .port = 1, .address = {}},
        Endpoint{.host = "a\r\nHost: b", .port = 1, .address = {}}}) {
    Client client(settings);
    const auto begun = client.begin(target);
    ASSERT_FALSE(begun) << target.host;
    EXPECT_EQ(begun.error().reason, Reason::invalid_argument);
  }
}

// Carries what both sides say to each other until nothing follows.
Result<std::string> together(const proxy::ProxySettings& at_client, const proxy::ProxySettings& at_server,
                             const Endpoint& target) {
  Client client(at_client);
  Server server(at_server);
  Talk heard_by_client, heard_by_server;
  std::string words = client.begin(target).value();
  while (!heard_by_client.done) {
    auto answer = heard_by_server.hear_slowly(server, words);
    if (!answer) return answer;
    auto next = heard_by_client.hear_slowly(client, *answer);
    if (!next) return next;
    words = *next;
  }
  return server.target();
}

TEST(Socks5Server, UnderstandsTheClient) {
  const proxy::ProxySettings open;
  const auto user = with_user();
  EXPECT_EQ(together(open, open, {.host = "example.com", .port = 443, .address = {}}).value(), "example.com:443");
  EXPECT_EQ(together(user, user, {.host = "2001:db8::1", .port = 80, .address = {}}).value(), "[2001:db8::1]:80");
  EXPECT_EQ(together(user, open, {.host = "192.0.2.7", .port = 80, .address = {}}).value(), "192.0.2.7:80");
  const auto refused = together(open, user, {.host = "a", .port = 1, .address = {}});
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().detail, HasSubstr("does not offer authentication method 2"));
  auto wrong = user;
  wrong.password = "secrets";
  EXPECT_THAT(together(wrong, user, {.host = "a", .port = 1, .address = {}}).error().detail, HasSubstr("user 'ann'"));
}

}  // namespace
}  // namespace trellis::socks5
