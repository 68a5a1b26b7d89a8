// `trellis listen`, and both commands together over every stack and both address families.
#include <Poco/JSON/Object.h>

#include <csignal>
#include <memory>

#include "json.h"
#include "tool.h"

namespace trellis::test {
namespace {

using testing::HasSubstr;
using testing::MatchesRegex;

struct Way {
  const char* stack;
  const char* address;
  friend std::ostream& operator<<(std::ostream& out, const Way& way) { return out << way.stack << ' ' << way.address; }
};

std::string name_of(const testing::TestParamInfo<Way>& info) {
  std::string name =
      std::string(info.param.stack) + (std::string_view(info.param.address) == "::1" ? "_ipv6" : "_ipv4");
  std::ranges::replace_if(name, [](char c) { return c == '/' || c == '-'; }, '_');
  return name;
}

class BothWays : public testing::TestWithParam<Way> {};

TEST_P(BothWays, EchoComesBack) {
  const auto [stack, address] = GetParam();
  Listen listen({"--echo", "--stack", stack}, address);
  const std::string where = listen.address();
  ASSERT_NE(where, "") << listen.error();
  Process connect(trellis({"connect", "-v", "--wait", "0.5", "--stack", stack, where}));
  ASSERT_TRUE(connect.write("one\n"));
  ASSERT_TRUE(connect.wait_output("one\n")) << connect.error();
  ASSERT_TRUE(connect.write("two\n"));
  ASSERT_TRUE(connect.wait_output("one\ntwo\n")) << connect.error();
  connect.close_input();
  EXPECT_EQ(connect.wait(), 0) << connect.error();
  EXPECT_EQ(value_of(connect.error(), "stack"), stack);
  EXPECT_EQ(value_of(connect.error(), "remote"), where);
  listen.signal(SIGTERM);
  EXPECT_EQ(listen.wait(), 0) << listen.error();
}

TEST_P(BothWays, TwoCommandsTalk) {
  const auto [stack, address] = GetParam();
  Listen listen({"--wait", "0.5", "--stack", stack}, address);
  const std::string where = listen.address_on_error();
  ASSERT_NE(where, "") << listen.error();
  Process connect(trellis({"connect", "--wait", "0.5", "--stack", stack, where}));
  ASSERT_TRUE(connect.write("question\n"));
  ASSERT_TRUE(listen.wait_output("question\n")) << listen.error();
  ASSERT_TRUE(listen.write("answer\n"));
  ASSERT_TRUE(connect.wait_output("answer\n")) << connect.error();
  listen.close_input();
  connect.close_input();
  EXPECT_EQ(connect.wait(), 0) << connect.error();
  EXPECT_EQ(listen.wait(), 0) << listen.error();
  EXPECT_EQ(listen.output(), "question\n");
  EXPECT_EQ(connect.output(), "answer\n");
}

INSTANTIATE_TEST_SUITE_P(Listen, BothWays,
                         testing::Values(Way{"tcp", "127.0.0.1"}, Way{"tcp", "::1"}, Way{"udp", "127.0.0.1"},
                                         Way{"udp", "::1"}, Way{"length-prefix/tcp", "127.0.0.1"},
                                         Way{"length-prefix/tcp", "::1"}, Way{"line/tcp", "127.0.0.1"},
                                         Way{"line/tcp", "::1"}),
                         name_of);

TEST(Listen, LineComesAsJsonToo) {
  Listen listen({"--echo", "--json", "--stack", "tcp"});
  ASSERT_TRUE(listen.wait_output("}\n"));
  const auto line = parse(listen.output());
  EXPECT_EQ(line->getValue<std::string>("event"), "listening");
  EXPECT_EQ(line->getValue<std::string>("stack"), "tcp");
  EXPECT_THAT(line->getValue<std::string>("address"), MatchesRegex("127\\.0\\.0\\.1:[0-9]+"));
}

TEST(Listen, ThePolicyChoosesTheStack) {
  const std::string policy = std::string(TRELLIS_SOURCE_DIR) + "/policies/datagram.xml";
  Listen listen({"--echo", "--policy", policy});
  ASSERT_NE(listen.address(), "") << listen.error();
  EXPECT_EQ(value_of(listen.output(), "stack"), "udp");
}

TEST(Listen, WithoutAnAddressBothFamiliesAreServed) {
  Process listen(trellis({"listen", "--echo", "--stack", "tcp", "0"}));
  ASSERT_TRUE(listen.wait_output("\n")) << listen.error();
  const std::string where = value_of(listen.output(), "address");
  const std::string port = where.substr(where.rfind(':') + 1);
  for (const char* host : {"127.0.0.1:", "[::1]:"}) {
    const Outcome outcome = run({"connect", host + port}, "hello");
    EXPECT_EQ(outcome.code, 0) << outcome.error;
    EXPECT_EQ(outcome.output, "hello");
  }
}

TEST(Listen, FourOnlyMeansIpv4) {
  Process listen(trellis({"listen", "--echo", "-4", "--stack", "tcp", "0"}));
  ASSERT_TRUE(listen.wait_output("\n")) << listen.error();
  EXPECT_THAT(value_of(listen.output(), "address"), MatchesRegex("0\\.0\\.0\\.0:[0-9]+"));
}

TEST(Listen, ManyPeersAreServedAtOnce) {
  constexpr int kPeers = 50;
  Listen listen({"--echo", "--stack", "tcp"});
  const std::string where = listen.address();
  ASSERT_NE(where, "");
  const auto port = static_cast<std::uint16_t>(std::stoi(where.substr(where.rfind(':') + 1)));
  std::vector<RawSocket> peers;
  for (int i = 0; i < kPeers; ++i) peers.push_back(RawSocket::tcp_to(port));
  for (int i = kPeers - 1; i >= 0; --i)
    EXPECT_TRUE(peers[static_cast<std::size_t>(i)].write("peer " + std::to_string(i)));
  for (int i = 0; i < kPeers; ++i) {
    const RawSocket& peer = peers[static_cast<std::size_t>(i)];
    peer.finish();
    EXPECT_EQ(peer.read_all(), "peer " + std::to_string(i));
  }
}

TEST(Listen, SourceSendsExactlySoMuch) {
  constexpr std::size_t kBytes = 3'000'017;
  Listen listen({"--source", std::to_string(kBytes), "--once", "--stack", "tcp"});
  const Outcome outcome = run({"connect", listen.address()});
  EXPECT_EQ(outcome.code, 0) << outcome.error;
  ASSERT_EQ(outcome.output.size(), kBytes);
  for (std::size_t i = 0; i < kBytes; ++i) ASSERT_EQ(static_cast<unsigned char>(outcome.output[i]), i & 0xff) << i;
  EXPECT_EQ(listen.wait(), 0) << listen.error();
}

TEST(Listen, DiscardTakesEverything) {
  Listen listen({"--discard", "--once", "--stack", "tcp"});
  const Outcome outcome = run({"connect", listen.address()}, std::string(20'000'000, 'x'));
  EXPECT_EQ(outcome.code, 0) << outcome.error;
  EXPECT_EQ(outcome.output, "");
  EXPECT_EQ(listen.wait(), 0) << listen.error();
}

TEST(Listen, LargeTransfersComeBackWhole) {
  std::string text;
  for (int i = 0; text.size() < 30'000'000; ++i) text += std::to_string(i) + ' ';
  for (const char* stack : {"tcp", "length-prefix/tcp"}) {
    const TemporaryDirectory directory;
    Listen listen({"--echo", "--once", "--stack", stack});
    Process connect(trellis({"connect", "--stack", stack, listen.address()}), file(directory.write("input", text)));
    EXPECT_EQ(connect.wait(), 0) << connect.error();
    EXPECT_TRUE(connect.output() == text) << stack;
    EXPECT_EQ(listen.wait(), 0) << listen.error();
  }
}

TEST(Listen, OnceExitsWithTheConnectionsCode) {
  Listen listen({"--echo", "--once", "--stack", "tcp"});
  const std::string where = listen.address();
  RawSocket peer = RawSocket::tcp_to(static_cast<std::uint16_t>(std::stoi(where.substr(where.rfind(':') + 1))));
  ASSERT_TRUE(peer.write("x"));
  EXPECT_EQ(peer.read(1), "x");
  peer.reset();
  EXPECT_EQ(listen.wait(), 3);
  EXPECT_THAT(listen.error(), HasSubstr("127.0.0.1:"));
}

TEST(Listen, OneBrokenConnectionDoesNotEndAService) {
  Listen listen({"--echo", "--stack", "tcp"});
  const std::string where = listen.address();
  const auto port = static_cast<std::uint16_t>(std::stoi(where.substr(where.rfind(':') + 1)));
  RawSocket::tcp_to(port).reset();
  const RawSocket peer = RawSocket::tcp_to(port);
  ASSERT_TRUE(peer.write("still there?"));
  EXPECT_EQ(peer.read(12), "still there?");
}

// API-36
TEST(Listen, PortInUseExitsWithTwo) {
  const RawSocket taken = RawSocket::tcp_listener();
  const Outcome outcome =
      run({"listen", "--echo", "--address", "127.0.0.1", "--stack", "tcp", std::to_string(taken.port())});
  EXPECT_EQ(outcome.code, 2);
  EXPECT_THAT(outcome.error, HasSubstr("Address already in use"));
}

TEST(Listen, AddressOfSomebodyElseExitsWithTwo) {
  const Outcome outcome = run({"listen", "--echo", "--address", "192.0.2.1", "--stack", "tcp", "0"});
  EXPECT_EQ(outcome.code, 2);
  EXPECT_THAT(outcome.error, HasSubstr("192.0.2.1"));
}

TEST(Listen, UnknownStackExitsWithFive) { EXPECT_EQ(run({"listen", "--echo", "--stack", "nosuch", "0"}).code, 5); }

TEST(Listen, SigintEndsItWithOneHundredThirty) {
  Listen listen({"--echo", "--stack", "tcp"});
  ASSERT_NE(listen.address(), "");
  listen.signal(SIGINT);
  EXPECT_EQ(listen.wait(), 130);
}

TEST(Listen, SigtermEndsItWithAPeerAndAStuckOutput) {
  const TemporaryDirectory directory;
  Process listen(Process::Unread(), trellis({"listen", "--stack", "tcp", "--address", "127.0.0.1", "-v", "0"}));
  ASSERT_TRUE(listen.wait_error("\n")) << listen.error();
  const std::string where = value_of(listen.error(), "address");
  const RawSocket peer = RawSocket::tcp_to(static_cast<std::uint16_t>(std::stoi(where.substr(where.rfind(':') + 1))));
  ASSERT_TRUE(listen.wait_error("accepted")) << listen.error();
  ASSERT_TRUE(peer.write(std::string(1 << 20, 'x')));  // more than the pipe takes
  listen.signal(SIGTERM);
  EXPECT_EQ(listen.wait(), 0) << listen.error();
}

std::string policy_of(const std::string& stacks) {
  return "<policy xmlns='urn:trellis:policy:1' name='p'>\n" + stacks + "</policy>";
}

TEST(ListenCommand, HangUpReadsThePolicyAgain) {
  const TemporaryDirectory directory;
  const std::string tcp = "<stacks><stack name='tcp'><layer protocol='tcp'/></stack></stacks>";
  const std::string file = directory.write("p.xml", policy_of(tcp));
  Listen listen({"--echo", "--policy", file});
  const std::string where = listen.address();
  ASSERT_NE(where, "") << listen.error();
  directory.write("p.xml", policy_of("<stakcs/>"));
  listen.signal(SIGHUP);
  ASSERT_TRUE(listen.wait_error("; the policies loaded before stay in force\n")) << listen.error();
  EXPECT_THAT(listen.error(), HasSubstr("trellis listen: policy: " + file + ":2: found <stakcs> in <policy>"));
  EXPECT_EQ(run({"connect", "--stack", "tcp", where}, "still there").output, "still there");
  directory.write("p.xml", policy_of(tcp + "<limits connect-timeout-ms='1000'/>"));
  listen.signal(SIGHUP);
  ASSERT_TRUE(listen.wait_error("policy: loaded anew: new connections use it\n")) << listen.error();
  EXPECT_EQ(run({"connect", "--stack", "tcp", where}, "and again").output, "and again");
  listen.signal(SIGTERM);
  EXPECT_EQ(listen.wait(), 0) << listen.error();
}

TEST(ListenCommand, HangUpTakesAwayAStackThatThePolicyForbids) {
  const TemporaryDirectory directory;
  const std::string file =
      directory.write("p.xml", policy_of("<stacks><stack name='tcp'><layer protocol='tcp'/></stack></stacks>"));
  Listen listen({"--echo", "--policy", file});
  const std::string where = listen.address();
  ASSERT_NE(where, "") << listen.error();
  directory.write("p.xml", policy_of("<stacks><stack name='udp'><layer protocol='udp'/></stack></stacks>"));
  listen.signal(SIGHUP);
  ASSERT_TRUE(listen.wait_error("loaded anew")) << listen.error();
  EXPECT_EQ(run({"connect", "--stack", "tcp", where}, "too late").output, "");
  EXPECT_EQ(listen.wait(), 5) << listen.error();
  EXPECT_THAT(listen.error(), HasSubstr("since the policies were loaded anew, tcp is not listened with"));
}

TEST(ListenCommand, HangUpEndsWhatIsNoService) {
  Listen listen({"--stack", "tcp"});
  ASSERT_NE(listen.address_on_error(), "") << listen.error();
  listen.signal(SIGHUP);
  EXPECT_EQ(listen.wait(), 129) << listen.error();
}

}  // namespace
}  // namespace trellis::test
