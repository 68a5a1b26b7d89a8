// What a session does about a peer that breaks the protocol: one clear error here, the right alert there.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <format>

#include "memory_session.h"

namespace trellis::tcpls {
namespace {

using testing::HasSubstr;
using tls::AlertDescription;

std::vector<std::byte> octets(std::initializer_list<int> values) {
  std::vector<std::byte> bytes;
  for (const int value : values) bytes.push_back(static_cast<std::byte>(value));
  return bytes;
}
std::vector<std::byte> operator+(std::vector<std::byte> a, const std::vector<std::byte>& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}
std::vector<std::byte> token(int sequence, int fill) {
  return octets({5, sequence}) + std::vector<std::byte>(32, static_cast<std::byte>(fill));
}
std::vector<std::byte> stream(int id, std::initializer_list<int> offset, int size, bool fin = false) {
  return octets({fin ? 3 : 2, 0, 0, 0, id}) + octets(offset) + octets({0, size}) +
         std::vector<std::byte>(static_cast<std::size_t>(size), std::byte{'x'});
}

struct Offence {
  const char* name;
  bool by_client;
  std::vector<std::byte> frames;
  AlertDescription alert;
  const char* words;
};
void PrintTo(const Offence& one, std::ostream* out) { *out << one.name; }

class SessionErrors : public testing::TestWithParam<Offence> {};

// TCPLS-25, TCPLS-33, TCPLS-76, TCPLS-86, TCPLS-99, TCPLS-100, TCPLS-101, TCPLS-102, TCPLS-103, TCPLS-104, TCPLS-106,
// TCPLS-129, TCPLS-130, TCPLS-138
TEST_P(SessionErrors, EndTheSession) {
  const Offence& offence = GetParam();
  MemorySession s;
  ASSERT_TRUE(s.client.is_ready && s.server.is_ready);
  Side& liar = offence.by_client ? s.client : s.server;
  Side& judge = offence.by_client ? s.server : s.client;
  Tampering::send(*liar.session, offence.frames);
  s.converse();
  ASSERT_TRUE(judge.failure);
  EXPECT_EQ(judge.failure->code, static_cast<std::uint64_t>(offence.alert)) << judge.failure->detail;
  EXPECT_THAT(judge.failure->detail, HasSubstr(offence.words));
  ASSERT_TRUE(liar.failure) << "it heard the alert";
  EXPECT_THAT(liar.failure->detail, HasSubstr(std::format("({})", static_cast<int>(offence.alert))));
}

constexpr auto kIllegal = AlertDescription::illegal_parameter;
INSTANTIATE_TEST_SUITE_P(
    Offences, SessionErrors,
    testing::Values(
        Offence{"UnknownFrame", true, octets({7}), kIllegal, "does not exist"},
        Offence{"CutOffStream", true, octets({2, 0, 0, 0, 0}), AlertDescription::decode_error, "expected 15"},
        Offence{"DataBeyondTheRecord", true, octets({2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9, 1}),
                AlertDescription::decode_error, "expected 24"},
        Offence{"CutOffAck", false, octets({4, 0, 0}), AlertDescription::decode_error, "expected 13"},
        Offence{"CutOffToken", false, octets({5, 1, 2, 3}), AlertDescription::decode_error, "expected 34"},
        Offence{"TokenOfAClient", true, token(1, 7), kIllegal, "a client sent a token"},
        Offence{"TokenZero", false, token(0, 7), kIllegal, "token 0"},
        Offence{"TokenWithAnotherValue", false, token(9, 1) + token(9, 2), kIllegal, "another value"},
        Offence{"OffsetWithoutRoom", true, stream(0, {255, 255, 255, 255, 255, 255, 255, 255}, 2), kIllegal,
                "where no stream can reach"},
        Offence{"DataBehindTheEnd", true,
                stream(0, {0, 0, 0, 0, 0, 0, 0, 0}, 2, true) + stream(0, {0, 0, 0, 0, 0, 0, 0, 1}, 2), kIllegal,
                "contradicts its final size"},
        Offence{"AnotherFinalSize", true,
                stream(0, {0, 0, 0, 0, 0, 0, 0, 4}, 2, true) + stream(0, {0, 0, 0, 0, 0, 0, 0, 4}, 1, true), kIllegal,
                "contradicts its final size"},
        Offence{"StreamThatWeNeverOpened", true, stream(1, {0, 0, 0, 0, 0, 0, 0, 0}, 1), kIllegal, "which is not open"},
        Offence{"AckOfWhatWasNotSent", true, octets({4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0}), kIllegal,
                "which was not sent"},
        Offence{"AckOfAnUnknownConnection", true, octets({4, 0, 0, 0, 77, 0, 0, 0, 0, 0, 0, 0, 0}), kIllegal,
                "connection 77"},
        Offence{"ResetOfAnUnknownConnection", true, octets({6, 0, 0, 0, 77}), kIllegal, "which never was"}),
    [](const auto& info) { return std::string(info.param.name); });

// TCPLS-109: a KeyUpdate.
TEST(Session, KeyUpdateIsNotUsed) {
  MemorySession s;
  Tampering::send_handshake(*s.client.session, octets({24, 0, 0, 1, 0}));
  s.converse();
  ASSERT_TRUE(s.server.failure);
  EXPECT_EQ(s.server.failure->code, static_cast<std::uint64_t>(AlertDescription::unexpected_message));
}

// TCPLS-18, TCPLS-27, TCPLS-104, TCPLS-111: what is odd and allowed.
TEST(Session, OddButAllowed) {
  MemorySession s;
  Tampering::send(*s.client.session, {});
  Tampering::send(*s.client.session, octets({0, 0, 0, 0}));
  Tampering::send(*s.server.session, token(9, 1));
  Tampering::send(*s.server.session, token(9, 1));
  Tampering::send(*s.client.session, stream(0, {0, 0, 0, 0, 0, 0, 0, 0}, 3) + stream(0, {0, 0, 0, 0, 0, 0, 0, 1}, 3));
  s.converse();
  EXPECT_FALSE(s.server.failure) << s.server.failure->detail;
  EXPECT_FALSE(s.client.failure) << s.client.failure->detail;
  ASSERT_EQ(s.server.streams_above.size(), 1u);
  EXPECT_EQ(s.server.streams_above[0]->up.batch.bytes(), 4u) << "bytes that come twice are taken once";
}

// TCPLS-45: a higher id opens the lower ones.
TEST(Session, AHigherStreamOpensTheLowerOnes) {
  MemorySession s;
  Tampering::send(*s.client.session, stream(6, {0, 0, 0, 0, 0, 0, 0, 0}, 1));
  s.converse();
  EXPECT_FALSE(s.server.failure);
  EXPECT_EQ(s.server.streams_above.size(), 4u);
}

// TCPLS-107: what waits for a gap is bounded.
TEST(Session, GapsAreBounded) {
  MemorySession s;
  for (int i = 1; i < 200 && !s.server.failure; ++i) {
    Tampering::send(*s.client.session, stream(0, {0, 0, 0, 0, 0, i, 0, 0}, 200));
    Tampering::send(*s.client.session, stream(0, {0, 0, 0, 0, 1, i, 0, 0}, 200));
    s.converse();
  }
  ASSERT_TRUE(s.server.failure);
  EXPECT_EQ(s.server.failure->code, static_cast<std::uint64_t>(AlertDescription::internal_error));
}

// TCPLS-105: there is no other connection here, so the session waits for one.
TEST(Session, DamageDoesNotEndIt) {
  MemorySession s;
  Tampering::send(*s.client.session, octets({1}));
  auto bytes = s.client.take();
  bytes.back() ^= std::byte{1};
  s.server.feed(bytes);
  EXPECT_FALSE(s.server.failure);
}

}  // namespace
}  // namespace trellis::tcpls
