// What is said of races: explain, connect --trace and --timeline, race --replay, and --resolve that provokes them.
#include <Poco/JSON/Array.h>
#include <Poco/JSON/Object.h>

#include <fstream>
#include <sstream>

#include "json.h"
#include "tool.h"

namespace trellis::test {
namespace {

using Poco::JSON::Object;
using testing::ContainsRegex;
using testing::HasSubstr;
using testing::Not;

constexpr const char* kDefault = TRELLIS_SOURCE_DIR "/policies/default.xml";

std::string content(const std::string& file) {
  std::ostringstream text;
  text << std::ifstream(file, std::ios::binary).rdbuf();
  return text.str();
}

// The records of a JSON text sequence (RFC 7464), read without the code that wrote them.
std::vector<Object::Ptr> records(const std::string& text) {
  std::vector<Object::Ptr> all;
  for (std::size_t at = 0; at < text.size();) {
    EXPECT_EQ(text[at], '\x1e');
    const std::size_t end = std::min(text.find('\x1e', at + 1), text.size());
    EXPECT_EQ(text[end - 1], '\n');
    all.push_back(parse(text.substr(at + 1, end - at - 1)));
    at = end;
  }
  return all;
}

// ---- --resolve

TEST(Resolve, AddressesAreTriedAsTheyAreGiven) {
  const RawSocket listener = RawSocket::tcp_listener();
  const std::string port = std::to_string(listener.port());
  Process process(trellis({"connect", "-v", "--resolve", "other.test:" + port + ":127.0.0.9", "--resolve",
                           "A.Test:" + port + ":127.0.0.2,127.0.0.1", "a.test.:" + port}),
                  file("/dev/null"));
  const RawSocket peer = listener.accept();
  peer.finish();
  EXPECT_EQ(process.wait(), 0) << process.error();
  EXPECT_THAT(process.error(), HasSubstr("remote=127.0.0.1:" + port));
  EXPECT_THAT(process.error(), HasSubstr("node=1.1.1.2"));
}

// Several names, several times the same one, and either family.
TEST(Resolve, WhatIsGivenSeveralTimesAddsUp) {
  const RawSocket listener = RawSocket::tcp_listener(true);
  const std::string port = std::to_string(listener.port());
  const std::vector<std::string> options = {"--resolve", "other.test:" + port + ":[::9]",
                                            "--resolve", "a.test:" + port + ":127.0.0.2",
                                            "--resolve", "a.test:" + port + ":127.0.0.3,::1"};
  std::vector<std::string> words = {"connect", "-v", "a.test:" + port};
  words.insert(words.end(), options.begin(), options.end());
  Process process(trellis(words), file("/dev/null"));
  const RawSocket peer = listener.accept();
  peer.finish();
  EXPECT_EQ(process.wait(), 0) << process.error();
  EXPECT_THAT(process.error(), HasSubstr("remote=[::1]:" + port));
  words = {"explain", kDefault, "a.test:" + port};
  words.insert(words.end(), options.begin(), options.end());
  const Outcome told = run(words);
  EXPECT_EQ(told.code, 0) << told.error;
  EXPECT_THAT(told.output, ContainsRegex("in +0 ms +1.1.1.1 \\[\\[::1\\]:" + port + ", any, tcp\\]: first\n"));
  EXPECT_THAT(told.output, ContainsRegex("in +250 ms +1.1.1.2 \\[127.0.0.2:" + port));
  EXPECT_THAT(told.output, ContainsRegex("in +500 ms +1.1.1.3 \\[127.0.0.3:" + port));
}

TEST(Resolve, AnyNameAndOnlyThisPort) {
  const Outcome any = run({"explain", kDefault, "a.test:80", "--resolve", "*:80:192.0.2.1,[2001:db8::1]"});
  EXPECT_EQ(any.code, 0) << any.error;
  EXPECT_THAT(any.output, ContainsRegex("in +0 ms +1.1.1.1 \\[\\[2001:db8::1\\]:80, any, tcp\\]: first\n"));
  EXPECT_THAT(any.output, ContainsRegex("in +250 ms +1.1.1.2 \\[192.0.2.1:80, any, tcp\\]: delay over\n"));
  const Outcome other = run({"explain", kDefault, "a.invalid:81", "--resolve", "*:80:192.0.2.1"});
  EXPECT_EQ(other.code, 2);
  EXPECT_THAT(other.error, HasSubstr("a.invalid"));
}

TEST(Resolve, MalformedEntriesAreRefused) {
  const std::pair<const char*, const char*> wrong[] = {
      {"a.test", "malformed --resolve \"a.test\": expected HOST:PORT:ADDR"},
      {"a.test:80", "expected HOST:PORT:ADDR"},
      {":80:192.0.2.1", "expected HOST:PORT:ADDR"},
      {"a.test:0:192.0.2.1", "port 0 is out of range"},
      {"a.test:80:", "malformed address \"\""},
      {"a.test:80:192.0.2.1,", "malformed address \"\""},
      {"a.test:80:b.test", "malformed address \"b.test\""},
      {"a.test:80:[192.0.2.1]", "malformed address"},
      {"-a.test:80", "expected HOST:PORT:ADDR"},
      {"a b:80:192.0.2.1", "malformed name \"a b\""},
  };
  for (const auto& [text, because] : wrong) {
    const Outcome outcome = run({"connect", "--resolve", text, "a.test:80"});
    EXPECT_EQ(outcome.code, 1) << text;
    EXPECT_THAT(outcome.error, HasSubstr(because));
  }
}

// ---- explain

TEST(Explain, SaysWhatWouldBeTriedAndOpensNothing) {
  const RawSocket listener = RawSocket::tcp_listener();
  const std::string port = std::to_string(listener.port());
  const Outcome outcome =
      run({"explain", "-4", kDefault, "a.test:" + port, "--resolve", "a.test:" + port + ":127.0.0.1,[::1]"});
  EXPECT_EQ(outcome.code, 0) << outcome.error;
  EXPECT_THAT(outcome.output, ContainsRegex("in +tcp +tcp; round trips 1, security none"));
  EXPECT_THAT(outcome.output, ContainsRegex("in +0 ms +1.1.1.1 \\[127.0.0.1:" + port));
  EXPECT_THAT(outcome.output,
              ContainsRegex("out +below 1.1.1 \\[::1\\]:" + port + ": another address family than was asked for"));
}

constexpr const char* kUnequal = R"(<policy xmlns="urn:trellis:policy:1" name="unequal">
  <requirements face="message"><require feature="boundaries"/><require feature="reliability"/></requirements>
  <stacks>
    <stack name="framed"><layer framer="length-prefix"/><layer protocol="tcp"/></stack>
    <stack name="lines"><layer framer="line"/><layer protocol="tcp"/></stack>
    <stack name="bare"><layer protocol="udp"/></stack>
  </stacks>
</policy>)";

TEST(Explain, SaysWhyAStackIsOutBeforeItRefusesThePolicy) {
  const TemporaryDirectory directory;
  const std::string policy = directory.write("unequal.xml", kUnequal);
  const Outcome outcome = run({"explain", policy, "127.0.0.1:80"});
  EXPECT_EQ(outcome.code, 5);
  EXPECT_THAT(outcome.output, ContainsRegex("in +framed"));
  EXPECT_THAT(outcome.output, ContainsRegex("out +bare +udp.*: "));
  EXPECT_THAT(outcome.output, ContainsRegex("framed +\\. ="));
  EXPECT_THAT(outcome.error, HasSubstr(policy));
  const Outcome json = run({"explain", "--json", policy, "127.0.0.1:80"});
  EXPECT_EQ(json.code, 5);
  const auto stacks = parse(json.output)->getArray("stacks");
  ASSERT_EQ(stacks->size(), 3u);
  EXPECT_TRUE(stacks->getObject(0)->getValue<bool>("in"));
  EXPECT_FALSE(stacks->getObject(2)->getValue<bool>("in"));
  EXPECT_NE(stacks->getObject(2)->getValue<std::string>("because"), "");
}

// API-183
TEST(Explain, SaysThatAStackMayDeliverTwice) {
  const TemporaryDirectory directory;
  const auto policy = [](const std::string& says) {
    return R"(<policy xmlns="urn:trellis:policy:1" name="one"><requirements)" + says +
           R"(/><stacks><stack name="bare"><layer protocol="udp"/></stack></stacks></policy>)";
  };
  const Outcome none = run({"explain", directory.write("none.xml", policy("")), "127.0.0.1:80"});
  EXPECT_EQ(none.code, 5);
  EXPECT_THAT(none.output, ContainsRegex("out +bare +udp.*: may deliver a message twice, and messages are not safely"));
  EXPECT_THAT(none.error, HasSubstr("udp: may deliver a message twice"));
  const Outcome all = run({"explain", directory.write("all.xml", policy(" safely-replayable='true'")), "127.0.0.1:80"});
  EXPECT_EQ(all.code, 0) << all.error;
  EXPECT_THAT(all.output, HasSubstr("messages may arrive twice"));
  EXPECT_THAT(all.output, ContainsRegex("in +bare +udp"));
}

TEST(Explain, AsJson) {
  const Outcome outcome =
      run({"explain", "--json", kDefault, "a.test:80", "--resolve", "a.test:80:192.0.2.1,192.0.2.2"});
  EXPECT_EQ(outcome.code, 0) << outcome.error;
  const auto nodes = parse(outcome.output)->getObject("race")->getArray("nodes");
  ASSERT_EQ(nodes->size(), 5u);
  EXPECT_EQ(nodes->getObject(3)->getValue<double>("start_ms"), 0);
  EXPECT_EQ(nodes->getObject(4)->getValue<double>("start_ms"), 250);
  EXPECT_EQ(nodes->getObject(4)->getValue<std::string>("started_because"), "delay over");
}

// ---- traces

// RACE-71
TEST(Race, IsTracedReportedAndReplayed) {
  const TemporaryDirectory directory;
  const std::string trace = directory.path() + "/race.qlog";
  const std::string port = std::to_string(RawSocket::tcp_listener().port());  // free, nobody listens any more
  const Outcome failed = run(
      {"connect", "-v", "--trace", trace, "--resolve", "a.test:" + port + ":127.0.0.1,127.0.0.2", "a.test:" + port});
  EXPECT_EQ(failed.code, 2);
  EXPECT_THAT(failed.error, ContainsRegex("1.1.1.1 +\\[127.0.0.1:" + port +
                                          ", any, tcp\\] +started at 0.[0-9] ms "
                                          "\\(first\\), failed at [0-9.]+ ms: [^\n]*Connection refused"));
  EXPECT_THAT(failed.error, ContainsRegex("1.1.1.2 [^\n]*\\(a sibling failed\\), failed at"));

  const auto all = records(content(trace));
  ASSERT_GT(all.size(), 10u);
  EXPECT_EQ(all[0]->getValue<std::string>("qlog_format"), "JSON-SEQ");
  EXPECT_EQ(all[1]->getValue<std::string>("name"), "trellis:race_started");
  EXPECT_EQ(all.back()->getValue<std::string>("name"), "trellis:race_ended");
  double last = 0;
  for (std::size_t i = 1; i < all.size(); ++i) {
    EXPECT_GE(all[i]->getValue<double>("time"), last);
    last = all[i]->getValue<double>("time");
  }

  const Outcome same = run({"race", "--replay", trace});
  EXPECT_EQ(same.code, 0) << same.error;
  EXPECT_THAT(same.output, ContainsRegex("same decisions=[1-9][0-9]* facts=[1-9][0-9]* winner=-"));
  std::string other = content(trace);
  const std::string start = "\"node\":\"1.1.1.2\",\"fact\":false";
  ASSERT_NE(other.find(start), std::string::npos);
  other.replace(other.find(start), start.size(), "\"node\":\"1.1.1.1\",\"fact\":false");
  const Outcome different = run({"race", "--replay", directory.write("other.qlog", other)});
  EXPECT_EQ(different.code, 3);
  EXPECT_THAT(different.error, HasSubstr("then 1.1.1.1 started"));
  EXPECT_THAT(different.error, HasSubstr("now 1.1.1.2 started"));
}

TEST(Race, JsonHasEveryAttempt) {
  const std::string port = std::to_string(RawSocket::tcp_listener().port());
  const Outcome failed = run({"connect", "--json", "--resolve", "a.test:" + port + ":127.0.0.1", "a.test:" + port});
  EXPECT_EQ(failed.code, 2);
  const auto race = parse(failed.error.substr(0, failed.error.find('\n')))->getObject("race");
  const auto attempt = race->getArray("nodes")->getObject(3);
  EXPECT_EQ(attempt->getValue<std::string>("node"), "1.1.1.1");
  EXPECT_EQ(attempt->getValue<std::string>("address"), "127.0.0.1");
  EXPECT_EQ(attempt->getValue<std::string>("stack"), "tcp");
  EXPECT_EQ(attempt->getValue<std::string>("state"), "failed");
  EXPECT_EQ(attempt->getValue<std::string>("started_because"), "first");
  EXPECT_GE(attempt->getValue<double>("end_ms"), attempt->getValue<double>("start_ms"));
  EXPECT_THAT(attempt->getObject("error")->getValue<std::string>("detail"), HasSubstr("refused"));
}

TEST(Race, WrongFilesAreNamed) {
  const Outcome nothing = run({"race", "--replay", "/nonexistent/x"});
  EXPECT_EQ(nothing.code, 1);
  EXPECT_THAT(nothing.error, HasSubstr("/nonexistent/x"));
  const Outcome unwritable = run({"connect", "--trace", "/nonexistent/x", "127.0.0.1:1"});
  EXPECT_EQ(unwritable.code, 3);
  EXPECT_THAT(unwritable.error, HasSubstr("cannot write \"/nonexistent/x\": No such file or directory"));
}

TEST(Race, FullDisksAreNamed) {
  for (const char* option : {"--trace", "--timeline"}) {
    const RawSocket listener = RawSocket::tcp_listener();
    Process process(trellis({"connect", option, "/dev/full", listener.address()}), file("/dev/null"));
    const RawSocket peer = listener.accept();
    peer.finish();
    EXPECT_EQ(process.wait(), 3) << option;
    EXPECT_THAT(process.error(), HasSubstr("cannot write \"/dev/full\": No space left on device")) << option;
  }
}

}  // namespace
}  // namespace trellis::test
