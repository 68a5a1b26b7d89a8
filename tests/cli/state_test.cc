// What outlives a `trellis connect`, and `trellis state`, which shows and forgets it.
#include <filesystem>

#include "tool.h"

namespace trellis::test {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;

struct State : testing::Test {
  /// Connects to a black hole first: a name with an address that refuses and one that answers.
  Outcome connect(const std::string& port, std::vector<std::string> words = {}) const {
    words.insert(words.begin(), {"connect", "--state", file, "-v", "--stack", "tcp", "--wait", "5"});
    words.push_back("127.0.0.1:" + port);
    return run(words, "hello\n");
  }
  static std::string port_of(const std::string& address) { return address.substr(address.rfind(':') + 1); }
  TemporaryDirectory directory;
  std::string file = directory.path() + "/state.sqlite";
};

TEST_F(State, IsShownAndForgotten) {
  Listen peer({"--echo", "--stack", "tcp"});
  const Outcome outcome = connect(port_of(peer.address()));
  ASSERT_EQ(outcome.code, 0) << outcome.error;
  ASSERT_TRUE(std::filesystem::exists(file));
  const Outcome shown = run({"state", "--state", file});
  EXPECT_EQ(shown.code, 0) << shown.error;
  EXPECT_THAT(shown.output, HasSubstr("performance     127.0.0.1 " + port_of(peer.address())));
  EXPECT_THAT(shown.output, HasSubstr("127.0.0.1/32: "));
  EXPECT_THAT(shown.output, HasSubstr("(whole network)"));
  EXPECT_EQ(run({"state", "clear", "--state", file}).output, "2 entries forgotten\n");
  EXPECT_THAT(run({"state", "list", "--state", file}).output, IsEmpty());
}

TEST_F(State, IsExplained) {
  Listen peer({"--echo", "--stack", "tcp"});
  const std::string port = port_of(peer.address());
  ASSERT_EQ(connect(port).code, 0);
  const std::string policy = std::string(TRELLIS_SOURCE_DIR) + "/policies/default.xml";
  // The stack that --stack names is another one than the policy's, so it is asked by the policy this time.
  ASSERT_EQ(run({"connect", "--state", file, "--policy", policy, "127.0.0.1:" + port}, "x").code, 0);
  const Outcome said = run({"explain", "--state", file, policy, "127.0.0.1:" + port});
  EXPECT_EQ(said.code, 0) << said.error;
  EXPECT_THAT(said.output, testing::ContainsRegex("first; history: [0-9.]+ ms, (just now|[0-9]+ s ago)"));
  EXPECT_THAT(run({"explain", policy, "127.0.0.1:" + port}).output, testing::Not(HasSubstr("history:")));
}

TEST_F(State, WhereAndNone) {
  EXPECT_EQ(run({"state", "where", "--state", file}).output, file + "\n");
  EXPECT_EQ(run({"state", "where"}).output, "none\n") << "TRELLIS_STATE of the tests";
  EXPECT_EQ(run({"state", "--state", file}).code, 0);
  EXPECT_FALSE(std::filesystem::exists(file)) << "looking makes nothing";
  Listen peer({"--echo", "--stack", "tcp"});
  EXPECT_EQ(run({"connect", "--state", "none", "--stack", "tcp", "127.0.0.1:" + port_of(peer.address())}, "x").code, 0);
}

TEST_F(State, WrongWords) {
  const Outcome wrong = run({"state", "drop"});
  EXPECT_EQ(wrong.code, 1);
  EXPECT_THAT(wrong.error, HasSubstr("expected list, clear or where, found \"drop\""));
  EXPECT_EQ(run({"state", "--state", ""}).code, 1);
}

// A file that cannot be used: one line, and the connection works.
TEST_F(State, ADamagedFileBreaksNothing) {
  directory.write("state.sqlite", std::string(5000, 'x'));
  Listen peer({"--echo", "--stack", "tcp"});
  Process connect(
      trellis({"connect", "-v", "--state", file, "--stack", "tcp", "127.0.0.1:" + port_of(peer.address())}));
  connect.write("hello\n");
  EXPECT_TRUE(connect.wait_output("hello\n"));
  connect.close_input();
  EXPECT_EQ(connect.wait(), 0);
  // The file is read beside the connection, which does not wait for it: told at the end at the latest.
  EXPECT_THAT(connect.error(), HasSubstr(file + " is damaged or no state file"));
  const Outcome shown = run({"state", "--state", file});
  EXPECT_EQ(shown.code, 3);
  EXPECT_THAT(shown.error, HasSubstr("delete it"));
}

}  // namespace
}  // namespace trellis::test
