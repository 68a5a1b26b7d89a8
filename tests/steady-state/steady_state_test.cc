// What flows allocates nothing: once queues, pools and tables have their size, data goes through a stack without
// malloc.
//
// How large they become depends on how much the kernel happens to take and give at once, so a few windows may allocate
// before one is free of it. A stack that allocates for each message or each turn never has such a window.
#include "allocation_count.h"
#include "world.h"

namespace trellis::tests {
namespace {

constexpr int kWindows = 12;

// Counts units of work, and the allocations in each window of so many units.
class Windows {
 public:
  explicit Windows(int units) : units_(units) {}
  void unit() {
    if (++done_ % units_ != 0) return;
    const std::uint64_t calls = bench::allocation_count().calls;
    last_ = calls - before_;
    before_ = calls;
    ++windows_;
  }
  bool over() const { return windows_ > 1 && (last_ == 0 || windows_ > kWindows); }
  std::uint64_t allocations() const { return last_; }  // of the last window

 private:
  int units_;
  int done_ = 0, windows_ = 0;
  std::uint64_t before_ = 0, last_ = 0;
};

struct SteadyState : testing::TestWithParam<const char*> {
  void SetUp() override {
    if (!bench::count_allocations()) GTEST_SKIP() << "a sanitizer has malloc for itself";
  }
  // What they keep of packets and keys is theirs. Once the plugin that needs them is loaded.
  static void overlook_libraries() {
    bench::overlook_calls_of({"libngtcp2", "libgnutls", "libnettle", "libhogweed", "libgmp"});
  }
  World world;
};

// Answers each message with as many bytes.
struct Echo {
  Connection& connection;
  Windows* windows;
  void receive() {
    connection.receive(1, 65536, [this](Result<Message> message) {
      ASSERT_TRUE(message.has_value());
      if (windows != nullptr) windows->unit();
      connection.send(connection.allocate(message->data.size()));
      receive();
    });
  }
};

TEST_P(SteadyState, PingPongAllocatesNothing) {
  const Listener listener = world.listen(GetParam());
  auto [client, server] = world.pair(GetParam(), listener);
  Windows windows(2000);
  overlook_libraries();
  Echo at_client{client, &windows}, at_server{server, nullptr};
  at_client.receive();
  at_server.receive();
  client.send(client.allocate(100));
  ASSERT_TRUE(world.run_until([&windows] { return windows.over(); }));
  EXPECT_EQ(windows.allocations(), 0u);
}

// One side sends whenever it may, the other one takes all that comes.
struct Bulk {
  Connection& from;
  Connection& to;
  Windows& windows;
  std::uint32_t size;
  void fill() {
    while (from.send(from.allocate(size))) {
    }
  }
  void receive() {
    to.receive(1, SIZE_MAX, [this](Result<Message> message) {
      ASSERT_TRUE(message.has_value());
      windows.unit();
      receive();
    });
  }
};

TEST_P(SteadyState, BulkTransferAllocatesNothing) {
  const Listener listener = world.listen(GetParam());
  auto [client, server] = world.pair(GetParam(), listener);
  overlook_libraries();
  Windows windows(4000);
  Bulk bulk{client, server, windows, client.face() == Face::datagram ? 1200u : 16384u};
  client.on_writable([&bulk] { bulk.fill(); });
  bulk.fill();
  bulk.receive();
  ASSERT_TRUE(world.run_until([&windows] { return windows.over(); }));
  EXPECT_EQ(windows.allocations(), 0u);
}

INSTANTIATE_TEST_SUITE_P(Stacks, SteadyState,
                         testing::Values("tcp", "length-prefix/tcp", "length-prefix(bytes=2)/length-prefix/tcp", "udp",
                                         "length-prefix/udp"));
INSTANTIATE_TEST_SUITE_P(Quic, SteadyState,
                         testing::Values("quic(trust='" TEST_PKI "/ca.pem',certificate='" TEST_PKI
                                         "/server.pem',key='" TEST_PKI
                                         "/server.key',server-name=peer.example,alpn=test)/udp"));

}  // namespace
}  // namespace trellis::tests
