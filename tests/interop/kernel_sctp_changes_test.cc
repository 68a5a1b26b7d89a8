// The SCTP of the Linux kernel and ours, whose addresses come and go while an association lives (RFC 5061), whoever has
// begun it; with tshark as a witness.
#include "kernel_sctp_two_links.h"

namespace trellis::tests {
namespace {

struct KernelSctpChanges : KernelSctpTwoLinks {
  bool changes() const override { return true; }
  /// A path with this text is there and works.
  bool comes(Connection& to, const std::string& path) {
    return until([&] {
      const std::string all = paths(to);
      const std::size_t at = all.find(path);
      return at != std::string::npos && all.substr(at, all.find(';', at) - at).contains(", active");
    });
  }
  bool goes(Connection& from, const std::string& path) {
    return until([&] { return !paths(from).contains(path); });
  }
  /// What the kernel is told comes back from it.
  void say(Connection& connection, const Reader& reader, const std::string& words) {
    const std::size_t before = reader.messages.size();
    connection.send(slice(connection, words));
    ASSERT_TRUE(until([&] { return reader.messages.size() > before || reader.error; })) << paths(connection) << '\n'
                                                                                        << kernel->output();
    ASSERT_FALSE(reader.error) << reader.error->detail;
    EXPECT_EQ(reader.messages.back(), words);
  }
  void close_well(Connection& connection) {
    world->close(connection);
    EXPECT_TRUE(told("over: shut down")) << kernel->output();
  }
  void TearDown() override {
    KernelSctp::TearDown();
    if (!witness) return;
    for (const char* chunk : {"0xc1", "0x80"})
      EXPECT_NE(seen(std::string("sctp.chunk_type == 0x0f && sctp.chunk_type == ") + chunk), "");
  }
};

INSTANTIATE_TEST_SUITE_P(Over, KernelSctpChanges, testing::Values("udp", "ip"), below);

// IMPL-92: our address comes, carries on when the other link is cut, and that one's goes.
TEST_P(KernelSctpChanges, OurClientsAddressComesAndGoes) {
  host->ip("addr flush dev tap1");
  Connection& connection = connected();
  Reader reader(connection, 1, 1 << 20);
  say(connection, reader, "before");
  host->ip("addr add 10.78.0.1/24 dev tap1");
  EXPECT_TRUE(told("peer's address 10.78.0.1: added")) << kernel->output() << paths(connection);
  ASSERT_TRUE(comes(connection, "10.78.0.1 to 10.78.0.2")) << paths(connection) << kernel->output();
  EXPECT_TRUE(told("peer's address 10.78.0.1: confirmed")) << kernel->output();
  cut_link();
  for (const std::string& one : {std::string("one"), pattern(70'000), pattern(300'000)}) say(connection, reader, one);
  EXPECT_THAT(paths(connection), testing::ContainsRegex("10.78.0.1 to 10.78.0.2.*, in use"));
  host->ip("addr flush dev tap0");
  EXPECT_TRUE(told("peer's address 10.77.0.1: removed")) << kernel->output();
  EXPECT_TRUE(goes(connection, "10.77.0.1")) << paths(connection);
  say(connection, reader, "after");
  close_well(connection);
}

// Set primary, from us to the kernel.
TEST_P(KernelSctpChanges, OurClientSaysWhereItWantsData) {
  Connection& connection = connected();
  Reader reader(connection, 1, 1 << 20);
  ASSERT_TRUE(comes(connection, "1: 10.78.0.1 to 10.78.0.2")) << paths(connection);
  ASSERT_TRUE(connection.set("sctp.peerPrimary", std::uint64_t{1}));
  EXPECT_TRUE(told("peer's address 10.78.0.1: primary")) << kernel->output();
  EXPECT_TRUE(until([&] {
    const auto value = connection.get("sctp.peerPrimary");
    return value && std::get<std::uint64_t>(*value) == 1;
  }));
  say(connection, reader, "hello");
  close_well(connection);
}

struct KernelSctpWithOneAddress : KernelSctpChanges {
  std::string task() override { return "listen 5000 10.77.0.2"; }
};
INSTANTIATE_TEST_SUITE_P(Over, KernelSctpWithOneAddress, testing::Values("udp", "ip"), below);

// The kernel's address comes, is to be the primary one, and the first one goes.
TEST_P(KernelSctpWithOneAddress, TheServersAddressComesAndGoes) {
  Connection& connection = connected();
  Reader reader(connection, 1, 1 << 20);
  say(connection, reader, "add 10.78.0.2");
  ASSERT_TRUE(comes(connection, "10.78.0.1 to 10.78.0.2")) << paths(connection) << kernel->output();
  say(connection, reader, "prefer 10.78.0.2");
  ASSERT_TRUE(until([&] { return std::get<std::uint64_t>(connection.get("sctp.primary").value()) != 0; }))
      << paths(connection);
  say(connection, reader, "remove 10.77.0.2");
  EXPECT_TRUE(goes(connection, "10.77.0.2")) << paths(connection) << kernel->output();
  say(connection, reader, pattern(100'000));
  close_well(connection);
}

struct KernelSctpClientWithOneAddress : KernelSctpChanges {
  std::string task() override {
    listener = world->listen("sctp(port=5000,addresses='10.77.0.1 10.78.0.1')/" + GetParam(), "0.0.0.0");
    const std::string udp_port = over_udp() ? std::to_string(listener.local().port) : "0";
    return "serve " + std::string(kOwnAddress) + " 5000 " + udp_port + " 10.77.0.2";
  }
  Listener listener;
};
INSTANTIATE_TEST_SUITE_P(Over, KernelSctpClientWithOneAddress, testing::Values("udp", "ip"), below);

// The same with our listener, which has kept nothing of the handshake; and what it asks for.
TEST_P(KernelSctpClientWithOneAddress, TheClientsAddressComesAndGoes) {
  Connection connection = accepted();
  Reader reader(connection, 1, 1 << 20);
  say(connection, reader, "add 10.78.0.2");
  ASSERT_TRUE(comes(connection, "10.78.0.1 to 10.78.0.2")) << paths(connection) << kernel->output();
  say(connection, reader, "remove 10.77.0.2");
  EXPECT_TRUE(goes(connection, "10.77.0.2")) << paths(connection) << kernel->output();
  ASSERT_TRUE(connection.set("sctp.peerPrimary", std::uint64_t{std::stoul(paths(connection))}));
  EXPECT_TRUE(until([&] { return connection.get("sctp.peerPrimary").has_value(); }));
  say(connection, reader, pattern(100'000));
  say(connection, reader, "end");
  EXPECT_TRUE(until([&] { return reader.ended; }));
  close_well(connection);
}

}  // namespace
}  // namespace trellis::tests
