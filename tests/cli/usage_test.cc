// What the command says before it does anything.
#include <Poco/JSON/Object.h>
#include <Poco/JSON/Parser.h>

#include <cerrno>

#include "tool.h"
#include "tool/exit_code.h"

namespace trellis::test {
namespace {

using testing::HasSubstr;

TEST(Usage, HelpIsPrintedForEveryCommand) {
  const Outcome all = run({"help"});
  EXPECT_EQ(all.code, 0);
  for (const char* command : {"connect", "listen", "plugins"}) {
    EXPECT_THAT(all.output, HasSubstr(command));
    for (const auto& words : {std::vector<std::string>{command, "--help"}, {"help", command}}) {
      const Outcome one = run(words);
      EXPECT_EQ(one.code, 0);
      EXPECT_THAT(one.output, HasSubstr("usage: trellis " + std::string(command)));
      EXPECT_EQ(one.error, "");
    }
  }
}

TEST(Usage, VersionNamesTheContract) {
  const Outcome outcome = run({"--version"});
  EXPECT_EQ(outcome.code, 0);
  EXPECT_THAT(outcome.output,
              testing::MatchesRegex("trellis [0-9]+\\.[0-9]+\\.[0-9]+ \\(plugins: ABI [0-9]+, .*\\)\n"));
}

struct Wrong {
  std::vector<std::string> words;
  const char* because;
  friend std::ostream& operator<<(std::ostream& out, const Wrong& wrong) {
    for (const std::string& word : wrong.words) out << word << ' ';
    return out;
  }
};

class WrongCommandLine : public testing::TestWithParam<Wrong> {};

TEST_P(WrongCommandLine, ExitsWithOneAndSaysWhy) {
  const Outcome outcome = run(GetParam().words);
  EXPECT_EQ(outcome.code, 1);
  EXPECT_EQ(outcome.output, "");
  EXPECT_THAT(outcome.error, HasSubstr(GetParam().because));
}

INSTANTIATE_TEST_SUITE_P(
    Usage, WrongCommandLine,
    testing::Values(Wrong{{}, "usage: trellis COMMAND"}, Wrong{{"nosuch"}, "no command \"nosuch\"\n"},
                    Wrong{{"conect"}, "no command \"conect\": did you mean \"connect\"?"},
                    Wrong{{"help", "nosuch"}, "no command \"nosuch\""}, Wrong{{"connect"}, "expected one HOST:PORT"},
                    Wrong{{"connect", "a:1", "b:2"}, "found 2 operands"},
                    Wrong{{"connect", "--hop-limit", "256", "239.1.2.3:1"}, "found --hop-limit 256, expected 0 to"},
                    Wrong{{"listen", "--group", "10.0.0.1", "7"}, "expected an address of 224.0.0.0/4 or ff00::/8"},
                    Wrong{{"listen", "--group", "239.1.2.3@x", "7"}, "expected GROUP or GROUP@SOURCE"},
                    Wrong{{"listen", "--echo", "--group", "239.1.2.3", "7"}, "found --group with --echo or --source"},
                    Wrong{{"connect", "127.0.0.1:70000"}, "port 70000 is out of range: expected 1 to 65535"},
                    Wrong{{"connect", "127.0.0.1:0"}, "port 0 is out of range"},
                    Wrong{{"connect", "127.0.0.256:80"}, "malformed address \"127.0.0.256\""},
                    Wrong{{"connect", "[::12345]:80"}, "malformed address \"::12345\""},
                    Wrong{{"connect", "--nosuch", "a:1"}, "no option --nosuch\n"},
                    Wrong{{"connect", "--polcy", "p.xml", "a:1"}, "no option --polcy, did you mean --policy?"},
                    Wrong{{"connect", "a:1", "--timeout"}, "--timeout needs a value"},
                    Wrong{{"connect", "--timeout", "0", "a:1"}, "--timeout needs a number of seconds above 0"},
                    Wrong{{"connect", "--timeout", "soon", "a:1"}, "not \"soon\""},
                    Wrong{{"connect", "-4", "-6", "a:1"}, "contradicts"},
                    Wrong{{"connect", "-6", "127.0.0.1:1"}, "another address family"},
                    Wrong{{"connect", "--policy", "p.xml", "--stack", "tcp", "a:1"}, "contradicts"},
                    Wrong{{"connect", "--interface", "nowhere0", "a:1"}, "no interface \"nowhere0\""},
                    Wrong{{"connect", "--local", "nowhere", "a:1"}, "malformed address \"nowhere\""},
                    Wrong{{"listen"}, "expected one PORT"},
                    Wrong{{"listen", "65536"}, "out of range: expected 0 to 65535"},
                    Wrong{{"listen", "http"}, "malformed port \"http\""},
                    Wrong{{"listen", "--echo", "--discard", "0"}, "contradicts"},
                    Wrong{{"listen", "--source", "many", "0"}, "--source needs a whole number"},
                    Wrong{{"listen", "--address", "127.0.0.1:5", "0"}, "--address takes no port"},
                    Wrong{{"plugins", "tcp"}, "expected no operand"}));

TEST(Usage, ErrorsAreJsonWhenAskedFor) {
  const Outcome outcome = run({"connect", "--json", "127.0.0.1:70000"});
  EXPECT_EQ(outcome.code, 1);
  const auto error = Poco::JSON::Parser().parse(outcome.error).extract<Poco::JSON::Object::Ptr>();
  EXPECT_EQ(error->getValue<std::string>("event"), "error");
  EXPECT_EQ(error->getValue<std::string>("reason"), "invalid argument");
  EXPECT_EQ(error->getValue<int>("exit"), 1);
  EXPECT_THAT(error->getValue<std::string>("detail"), HasSubstr("70000"));
}

TEST(Usage, FullDiskIsAnError) {
  for (const char* word : {"--version", "help", "plugins"}) {
    Process process(trellis({word}), kClosed, file("/dev/full"));
    EXPECT_EQ(process.wait(), 3) << word;
    EXPECT_THAT(process.error(), HasSubstr("cannot write standard output")) << word;
  }
}

// The stacks of today cannot fail in every way, so the numbers themselves are checked here.
TEST(ExitCode, FollowsTheReason) {
  using tool::exit_code;
  EXPECT_EQ(exit_code(Error{Reason::authentication}, tool::kNotConnected), 4);
  EXPECT_EQ(exit_code(Error{Reason::authentication}, tool::kBroken), 4);
  for (const Reason reason : {Reason::configuration, Reason::prohibited, Reason::unsupported}) {
    EXPECT_EQ(exit_code(Error{reason}, tool::kNotConnected), 5);
  }
  for (const Reason reason : {Reason::unresolved, Reason::unreachable, Reason::timed_out, Reason::reset}) {
    EXPECT_EQ(exit_code(Error{reason}, tool::kNotConnected), 2);
    EXPECT_EQ(exit_code(Error{reason}, tool::kBroken), 3);
  }
  EXPECT_EQ(exit_code(Error{Reason::invalid_argument}, tool::kNotConnected), 1);
  EXPECT_EQ(exit_code(Error{Reason::invalid_argument}, tool::kBroken), 3);
  // The system forbids a port, or it is taken: no policy and no command line is wrong.
  EXPECT_EQ(exit_code(Error{Reason::prohibited, EACCES}, tool::kNotConnected), 2);
  EXPECT_EQ(exit_code(Error{Reason::invalid_argument, EADDRINUSE}, tool::kNotConnected), 2);
}

}  // namespace
}  // namespace trellis::test
