// Streams: connecting, moving bytes, half-close, errors and the limits of one call.
#include <netinet/tcp.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>

#include "harness.h"

namespace trellis::test {
namespace {

class StreamBothFamilies : public StreamTest, public testing::WithParamInterface<Family> {
 public:
  void SetUp() override {
    if (GetParam() == Family::ipv6 && !has_ipv6(loop)) GTEST_SKIP() << "this machine has no IPv6";
  }
};
INSTANTIATE_TEST_SUITE_P(Ip, StreamBothFamilies, testing::Values(Family::ipv4, Family::ipv6),
                         [](const auto& about) { return about.param == Family::ipv4 ? "v4" : "v6"; });

TEST_P(StreamBothFamilies, EchoAndAddresses) {
  auto [near, far] = pair(GetParam());
  EXPECT_EQ(near->local(), far->remote());
  EXPECT_EQ(near->remote(), far->local());
  EXPECT_EQ(near->remote().family, GetParam());
  send(*near, "hello");
  Batch got;
  ASSERT_TRUE(receive(*far, got, 5));
  EXPECT_EQ(text(got), "hello");
  ASSERT_TRUE(far->send(got));
  ASSERT_TRUE(receive(*near, got, 5));
  EXPECT_EQ(text(got), "hello");
}

TEST_P(StreamBothFamilies, RefusedConnectSaysWhereAndWhy) {
  const Address nobody = listener(GetParam())->local();
  auto socket = open({.family = GetParam()});
  auto connected = socket->connect(nobody);
  if (connected) {
    ASSERT_FALSE(*connected);
    Watcher watcher;
    ASSERT_TRUE(socket->watch(watcher, Ready::writable));
    ASSERT_TRUE(run_until([&] { return !watcher.seen.empty(); }));
    connected = socket->connected();
  }
  ASSERT_FALSE(connected);
  EXPECT_EQ(connected.error().reason, Reason::unreachable);
  EXPECT_EQ(connected.error().code, ECONNREFUSED);
  const std::string host = GetParam() == Family::ipv4 ? "127.0.0.1" : "[::1]";
  EXPECT_EQ(connected.error().detail,
            "connect to " + host + ":" + std::to_string(nobody.port) + ": Connection refused");
  EXPECT_FALSE(socket->remote());
  EXPECT_FALSE(socket->connected()) << "an error is told again, not forgotten";
}

TEST_P(StreamBothFamilies, ListenersOfOnePortSideBySide) {
  const Address first = loopback(GetParam());
  auto a = open({.role = SocketSpec::Role::listen, .family = GetParam(), .local = first, .share_port = true});
  ASSERT_TRUE(a->listen(8));
  const SocketSpec same{.role = SocketSpec::Role::listen, .family = GetParam(), .local = a->local()};
  auto refused = loop.sockets().open(same);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, EADDRINUSE);
  SocketSpec shared = same;
  shared.share_port = true;
  auto b = open(shared);
  EXPECT_TRUE(b->listen(8));
}

using StreamSocketTest = StreamTest;

TEST_F(StreamSocketTest, AnIpv6ListenerLeavesThePortOfIpv4Alone) {
  if (!has_ipv6(loop)) GTEST_SKIP() << "this machine has no IPv6";
  Address any6;
  any6.family = Family::ipv6;
  auto six = open({.role = SocketSpec::Role::listen, .family = Family::ipv6, .local = any6});
  ASSERT_TRUE(six->listen(8));
  Address any4;
  any4.family = Family::ipv4;
  any4.port = six->local().port;
  auto four = open({.role = SocketSpec::Role::listen, .family = Family::ipv4, .local = any4});
  ASSERT_TRUE(four->listen(8));
}

TEST_F(StreamSocketTest, ManyChunksGoInOneCallAndEmptyOnesVanish) {
  auto [near, far] = pair();
  Batch batch;
  std::string expected;
  for (int i = 0; i < 200; ++i) {
    batch.add(chunk(i % 3 == 0 ? "" : std::to_string(i)));
    if (i % 3 != 0) expected += std::to_string(i);
  }
  auto io = near->send(batch);
  ASSERT_TRUE(io);
  EXPECT_EQ(io->bytes, expected.size());
  EXPECT_FALSE(io->blocked);
  EXPECT_TRUE(batch.empty());
  Batch got;
  ASSERT_TRUE(receive(*far, got, expected.size()));
  EXPECT_EQ(text(got), expected);

  batch.add(chunk(""));
  io = near->send(batch);
  ASSERT_TRUE(io);
  EXPECT_EQ(io->bytes, 0u);
  EXPECT_TRUE(batch.empty());
}

TEST_F(StreamSocketTest, BulkArrivesWholeThroughFullBuffers) {
  auto [near, far] = pair();
  constexpr std::size_t kTotal = 32 << 20;
  Batch out, in;
  std::size_t made = 0, taken = 0;
  bool wrong = false, near_blocked = false;
  Watcher writer, reader;
  const auto write = [&](Socket& socket) {
    for (;;) {
      for (; out.size() < 16 && made < kTotal; made += 50'000) {
        const std::size_t size = std::min<std::size_t>(50'000, kTotal - made);
        Chunk next{loop.pool().allocate(0, static_cast<std::uint32_t>(size), 0)};
        for (std::size_t i = 0; i < size; ++i) next.data.edit()[i] = pattern(made + i);
        out.add(std::move(next));
      }
      auto io = socket.send(out);
      ASSERT_TRUE(io);
      near_blocked = near_blocked || io->blocked;
      if (io->blocked) return;
      if (made < kTotal) continue;
      ASSERT_TRUE(socket.watch(writer, Ready::none));
      return;
    }
  };
  writer.react = [&](Socket& socket, Ready) { write(socket); };
  reader.react = [&](Socket& socket, Ready) {
    auto io = socket.receive(in, 100'000);
    ASSERT_TRUE(io);
    EXPECT_LE(io->bytes, 100'000u);
    while (!in.empty()) {
      const Chunk chunk = in.pop();
      for (const std::byte byte : chunk.data.bytes()) wrong = wrong || byte != pattern(taken++);
    }
  };
  ASSERT_TRUE(near->watch(writer, Ready::writable));
  ASSERT_TRUE(far->watch(reader, Ready::readable));
  ASSERT_TRUE(run_until([&] { return taken == kTotal; }));
  EXPECT_FALSE(wrong);
  EXPECT_TRUE(near_blocked);
}

TEST_F(StreamSocketTest, TheBudgetIsKept) {
  auto [near, far] = pair();
  stuff(*near);
  for (const std::size_t budget : {std::size_t{1}, std::size_t{100}, std::size_t{64 * 1024}, std::size_t{100'000}}) {
    Batch got;
    auto io = far->receive(got, budget);
    ASSERT_TRUE(io);
    EXPECT_EQ(io->bytes, budget == 100'000 ? 100'000 : budget) << "plenty was waiting";
    EXPECT_EQ(got.bytes(), io->bytes);
    EXPECT_FALSE(io->blocked);
  }
  Batch none;
  auto io = far->receive(none, 0);
  ASSERT_TRUE(io);
  EXPECT_FALSE(io->end) << "reading nothing is not the end";
}

TEST_F(StreamSocketTest, FewBytesDoNotHoldALargeBlock) {
  auto [near, far] = pair();
  send(*near, "x");
  Batch got;
  ASSERT_TRUE(receive(*far, got, 1));
  const std::size_t before = loop.pool().live_bytes();
  got.clear();
  EXPECT_EQ(before - loop.pool().live_bytes(), SizeClassPool::kCapacities[0]);
}

TEST_F(StreamSocketTest, HalfClose) {
  auto [near, far] = pair();
  send(*near, "last words");
  ASSERT_TRUE(near->finish());
  Batch got;
  auto io = receive(*far, got, SIZE_MAX);
  ASSERT_TRUE(io);
  EXPECT_TRUE(io->end);
  EXPECT_EQ(text(got), "last words");
  send(*far, "answer");
  ASSERT_TRUE(receive(*near, got, 16));
  EXPECT_EQ(text(got), "last wordsanswer");
}

TEST_F(StreamSocketTest, SendingAfterAResetFailsWithoutASignal) {
  auto [near, far] = pair();
  far->reset();
  far.reset();
  Batch batch;
  batch.add(chunk("x"));
  auto io = near->send(batch);
  ASSERT_FALSE(io);
  EXPECT_EQ(io.error().reason, Reason::reset);
  io = near->send(batch);
  ASSERT_FALSE(io);
  EXPECT_EQ(io.error().code, ECONNRESET) << "the first error stays, EPIPE would hide it";
  auto finished = near->finish();
  ASSERT_FALSE(finished);
  EXPECT_EQ(finished.error().reason, Reason::reset);
}

TEST_F(StreamSocketTest, DataBeforeAResetIsDeliveredAndTheResetIsNotAnEnd) {
  auto [near, far] = pair();
  send(*near, "parting");
  near->reset();
  near.reset();
  auto state = far->connected();  // takes the error from the kernel
  ASSERT_FALSE(state);
  EXPECT_EQ(state.error().reason, Reason::reset);
  Batch got;
  auto io = far->receive(got, 1000);
  ASSERT_TRUE(io);
  EXPECT_EQ(text(got), "parting");
  io = far->receive(got, 1000);
  ASSERT_FALSE(io) << "the kernel now reports a clean end";
  EXPECT_EQ(io.error().reason, Reason::reset);
}

TEST_F(StreamSocketTest, AcceptWithoutDescriptorsIsExhausted) {
  auto server = listener();
  auto client = open({});
  ASSERT_TRUE(client->connect(server->local()));
  rlimit before{};
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &before), 0);
  const int next = dup(0);
  ASSERT_GE(next, 0);
  close(next);
  const rlimit none{static_cast<rlim_t>(next), before.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &none), 0);
  auto refused = server->accept();
  auto no_socket = loop.sockets().open({});
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &before), 0);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().reason, Reason::exhausted);
  ASSERT_FALSE(no_socket);
  EXPECT_EQ(no_socket.error().reason, Reason::exhausted);
  auto accepted = server->accept();
  ASSERT_TRUE(accepted);
  EXPECT_NE(accepted->socket, nullptr);
  accepted = server->accept();
  ASSERT_TRUE(accepted);
  EXPECT_EQ(accepted->socket, nullptr) << "none is waiting";
}

