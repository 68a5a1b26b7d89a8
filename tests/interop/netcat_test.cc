// OpenBSD's netcat as the other side, over TCP and UDP.
#include "cli/tool.h"

namespace trellis::test {
namespace {

class Netcat : public testing::Test {
 protected:
  void SetUp() override {
    if (!installed("nc")) GTEST_SKIP() << "nc is not installed: run sdk/setup interop";
  }
};

std::pair<std::string, std::string> host_and_port(const std::string& address) {
  const std::size_t colon = address.rfind(':');
  std::string host = address.substr(0, colon);
  if (host.starts_with('[')) host = host.substr(1, host.size() - 2);
  return {host, address.substr(colon + 1)};
}

// A port that was free a moment ago; netcat cannot say which one the system chose for it in a form to rely on.
std::string free_port() { return std::to_string(RawSocket::tcp_listener().port()); }

// API-19, API-260: the peer needs nothing of ours.
TEST_F(Netcat, ConnectsOverTcp) {
  for (const char* address : {"127.0.0.1", "::1"}) {
    Listen listen({"--stack", "tcp"}, address);
    const auto [host, port] = host_and_port(listen.address_on_error());
    Process nc({"nc", "-N", host, port});
    ASSERT_TRUE(nc.write("from nc\n"));
    ASSERT_TRUE(listen.wait_output("from nc\n"));
    ASSERT_TRUE(listen.write("from trellis\n"));
    listen.close_input();
    ASSERT_TRUE(nc.wait_output("from trellis\n"));
    nc.close_input();
    EXPECT_EQ(nc.wait(), 0);
    EXPECT_EQ(listen.wait(), 0) << listen.error();
  }
}

TEST_F(Netcat, IsConnectedToOverTcp) {
  const std::string port = free_port();
  Process nc({"nc", "-v", "-N", "-l", "127.0.0.1", port});
  ASSERT_TRUE(nc.wait_error("Listening on")) << nc.error();
  Process connect(trellis({"connect", "--stack", "tcp", "127.0.0.1:" + port}));
  ASSERT_TRUE(connect.write("from trellis\n"));
  ASSERT_TRUE(nc.wait_output("from trellis\n"));
  ASSERT_TRUE(nc.write("from nc\n"));
  ASSERT_TRUE(connect.wait_output("from nc\n"));
  connect.close_input();  // netcat then ends, whatever its own input does
  EXPECT_EQ(connect.wait(), 0) << connect.error();
  EXPECT_EQ(nc.wait(), 0);
}

TEST_F(Netcat, GetsItsBytesBack) {
  std::string text;
  for (int i = 0; text.size() < 5'000'000; ++i) text += std::to_string(i) + ' ';
  const TemporaryDirectory directory;
  Listen listen({"--echo", "--once", "--stack", "tcp"});
  const auto [host, port] = host_and_port(listen.address());
  Process nc({"nc", "-N", host, port}, file(directory.write("input", text)));
  EXPECT_EQ(nc.wait(), 0);
  EXPECT_TRUE(nc.output() == text);
  EXPECT_EQ(listen.wait(), 0) << listen.error();
}

TEST_F(Netcat, ConnectsOverUdp) {
  Listen listen({"--echo", "--stack", "udp"});
  const auto [host, port] = host_and_port(listen.address());
  Process nc({"nc", "-u", host, port});
  ASSERT_TRUE(nc.write("a datagram\n"));
  EXPECT_TRUE(nc.wait_output("a datagram\n"));
  ASSERT_TRUE(nc.write("another\n"));
  EXPECT_TRUE(nc.wait_output("another\n"));
}

TEST_F(Netcat, IsConnectedToOverUdp) {
  const std::string port = free_port();
  Process nc({"nc", "-v", "-u", "-l", "127.0.0.1", port});
  ASSERT_TRUE(nc.wait_error("Bound on")) << nc.error();
  Process connect(trellis({"connect", "--stack", "udp", "--wait", "0.2", "127.0.0.1:" + port}));
  ASSERT_TRUE(connect.write("from trellis\n"));
  ASSERT_TRUE(nc.wait_output("from trellis\n"));
  ASSERT_TRUE(nc.write("from nc\n"));
  ASSERT_TRUE(connect.wait_output("from nc\n"));
  connect.close_input();
  EXPECT_EQ(connect.wait(), 0) << connect.error();
}

}  // namespace
}  // namespace trellis::test
