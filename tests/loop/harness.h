// harness.h: a real loop with sockets on loopback, for the tests of this folder.
#pragma once
#include <gtest/gtest.h>

#include <chrono>
#include <cstring>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "loop/libevent_loop.h"

namespace trellis::test {

using namespace std::chrono_literals;
using Family = Address::Family;

inline constexpr Duration kPatience = 20s;  // a test that waits longer has failed

struct FunctionJob final : Job {
  explicit FunctionJob(std::function<void()> f) : function(std::move(f)) {}
  void run() noexcept override { function(); }
  std::function<void()> function;
};

struct FunctionAlarm final : Alarm {
  explicit FunctionAlarm(std::function<void()> f = [] {}) : function(std::move(f)) {}
  void on_alarm() noexcept override { function(); }
  std::function<void()> function;
};

/// Remembers what a socket reported, and may react.
struct Watcher final : SocketEvents {
  void on_ready(Socket& socket, Ready what) noexcept override {
    seen.push_back(what);
    if (react) react(socket, what);
  }
  bool saw(Ready what) const {
    for (const Ready ready : seen) {
      if (any(ready, what)) return true;
    }
    return false;
  }
  std::vector<Ready> seen;
  std::function<void(Socket&, Ready)> react;
};

inline Address loopback(Family family, std::uint16_t port = 0) {
  Address address;
  address.family = family;
  address.port = port;
  if (family == Family::ipv4) {
    address.ip = {127, 0, 0, 1};
  } else {
    address.ip[15] = 1;
  }
  return address;
}

inline std::string text(const Batch& batch) {
  std::string all;
  for (const Chunk& chunk : batch) {
    all.append(reinterpret_cast<const char*>(chunk.data.bytes().data()), chunk.data.size());
  }
  return all;
}

/// Bytes that differ from their neighbours and from block to block.
inline std::byte pattern(std::size_t at) { return std::byte((at * 31 + (at >> 8) * 7) & 0xff); }

class LoopTest : public testing::Test {
 public:
  LoopTest() : loop_owner(std::make_unique<LibeventLoop>(LoopOptions{})), loop(*loop_owner) {}

  /// Polls until `done`; false when that took too long.
  bool run_until(const std::function<bool()>& done) {
    FunctionAlarm alarm;
    alarm.arm(loop, loop.now() + kPatience);
    while (!done()) {
      if (!alarm.armed()) return false;
      loop.run_once(true);
    }
    return true;
  }
  /// Runs for this long and returns how often the loop woke up. An idle loop wakes once: at the end.
  int wakes_within(Duration time) {
    FunctionAlarm alarm;
    alarm.arm(loop, loop.now() + time);
    int wakes = 0;
    while (alarm.armed()) {
      loop.run_once(true);
      ++wakes;
    }
    return wakes;
  }
  Chunk chunk(std::string_view bytes) {
    Chunk made{loop.pool().allocate(0, static_cast<std::uint32_t>(bytes.size()), 0)};
    if (!bytes.empty()) std::memcpy(made.data.edit().data(), bytes.data(), bytes.size());
    made.end_of_message = true;
    return made;
  }
  Chunk patterned(std::size_t size) {
    Chunk made{loop.pool().allocate(0, static_cast<std::uint32_t>(size), 0)};
    auto bytes = made.data.edit();
    for (std::size_t i = 0; i < size; ++i) bytes[i] = pattern(i);
    made.end_of_message = true;
    return made;
  }
  /// Opens, or fails the test and returns null.
  std::unique_ptr<Socket> open(const SocketSpec& spec) {
    auto socket = loop.sockets().open(spec);
    EXPECT_TRUE(socket) << socket.error().detail;
    return socket ? std::move(*socket) : nullptr;
  }
  std::unique_ptr<Socket> listener(Family family = Family::ipv4) {
    auto socket = open({.role = SocketSpec::Role::listen, .family = family, .local = loopback(family)});
    EXPECT_TRUE(socket->listen(64));
    return socket;
  }
  static bool has_ipv6(Loop& loop) {
    return loop.sockets().open({.family = Family::ipv6, .local = loopback(Family::ipv6)}).has_value();
  }

  std::unique_ptr<LibeventLoop> loop_owner;
  LibeventLoop& loop;
};

/// Two connected streams.
class StreamTest : public LoopTest {
 public:
  struct Pair {
    std::unique_ptr<Socket> near, far;
  };
  Pair pair(Family family = Family::ipv4) {
    auto server = listener(family);
    Pair made;
    made.near = open({.family = family});
    auto connected = made.near->connect(server->local());
    EXPECT_TRUE(connected) << connected.error().detail;
    EXPECT_TRUE(*connected);  // the fast path of loopback
    auto accepted = server->accept();
    EXPECT_TRUE(accepted && accepted->socket);
    made.far = std::move(accepted->socket);
    return made;
  }
  void send(Socket& socket, std::string_view bytes) {
    Batch batch;
    batch.add(chunk(bytes));
    auto io = socket.send(batch);
    ASSERT_TRUE(io) << io.error().detail;
    ASSERT_EQ(io->bytes, bytes.size());
    ASSERT_TRUE(batch.empty());
  }
  /// Writes until the kernel takes no more; returns how much it took.
  std::size_t stuff(Socket& socket) {
    std::size_t total = 0;
    for (Batch batch;;) {
      while (batch.size() < 8) batch.add(patterned(64 * 1024));
      auto io = socket.send(batch);
      EXPECT_TRUE(io) << io.error().detail;
      if (!io) return total;
      total += io->bytes;
      if (io->blocked) return total;
    }
  }
  /// Polls and reads until `bytes` came, the end, or an error.
  Result<Io> receive(Socket& socket, Batch& into, std::size_t bytes) {
    Watcher watcher;
    EXPECT_TRUE(socket.watch(watcher, Ready::readable));
    Result<Io> last = Io{};
    EXPECT_TRUE(run_until([&] {
      if (watcher.seen.empty()) return false;
      watcher.seen.clear();
      last = socket.receive(into, 1 << 20);
      return !last || last->end || into.bytes() >= bytes;
    }));
    EXPECT_TRUE(socket.watch(idle, Ready::none));
    return last;
  }
  Watcher idle;
};

}  // namespace trellis::test