TEST_F(StreamSocketTest, AllThatWaitAreAcceptedAndThenNone) {
  auto server = listener();
  for (const std::size_t many : {1u, 3u, 20u}) {
    std::vector<std::unique_ptr<Socket>> clients;
    const auto dial = [&] { ASSERT_TRUE(clients.emplace_back(open({}))->connect(server->local())); };
    const auto take = [&] {
      auto accepted = server->accept();
      EXPECT_TRUE(accepted) << accepted.error().detail;
      return accepted && accepted->socket != nullptr;
    };
    while (clients.size() < many) dial();
    for (std::size_t i = 0; i < many; ++i) EXPECT_TRUE(take());
    EXPECT_FALSE(take()) << "none is waiting";
    dial();
    EXPECT_TRUE(take());
    dial();  // after the one before was counted as the last one
    Watcher watcher;
    ASSERT_TRUE(server->watch(watcher, Ready::readable));
    bool taken = false;
    EXPECT_TRUE(run_until([&] { return !watcher.seen.empty() && (taken = taken || take()); }))
        << "the poll tells of it";
    ASSERT_TRUE(server->watch(watcher, Ready::none));
    EXPECT_FALSE(take());
  }
}

TEST_F(StreamSocketTest, OptionsAreSetAndReadAndUnknownOnesAreUnsupported) {
  auto socket = open({});
  const int one = 1;
  ASSERT_TRUE(socket->set(IPPROTO_TCP, TCP_NODELAY, std::as_bytes(std::span(&one, 1))));
  int value = 0;
  auto length = socket->get(IPPROTO_TCP, TCP_NODELAY, std::as_writable_bytes(std::span(&value, 1)));
  ASSERT_TRUE(length);
  EXPECT_EQ(*length, sizeof value);
  EXPECT_NE(value, 0);
  auto unknown = socket->set(IPPROTO_TCP, 9999, std::as_bytes(std::span(&one, 1)));
  ASSERT_FALSE(unknown);
  EXPECT_EQ(unknown.error().reason, Reason::unsupported);
  length = socket->get(IPPROTO_TCP, 9999, std::as_writable_bytes(std::span(&value, 1)));
  ASSERT_FALSE(length);
  EXPECT_EQ(length.error().reason, Reason::unsupported);
}

