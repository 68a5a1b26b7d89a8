// In steady state nothing is allocated: not by the loop, not by libevent, not for streams, datagrams, timers or jobs.
#include <cstdlib>

#include "harness.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define TRELLIS_COUNTS_ALLOCATIONS 0  // sanitizers bring their own malloc
#else
#define TRELLIS_COUNTS_ALLOCATIONS 1
#endif

#if TRELLIS_COUNTS_ALLOCATIONS
namespace {
thread_local std::size_t allocations = 0;
}

extern "C" {
void* __libc_malloc(std::size_t);
void* __libc_calloc(std::size_t, std::size_t);
void* __libc_realloc(void*, std::size_t);

void* malloc(std::size_t size) {
  ++allocations;
  return __libc_malloc(size);
}
void* calloc(std::size_t count, std::size_t size) {
  ++allocations;
  return __libc_calloc(count, size);
}
void* realloc(void* memory, std::size_t size) {
  ++allocations;
  return __libc_realloc(memory, size);
}
}

namespace trellis::test {
namespace {

class Allocations : public StreamTest {
 public:
  /// Polls while `rounds` grows by `count`; returns what was allocated meanwhile.
  std::size_t during(const std::size_t& rounds, std::size_t count) {
    const std::size_t end = rounds + count;
    FunctionAlarm patience;
    patience.arm(loop, loop.now() + kPatience);
    const std::size_t before = allocations;
    while (rounds < end && patience.armed()) loop.run_once(true);
    const std::size_t counted = allocations - before;
    EXPECT_GE(rounds, end);
    return counted;
  }
  /// A layer's doing: receives all there is and sends it back.
  void bounce(Socket& socket, Watcher& watcher) {
    socket.receive(batch, 1 << 20);
    socket.send(batch);
    watcher.seen.clear();
    ++rounds;
  }
  std::unique_ptr<Socket> datagrams(const Address& local, const Address& remote) {
    const auto role = remote ? SocketSpec::Role::connect : SocketSpec::Role::unconnected;
    auto socket = open({.kind = SocketSpec::Kind::datagram, .role = role, .local = local});
    if (remote) {
      EXPECT_TRUE(socket->connect(remote));
    }
    return socket;
  }
  /// Lets two sockets throw `sizes` to each other.
  std::size_t ping_pong(Socket& a, Socket& b, const std::vector<std::size_t>& sizes) {
    Watcher watcher;
    watcher.seen.reserve(16);
    watcher.react = [&](Socket& socket, Ready) { bounce(socket, watcher); };
    EXPECT_TRUE(a.watch(watcher, Ready::readable));
    EXPECT_TRUE(b.watch(watcher, Ready::readable));
    for (const std::size_t size : sizes) batch.add(patterned(size));
    EXPECT_TRUE(a.send(batch));
    during(rounds, 500);
    return during(rounds, 2000);
  }
  Batch batch;
  std::size_t rounds = 0;
};

TEST_F(Allocations, TheCounterCounts) {
  const std::size_t before = allocations;
  delete new volatile int(1);
  EXPECT_EQ(allocations, before + 1);
}

TEST_F(Allocations, NoneForSmallMessagesOnAStream) {
  auto [near, far] = pair();
  EXPECT_EQ(ping_pong(*near, *far, {1}), 0u);
}

TEST_F(Allocations, NoneForLargeOnes) {
  auto [near, far] = pair();
  EXPECT_EQ(ping_pong(*near, *far, {50'000, 100, 30'000}), 0u);
}

TEST_F(Allocations, NoneForDatagramsOfConnectedSockets) {
  auto a = datagrams(loopback(Family::ipv4), {});
  auto b = datagrams({}, a->local());
  EXPECT_EQ(ping_pong(*b, *a, {1200, 1200, 1200, 100, 1, 5000}), 0u);
}

TEST_F(Allocations, NoneForDatagramsOfUnconnectedSockets) {
  Address any;
  any.family = Family::ipv4;
  auto server = datagrams(any, {});
  auto a = datagrams({}, loopback(Family::ipv4, server->local().port));
  auto b = datagrams({}, loopback(Family::ipv4, server->local().port));
  Watcher watcher;
  watcher.seen.reserve(16);
  watcher.react = [&](Socket& socket, Ready) { bounce(socket, watcher); };
  for (auto* socket : {&server, &a, &b}) ASSERT_TRUE((*socket)->watch(watcher, Ready::readable));
  for (auto* client : {&a, &b}) {
    for (int i = 0; i < 10; ++i) batch.add(patterned(1000));
    ASSERT_TRUE((*client)->send(batch));
  }
  during(rounds, 500);
  EXPECT_EQ(during(rounds, 2000), 0u);
}

TEST_F(Allocations, NoneForTimersAndJobs) {
  FunctionJob queued([&] { ++rounds; });
  FunctionJob repeated([&] {
    loop.queue(queued);
    loop.again(repeated);
  });
  FunctionAlarm alarm;
  alarm.function = [&] {
    ++rounds;
    alarm.arm(loop, loop.now() + 10us);
  };
  loop.again(repeated);
  alarm.arm(loop, loop.now());
  during(rounds, 500);
  EXPECT_EQ(during(rounds, 2000), 0u);
}

TEST_F(Allocations, NoneWhenReadingPausesAndGoesOn) {
  auto [near, far] = pair();
  Watcher watcher;
  watcher.seen.reserve(1 << 16);
  ASSERT_TRUE(far->watch(watcher, Ready::readable));
  FunctionJob job([&] {
    ++rounds;
    batch.add(patterned(10));
    near->send(batch);
    far->watch(watcher, rounds % 4 < 2 ? Ready::none : Ready::readable);
    if (rounds % 16 == 0) far->receive(batch, 1000);
    batch.clear();
    loop.again(job);
  });
  loop.queue(job);
  during(rounds, 500);
  EXPECT_EQ(during(rounds, 2000), 0u);
}

}  // namespace
}  // namespace trellis::test
#endif
