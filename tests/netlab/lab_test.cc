// What the lab promises: its delays, losses, rates and faults, measured with plain sockets.
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <numeric>
#include <thread>

#include "../support/process.h"
#include "measure.h"
#include "netlab.h"

namespace trellis::netlab {
namespace {

using namespace std::chrono_literals;

constexpr int kFailed = -1;

class NetworkLab : public testing::Test {
 protected:
  void SetUp() override {
    if (const std::string why = Lab::why_not(); !why.empty()) GTEST_SKIP() << why;
  }
};

// Never less than was asked for. How little more is a row of the benchmark: here the machine may be busy.
void expect_round_trip(const ClientServer& lab, const std::string& address, double asked_ms) {
  const double found = round_trip_ms(lab, address);
  EXPECT_GE(found, asked_ms);
  EXPECT_LT(found, asked_ms + 100);
}

TEST_F(NetworkLab, RoundTripsAreWhatWasAskedFor) {
  const Shape none{}, half{.delay = 500us}, five{.delay = 5ms}, far{.delay = 40ms};
  const ClientServer lab({{none, none}, {half, half}, {five, five}, {{.delay = 10ms}, far}});
  const double asked[] = {0, 1, 10, 50};
  for (std::size_t n = 0; n < 4; ++n) {
    expect_round_trip(lab, lab.path(n).address(End::second), asked[n]);
    expect_round_trip(lab, lab.path(n).address(End::second, Family::ipv6), asked[n]);
  }
}

TEST_F(NetworkLab, TheServerHasOneAddressOverAllPaths) {
  const ClientServer lab({{}, {}});
  for (const Family family : {Family::ipv4, Family::ipv6}) {
    const std::string address = ClientServer::address(family);
    const Descriptor listener = bound(lab.server, address, SOCK_STREAM);
    for (std::size_t n = 0; n < 2; ++n) {
      const std::uint64_t before = lab.path(n).counters(Way::back).packets;
      const SocketName local(lab.path(n).address(End::first, family), 0);
      const Descriptor socket = make_socket(lab.client, local.get()->sa_family, SOCK_STREAM);
      ASSERT_EQ(bind(socket.get(), local.get(), SocketName::kSize), 0);
      EXPECT_EQ(try_connect(socket, address, 5s), 0);
      EXPECT_GT(lab.path(n).counters(Way::back).packets, before) << "path " << n;
    }
  }
}

TEST_F(NetworkLab, RatesAreWhatWasAskedFor) {
  const Shape slow{.delay = 5ms, .bits_per_second = 20'000'000};
  const ClientServer lab({{.forth = slow, .back = slow}});
  // Of 1500 bytes 1448 are the application's.
  const double found = megabits(lab, lab.path(0).address(End::second), 2s);
  EXPECT_LT(found, 20 * 1448 / 1500.0 * 1.1);
  EXPECT_GT(found, 5) << "on a very busy machine";
}

// Sends so many datagrams forth and counts those that arrive.
int arrived(const ClientServer& lab, int sent, std::size_t size = 100) {
  const std::string address = lab.path(0).address(End::second);
  const Descriptor receiver = bound(lab.server, address, SOCK_DGRAM);
  const Descriptor sender = make_socket(lab.client, AF_INET, SOCK_DGRAM);
  const SocketName to(address);
  const std::vector<char> bytes(size);
  int count = 0;
  for (int i = 0; i < sent; ++i) {
    sendto(sender.get(), bytes.data(), bytes.size(), 0, to.get(), SocketName::kSize);
    pollfd readable{receiver.get(), POLLIN, 0};
    if (poll(&readable, 1, i + 1 < sent ? 0 : 100) == 1) count += recv(receiver.get(), nullptr, 0, 0) == 0 ? 1 : 0;
    // Not faster than the interface's queue.
    if (i % 100 == 99) std::this_thread::sleep_for(2ms);
  }
  while (recv(receiver.get(), nullptr, 0, MSG_DONTWAIT) == 0) ++count;
  return count;
}

TEST_F(NetworkLab, LosesAsManyPacketsAsWasAskedFor) {
  const ClientServer lab({{.forth = {.loss = 0.2}}});
  EXPECT_NEAR(arrived(lab, 2000), 1600, 100);
  const Counters counters = lab.path(0).counters(Way::forth);
  EXPECT_NEAR(static_cast<double>(counters.lost), 400, 100);
  EXPECT_EQ(lab.path(0).counters(Way::back).lost, 0u);
}

TEST_F(NetworkLab, DoublesAsManyPacketsAsWasAskedFor) {
  const ClientServer lab({{.forth = {.duplication = 0.2}}});
  EXPECT_NEAR(arrived(lab, 500), 600, 40);  // few enough for the receiver's queue
  EXPECT_NEAR(static_cast<double>(lab.path(0).counters(Way::forth).doubled), 100, 40);
}

TEST_F(NetworkLab, CorruptPacketsArrive) {
  const ClientServer lab({{.forth = {.corruption = 1}}});
  for (const Family family : {Family::ipv4, Family::ipv6}) {
    const std::string address = lab.path(0).address(End::second, family);
    const Descriptor receiver = bound(lab.server, address, SOCK_DGRAM);
    const SocketName to(address);
    const Descriptor sender = make_socket(lab.client, to.family(), SOCK_DGRAM);
    std::vector<std::uint16_t> sent(600), got(600);
    std::iota(sent.begin(), sent.end(), 0);
    const std::size_t size = sent.size() * sizeof sent[0];
    sendto(sender.get(), sent.data(), size, 0, to.get(), SocketName::kSize);
    const timeval limit{5, 0};
    setsockopt(receiver.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    EXPECT_EQ(recv(receiver.get(), got.data(), size, 0), static_cast<ssize_t>(size));
    EXPECT_NE(got, sent);
    EXPECT_TRUE(std::ranges::is_permutation(got, sent)) << "the checksum would not be right";
  }
  EXPECT_EQ(lab.path(0).counters(Way::forth).corrupted, 2u);
}

TEST_F(NetworkLab, QueuesEnd) {
  // 10 packets of 1028 bytes fit, one more is on its way out.
  const ClientServer lab({{.forth = {.bits_per_second = 100'000, .queue_bytes = 10 * 1028}}});
  arrived(lab, 50, 1000);
  EXPECT_NEAR(static_cast<double>(lab.path(0).counters(Way::forth).overflow), 50 - 11, 2);
}

TEST_F(NetworkLab, LargePacketsVanish) {
  const ClientServer lab({{.forth = {.mtu = 600}}});
  EXPECT_EQ(arrived(lab, 1, 572), 1);
  EXPECT_EQ(arrived(lab, 1, 573), 0);
  EXPECT_EQ(lab.path(0).counters(Way::forth).oversize, 1u);
}

TEST_F(NetworkLab, JitterReorders) {
  const ClientServer lab({{.forth = {.delay = 1ms, .jitter = 5ms}}});
  const std::string address = lab.path(0).address(End::second);
  const Descriptor receiver = bound(lab.server, address, SOCK_DGRAM);
  const Descriptor sender = make_socket(lab.client, AF_INET, SOCK_DGRAM);
  const SocketName to(address);
  std::vector<int> sent(100), got;
  std::iota(sent.begin(), sent.end(), 0);
  for (const int number : sent) sendto(sender.get(), &number, sizeof number, 0, to.get(), SocketName::kSize);
  const timeval limit{5, 0};
  setsockopt(receiver.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  for (int number = 0; got.size() < sent.size() && recv(receiver.get(), &number, sizeof number, 0) > 0;)
    got.push_back(number);
  EXPECT_NE(got, sent);
  EXPECT_TRUE(std::ranges::is_permutation(got, sent));
}

TEST_F(NetworkLab, ChangesWhileItRuns) {
  const ClientServer lab;
  const std::string address = lab.path(0).address(End::second);
  expect_round_trip(lab, address, 0);
  lab.path(0).set({.delay = 10ms});
  expect_round_trip(lab, address, 20);

  const Descriptor listener = bound(lab.server, address, SOCK_STREAM);
  const auto attempt = [&](std::chrono::milliseconds limit = 200ms) {
    return try_connect(make_socket(lab.client, AF_INET, SOCK_STREAM), address, limit);
  };
  lab.path(0).set({});
  lab.path(0).black_hole();
  EXPECT_EQ(attempt(), ETIMEDOUT);
  lab.path(0).black_hole(false);
  EXPECT_EQ(attempt(), 0);
  lab.path(0).take_down(End::first);
  EXPECT_EQ(attempt(), ENETUNREACH);
  lab.path(0).bring_up(End::first);
  EXPECT_EQ(attempt(), 0);
  lab.path(0).unplug();
  EXPECT_NE(attempt(), 0);
  lab.path(0).unplug(false);
  EXPECT_EQ(attempt(5s), 0);
}

TEST_F(NetworkLab, PathsMayComeUpLate) {
  const ClientServer lab({{.up = false}, {}});
  const std::string address = ClientServer::address();
  const Descriptor listener = bound(lab.server, address, SOCK_STREAM);
  const auto attempt = [&] { return try_connect(make_socket(lab.client, AF_INET, SOCK_STREAM), address, 5s); };
  EXPECT_EQ(attempt(), 0);
  EXPECT_EQ(lab.path(0).counters(Way::forth).packets, 0u);
  lab.path(0).bring_up(End::second);
  lab.path(0).bring_up(End::first);
  EXPECT_EQ(attempt(), 0);
  EXPECT_GT(lab.path(0).counters(Way::forth).packets, 0u) << "the first path that is up";
}

class Blocks : public NetworkLab {
 protected:
  void SetUp() override {
    NetworkLab::SetUp();
    if (!test::installed("nft")) GTEST_SKIP() << "nft is not installed";
  }
  static int attempt(const ClientServer& lab, Family family, const Rule& rule) {
    const std::string address = ClientServer::address(family);
    const Descriptor listener = bound(lab.server, address, SOCK_STREAM);
    const Block block(lab.server, rule);
    return try_connect(make_socket(lab.client, SocketName(address).get()->sa_family, SOCK_STREAM), address, 200ms);
  }
};

TEST_F(Blocks, AnswerAsTheyAreTold) {
  using enum Rule::Answer;
  const ClientServer lab;
  for (const Family family : {Family::ipv4, Family::ipv6}) {
    EXPECT_EQ(attempt(lab, family, {.answer = none}), ETIMEDOUT);
    EXPECT_EQ(attempt(lab, family, {.answer = reset, .protocol = Rule::Protocol::tcp}), ECONNREFUSED);
    EXPECT_EQ(attempt(lab, family, {.answer = closed, .port = kPort}), ECONNREFUSED);
    EXPECT_EQ(attempt(lab, family, {.answer = none, .protocol = Rule::Protocol::udp}), 0);
    EXPECT_EQ(attempt(lab, family, {.answer = none, .port = kPort + 1}), 0);
  }
  EXPECT_EQ(attempt(lab, Family::ipv4, {.family = Rule::Family::ipv6}), 0);
  EXPECT_EQ(attempt(lab, Family::ipv6, {.family = Rule::Family::ipv6}), ETIMEDOUT);
}

TEST_F(Blocks, ResetWhatIsConnected) {
  const ClientServer lab;
  const std::string address = ClientServer::address();
  const Descriptor listener = bound(lab.server, address, SOCK_STREAM);
  const Descriptor socket = make_socket(lab.client, AF_INET, SOCK_STREAM);
  ASSERT_EQ(try_connect(socket, address, 5s), 0);
  const Block block(lab.server, {.answer = Rule::Answer::reset, .protocol = Rule::Protocol::tcp});
  ASSERT_EQ(send(socket.get(), "x", 1, MSG_NOSIGNAL), 1);
  char byte = 0;
  EXPECT_EQ(recv(socket.get(), &byte, 1, 0), kFailed);
  EXPECT_EQ(errno, ECONNRESET);
}

TEST_F(NetworkLab, SaysWhatIpComplainsAbout) {
  const Host host("somebody");
  try {
    host.ip("addr add 192.0.2.1/24 dev nowhere");
    FAIL();
  } catch (const LabError& error) {
    EXPECT_NE(std::string(error.what()).find("nowhere"), std::string::npos) << error.what();
    EXPECT_NE(std::string(error.what()).find("somebody"), std::string::npos) << error.what();
  }
}

TEST_F(NetworkLab, RunsProgramsInItsHosts) {
  const ClientServer lab;
  test::Process server(lab.server.command({test::program("trellis"), "listen", "--echo", "--once", "--stack", "tcp",
                                           "--address", ClientServer::address(), "7000"}));
  ASSERT_TRUE(server.wait_output("listening")) << server.error();
  test::Process client(
      lab.client.command({test::program("trellis"), "connect", "--stack", "tcp", ClientServer::address() + ":7000"}));
  client.write("through the lab");
  client.close_input();
  EXPECT_EQ(client.wait(), 0) << client.error();
  EXPECT_EQ(client.output(), "through the lab");
  EXPECT_GT(lab.path(0).counters(Way::forth).packets, 0u);
}

}  // namespace
}  // namespace trellis::netlab
