// pion/sctp, the SCTP of WebRTC in Go, as a peer over UDP: pion_sctp/main.go is its program.
#include <gmock/gmock.h>

#include <filesystem>
#include <list>

#include "kernel_sctp/pattern.h"
#include "sctp_over_udp.h"

namespace trellis::tests {
namespace {

constexpr std::uint16_t kPionPort = 5000;  // of SCTP; it knows no other
constexpr std::size_t kLargest = 65536;    // bytes of a message: its default

class PionSctp : public SctpOverUdp {
 protected:
  void SetUp() override {
    if (!std::filesystem::exists(program()))
      GTEST_SKIP() << "the peer is not built: run sdk/setup interop, and build again";
    SctpOverUdp::SetUp();
  }
  static std::string program() { return test::program("pion-sctp-peer"); }
  static std::string at(std::uint16_t port) { return std::string(kLoopback) + ":" + std::to_string(port); }

  /// Our end of an association with a peer that returns messages.
  Connection& echoed() {
    start({program(), "serve", at(kTheirUdp)});
    EXPECT_TRUE(peer->wait_output("ready")) << peer->error();
    return connected(kPionPort);
  }
};

// IMPL-156, IMPL-162: messages up to its largest keep their edges, and unordered ones come too.
TEST_F(PionSctp, EchoesOurMessages) {
  Connection& connection = echoed();
  Reader reader(connection, 1, 1 << 20);
  const std::vector<std::string> all{"one", pattern(1200), pattern(9000), pattern(kLargest), "last"};
  for (const std::string& one : all) {
    Message message{.data = slice(connection, one)};
    message.properties.label = 51;  // a text, as WebRTC has it
    message.properties.ordered = one.size() != 1200;
    connection.send(std::move(message));
  }
  ASSERT_TRUE(until([&] { return reader.messages.size() == all.size() || reader.error; })) << peer->output();
  EXPECT_THAT(reader.messages, testing::UnorderedElementsAreArray(all));
  world->close(connection);
  EXPECT_TRUE(told("no more streams")) << peer->output();
}

// IMPL-161, IMPL-166: a clone is a stream of its own there, and closing it resets the stream, not the association.
TEST_F(PionSctp, SeesClonesAsStreams) {
  Connection& connection = echoed();
  Connection stream = connection.clone([](Result<void>) {});
  Reader reader(stream), first(connection);
  stream.send(slice(stream, "on a stream of its own"));
  ASSERT_TRUE(until([&] { return reader.messages.size() == 1 || reader.error; })) << peer->output();
  EXPECT_EQ(reader.messages[0], "on a stream of its own");
  world->close(stream);
  EXPECT_TRUE(told("ended")) << peer->output();
  connection.send(slice(connection, "still here"));
  ASSERT_TRUE(until([&] { return first.messages.size() == 1 || first.error; })) << peer->output();
  EXPECT_EQ(first.messages[0], "still here");
  world->close(connection);
}

// IMPL-159, IMPL-160, IMPL-161: it associates with our Listener; its streams are Connections, and its end is a graceful
// one.
TEST_F(PionSctp, AssociatesWithOurListener) {
  const Listener listener = world->listen("sctp(port=5000)/udp", kLoopback);
  start({program(), "ask", at(kTheirUdp), at(listener.local().port)});
  struct Stream {
    Connection connection;
    Reader reader{connection, 1, 1 << 20};
  };
  std::list<Stream> streams;
  for (const std::string& size : {std::string("5"), std::to_string(kLargest)}) {
    auto& [connection, reader] = streams.emplace_back(accepted());
    ASSERT_TRUE(until([&] { return reader.messages.size() == 1 || reader.error; })) << peer->output();
    Message back{.data = slice(connection, reader.messages[0])};
    back.properties.label = 53;  // bytes, as WebRTC has it
    connection.send(std::move(back));
    EXPECT_TRUE(told("returned " + size + " bytes kind 53 whole true")) << peer->output();
  }
  peer->close_input();
  EXPECT_TRUE(told("shut down: <nil>")) << peer->output();
  EXPECT_EQ(peer->wait(), 0) << peer->output();
}

// IMPL-165: what one end aborts, the other one hears of.
TEST_F(PionSctp, HearsOurAbort) {
  Connection& connection = echoed();
  connection.abort(7);
  EXPECT_TRUE(told("no more streams")) << peer->output();
}

TEST_F(PionSctp, TellsUsOfItsAbort) {
  Connection& connection = echoed();
  Reader reader(connection);
  peer->write("abort\n");
  ASSERT_TRUE(until([&] { return reader.ended || reader.error; })) << peer->output();
  ASSERT_TRUE(reader.error);
  EXPECT_EQ(reader.error->reason, Reason::reset) << reader.error->detail;
}

}  // namespace
}  // namespace trellis::tests
