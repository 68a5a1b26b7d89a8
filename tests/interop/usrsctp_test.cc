// usrsctp's own programs as peers: its threaded mode over UDP (RFC 6951), each test in a network of its own.
#include <gmock/gmock.h>

#include <filesystem>

#include "../netlab/netlab.h"
#include "../stacks/world.h"
#include "../support/process.h"
#include "kernel_sctp/pattern.h"
#include "trellis/address_text.h"

namespace trellis::tests {
namespace {

constexpr const char* kLoopback = "127.0.0.1";
constexpr std::uint16_t kOurUdp = 9901, kTheirUdp = 9900;

class Usrsctp : public testing::Test {
 protected:
  void SetUp() override {
    if (!std::filesystem::exists(program("tsctp")))
      GTEST_SKIP() << "usrsctp's programs are not installed: run sdk/setup interop";
    if (const std::string why = netlab::Lab::why_not(); !why.empty()) GTEST_SKIP() << why;
    host = std::make_unique<netlab::Host>("host");
    host->ip("link set lo up");
    inside = std::make_unique<netlab::Inside>(*host);
    world = std::make_unique<World>();
  }
  static std::string program(const std::string& name) { return "/usr/lib/usrsctp/" + name; }
  /// Its lines come as they are written: its standard output is a pipe.
  void start(const std::string& name, const std::vector<std::string>& arguments) {
    std::vector<std::string> words{"stdbuf", "-oL", program(name)};
    words.insert(words.end(), arguments.begin(), arguments.end());
    peer = std::make_unique<test::Process>(words);
  }
  static std::vector<std::string> udp_ports() {
    return {"-E", std::to_string(kTheirUdp), "-U", std::to_string(kOurUdp)};
  }
  bool until(const std::function<bool()>& done) { return world->run_until(done); }
  bool told(const std::string& text) {
    return until([&] { return peer->output().contains(text); });
  }

  /// A ready Connection to a server that may still be starting, and refuses as long.
  Connection& connected(std::uint16_t port) {
    bool ready = false, failed = true;
    EXPECT_TRUE(until([&] {
      if (std::exchange(failed, false)) dial(port, ready, failed);
      return ready;
    }));
    return client;
  }
  void dial(std::uint16_t port, bool& ready, bool& failed) {
    client = world->preconnection("sctp(port=" + std::to_string(port) + ")/udp")
                 .local({.port = kOurUdp, .address = *parse_address(kLoopback, kOurUdp)})
                 .remote({.port = kTheirUdp, .address = *parse_address(kLoopback, kTheirUdp)})
                 .initiate(*world->loop, [&](Result<void> how) { (how ? ready : failed) = true; });
  }

  std::unique_ptr<netlab::Host> host;
  std::unique_ptr<netlab::Inside> inside;
  std::unique_ptr<World> world;
  std::unique_ptr<test::Process> peer;
  Connection client;
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
  ASSERT_TRUE(until([&] { return !world->accepted.empty(); })) << peer->output();
  Connection connection = std::move(*world->accepted.front());
  world->accepted.clear();
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
  ASSERT_TRUE(until([&] { return !world->accepted.empty(); })) << peer->output();
  Connection connection = std::move(*world->accepted.front());
  world->accepted.clear();
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
