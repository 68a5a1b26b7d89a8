// The SCTP of the Linux kernel with two addresses, and ours with two: an association goes on when a path is cut,
// whoever has begun it.
#include "kernel_sctp_two_links.h"

namespace trellis::tests {
namespace {

struct KernelSctpPaths : KernelSctpTwoLinks {};

INSTANTIATE_TEST_SUITE_P(Over, KernelSctpPaths, testing::Values("udp", "ip"), below);

// IMPL-92
TEST_P(KernelSctpPaths, OurClientGoesOn) {
  Connection& connection = connected();
  Reader reader(connection, 1, 1 << 20);
  ASSERT_TRUE(until([&] {
    return paths(connection).contains("1: 10.78.0.1 to 10.78.0.2") && !paths(connection).contains("unconfirmed");
  })) << paths(connection);
  connection.send(slice(connection, "before"));
  ASSERT_TRUE(until([&] { return reader.messages.size() == 1; }));
  cut_link();
  const std::vector<std::string> all{"one", pattern(70'000), pattern(300'000), "last"};
  for (const std::string& one : all) connection.send(slice(connection, one));
  ASSERT_TRUE(until([&] { return reader.messages.size() == 1 + all.size() || reader.error; }))
      << paths(connection) << '\n'
      << kernel->output();
  for (std::size_t i = 0; i < all.size(); ++i) EXPECT_TRUE(reader.messages.at(1 + i) == all[i]) << i;
  EXPECT_THAT(paths(connection), testing::ContainsRegex("1: 10.78.0.1 to 10.78.0.2.*, in use"));
  world->close(connection);
  EXPECT_TRUE(told("over: shut down")) << kernel->output();
}

struct KernelSctpClientPaths : KernelSctpPaths {
  std::string task() override {
    listener = world->listen("sctp(port=5000,addresses='10.77.0.1 10.78.0.1')/" + GetParam(), "0.0.0.0");
    const std::string udp_port = over_udp() ? std::to_string(listener.local().port) : "0";
    return "connect " + std::string(kOwnAddress) + " 5000 " + udp_port;
  }
  Listener listener;
};
INSTANTIATE_TEST_SUITE_P(Over, KernelSctpClientPaths, testing::Values("udp", "ip"), below);

// IMPL-92: the path is cut after the kernel's first message.
TEST_P(KernelSctpClientPaths, OurListenerGoesOn) {
  Connection connection = accepted();
  Reader reader(connection, 1, 1 << 20);
  ASSERT_TRUE(until([&] { return reader.messages.size() == 1; })) << kernel->output();
  ASSERT_TRUE(until([&] {
    return paths(connection).contains("10.78.0.1 to 10.78.0.2") && !paths(connection).contains("unconfirmed");
  })) << paths(connection);
  cut_link();
  echo(connection, reader);
}

}  // namespace
}  // namespace trellis::tests
