// Sessions that go on where an earlier one ended: tickets, their single use, and what they are not good for.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "memory_pair.h"

namespace trellis::tls {
namespace {

const std::string kPki = TLS_TEST_PKI;
const std::string kAnchor = kPki + "/ca.pem", kCertificate = kPki + "/server.pem", kKey = kPki + "/server.key";

Shared client_side(std::map<std::string, OptionValue> more = {}) {
  more.emplace("trust", std::string_view(kAnchor));
  more.emplace("groups", std::string_view("x25519"));
  return Shared(*Settings::from(Given(tls_options(), std::move(more))));
}
Shared server_side(std::map<std::string, OptionValue> more = {}) {
  more.emplace("certificate", std::string_view(kCertificate));
  more.emplace("key", std::string_view(kKey));
  return Shared(*Settings::from(Given(tls_options(), std::move(more))));
}

class Resumption : public testing::Test {
 protected:
  /// One connection; true: it resumed an earlier one.
  bool connect(const Shared& from, const Shared& to) {
    End client(from, client_security, state, false), server(to, server_security, no_state, true);
    converse(client, server);
    EXPECT_TRUE(client.is_ready && server.is_ready) << (client.failure ? client.failure->detail : "");
    client.send("a question");
    server.send("an answer");
    converse(client, server);
    EXPECT_EQ(server.received(), "a question");
    EXPECT_EQ(client.received(), "an answer");
    EXPECT_EQ(client.resumed(), server.resumed());
    return client.resumed();
  }
  Security client_security, server_security;
  TestState state, no_state;
  const Shared clients = client_side(), servers = server_side();
};

// RACE-109
TEST_F(Resumption, EachTicketIsUsedOnce) {
  EXPECT_FALSE(connect(clients, servers));
  EXPECT_EQ(state.size(), 2u);
  End first(clients, client_security, state, false), second(clients, client_security, state, false);
  EXPECT_EQ(state.size(), 0u) << "two attempts have taken both tickets";
  End third(clients, client_security, state, false);
  const Security none;
  End server_1(servers, none, no_state, true), server_2(servers, none, no_state, true),
      server_3(servers, none, no_state, true);
  converse(first, server_1);
  converse(second, server_2);
  converse(third, server_3);
  EXPECT_TRUE(first.resumed());
  EXPECT_TRUE(second.resumed());
  EXPECT_FALSE(third.resumed());
}

TEST_F(Resumption, AgainAndAgain) {
  EXPECT_FALSE(connect(clients, servers));
  for (int i = 0; i < 5; ++i) EXPECT_TRUE(connect(clients, servers));
}

TEST_F(Resumption, NotWithOtherRulesOfTrust) {
  EXPECT_FALSE(connect(clients, servers));
  client_security.alpn = {"other"};
  EXPECT_FALSE(connect(clients, servers));
  client_security.alpn.clear();
  const std::string pins = kCertificate;
  EXPECT_FALSE(connect(client_side({{"pins", std::string_view(pins)}}), servers));
  EXPECT_TRUE(connect(clients, servers)) << "the ticket of the first connection is still there";
}

TEST_F(Resumption, OffOnEitherSide) {
  EXPECT_FALSE(connect(client_side({{"resumption", false}}), servers));
  EXPECT_EQ(state.size(), 0u);
  EXPECT_FALSE(connect(clients, server_side({{"tickets", std::int64_t{0}}})));
  EXPECT_EQ(state.size(), 0u);
}

TEST_F(Resumption, AServerWithAnotherTicketKeyAnswersInFull) {
  EXPECT_FALSE(connect(clients, servers));
  EXPECT_FALSE(connect(clients, server_side()));
}

TEST_F(Resumption, ADamagedEntryIsNoDisaster) {
  EXPECT_FALSE(connect(clients, servers));
  for (auto& [detail, list] : state.entries) {
    for (StateValue& value : list) {
      for (std::size_t i = 0; i < value.size(); i += 7) value[i] ^= std::byte{0x55};
    }
  }
  EXPECT_FALSE(connect(clients, servers));
  for (auto& [detail, list] : state.entries) list = {StateValue(1, std::byte{1}), StateValue(3, std::byte{0xff})};
  EXPECT_FALSE(connect(clients, servers));
}

// Only the application accepted that server, so its tickets are not kept.
TEST_F(Resumption, AServerThatOnlyTheApplicationAcceptedIsAskedAboutAgain) {
  struct Nothing final : Security::Question {};
  Security::Answer answer;
  client_security.verify = [&](const PeerIdentity& peer, Security::Answer give) {
    EXPECT_FALSE(peer.valid);
    answer = std::move(give);
    return std::make_unique<Nothing>();
  };
  const Shared trusting_nobody_here(*Settings::from(Given(
      tls_options(), {{"server-name", std::string_view("another.example")}, {"trust", std::string_view(kAnchor)}})));
  End client(trusting_nobody_here, client_security, state, false);
  End server(servers, server_security, no_state, true);
  converse(client, server);
  ASSERT_TRUE(answer);
  EXPECT_FALSE(client.is_ready);
  answer({});
  client.layer->on_wake();
  client.visit();
  converse(client, server);
  EXPECT_TRUE(client.is_ready && server.is_ready);
  EXPECT_EQ(state.size(), 0u);
}

}  // namespace
}  // namespace trellis::tls
