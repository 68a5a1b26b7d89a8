// Messages of connectivity checks: what is signed, what is refused, and what is no check.
#include "core/ice_message.h"

#include <gmock/gmock.h>

#include "loop/virtual_loop.h"
#include "loop/virtual_world.h"
#include "trellis/address_text.h"

namespace trellis::tests {
namespace {

using testing::HasSubstr;
using Bytes = IceSession::Bytes;

const IceCredentials kOurs{"oursours", "ourpasswordourpasswordou"};
const IceCredentials kTheirs{"theirs", "theirpasswordtheirpassword"};
const IceSession kWe(kOurs, kTheirs), kThey(kTheirs, kOurs);
const Address kFrom = parse_address("192.0.2.1", 7000).value();

Bytes check(bool nominates = false) { return kThey.request({}, 4711, true, 0x0123456789abcdef, nominates); }

// API-106: what one side writes the other one reads (RFC 8445 section 7.1).
TEST(IceMessage, ACheckIsRead) {
  const Bytes bytes = check(true);
  const auto request = read_stun(bytes);
  ASSERT_TRUE(request) << request.error().detail;
  EXPECT_EQ(kWe.judge(*request), 0u);
  EXPECT_TRUE(request->fingerprinted());
  EXPECT_EQ(request->text(StunType::username), "oursours:theirs");
  EXPECT_EQ(request->number(StunType::priority), 4711u);
  EXPECT_EQ(request->long_number(StunType::ice_controlling), 0x0123456789abcdefu);
  EXPECT_NE(request->find(StunType::use_candidate), nullptr);
  const Bytes answered = kWe.success(*request, kFrom);
  const auto answer = read_stun(answered);
  ASSERT_TRUE(answer);
  EXPECT_TRUE(answer->fingerprinted());
  EXPECT_TRUE(kThey.from_peer(*answer));
  EXPECT_FALSE(kWe.from_peer(*answer));
  EXPECT_EQ(answer->address(StunType::xor_mapped_address).value(), kFrom);
}

// API-106: whoever is not the peer gets no more than a refusal (RFC 8489 section 9.1.3).
TEST(IceMessage, StrangersAreRefused) {
  const auto judged = [](const Bytes& bytes) {
    const auto request = read_stun(bytes);
    return request ? kWe.judge(*request) : 1;
  };
  IceCredentials wrong = kOurs;
  wrong.password.back() = 'x';
  EXPECT_EQ(judged(IceSession(kTheirs, wrong).request({}, 1, true, 1, false)), kWrongCredentials);
  wrong = kOurs;
  wrong.ufrag += "x";
  EXPECT_EQ(judged(IceSession(kTheirs, wrong).request({}, 1, true, 1, false)), kWrongCredentials);
  StunWriter bare(StunClass::request, StunMethod::binding, {});
  EXPECT_EQ(judged({bare.bytes().begin(), bare.bytes().end()}), kBadRequest);
  StunWriter strange(StunClass::request, StunMethod::binding, {});
  strange.add(StunType::username, "oursours:theirs").add(StunType{0x7fff}, std::uint32_t{1});
  strange.sign(Hash::sha1, std::as_bytes(std::span(kOurs.password))).add_fingerprint();
  const auto request = read_stun(strange.bytes());
  ASSERT_TRUE(request);
  EXPECT_EQ(kWe.judge(*request), kUnknownAttribute);
  const Bytes refused = kWe.refusal(*request, kUnknownAttribute, "Unknown Attribute");
  const auto refusal = read_stun(refused);
  ASSERT_TRUE(refusal);
  EXPECT_EQ(refusal->refusal()->code, kUnknownAttribute);
  EXPECT_EQ(refusal->text(StunType::unknown_attributes), "\x7f\xff");
  Bytes damaged = check();
  damaged.back() ^= std::byte{1};
  EXPECT_FALSE(read_stun(damaged)->fingerprinted());
}

// Messages of the application are not taken for checks, whatever is in them; late checks are answered.
TEST(IceMessage, LateChecks) {
  const auto late = kWe.late(check(), kFrom);
  ASSERT_TRUE(late);
  const auto answer = read_stun(*late);
  ASSERT_TRUE(answer);
  EXPECT_TRUE(kThey.from_peer(*answer));
  const auto request = read_stun(check());
  EXPECT_EQ(kThey.late(kWe.success(*read_stun(check()), kFrom), kFrom), Bytes()) << "an answer is not answered";
  EXPECT_FALSE(kThey.late(check(), kFrom)) << "signed for somebody else";
  EXPECT_FALSE(kWe.late({}, kFrom));
  EXPECT_FALSE(kWe.late(std::as_bytes(std::span(std::string_view("an ordinary message"))), kFrom));
}

// API-106: 24 random bits and 128 at least (RFC 8445 section 5.3), and what ICE takes.
TEST(IceMessage, Credentials) {
  VirtualWorld world;
  VirtualLoop loop(world, {});
  const IceCredentials one = fresh_credentials(loop), other = fresh_credentials(loop);
  EXPECT_TRUE(check_credentials(one, "our"));
  EXPECT_NE(one.ufrag, other.ufrag);
  EXPECT_NE(one.password, other.password);
  EXPECT_GE(one.password.size() * 6, 128u);
  EXPECT_THAT(check_credentials({"abc", one.password}, "the peer's").error().detail,
              HasSubstr("found the peer's ufrag of 3 characters, expected 4 to 256"));
  EXPECT_THAT(check_credentials({"ab:cd", one.password}, "our").error().detail,
              HasSubstr("some of which ICE does not take"));
}

}  // namespace
}  // namespace trellis::tests
