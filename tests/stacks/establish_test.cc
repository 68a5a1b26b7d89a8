// Establishing, and every way in which it can fail: one clear error each.
#include <arpa/inet.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/framework_core.h"
#include "world.h"

namespace trellis::tests {
namespace {

struct Establish : testing::Test {
  World world;
  Error error_of(Preconnection p) {
    std::optional<Result<void>> how;
    const Connection c = p.initiate(*world.loop, [&](Result<void> r) { how = std::move(r); });
    EXPECT_FALSE(how) << "never inside the call";
    EXPECT_TRUE(world.run_until([&] { return how.has_value(); }));
    if (how && how->has_value()) ADD_FAILURE() << "it was established";
    return how && !*how ? how->error() : Error{Reason::canceled};
  }
  static bool mentions(const Error& e, std::string_view word) { return e.detail.find(word) != std::string::npos; }
};

// A port of loopback on which nobody listens, held by a socket that is bound only.
struct ClosedPort {
  ClosedPort() {
    sockaddr_in a{};
    a.sin_family = AF_INET;
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    fd = socket(AF_INET, SOCK_STREAM, 0);
    EXPECT_EQ(bind(fd, reinterpret_cast<sockaddr*>(&a), sizeof a), 0);
    socklen_t n = sizeof a;
    getsockname(fd, reinterpret_cast<sockaddr*>(&a), &n);
    port = ntohs(a.sin_port);
  }
  ~ClosedPort() { close(fd); }
  int fd;
  std::uint16_t port;
};

// IMPL-110, IMPL-34, API-84, API-47, API-38: an address is that address and no other.
TEST_F(Establish, RefusedNamesTheAddress) {
  const ClosedPort closed;
  const Error e = error_of(world.preconnection("tcp").remote({.host = "127.0.0.1", .port = closed.port}));
  EXPECT_EQ(e.reason, Reason::unreachable) << e.detail;
  EXPECT_TRUE(mentions(e, "127.0.0.1:" + std::to_string(closed.port))) << e.detail;
  EXPECT_TRUE(mentions(e, "refused")) << e.detail;
}

// IMPL-168, API-99
TEST_F(Establish, WithoutARemoteEndpointItIsInvalid) {
  EXPECT_EQ(error_of(world.preconnection("tcp")).reason, Reason::invalid_argument);
  const Error e = error_of(world.preconnection("tcp").remote({.host = "127.0.0.1"}));
  EXPECT_EQ(e.reason, Reason::invalid_argument);
  EXPECT_TRUE(mentions(e, "port")) << e.detail;
}

// IMPL-10
TEST_F(Establish, ContradictionsFailEarly) {
  const Error e = error_of(world.preconnection("tcp")
                               .remote({.host = "127.0.0.1", .port = 1})
                               .require(Feature::reliability)
                               .prohibit(Feature::reliability));
  EXPECT_EQ(e.reason, Reason::invalid_argument);
}

// IMPL-9, IMPL-15, API-109, API-255
TEST_F(Establish, AFeatureThatTheStackLacksIsNamed) {
  const Error e =
      error_of(world.preconnection("tcp").remote({.host = "127.0.0.1", .port = 1}).require(Feature::confidentiality));
  EXPECT_EQ(e.reason, Reason::unsupported);
  EXPECT_TRUE(mentions(e, "confidentiality")) << e.detail;
}

TEST_F(Establish, UnknownLayerIsAnsweredWithTheNearestWord) {
  const Error e = error_of(world.preconnection("tpc").remote({.host = "127.0.0.1", .port = 1}));
  EXPECT_EQ(e.reason, Reason::configuration) << e.detail;
  EXPECT_TRUE(mentions(e, "tcp")) << e.detail;
}

TEST_F(Establish, FamilyThatDoesNotFit) {
  const Error e =
      error_of(world.preconnection("tcp").remote({.host = "127.0.0.1", .port = 1}).family(Address::Family::ipv6));
  EXPECT_EQ(e.reason, Reason::invalid_argument);
  EXPECT_TRUE(mentions(e, "family")) << e.detail;
}

TEST_F(Establish, UnresolvableNameSaysSo) {
  const Error e = error_of(world.preconnection("tcp").remote({.host = "no-such-host.invalid", .port = 80}));
  EXPECT_EQ(e.reason, Reason::unresolved) << e.detail;
  EXPECT_TRUE(e.detail.starts_with("no address was found for no-such-host.invalid: ")) << e.detail;
}

/// Answers at once that it has no address, and why.
struct FindsNothing final : Resolver {
  FindsNothing(std::string why_no_ipv6, std::string why_no_ipv4)
      : ipv6(std::move(why_no_ipv6)), ipv4(std::move(why_no_ipv4)) {}
  std::string_view name() const noexcept override { return "system"; }
  Result<std::unique_ptr<Lookup>> resolve(Executor& executor, const Options&, const Query&,
                                          AnswerSink& sink) noexcept override {
    executor.post([this, &sink] {
      sink.done(Answer::Kind::ipv6, fail(Reason::unresolved, ipv6, 0, "fake"));
      sink.done(Answer::Kind::ipv4, fail(Reason::unresolved, ipv4, 0, "fake"));
    });
    return std::make_unique<Lookup>();
  }
  std::string ipv6, ipv4;
};

TEST_F(Establish, AnUnresolvableNameIsSpokenOfAsAWhole) {
  const auto said = [](const char* ipv6, const char* ipv4, Address::Family family = Address::Family::none) {
    World fresh;
    EXPECT_TRUE(fresh.framework->core().registry.link(
        "fake", [&](Registrar& registrar) { registrar.add(std::make_unique<FindsNothing>(ipv6, ipv4)); }));
    std::optional<Result<void>> how;
    const Connection c = fresh.preconnection("tcp")
                             .remote({.host = "a.example", .port = 80})
                             .family(family)
                             .initiate(*fresh.loop, [&](Result<void> r) { how = std::move(r); });
    EXPECT_TRUE(fresh.run_until([&] { return how.has_value(); }));
    return how && !*how ? how->error().detail : "established";
  };
  EXPECT_EQ(said("it is not there", "it is not there"), "no address was found for a.example: it is not there");
  EXPECT_EQ(said("it has none", "no answer"), "no address was found for a.example: IPv6: it has none; IPv4: no answer");
  EXPECT_EQ(said("it has none", "no answer", Address::Family::ipv4),
            "no IPv4 address was found for a.example: no answer");
}

// API-35, API-47, API-49, API-25
TEST_F(Establish, NamesAreResolved) {
  Listener listener = world.listen("tcp");
  std::optional<Result<void>> how;
  Connection c = world.preconnection("tcp")
                     .remote({.host = "localhost", .port = listener.local().port})
                     .family(Address::Family::ipv4)
                     .initiate(*world.loop, [&](Result<void> r) { how = std::move(r); });
  ASSERT_TRUE(world.run_until([&] { return how.has_value(); }));
  EXPECT_TRUE(*how) << how->error().detail;
  EXPECT_EQ(c.remote(), listener.local());
}

// A listening socket whose backlog is full answers nothing: the attempt ends by its time.
// API-103, API-266
TEST_F(Establish, NoAnswerEndsInTime) {
  ClosedPort silent;
  ASSERT_EQ(::listen(silent.fd, 0), 0);
  std::vector<int> fillers;
  sockaddr_in a{};
  a.sin_family = AF_INET;
  a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  a.sin_port = htons(silent.port);
  for (int i = 0; i < 3; ++i) {
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    (void)!connect(fd, reinterpret_cast<sockaddr*>(&a), sizeof a);
    fillers.push_back(fd);
  }
  const Error e = error_of(world.preconnection("tcp")
                               .remote({.host = "127.0.0.1", .port = silent.port})
                               .connect_timeout(std::chrono::milliseconds(100)));
  EXPECT_EQ(e.reason, Reason::timed_out) << e.detail;
  for (const int fd : fillers) close(fd);
}

TEST_F(Establish, DestroyingTheConnectionCancels) {
  Listener listener = world.listen("tcp");
  bool called = false;
  {
    const Connection c = world.dial("tcp", listener, [&](Result<void>) { called = true; });
  }
  world.spin();
  EXPECT_FALSE(called);
}

// IMPL-61: what is sent before the Connection is ready goes when it is.
// API-55, API-102, API-105, API-268
TEST_F(Establish, EarlyMessageIsSentWhenReady) {
  Listener listener = world.listen("tcp");
  Slice hello = world.loop->pool().allocate(0, 5, 0);
  std::memcpy(hello.edit().data(), "hello", 5);
  Message early{.data = std::move(hello)};
  early.properties.replayable = true;
  Connection c = world.preconnection("tcp")
                     .remote({.host = {}, .port = 0, .address = listener.local()})
                     .initiate(*world.loop, [](Result<void>) {}, std::move(early));
  c.send(slice(c, " world"));
  ASSERT_TRUE(world.run_until([&] { return !world.accepted.empty(); }));
  Reader reader(*world.accepted[0]);
  ASSERT_TRUE(world.run_until([&] { return reader.all.size() == 11; }));
  EXPECT_EQ(reader.all, "hello world");
}

// API-104: neither in parts; several messages wait for Connection::send(). A bytestream is one message all its life.
TEST_F(Establish, AnEarlyMessageIsWhole) {
  Listener listener = world.listen("length-prefix/tcp");
  std::optional<Result<void>> how;
  const Connection c = world.preconnection("length-prefix/tcp")
                           .remote({.host = {}, .port = 0, .address = listener.local()})
                           .initiate(
                               *world.loop, [&](Result<void> r) { how = std::move(r); },
                               Message{.data = world.loop->pool().allocate(0, 5, 0), .end = false});
  ASSERT_TRUE(world.run_until([&] { return how.has_value(); }));
  ASSERT_FALSE(*how);
  EXPECT_EQ(how->error().reason, Reason::invalid_argument);
}

// IMPL-2, IMPL-7, API-2, API-101
// API-200: framers are layers of the stack, which is settled when the Connection is made.
TEST_F(Establish, LaterChangesToThePreconnectionDoNotReachTheConnection) {
  Listener listener = world.listen("tcp");
  Preconnection p = world.preconnection("tcp");
  p.remote({.host = {}, .port = 0, .address = listener.local()});
  bool up = false;
  Connection c = p.initiate(*world.loop, [&](Result<void> r) { up = r.has_value(); });
  p.remote({.host = "192.0.2.1", .port = 9}).stack("udp").set(kSafelyReplayable.name, true);
  ASSERT_TRUE(world.run_until([&] { return up; }));
  EXPECT_EQ(c.stack(), "tcp");
  EXPECT_EQ(c.remote(), listener.local());
}

// IMPL-3, API-1
TEST_F(Establish, NoStackIsBoundBeforeReady) {
  Listener listener = world.listen("tcp");
  Preconnection p = world.preconnection("tcp");
  p.remote({.host = "localhost", .port = listener.local().port}).family(Address::Family::ipv4);
  const Connection c = p.initiate(*world.loop, [](Result<void>) {});
  EXPECT_EQ(c.state(), ConnectionState::establishing);
  EXPECT_EQ(c.stack(), "");
  EXPECT_FALSE(c.get("connTimeout"));
}

// IMPL-87: a property that cannot be set fails, the Connection lives.
// API-67
TEST_F(Establish, PropertiesReachTheStackOrAreReported) {
  Listener listener = world.listen("length-prefix/tcp");
  auto [client, server] = world.pair("length-prefix/tcp", listener);
  ASSERT_TRUE(client.set("keepAliveTimeout", Duration(std::chrono::seconds(30)))) << "through the framer down to TCP";
  auto value = client.get("keepAliveTimeout");
  ASSERT_TRUE(value) << value.error().detail;
  EXPECT_EQ(std::get<Duration>(*value), Duration(std::chrono::seconds(30)));
  const auto unknown = client.set("no.such.property", true);
  ASSERT_FALSE(unknown);
  EXPECT_EQ(unknown.error().reason, Reason::unsupported);
  EXPECT_NE(unknown.error().detail.find("no.such.property"), std::string::npos);
  Reader reader(server);
  client.send(slice(client, "alive"));
  EXPECT_TRUE(world.run_until([&] { return reader.all == "alive"; }));
}

TEST_F(Establish, PropertyOfThePreconnectionThatCannotBeSetFailsTheEstablishment) {
  Listener listener = world.listen("tcp");
  const Error e = error_of(world.preconnection("tcp")
                               .remote({.host = {}, .port = 0, .address = listener.local()})
                               .set("noSuchProperty", true));
  EXPECT_EQ(e.reason, Reason::unsupported) << e.detail;
}

TEST_F(Establish, DescriptorExhaustionIsAnErrorOfItsOwn) {
  Listener listener = world.listen("tcp");
  rlimit old{};
  getrlimit(RLIMIT_NOFILE, &old);
  const int next = dup(0);
  rlimit low = old;
  low.rlim_cur = static_cast<rlim_t>(next);
  close(next);
  setrlimit(RLIMIT_NOFILE, &low);
  const Error e = error_of(world.preconnection("tcp").remote({.host = {}, .port = 0, .address = listener.local()}));
  setrlimit(RLIMIT_NOFILE, &old);
  EXPECT_EQ(e.reason, Reason::exhausted) << e.detail;
}

// EMFILE on accept pauses and goes on; it does not spin and loses nobody.
TEST_F(Establish, AcceptGoesOnWhenDescriptorsComeBack) {
  Listener listener = world.listen("tcp");
  std::vector<int> clients;
  sockaddr_in a{};
  a.sin_family = AF_INET;
  a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  a.sin_port = htons(listener.local().port);
  for (int i = 0; i < 8; ++i) {
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    (void)!connect(fd, reinterpret_cast<sockaddr*>(&a), sizeof a);
    clients.push_back(fd);
  }
  rlimit old{};
  getrlimit(RLIMIT_NOFILE, &old);
  const int next = dup(0);
  close(next);
  rlimit low = old;
  low.rlim_cur = static_cast<rlim_t>(next + 2);
  setrlimit(RLIMIT_NOFILE, &low);
  world.spin(200);
  const std::size_t some = world.accepted.size();
  setrlimit(RLIMIT_NOFILE, &old);
  EXPECT_LT(some, 8u);
  EXPECT_TRUE(world.run_until([&] { return world.accepted.size() == 8; }));
  EXPECT_FALSE(world.log.empty()) << "the pause is logged";
  for (const int fd : clients) close(fd);
}

// API-24, API-36: the first port is the system's choice, the second one is asked for.
TEST_F(Establish, PortInUseFailsTheListener) {
  Listener first = world.listen("tcp");
  std::optional<Error> failed;
  const Listener second =
      world.preconnection("tcp")
          .local({.host = "127.0.0.1", .port = first.local().port})
          .listen(*world.loop, {.listening = {}, .received = {}, .failed = [&](const Error& e) { failed = e; }});
  ASSERT_TRUE(world.run_until([&] { return failed.has_value(); }));
  EXPECT_NE(failed->detail.find(std::to_string(first.local().port)), std::string::npos) << failed->detail;
}

TEST_F(Establish, StackThatCannotListenSaysSo) {
  std::optional<Error> failed;
  const Listener l =
      world.preconnection("no-such-layer/tcp")
          .listen(*world.loop, {.listening = {}, .received = {}, .failed = [&](const Error& e) { failed = e; }});
  ASSERT_TRUE(world.run_until([&] { return failed.has_value(); }));
  EXPECT_EQ(failed->reason, Reason::configuration) << failed->detail;
}

// API-61
TEST_F(Establish, ListenerStopsAndItsConnectionsLiveOn) {
  Listener listener = world.listen("tcp");
  auto [client, server] = world.pair("tcp", listener);
  const Address was = listener.local();
  listener.stop();
  world.spin();
  const Error e = error_of(world.preconnection("tcp").remote({.host = {}, .port = 0, .address = was}));
  EXPECT_EQ(e.reason, Reason::unreachable);
  listener = {};
  Reader reader(server);
  client.send(slice(client, "still here"));
  EXPECT_TRUE(world.run_until([&] { return reader.all == "still here"; }));
}

// API-86: told once, on the loop and not inside stop(), and nothing is told after it.
TEST_F(Establish, ListenerTellsThatItHasStopped) {
  int stopped = 0, late = 0;
  Address at;
  Listener listener = world.preconnection("tcp")
                          .local({.host = "127.0.0.1"})
                          .listen(*world.loop, {.listening = [&](const Address& local) { at = local; },
                                                .received = [&](const Connection&) { late += stopped; },
                                                .failed = [&](const Error&) { ++late; },
                                                .stopped = [&] { ++stopped; }});
  ASSERT_TRUE(world.run_until([&] { return bool(at); }));
  listener.stop();
  EXPECT_EQ(stopped, 0);
  ASSERT_TRUE(world.run_until([&] { return stopped != 0; }));
  listener.stop();
  const Error e = error_of(world.preconnection("tcp").remote({.host = {}, .port = 0, .address = at}));
  EXPECT_EQ(e.reason, Reason::unreachable);
  EXPECT_EQ(stopped, 1);
  EXPECT_EQ(late, 0);
}

// API-62
TEST_F(Establish, NewConnectionLimitIsKept) {
  Listener listener = world.listen("tcp");
  listener.new_connection_limit(1);
  const Connection one = world.dial("tcp", listener);
  ASSERT_TRUE(world.run_until([&] { return world.accepted.size() == 1; }));
  const Connection two = world.dial("tcp", listener);
  world.spin(200);
  EXPECT_EQ(world.accepted.size(), 1u);
}

}  // namespace
}  // namespace trellis::tests
