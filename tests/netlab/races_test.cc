// Races of the real engine on the real kernel: what Happy Eyeballs is for.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <thread>

#include "../support/process.h"
#include "netlab.h"

namespace trellis::netlab {
namespace {

using namespace std::chrono_literals;
using test::Process;
using testing::HasSubstr;

constexpr char kIpv6[] = "remote=[2001:db8:77:ff::1]:7000", kIpv4[] = "remote=10.77.255.1:7000";

class KernelRaces : public testing::Test {
 protected:
  void SetUp() override {
    if (const std::string why = Lab::why_not(); !why.empty()) GTEST_SKIP() << why;
    if (!test::installed("nft")) GTEST_SKIP() << "nft is not installed";
    lab = std::make_unique<ClientServer>(std::vector<LinkOptions>{{.forth = {.delay = 5ms}, .back = {.delay = 5ms}}});
    hosts = files.write(
        "hosts", ClientServer::address(Family::ipv6) + " race.test\n" + ClientServer::address() + " race.test\n");
    server = std::make_unique<Process>(
        lab->server.command({test::program("trellis"), "listen", "--echo", "--stack", "tcp", "7000"}));
    ASSERT_TRUE(server->wait_output("listening")) << server->error();
  }
  // The client knows both addresses of race.test, by a hosts file that only it sees.
  std::vector<std::string> connect() const {
    return lab->client.command({"unshare", "--mount", "sh", "-c",
                                "mount --bind " + hosts + " /etc/hosts && exec \"$@\"", "sh", test::program("trellis"),
                                "connect", "-v", "--stack", "tcp", "--timeout", "30", "race.test:7000"});
  }
  void expect_winner(const char* remote) const {
    Process client(connect());
    client.write("hello");
    client.close_input();
    EXPECT_EQ(client.wait(), 0) << client.error();
    EXPECT_EQ(client.output(), "hello");
    EXPECT_THAT(client.error(), HasSubstr(remote));
  }

  std::unique_ptr<ClientServer> lab;
  test::TemporaryDirectory files;
  std::string hosts;
  std::unique_ptr<Process> server;
};

TEST_F(KernelRaces, WithoutFaultsIpv6Wins) { expect_winner(kIpv6); }

TEST_F(KernelRaces, Ipv6IsABlackHole) {
  const Block block(lab->server, {.answer = Rule::Answer::none, .family = Rule::Family::ipv6});
  expect_winner(kIpv4);
}

TEST_F(KernelRaces, Ipv6IsReset) {
  const Block block(lab->server,
                    {.answer = Rule::Answer::reset, .protocol = Rule::Protocol::tcp, .family = Rule::Family::ipv6});
  expect_winner(kIpv4);
}

TEST_F(KernelRaces, Ipv6IsUnreachable) {
  for (const Rule::Answer answer : {Rule::Answer::unreachable, Rule::Answer::closed}) {
    const Block block(lab->server, {.answer = answer, .protocol = Rule::Protocol::tcp, .family = Rule::Family::ipv6});
    expect_winner(kIpv4);
  }
}

TEST_F(KernelRaces, NobodyIsThere) {
  const Block block(lab->server, {.answer = Rule::Answer::reset, .protocol = Rule::Protocol::tcp});
  Process client(connect());
  client.close_input();
  EXPECT_EQ(client.wait(), 2) << client.error();
  EXPECT_THAT(client.error(), HasSubstr("refused"));
}

// The first packets of both addresses are lost; the kernel repeats them.
TEST_F(KernelRaces, TheCableIsOutForAWhileWhileConnecting) {
  lab->path(0).black_hole();
  const std::uint64_t before = lab->path(0).counters(Way::forth).lost;
  Process client(connect());
  client.write("hello");
  client.close_input();
  for (int i = 0; i < 2000 && lab->path(0).counters(Way::forth).lost == before; ++i) std::this_thread::sleep_for(5ms);
  ASSERT_GT(lab->path(0).counters(Way::forth).lost, before) << "it has sent nothing";
  lab->path(0).black_hole(false);
  EXPECT_EQ(client.wait(), 0) << client.error();
  EXPECT_EQ(client.output(), "hello");
}

}  // namespace
}  // namespace trellis::netlab
