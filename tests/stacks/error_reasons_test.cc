// The reasons for which things fail (RFC 9623 appendix B), each brought about: a caller can act on every one of them.
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "trellis/address_text.h"
#include "world.h"

namespace trellis::tests {
namespace {

// API-297
struct Reasons : testing::Test {
  /// Why the Connection was not established.
  Error not_established(Preconnection preconnection) {
    std::optional<Result<void>> how;
    const Connection c = preconnection.initiate(*world.loop, [&](Result<void> result) { how = std::move(result); });
    EXPECT_TRUE(world.run_until([&] { return how.has_value(); }));
    EXPECT_FALSE(*how);
    return how->error();
  }
  /// What became of a message.
  Error not_sent(Connection& connection, Message message) {
    std::optional<Error> why;
    connection.send(std::move(message), [&](Fate fate, const Error* error) {
      if (fate == Fate::failed) why = *error;
    });
    EXPECT_TRUE(world.run_until([&] { return why.has_value(); }));
    return *why;
  }
  static Endpoint at(const Address& address) { return {.host = {}, .port = address.port, .address = address}; }

  World world;
};

TEST_F(Reasons, InvalidConfiguration) {
  EXPECT_EQ(not_established(world.preconnection("tcp(send-queue-bytes=none)").remote({.host = "127.0.0.1", .port = 9}))
                .reason,
            Reason::configuration);
  EXPECT_EQ(not_established(world.preconnection("no-such-protocol").remote({.host = "127.0.0.1", .port = 9})).reason,
            Reason::configuration);
}

TEST_F(Reasons, NoCandidates) {
  const Error error = not_established(
      world.preconnection("udp").require(Feature::reliability).remote({.host = "127.0.0.1", .port = 9}));
  EXPECT_EQ(error.reason, Reason::unsupported) << error.detail;
}

TEST_F(Reasons, ResolutionFailed) {
  EXPECT_EQ(not_established(world.preconnection("tcp").remote({.host = "nobody.invalid", .port = 9})).reason,
            Reason::unresolved);
}

TEST_F(Reasons, EstablishmentFailed) {
  Listener listener = world.listen("tcp");
  const Endpoint gone = at(listener.local());
  listener = {};
  world.spin();
  EXPECT_EQ(not_established(world.preconnection("tcp").remote(gone)).reason, Reason::unreachable);
}

// PolicyProhibited needs paths: PhoneWithoutWifi.SaysWhyNothingIsLeft.

TEST_F(Reasons, NotCloneable) {
  Listener listener = world.listen("tcp");
  auto [client, server] = world.pair("tcp", listener);
  std::optional<Result<void>> how;
  const Connection clone =
      client.clone([&](Result<void> result) { how = std::move(result); }, {.face = Face::datagram});
  ASSERT_TRUE(world.run_until([&] { return how.has_value(); }));
  ASSERT_FALSE(*how);
  EXPECT_EQ(how->error().reason, Reason::unsupported) << how->error().detail;
}

TEST_F(Reasons, MessageTooLarge) {
  Listener listener = world.listen("udp");
  auto [client, server] = world.pair("udp", listener);
  EXPECT_EQ(not_sent(client, {.data = slice(client, std::string(70'000, 'x'))}).reason, Reason::too_large);
}

TEST_F(Reasons, ProtocolFailed) {
  Listener listener = world.listen("tcp");
  std::optional<Result<void>> how;
  const Connection client =
      world.preconnection("tls/tcp").remote(at(listener.local())).initiate(*world.loop, [&](Result<void> result) {
        how = std::move(result);
      });
  ASSERT_TRUE(world.run_until([&] { return !world.accepted.empty(); }));
  world.accepted[0]->send(slice(*world.accepted[0], "this is not TLS at all\r\n"));
  ASSERT_TRUE(world.run_until([&] { return how.has_value(); }));
  ASSERT_FALSE(*how);
  EXPECT_EQ(how->error().reason, Reason::protocol_violation) << how->error().detail;
}

TEST_F(Reasons, InvalidMessageProperties) {
  Listener listener = world.listen("tcp");
  auto [client, server] = world.pair("tcp", listener);
  Message message{.data = slice(client, "x")};
  message.properties.reliable = false;
  EXPECT_EQ(not_sent(client, std::move(message)).reason, Reason::invalid_argument);
}

TEST_F(Reasons, DeframingFailed) {
  Listener listener = world.listen("length-prefix(max-bytes=1000)/tcp");
  Connection client = world.dial("tcp", listener);
  ASSERT_TRUE(world.run_until([&] { return !world.accepted.empty(); }));
  Reader reader(*world.accepted[0]);
  client.send(slice(client, "\xff\xff\xff\xff and no message of this length"));
  ASSERT_TRUE(world.run_until([&] { return reader.error.has_value(); }));
  EXPECT_EQ(reader.error->reason, Reason::protocol_violation) << reader.error->detail;
}

TEST_F(Reasons, ConnectionAborted) {
  Listener listener = world.listen("tcp");
  auto [client, server] = world.pair("tcp", listener);
  Reader reader(client);
  server.abort();
  ASSERT_TRUE(world.run_until([&] { return reader.error.has_value(); }));
  EXPECT_EQ(reader.error->reason, Reason::reset);
}

// A socket that nobody reads.
TEST_F(Reasons, Timeout) {
  const int silent = ::socket(AF_INET, SOCK_DGRAM, 0);
  sockaddr_in any{};
  any.sin_family = AF_INET;
  any.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof any;
  ASSERT_EQ(::bind(silent, reinterpret_cast<const sockaddr*>(&any), sizeof any), 0);
  ASSERT_EQ(::getsockname(silent, reinterpret_cast<sockaddr*>(&any), &length), 0);
  const Error error = not_established(world.preconnection("sctp/udp")
                                          .remote({.host = "127.0.0.1", .port = ntohs(any.sin_port)})
                                          .connect_timeout(std::chrono::milliseconds(50)));
  EXPECT_EQ(error.reason, Reason::timed_out) << error.detail;
  ::close(silent);
}

}  // namespace
}  // namespace trellis::tests
