// What a failed authentication does to a race: it ends the candidate; only one of equal security may still win, and
// where none does, the application hears why the peer was refused.
#include "security/secure_race.h"

namespace trellis::test {
namespace {

using testing::HasSubstr;

// RACE-94: both are of equal security, so the second may win.
TEST_F(SecureRace, AnotherCandidateOfEqualSecurityMayWin) {
  listen();
  race(tls("wrong", expecting("other.example")) + tls("right"));
  ASSERT_TRUE(client_ready);
  EXPECT_TRUE(*client_ready) << client_ready->error().detail;
  EXPECT_EQ(attempts, 2);
}

// RACE-95, QUIC-2, QUIC-9: nobody weaker follows, and the reason is the peer's identity, not "unreachable".
TEST_F(SecureRace, WhereAllAreRefusedTheApplicationHearsWhy) {
  listen();
  race(tls("one", expecting("one.example")) + tls("two", expecting("two.example")));
  EXPECT_EQ(failure().reason, Reason::authentication) << failure().detail;
  EXPECT_EQ(failure().code, number(Code::wrong_name));
  EXPECT_THAT(failure().detail, HasSubstr("one.example"));
  EXPECT_EQ(attempts, 2);
  EXPECT_TRUE(world.accepted.empty());
}

// QUIC-3, QUIC-4, RACE-96, IMPL-169: what is weaker cannot stand beside it in a policy, so no race has it.
TEST_F(SecureRace, NothingWeakerIsInTheRace) {
  listen();
  race(tls("tls") + "<stack name='plain'><layer protocol='tcp'/></stack>");
  EXPECT_THAT(refused_policy, HasSubstr("one is secure and the other is not: never equivalent"));
  race(tls("tls") + tls("old", "<option name='minimum-version' value='1.2'/>"));
  EXPECT_THAT(refused_policy, HasSubstr("security differs and the policy does not declare it equal"));
  EXPECT_FALSE(client_ready);
}

// QUIC-8: the reason tells "no secure way" from "no way".
TEST_F(SecureRace, AServerWithoutTlsIsNotSpokenToInClear) {
  listen_in_clear();
  race(tls("one") + tls("two", expecting("peer.example")));
  EXPECT_EQ(failure().reason, Reason::protocol_violation) << failure().detail;
  EXPECT_EQ(heard.substr(0, 3), std::string("\x16\x03\x01", 3)) << "the first thing said was no ClientHello";
}

}  // namespace
}  // namespace trellis::test
