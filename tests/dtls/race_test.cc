// Secure and insecure never race each other, and DTLS 1.2 never stands for TLS 1.3.
#include "security/secure_race.h"

namespace trellis::test {
namespace {

using testing::HasSubstr;

std::string stack_of(const std::string& name, const std::vector<std::string>& layers) {
  std::string text = "<stack name='" + name + "'>";
  for (const std::string& layer : layers) {
    const bool framer = layer == "length-prefix";
    text += std::string("<layer ") + (framer ? "framer" : "protocol") + "='" + layer + "'/>";
  }
  return text + "</stack>";
}

struct DtlsRace : SecureRace {
  DtlsRace() { plain_stack = "dtls/udp"; }
};

const std::string kSecureMessages = stack_of("secure", {"sctp", "dtls", "udp"});

// RACE-96, IMPL-169, QUIC-3
TEST_F(DtlsRace, NothingInClearIsInTheRace) {
  listen();
  race(kSecureMessages + stack_of("clear", {"sctp", "udp"}));
  EXPECT_THAT(refused_policy, HasSubstr("one is secure and the other is not: never equivalent"));
  race(stack_of("secure", {"dtls", "udp"}) + stack_of("clear", {"udp"}));
  EXPECT_THAT(refused_policy, HasSubstr("one is secure and the other is not: never equivalent"));
  race(kSecureMessages + stack_of("clear", {"length-prefix", "tcp"}));
  EXPECT_THAT(refused_policy, HasSubstr("one is secure and the other is not: never equivalent"));
  EXPECT_FALSE(client_ready);
}

// QUIC-4: weaker than TLS 1.3, so only a policy that says so has both.
TEST_F(DtlsRace, ItDoesNotStandForTls13) {
  listen();
  race(kSecureMessages + stack_of("newer", {"length-prefix", "tls", "tcp"}));
  EXPECT_THAT(refused_policy, HasSubstr("security differs and the policy does not declare it equal"));
  EXPECT_FALSE(client_ready);
}

// RACE-94, QUIC-9: where the peer is refused nobody follows in clear.
TEST_F(DtlsRace, ARefusedPeerIsTheEnd) {
  server_security = new_security();
  server_security->server_identities = {pki.issue({.dns = {"other.example"}})};
  listen();
  race(stack_of("secure", {"dtls", "udp"}), "<requirements face='datagram'/>");
  EXPECT_EQ(failure().reason, Reason::authentication) << failure().detail << refused_policy;
  EXPECT_EQ(failure().code, number(Code::wrong_name));
  EXPECT_TRUE(world.accepted.empty());
}

}  // namespace
}  // namespace trellis::test
