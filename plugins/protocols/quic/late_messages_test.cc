// What TLS may say after the handshake, when both ends have given their sessions back.
#include "late_messages.h"

#include <gtest/gtest.h>

#include "memory_quic.h"
#include "security/peer_error.h"

namespace trellis::quic {
namespace {

using Octets = std::vector<std::uint8_t>;
constexpr std::uint8_t kTicket = 4, kCertificateRequest = 13, kKeyUpdate = 24;
constexpr bool kFromServer = false, kFromClient = true;

TEST(LateMessages, TicketsComeInAnyPieces) {
  const Octets two{kTicket, 0, 0, 3, 'a', 'b', 'c', kTicket, 0, 0, 0, kTicket, 0, 0, 1, 'd'};
  for (std::size_t piece = 1; piece <= two.size(); ++piece) {
    LateMessages messages;
    for (std::size_t at = 0; at < two.size(); at += piece) {
      const auto part = std::span(two).subspan(at, std::min(piece, two.size() - at));
      EXPECT_EQ(messages.read(part, kFromServer), 0) << at << " by " << piece;
    }
    EXPECT_TRUE(messages.between_messages()) << piece;
  }
}

TEST(LateMessages, KnowsWhereAMessageEnds) {
  const Octets ticket{kTicket, 0, 1, 0};
  LateMessages messages;
  EXPECT_TRUE(messages.between_messages());
  for (const std::uint8_t& byte : ticket) {
    EXPECT_EQ(messages.read({&byte, 1}, kFromServer), 0);
    EXPECT_FALSE(messages.between_messages());
  }
  EXPECT_EQ(messages.read(Octets(255), kFromServer), 0);
  EXPECT_FALSE(messages.between_messages());
  EXPECT_EQ(messages.read(Octets(1), kFromServer), 0);
  EXPECT_TRUE(messages.between_messages());
}

TEST(LateMessages, OthersAreRefused) {
  EXPECT_EQ(LateMessages().read(Octets{kKeyUpdate, 0, 0, 1, 0}, kFromServer), NGTCP2_ERR_CRYPTO);
  EXPECT_EQ(LateMessages().read(Octets{kCertificateRequest}, kFromServer), NGTCP2_ERR_PROTO);
  EXPECT_EQ(LateMessages().read(Octets{kTicket, 0, 0, 0, kKeyUpdate}, kFromServer), NGTCP2_ERR_CRYPTO);
  for (const std::uint8_t type : {kTicket, kCertificateRequest, kKeyUpdate})
    EXPECT_EQ(LateMessages().read(Octets{type}, kFromClient), NGTCP2_ERR_CRYPTO) << unsigned{type};
}

/// A client and a server that have shaken hands.
struct AfterTheHandshake : testing::Test {
  tls::TestState state;
  MemoryQuic pair{state};
  QuicEnd& server() { return *pair.server.ends.front(); }

  void SetUp() override {
    ASSERT_TRUE(pair.client.is_ready && pair.server.ends.size() == 1 && server().is_ready);
    ASSERT_FALSE(state.entries.empty()) << "no ticket has come";
  }
  /// More bytes of the CRYPTO stream than there were, all of this value: whatever came before, the next message is of
  /// this type.
  static Datagram crypto_frame(std::uint8_t value) {
    constexpr std::size_t kSize = 0x1fff;  // 6: CRYPTO; an offset of 0; 0x40: a length of two bytes
    Datagram frame{std::byte{6}, std::byte{0}, std::byte{0x40 | kSize >> 8}, std::byte{kSize & 0xff}};
    frame.resize(frame.size() + kSize, std::byte{value});
    return frame;
  }
  std::string fact(QuicEnd& end, std::string_view name) {
    const auto value = end.layer->get(UpperPort(), name);
    return value ? std::get<std::string>(*value) : value.error().detail;
  }
};

TEST_F(AfterTheHandshake, WhatWasAgreedCanStillBeAsked) {
  for (QuicEnd* const end : {&pair.client, &server()}) {
    EXPECT_EQ(fact(*end, "tls.alpn"), "test");
    EXPECT_EQ(fact(*end, "tls.version"), "1.3");
    EXPECT_EQ(fact(*end, "tls.cipherSuite"), "TLS_AES_128_GCM_SHA256");
    EXPECT_EQ(fact(*end, "tls.group"), "x25519");
  }
  EXPECT_NE(fact(pair.client, "tls.peer").find("peer.example"), std::string::npos) << fact(pair.client, "tls.peer");
  EXPECT_EQ(fact(server(), "tls.peer"), "");
}

void expect_refused(QuicEnd& by, QuicEnd& other) {
  ASSERT_NE(by.failure, nullptr);
  EXPECT_EQ(by.failure->reason, Reason::protocol_violation) << by.failure->detail;
  EXPECT_EQ(by.failure->code, 10u) << by.failure->detail;
  ASSERT_NE(other.failure, nullptr);
  EXPECT_EQ(other.failure->code, static_cast<std::uint64_t>(security::Code::alert_received) + 10)
      << other.failure->detail;
}

TEST_F(AfterTheHandshake, AClientSaysNothingMore) {
  pair.server.feed(pair.forge(pair.id_of_server, crypto_frame(kTicket)), pair.at);
  pair.converse();
  expect_refused(server(), pair.client);
}

TEST_F(AfterTheHandshake, KeysAreNotUpdatedByTls) {
  pair.feed_client(pair.forge(pair.id_of_client, crypto_frame(kKeyUpdate)));
  pair.converse();
  expect_refused(pair.client, server());
}

TEST_F(AfterTheHandshake, AServerAsksForNoCertificate) {
  pair.feed_client(pair.forge(pair.id_of_client, crypto_frame(kCertificateRequest)));
  pair.converse();
  ASSERT_NE(pair.client.failure, nullptr);
  EXPECT_EQ(pair.client.failure->reason, Reason::protocol_violation) << pair.client.failure->detail;
  EXPECT_EQ(pair.client.failure->code, std::uint64_t{NGTCP2_PROTOCOL_VIOLATION}) << pair.client.failure->detail;
}

// The server would not know the packets that are written here in its name, so it hears nothing of them.
TEST_F(AfterTheHandshake, MoreTicketsDoNoHarm) {
  pair.feed_client(pair.forge(pair.id_of_client, crypto_frame(kTicket)));
  EXPECT_EQ(pair.client.failure, nullptr) << pair.client.failure->detail;
  const Datagram stream{std::byte{0x0a}, std::byte{0}, std::byte{2}, std::byte{'o'}, std::byte{'k'}};  // id, length
  pair.feed_client(pair.forge(pair.id_of_client, stream));
  EXPECT_EQ(pair.client.received, "ok");
}

}  // namespace
}  // namespace trellis::quic
