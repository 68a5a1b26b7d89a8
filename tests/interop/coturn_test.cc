// A real STUN and TURN server: coturn tells our address and allocates a relayed one, for who has the password.
#include "cli/tool.h"

namespace trellis::test {
namespace {

using testing::HasSubstr;
using testing::Not;

class Coturn : public testing::Test {
 protected:
  void SetUp() override {
    if (!installed("turnserver")) GTEST_SKIP() << "coturn is not installed: run sdk/setup interop";
    server = std::make_unique<Process>(std::vector<std::string>{"turnserver", "-n",
                                                                "--no-cli",   "--no-tls",
                                                                "--no-dtls",  "-L",
                                                                "127.0.0.1",  "-p",
                                                                port,         "-E",
                                                                "127.0.0.1",  "-a",
                                                                "-u",         "ann:secret",
                                                                "-r",         "example.org",
                                                                "--verbose",  "--log-file",
                                                                "stdout",     "--simple-log",
                                                                "--pidfile",  directory.path() + "/pid",
                                                                "--userdb",   directory.path() + "/db"},
                                       kClosed);
    ASSERT_TRUE(server->wait_output("UDP listener opened on: 127.0.0.1:" + port))
        << server->output() << server->error();
  }
  Outcome resolve(const std::string& credentials) const {
    return run({"resolve", "-4", "--stun-server", "127.0.0.1:" + port + credentials});
  }

  TemporaryDirectory directory;
  const std::string port = std::to_string(RawSocket::udp().port());
  std::unique_ptr<Process> server;
};

// API-40, API-107: it sees the address that we have, which is no candidate of its own.
TEST_F(Coturn, TellsOurAddress) {
  const Outcome outcome = resolve("");
  EXPECT_EQ(outcome.code, 0) << outcome.error;
  EXPECT_THAT(outcome.output, testing::MatchesRegex("local kind=host address=127\\.0\\.0\\.1:[0-9]+\n"));
  EXPECT_EQ(outcome.error, "");
}

// IMPL-20: an allocation, signed as the server wants it, and given back.
TEST_F(Coturn, AllocatesARelayedAddress) {
  const Outcome outcome = resolve(",ann:secret");
  EXPECT_EQ(outcome.code, 0) << outcome.error;
  EXPECT_THAT(outcome.output, HasSubstr("local kind=relay address=127.0.0.1:"));
  EXPECT_EQ(outcome.error, "");
  EXPECT_TRUE(server->wait_output("refreshed, realm=<example.org>, username=<ann>, lifetime=0")) << server->output();
}

TEST_F(Coturn, LetsInWhoHasThePassword) {
  const Outcome outcome = resolve(",ann:sesame");
  EXPECT_EQ(outcome.code, 0) << "the address of this host is there all the same";
  EXPECT_THAT(outcome.output, Not(HasSubstr("kind=relay")));
  EXPECT_THAT(outcome.error, HasSubstr("refuses: 401 Unauthorized; username or password are wrong"));
  EXPECT_THAT(outcome.error, Not(HasSubstr("sesame")));
}

}  // namespace
}  // namespace trellis::test
