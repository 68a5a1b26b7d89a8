// usrsctp's own programs as peers: its threaded mode over UDP (RFC 6951), each test in a network of its own.
#include <gmock/gmock.h>

#include <filesystem>

#include "kernel_sctp/pattern.h"
#include "sctp_over_udp.h"

namespace trellis::tests {
namespace {

class Usrsctp : public SctpOverUdp {
 protected:
  void SetUp() override {
    if (!std::filesystem::exists(program("tsctp")))
      GTEST_SKIP() << "usrsctp's programs are not installed: run sdk/setup interop";
    SctpOverUdp::SetUp();
  }
  static std::string program(const std::string& name) { return "/usr/lib/usrsctp/" + name; }
  /// Its lines come as they are written: its standard output is a pipe.
  void start(const std::string& name, const std::vector<std::string>& arguments) {
    std::vector<std::string> words{"stdbuf", "-oL", program(name)};
    words.insert(words.end(), arguments.begin(), arguments.end());
    SctpOverUdp::start(words);
  }
  static std::vector<std::string> udp_ports() {
    return {"-E", std::to_string(kTheirUdp), "-U", std::to_string(kOurUdp)};
  }
};

// IMPL-156, IMPL-162, IMPL-164: messages of many sizes keep their edges, ordered and unordered, both ways.
TEST_F(Usrsctp, EchoesOurMessages) {
  start("echo_server", {std::to_string(kTheirUdp), std::to_string(kOurUdp)});
  Connection& connection = connected(7);  // echo
  Reader reader(connection, 1, 1 << 20);
  const std::vector<std::string> all{"one", pattern(1200), pattern(9000), "last"};
  for (const std::string& one : all) {
    Message message{.data = slice(connection, one)};
    message.properties.label = 51;
    message.properties.ordered = one.size() != 1200;
    connection.send(std::move(message));
  }
  ASSERT_TRUE(until([&] { return reader.messages.size() == all.size() || reader.error; })) << peer->output();
  EXPECT_THAT(reader.messages, testing::UnorderedElementsAreArray(all));
  world->close(connection);
}

// IMPL-159, IMPL-160: its client connects to our Listener, sends, and shuts down.
TEST_F(Usrsctp, ConnectsToOurListener) {
  const Listener listener = world->listen("sctp(port=5001)/udp", kLoopback);
  start("client", {kLoopback, "5001", "0", std::to_string(kTheirUdp), std::to_string(listener.local().port)});
  Connection connection = accepted();
  Reader reader(connection);
  peer->write("hello there\n");
  ASSERT_TRUE(until([&] { return reader.messages.size() == 1; })) << peer->output();
  EXPECT_EQ(reader.messages[0], "hello there\n");
  connection.send(slice(connection, "and back\n"));
  EXPECT_TRUE(told("and back")) << peer->output();
  peer->close_input();
  EXPECT_TRUE(until([&] { return reader.ended || reader.error; }));
  EXPECT_TRUE(reader.ended) << reader.error->detail;
  world->close(connection);
  EXPECT_EQ(peer->wait(), 0) << peer->output();
}

constexpr std::size_t kCount = 100, kLength = 65536;

// IMPL-156: what its test tool sends in bulk comes whole, message by message.
TEST_F(Usrsctp, SendsInBulk) {
  const Listener listener = world->listen("sctp(port=5001)/udp", kLoopback);
  start("tsctp", {"-E", std::to_string(kTheirUdp), "-U", std::to_string(listener.local().port), "-n",
                  std::to_string(kCount), "-l", std::to_string(kLength), kLoopback});
  Connection connection = accepted();
  Reader reader(connection, 1, 1 << 20);
  ASSERT_TRUE(until([&] { return reader.ended || reader.error; }));
  EXPECT_TRUE(reader.ended) << reader.error->detail;
  EXPECT_EQ(reader.messages.size(), kCount);
  EXPECT_THAT(reader.messages, testing::Each(testing::SizeIs(kLength)));
  world->close(connection);
  EXPECT_EQ(peer->wait(), 0);
}

// IMPL-156: and what we send in bulk it counts.
TEST_F(Usrsctp, CountsWhatWeSendInBulk) {
  start("tsctp", udp_ports());
  Connection& connection = connected(5001);
  std::size_t sent = 0;
  const auto fill = [&] {
    for (bool room = true; room && sent < kCount; ++sent)
      room = connection.send(slice(connection, std::string(kLength, 'x')));
  };
  connection.on_writable(fill);
  fill();
  ASSERT_TRUE(until([&] { return sent == kCount; }));
  world->close(connection);
  EXPECT_TRUE(told(std::to_string(kLength) + ", " + std::to_string(kCount) + ", "));
}

}  // namespace
}  // namespace trellis::tests
