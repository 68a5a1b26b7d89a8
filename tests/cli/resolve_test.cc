// `trellis resolve`: what it prints, and what it says when there is nothing.
#include "tool.h"

namespace trellis::test {
namespace {

using testing::HasSubstr;
using testing::MatchesRegex;

// IMPL-23, API-58
TEST(ResolveCommand, PrintsBothSides) {
  const Outcome outcome =
      run({"resolve", "--local", "127.0.0.1", "--resolve", "peer.example:443:127.0.0.7,127.0.0.8", "peer.example:443"});
  EXPECT_EQ(outcome.code, 0) << outcome.error;
  EXPECT_THAT(outcome.output, MatchesRegex("local kind=host address=127\\.0\\.0\\.1:[0-9]+\n"
                                           "remote address=127\\.0\\.0\\.7:443 name=peer\\.example\n"
                                           "remote address=127\\.0\\.0\\.8:443 name=peer\\.example\n"));
  EXPECT_EQ(outcome.error, "");
}

// API-48: several peers, in their order.
TEST(ResolveCommand, SeveralPeersAsJson) {
  const Outcome outcome = run({"resolve", "--json", "--local", "127.0.0.1:0", "127.0.0.9:7000", "127.0.0.1:7001"});
  EXPECT_EQ(outcome.code, 0) << outcome.error;
  EXPECT_THAT(outcome.output, HasSubstr(R"({"event":"remote","address":"127.0.0.9:7000","name":"127.0.0.9"})"
                                        "\n"
                                        R"({"event":"remote","address":"127.0.0.1:7001","name":"127.0.0.1"})"));
}

TEST(ResolveCommand, AServerThatIsNotThere) {
  const std::string port = std::to_string(RawSocket::udp().port());
  const Outcome outcome = run({"resolve", "-4", "--stun-server", "127.0.0.1:" + port});
  EXPECT_EQ(outcome.code, 0) << outcome.error;
  EXPECT_THAT(outcome.output, HasSubstr("local kind=host address=127.0.0.1:"));
  EXPECT_THAT(outcome.error, HasSubstr("the STUN server 127.0.0.1:" + port + " cannot be reached"));
}

TEST(ResolveCommand, APeerWithoutAddress) {
  const Outcome outcome = run({"resolve", "--local", "127.0.0.1", "nobody.invalid:443"});
  EXPECT_EQ(outcome.code, 2);
  EXPECT_EQ(outcome.output, "");
  EXPECT_THAT(outcome.error, HasSubstr("nobody.invalid"));
}

TEST(ResolveCommand, CredentialsAreWhole) {
  const Outcome outcome = run({"resolve", "--stun-server", "127.0.0.1:3478,ann"});
  EXPECT_EQ(outcome.code, 1);
  EXPECT_THAT(outcome.error, HasSubstr("--stun-server needs a user and a password behind the comma"));
}

}  // namespace
}  // namespace trellis::test