TEST_F(StreamSocketTest, MistakesAreErrors) {
  auto unset = loop.sockets().open({.family = Family::none});
  ASSERT_FALSE(unset);
  EXPECT_EQ(unset.error().reason, Reason::invalid_argument);
  auto mixed = loop.sockets().open({.family = Family::ipv6, .local = loopback(Family::ipv4)});
  ASSERT_FALSE(mixed);
  EXPECT_EQ(mixed.error().reason, Reason::invalid_argument);
  auto no_protocol = loop.sockets().open({.protocol = 253});
  ASSERT_FALSE(no_protocol);
  EXPECT_EQ(no_protocol.error().reason, Reason::unsupported);
  auto no_interface = loop.sockets().open({.interface_name = "no-such-card"});
  ASSERT_FALSE(no_interface);
  EXPECT_NE(no_interface.error().detail.find("no-such-card"), std::string::npos) << no_interface.error().detail;
  auto connected = open({})->connect({});
  ASSERT_FALSE(connected);
  EXPECT_EQ(connected.error().reason, Reason::invalid_argument);
  Address elsewhere = loopback(Family::ipv4);
  elsewhere.ip = {192, 0, 2, 1};
  auto not_ours = loop.sockets().open({.local = elsewhere});
  ASSERT_FALSE(not_ours);
  EXPECT_EQ(not_ours.error().reason, Reason::unreachable);
  EXPECT_EQ(not_ours.error().detail, "bind to 192.0.2.1:0: Cannot assign requested address");
}

