// The SCTP of the Linux kernel as a peer: messages, streams, partial reliability, ends.
#include "kernel_sctp_host.h"

namespace trellis::tests {
namespace {

std::string protocol_below(const testing::TestParamInfo<std::string>& about) { return about.param; }
INSTANTIATE_TEST_SUITE_P(Over, KernelSctp, testing::Values("udp", "ip"), protocol_below);

// IMPL-156, IMPL-162, IMPL-164: edges at any size, order, payload protocols, both ways, and a SHUTDOWN at the end.
TEST_P(KernelSctp, EchoesMessagesOfAnySize) {
  Connection& connection = connected();
  Reader reader(connection, 1, 1 << 20);
  const std::vector<std::string> all{"one", pattern(1200), pattern(70'000), pattern(300'000), "last"};
  for (const std::string& one : all) {
    Message message{.data = slice(connection, one)};
    message.properties.label = 51;
    message.properties.ordered = one.size() != 1200;
    connection.send(std::move(message));
  }
  ASSERT_TRUE(until([&] { return reader.messages.size() == all.size() || reader.error; }))
      << reader.messages.size() << '\n'
      << kernel->output();
  EXPECT_THAT(reader.messages, testing::UnorderedElementsAreArray(all));
  EXPECT_TRUE(told("message stream=0 protocol=51 bytes=300000"));
  EXPECT_TRUE(told("message stream=0 protocol=51 unordered bytes=1200"));
  world->close(connection);
  EXPECT_TRUE(told("over: shut down")) << kernel->output();
}

// IMPL-161, IMPL-164, IMPL-166: streams beyond those agreed on are added (RFC 6525), and one that is closed is reset in
// both directions.
TEST_P(KernelSctp, AddsAndResetsStreams) {
  Connection& first = connected(",streams=2");
  constexpr std::size_t kStreams = 6;
  std::vector<Connection> streams;
  std::vector<std::unique_ptr<Reader>> readers;
  streams.reserve(kStreams);
  std::size_t opened = 0;
  for (std::size_t i = 0; i < kStreams; ++i) {
    streams.push_back(first.clone([&](Result<void> how) {
      EXPECT_TRUE(how) << how.error().detail;
      ++opened;
    }));
  }
  ASSERT_TRUE(until([&] { return opened == kStreams; })) << kernel->output();
  for (Connection& stream : streams) {
    readers.push_back(std::make_unique<Reader>(stream));
    stream.send(slice(stream, "number " + std::to_string(readers.size())));
  }
  ASSERT_TRUE(until([&] { return std::ranges::all_of(readers, [](auto& r) { return r->messages.size() == 1; }); }))
      << kernel->output();
  for (std::size_t i = 0; i < kStreams; ++i) EXPECT_EQ(readers[i]->messages[0], "number " + std::to_string(i + 1));
  EXPECT_TRUE(told("streams added")) << kernel->output();
  world->close(streams.back());
  EXPECT_TRUE(told("reset stream=" + std::to_string(2 * kStreams))) << kernel->output();
  first.close_group([](Result<void>) {});
  EXPECT_TRUE(told("over: shut down")) << kernel->output();
}

// IMPL-162: what is given up while the network is away is skipped with a FORWARD TSN (RFC 3758); what follows arrives.
TEST_P(KernelSctp, SkipsWhatIsGivenUp) {
  Connection& connection = connected();
  Reader reader(connection);
  cut_off();
  std::optional<Fate> fate;
  Message late{.data = slice(connection, "too late")};
  late.properties.lifetime = 300ms;
  connection.send(std::move(late), [&](Fate f, const Error*) { fate = f; });
  ASSERT_TRUE(until([&] { return fate && *fate != Fate::sent; }));
  EXPECT_EQ(fate, Fate::expired);
  join_again();
  connection.send(slice(connection, "next"));
  ASSERT_TRUE(until([&] { return reader.messages.size() == 1; })) << kernel->output();
  EXPECT_EQ(reader.messages[0], "next");
  world->close(connection);
  EXPECT_TRUE(told("over: shut down")) << kernel->output();
  EXPECT_THAT(kernel->output(), testing::Not(testing::HasSubstr("bytes=8")));
}

// IMPL-165: an abort is an ABORT, and the kernel's program hears of it.
TEST_P(KernelSctp, HearsOfAnAbort) {
  Connection& connection = connected();
  Reader reader(connection);
  connection.send(slice(connection, "hello"));
  ASSERT_TRUE(until([&] { return reader.messages.size() == 1; }));
  connection.abort(7);
  EXPECT_TRUE(told("over: Connection reset by peer")) << kernel->output();
}

struct KernelSctpClient : KernelSctp {
  std::string task() override {
    listener = world->listen("sctp(port=5000)/" + GetParam(), kOwnAddress);
    const std::string udp_port = over_udp() ? std::to_string(listener.local().port) : "0";
    return "connect " + std::string(kOwnAddress) + " 5000 " + udp_port;
  }
  Listener listener;
};
INSTANTIATE_TEST_SUITE_P(Over, KernelSctpClient, testing::Values("udp", "ip"), protocol_below);

// IMPL-159, IMPL-160: the kernel connects to our Listener.
TEST_P(KernelSctpClient, ConnectsToOurListener) {
  Connection connection = accepted();
  Reader reader(connection, 1, 1 << 20);
  echo(connection, reader);
}

}  // namespace
}  // namespace trellis::tests