TEST_F(StreamSocketTest, BindsToAddressAndInterface) {
  auto server = listener();
  Address from = loopback(Family::ipv4);
  from.ip = {127, 0, 0, 9};
  auto socket = open({.local = from, .interface_name = "lo"});
  auto connected = socket->connect(server->local());
  ASSERT_TRUE(connected) << connected.error().detail;
  auto accepted = server->accept();
  ASSERT_TRUE(accepted && accepted->socket);
  EXPECT_EQ(accepted->peer.ip, from.ip);
  EXPECT_EQ(accepted->peer, socket->local());
}

TEST_F(StreamSocketTest, ConnectTakesTheHopLimit) {
  auto server = listener();
  Address to = server->local();
  to.hop_limit = 7;
  auto socket = open({});
  ASSERT_TRUE(socket->connect(to));
  int hops = 0;
  ASSERT_TRUE(socket->get(IPPROTO_IP, IP_TTL, std::as_writable_bytes(std::span(&hops, 1))));
  EXPECT_EQ(hops, 7);
  EXPECT_EQ(socket->remote(), server->local());
}

TEST_F(StreamSocketTest, FastOpenSendsWithTheHandshake) {
  auto server = listener();
  const int queue = 16;
  ASSERT_TRUE(server->set(IPPROTO_TCP, TCP_FASTOPEN, std::as_bytes(std::span(&queue, 1))));
  const int one = 1;
  // The first connection may get a cookie, the second may use it; whether the kernel does so is its business (sysctl).
  for (int round = 0; round < 3; ++round) {
    auto socket = open({});
    ASSERT_TRUE(socket->set(IPPROTO_TCP, TCP_FASTOPEN_CONNECT, std::as_bytes(std::span(&one, 1))));
    auto connected = socket->connect(server->local());
    ASSERT_TRUE(connected) << connected.error().detail;
    ASSERT_TRUE(*connected);
    send(*socket, "early");
    Watcher watcher;
    ASSERT_TRUE(server->watch(watcher, Ready::readable));
    std::unique_ptr<Socket> peer;
    ASSERT_TRUE(run_until([&] {
      if (watcher.seen.empty()) return false;
      auto accepted = server->accept();
      if (accepted) peer = std::move(accepted->socket);
      return peer != nullptr;
    }));
    Batch got;
    ASSERT_TRUE(receive(*peer, got, 5));
    EXPECT_EQ(text(got), "early");
    ASSERT_TRUE(socket->connected());
    EXPECT_EQ(socket->remote(), server->local());
  }
}

}  // namespace
}  // namespace trellis::test
