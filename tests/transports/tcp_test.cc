// The tcp plugin against the kernel, on loopback.
#include <linux/filter.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <fstream>
#include <random>

#include "one_layer.h"

namespace trellis::test {
namespace {

std::string some_text(std::size_t size) {
  std::string text(size, '\0');
  std::mt19937 random(7);
  for (char& c : text) c = static_cast<char>('a' + random() % 26);
  return text;
}

/// A socket of the test's own, to see from outside what the layer does.
class RawSocket {
 public:
  explicit RawSocket(int descriptor) : descriptor_(descriptor) {}
  RawSocket(RawSocket&& other) noexcept : descriptor_(std::exchange(other.descriptor_, -1)) {}
  RawSocket& operator=(RawSocket&&) = delete;
  ~RawSocket() { close(); }
  static sockaddr_in address(std::uint16_t port) {
    sockaddr_in in{};
    in.sin_family = AF_INET;
    in.sin_port = htons(port);
    in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return in;
  }
  static RawSocket connect(std::uint16_t port) {
    RawSocket made(::socket(AF_INET, SOCK_STREAM, 0));
    const sockaddr_in to = address(port);
    EXPECT_EQ(::connect(made.descriptor_, reinterpret_cast<const sockaddr*>(&to), sizeof to), 0);
    return made;
  }
  static RawSocket listen() {
    RawSocket made(::socket(AF_INET, SOCK_STREAM, 0));
    const sockaddr_in at = address(0);
    EXPECT_EQ(::bind(made.descriptor_, reinterpret_cast<const sockaddr*>(&at), sizeof at), 0);
    EXPECT_EQ(::listen(made.descriptor_, 16), 0);
    return made;
  }
  RawSocket accept() const { return RawSocket(::accept(descriptor_, nullptr, nullptr)); }
  std::uint16_t port() const {
    sockaddr_in in{};
    socklen_t length = sizeof in;
    getsockname(descriptor_, reinterpret_cast<sockaddr*>(&in), &length);
    return ntohs(in.sin_port);
  }
  void send(std::string_view text) const {
    EXPECT_EQ(::send(descriptor_, text.data(), text.size(), MSG_NOSIGNAL), static_cast<ssize_t>(text.size()));
  }
  std::string receive() const {  // what there is now
    char buffer[65536];
    const ssize_t n = ::recv(descriptor_, buffer, sizeof buffer, MSG_DONTWAIT);
    if (n == 0) ended = true;
    if (n < 0 && errno != EAGAIN) error = errno;
    return n > 0 ? std::string(buffer, static_cast<std::size_t>(n)) : "";
  }
  /// From now on nothing that comes is seen by the kernel's TCP, so nothing is acknowledged.
  void turn_deaf() const {
    sock_filter drop_all[] = {BPF_STMT(BPF_RET | BPF_K, 0)};
    const sock_fprog program{1, drop_all};
    EXPECT_EQ(setsockopt(descriptor_, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program), 0);
  }
  void finish() const { ::shutdown(descriptor_, SHUT_WR); }
  void close() {
    if (descriptor_ >= 0) ::close(std::exchange(descriptor_, -1));
  }
  void reset() {
    const linger at_once{1, 0};
    setsockopt(descriptor_, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    close();
  }
  mutable bool ended = false;
  mutable int error = 0;

 private:
  int descriptor_;
};

class Tcp : public TransportTest {
 protected:
  void pair(std::map<std::string, OptionValue> options = {}) {
    protocol = configured("tcp", std::move(options));
    listener.emplace(*loop, protocol, loopback());
    client = OneLayer::connect(*loop, protocol, loopback(listener->port()));
    ASSERT_TRUE(until([&] { return !listener->peers.empty() && server().was_ready && client->was_ready; }));
  }
  OneLayer& server() { return *listener->peers.front(); }
  std::size_t client_had = 0, server_had = 0;  // bytes
  // getsockopt through the only thing that holds the socket: a property cannot show it, so the kernel is asked by a
  // look at all descriptors of this process.
  template <class Use>
  static void with_socket(const Address& local, const Address& remote, const Use& use) {
    for (int descriptor = 3; descriptor < 1024; ++descriptor) {
      sockaddr_in mine{}, theirs{};
      socklen_t length = sizeof mine;
      if (getsockname(descriptor, reinterpret_cast<sockaddr*>(&mine), &length) < 0) continue;
      length = sizeof theirs;
      if (getpeername(descriptor, reinterpret_cast<sockaddr*>(&theirs), &length) < 0) continue;
      if (ntohs(mine.sin_port) != local.port || ntohs(theirs.sin_port) != remote.port) continue;
      return use(descriptor);
    }
    ADD_FAILURE() << "no such socket";
  }
  static int option_of(const Address& local, const Address& remote, int level, int option) {
    int value = -1;
    with_socket(local, remote, [&](int descriptor) {
      socklen_t length = sizeof value;
      getsockopt(descriptor, level, option, &value, &length);
    });
    return value;
  }
  static int option_of(const OneLayer& layer, int level, int option) {
    return option_of(layer.route.local, layer.route.remote, level, option);
  }
  static std::string control_of(const OneLayer& layer) {
    std::string name;
    with_socket(layer.route.local, layer.route.remote, [&](int descriptor) {
      char text[16] = {};
      socklen_t length = sizeof text;
      getsockopt(descriptor, IPPROTO_TCP, TCP_CONGESTION, text, &length);
      name = text;
    });
    return name;
  }
  std::shared_ptr<Protocol> protocol;
  std::optional<OneListener> listener;
  std::unique_ptr<OneLayer> client;
};

TEST_F(Tcp, OffersABytestreamOnly) {
  const auto tcp = configured("tcp");
  EXPECT_EQ(tcp->traits(Face::datagram).above, Face::none);
  EXPECT_EQ(tcp->traits(Face::message).above, Face::none);
  const LayerTraits traits = tcp->traits(Face::bytestream);
  EXPECT_TRUE(traits.adds.has(Feature::reliability));
  EXPECT_FALSE(traits.adds.has(Feature::zero_rtt));
  EXPECT_TRUE(configured("tcp", {{"fast-open", true}})->traits(Face::bytestream).adds.has(Feature::zero_rtt));
}

// IMPL-107, IMPL-109, IMPL-112, IMPL-113, IMPL-45, IMPL-106
TEST_F(Tcp, ConnectsAndAccepts) {
  pair();
  EXPECT_EQ(client->route.remote, loopback(listener->port()));
  EXPECT_EQ(client->route.local, server().route.remote);
  EXPECT_EQ(server().route.local, loopback(listener->port()));
}

TEST_F(Tcp, IsReadyWithinOpenOnLoopback) {
  protocol = configured("tcp");
  listener.emplace(*loop, protocol, loopback());
  client = OneLayer::connect(*loop, protocol, loopback(listener->port()));
  EXPECT_TRUE(client->was_ready);  // no poll was needed
}

// IMPL-115, IMPL-116
TEST_F(Tcp, CarriesBytesBothWays) {
  pair();
  client->hungry = server().hungry = true;
  client->demand(1 << 16);
  server().demand(1 << 16);
  client->send("ping");
  ASSERT_TRUE(until([&] { return server().received == "ping"; }));
  server().send("pong");
  ASSERT_TRUE(until([&] { return client->received == "pong"; }));
}

TEST_F(Tcp, MovesManyMebibytesThroughAWindow) {
  pair();
  server().hungry = true;
  server().demand(1 << 16);
  const std::string text = some_text(16 << 20);
  std::size_t sent = 0;
  const auto fill = [&] {
    while (sent < text.size() && client->port().credit() > 0) {
      const std::size_t n = std::min<std::size_t>(50'000, text.size() - sent);
      client->send(std::string_view(text).substr(sent, n));
      sent += n;
    }
  };
  ASSERT_TRUE(until([&] {
    fill();
    EXPECT_LE(client->link.down.batch.bytes(), (256u << 10) + 50'000u);
    return server().received.size() >= text.size();
  }));
  EXPECT_EQ(server().received, text);
}

TEST_F(Tcp, ReadsNothingWithoutDemandAndNeverMoreThanIt) {
  pair();
  client->send(some_text(100'000));
  pass(50ms);
  EXPECT_EQ(server().received, "");
  server().demand(10);
  ASSERT_TRUE(until([&] { return server().received.size() == 10; }));
  pass(20ms);
  EXPECT_EQ(server().received.size(), 10u);
  server().demand(99'990);
  ASSERT_TRUE(until([&] { return server().received.size() == 100'000; }));
  EXPECT_EQ(server().received, some_text(100'000));
}

// IMPL-55, API-227: the other direction lives on.
TEST_F(Tcp, HalfCloses) {
  pair();
  client->demand(100);
  server().demand(100);
  client->send("last");
  client->port().finish();
  ASSERT_TRUE(until([&] { return server().ended; }));
  EXPECT_EQ(server().received, "last");
  EXPECT_FALSE(client->over());
  EXPECT_FALSE(server().over());
  server().send("answer");
  ASSERT_TRUE(until([&] { return client->received == "answer"; }));
  server().port().finish();
  ASSERT_TRUE(until([&] { return client->ended; }));
  client->close();
  server().close();
  ASSERT_TRUE(until([&] { return client->was_closed && server().was_closed; }));
}

// API-223, and the trap that a close with unread input is a reset: all that was sent arrives.
TEST_F(Tcp, ClosingDeliversAllAlthoughThePeerStillSends) {
  pair();
  server().hungry = true;
  const std::string text = some_text(3 << 20);
  for (std::size_t at = 0; at < text.size(); at += 65536) client->send(std::string_view(text).substr(at, 65536));
  server().send(some_text(200'000));  // never asked for by the client
  server().demand(1 << 16);
  pass(5ms);
  client->close();
  ASSERT_TRUE(until([&] { return server().ended || server().failure; }));
  ASSERT_FALSE(server().failure) << server().failure->detail;
  EXPECT_EQ(server().received.size(), text.size());
  EXPECT_EQ(server().received, text);
  EXPECT_FALSE(client->was_closed);
  server().close();
  ASSERT_TRUE(until([&] { return client->was_closed && server().was_closed; }));
}

TEST_F(Tcp, ClosingDoesNotWaitForEverForThePeersEnd) {
  pair({{"close-timeout-ms", std::int64_t{50}}});
  client->close();
  EXPECT_TRUE(until([&] { return client->was_closed; }));
}

// IMPL-118
TEST_F(Tcp, AbortIsAReset) {
  const RawSocket listening = RawSocket::listen();
  protocol = configured("tcp");
  client = OneLayer::connect(*loop, protocol, loopback(listening.port()));
  ASSERT_TRUE(until([&] { return client->was_ready; }));
  const RawSocket peer = listening.accept();
  client->close(true);
  ASSERT_TRUE(until([&] { return client->was_closed; }));
  client.reset();
  ASSERT_TRUE(until([&] {
    peer.receive();
    return peer.error != 0 || peer.ended;
  }));
  EXPECT_EQ(peer.error, ECONNRESET);
}

// IMPL-111: with demand the reset is read, without any it is noticed by itself.
TEST_F(Tcp, NoticesAResetWithAndWithoutDemand) {
  for (const bool demand : {true, false}) {
    const RawSocket listening = RawSocket::listen();
    client = OneLayer::connect(*loop, configured("tcp"), loopback(listening.port()));
    ASSERT_TRUE(until([&] { return client->was_ready; }));
    RawSocket peer = listening.accept();
    if (demand) client->demand(100);
    pass(5ms);
    peer.reset();
    ASSERT_TRUE(until([&] { return client->failure.has_value(); })) << "demand: " << demand;
    EXPECT_EQ(client->failure->reason, Reason::reset);
    EXPECT_EQ(client->failure->code, std::uint64_t{ECONNRESET});
    EXPECT_STREQ(client->failure->layer, "tcp");
  }
}

TEST_F(Tcp, DeliversWhatCameBeforeAResetEvenWhilePaused) {
  const RawSocket listening = RawSocket::listen();
  client = OneLayer::connect(*loop, configured("tcp"), loopback(listening.port()));
  ASSERT_TRUE(until([&] { return client->was_ready; }));
  RawSocket peer = listening.accept();
  peer.send("last words");
  pass(5ms);
  EXPECT_EQ(client->received, "");
  peer.reset();
  ASSERT_TRUE(until([&] { return client->failure.has_value(); }));
  EXPECT_EQ(client->received, "last words");
  EXPECT_FALSE(client->ended);
}

TEST_F(Tcp, FailsASendAfterAReset) {
  const RawSocket listening = RawSocket::listen();
  client = OneLayer::connect(*loop, configured("tcp"), loopback(listening.port()));
  ASSERT_TRUE(until([&] { return client->was_ready; }));
  {
    RawSocket peer = listening.accept();
    peer.reset();
  }
  client->send("into the void");
  ASSERT_TRUE(until([&] { return client->failure.has_value(); }));
  EXPECT_EQ(client->failure->reason, Reason::reset);
}

// IMPL-110
TEST_F(Tcp, NamesTheAddressThatRefuses) {
  std::uint16_t port = 0;
  {
    port = RawSocket::listen().port();
  }
  client = OneLayer::connect(*loop, configured("tcp"), loopback(port));
  ASSERT_TRUE(until([&] { return client->failure.has_value(); }));
  EXPECT_EQ(client->failure->reason, Reason::unreachable);
  EXPECT_STREQ(client->failure->layer, "tcp");
  EXPECT_EQ(client->failure->detail, "connect to 127.0.0.1:" + std::to_string(port) + ": Connection refused");
}

TEST_F(Tcp, SaysWhichAddressIsTaken) {
  const RawSocket listening = RawSocket::listen();
  OneListener second(*loop, configured("tcp"), loopback(listening.port()));
  ASSERT_TRUE(second.failure);
  EXPECT_NE(second.failure->detail.find("127.0.0.1:" + std::to_string(listening.port())), std::string::npos)
      << second.failure->detail;
  EXPECT_NE(second.failure->detail.find("Address already in use"), std::string::npos) << second.failure->detail;
}

// IMPL-42, IMPL-43: without an address, all of the host's at one port.
TEST_F(Tcp, ListensOnBothFamiliesAtOnePort) {
  protocol = configured("tcp");
  listener.emplace(*loop, protocol, Address{});
  ASSERT_FALSE(listener->failure) << listener->failure->detail;
  ASSERT_NE(listener->port(), 0);
  auto four = OneLayer::connect(*loop, protocol, loopback(listener->port()));
  auto six = OneLayer::connect(*loop, protocol, loopback6(listener->port()));
  ASSERT_TRUE(until([&] { return listener->peers.size() == 2 && four->was_ready && (six->was_ready || six->over()); }));
  EXPECT_TRUE(six->was_ready);
}

TEST_F(Tcp, AcceptsHundredsAtOnceAndRefusesBeyondTheLimit) {
  protocol = configured("tcp");
  listener.emplace(*loop, protocol, loopback());
  listener->limit = 200;
  std::vector<RawSocket> clients;
  for (int i = 0; i < 205; ++i) clients.push_back(RawSocket::connect(listener->port()));
  ASSERT_TRUE(until([&] { return listener->peers.size() == 200; }));
  int refused = 0;
  ASSERT_TRUE(until([&] {
    for (RawSocket& raw : clients) {
      const bool was = raw.error != 0;
      raw.receive();
      if (!was && raw.error == ECONNRESET) ++refused;
    }
    return refused == 5;
  }));
}

// Descriptors that ran out make the listening socket readable for ever, without a peer that could be taken.
TEST_F(Tcp, SurvivesRunningOutOfDescriptors) {
#ifdef __SANITIZE_ADDRESS__
  GTEST_SKIP() << "the sanitizers need descriptors themselves";
#endif
  protocol = configured("tcp");
  listener.emplace(*loop, protocol, loopback());
  std::vector<RawSocket> clients;
  for (int i = 0; i < 3; ++i) clients.push_back(RawSocket::connect(listener->port()));
  rlimit before{};
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &before), 0);
  const int next = dup(0);
  ::close(next);
  const rlimit none{.rlim_cur = static_cast<rlim_t>(next), .rlim_max = before.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &none), 0);
  pass(250ms);
  EXPECT_TRUE(listener->peers.empty());
  EXPECT_EQ(listener->logged.size(), 1u);  // once for each time that they run out, not for each try
  EXPECT_FALSE(listener->failure);
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &before), 0);
  EXPECT_TRUE(until([&] { return listener->peers.size() == 3; }));
}

TEST_F(Tcp, StopsListeningAndKeepsItsConnections) {
  pair();
  const std::uint16_t port = listener->port();
  listener->acceptor->close(CloseArgs{});
  EXPECT_TRUE(listener->was_closed);
  auto late = OneLayer::connect(*loop, protocol, loopback(port));
  ASSERT_TRUE(until([&] { return late->failure.has_value(); }));
  server().demand(10);
  client->send("still here");
  EXPECT_TRUE(until([&] { return server().received == "still here"; }));
}

// API-136, API-137, API-155, API-269
TEST_F(Tcp, TimeoutsAreSocketOptions) {
  pair();
  EXPECT_EQ(client->get<Duration>("connTimeout"), Duration::max());
  EXPECT_TRUE(client->get<bool>("tcp.userTimeoutChangeable"));
  ASSERT_TRUE(client->set("keepAliveTimeout", Duration(30s)));
  EXPECT_EQ(option_of(*client, SOL_SOCKET, SO_KEEPALIVE), 1);
  EXPECT_EQ(option_of(*client, IPPROTO_TCP, TCP_KEEPIDLE), 30);
  EXPECT_EQ(option_of(*client, IPPROTO_TCP, TCP_KEEPINTVL), 30);
  ASSERT_TRUE(client->set("connTimeout", Duration(2500ms)));
  EXPECT_EQ(option_of(*client, IPPROTO_TCP, TCP_USER_TIMEOUT), 2500);
  EXPECT_FALSE(client->get<bool>("tcp.userTimeoutChangeable"));
  EXPECT_EQ(option_of(*client, SOL_SOCKET, SO_KEEPALIVE), 0);  // it would come after the connection has failed
  ASSERT_TRUE(client->set("connTimeout", Duration::max()));
  EXPECT_EQ(option_of(*client, IPPROTO_TCP, TCP_USER_TIMEOUT), 0);
  EXPECT_EQ(option_of(*client, SOL_SOCKET, SO_KEEPALIVE), 1);
  ASSERT_TRUE(client->set("KEEPALIVETIMEOUT", Duration::max()));
  EXPECT_EQ(option_of(*client, SOL_SOCKET, SO_KEEPALIVE), 0);
  EXPECT_EQ(client->set("connTimeout", Duration(0)).error().reason, Reason::invalid_argument);
  EXPECT_EQ(client->set("connTimeout", true).error().reason, Reason::invalid_argument);
}

// API-292, IMPL-168: data that nobody acknowledges are reported once, and the connection lives on.
TEST_F(Tcp, ManyRetransmissionsAreASoftError) {
  protocol = configured("tcp");
  const RawSocket listening = RawSocket::listen();
  client = OneLayer::connect(*loop, protocol, loopback(listening.port()));
  ASSERT_TRUE(until([&] { return client->was_ready; }));
  const RawSocket peer = listening.accept();
  client->send("heard");
  ASSERT_TRUE(until([&] { return peer.receive() == "heard"; }));
  peer.turn_deaf();
  client->send("not heard");
  ASSERT_TRUE(until([&] { return !client->notices.empty(); }));
  EXPECT_EQ(client->notices.size(), 1u);
  EXPECT_EQ(client->notices[0].first, Notice::soft_error);
  EXPECT_EQ(client->notices[0].second.reason, Reason::timed_out);
  EXPECT_TRUE(client->notices[0].second.detail.ends_with(" retransmissions in a row were not acknowledged"))
      << client->notices[0].second.detail;
  EXPECT_FALSE(client->over());
}

// API-267: what needs one path only gets plain TCP, whatever the kernel could do (RFC 8684).
TEST_F(Tcp, IsNeverMultipath) {
  pair();
  EXPECT_EQ(option_of(*client, SOL_SOCKET, SO_PROTOCOL), IPPROTO_TCP);
  EXPECT_EQ(option_of(server(), SOL_SOCKET, SO_PROTOCOL), IPPROTO_TCP);
}

// API-153, API-154, API-271: the kernel does not send the option, so it must not be said to be on.
// API-8: what is TCP's own has its name in front.
TEST_F(Tcp, RefusesTheUserTimeoutOption) {
  pair();
  EXPECT_FALSE(client->get<bool>("tcp.userTimeoutEnabled"));
  EXPECT_TRUE(client->set("tcp.userTimeoutEnabled", false));
  EXPECT_EQ(client->set("tcp.userTimeoutEnabled", true).error().reason, Reason::unsupported);
  EXPECT_FALSE(client->get<bool>("tcp.userTimeoutEnabled"));
  ASSERT_TRUE(client->set("tcp.userTimeoutValue", Duration(10s)));
  EXPECT_EQ(client->get<Duration>("tcp.userTimeoutValue"), Duration(10s));
}

// API-159, API-160, API-161, API-162, API-163, API-164, API-139, API-281: the code point, and Nagle's algorithm.
TEST_F(Tcp, ProfilesSetTheCodePoint) {
  pair({{"no-delay", false}, {"dscp", std::int64_t{8}}});
  EXPECT_EQ(option_of(*client, IPPROTO_IP, IP_TOS), 8 << 2);
  EXPECT_EQ(option_of(server(), IPPROTO_IP, IP_TOS) & ~3, 8 << 2);  // inherited from the listening socket
  const std::pair<const char*, int> kProfiles[] = {{"Scavenger", 1},
                                                   {"Low Latency/Interactive", 34},
                                                   {"Low Latency/Non-Interactive", 18},
                                                   {"Constant-Rate Streaming", 26},
                                                   {"Capacity-Seeking", 10},
                                                   {"Default", 8}};
  for (const auto& [profile, dscp] : kProfiles) {
    ASSERT_TRUE(client->set("connCapacityProfile", std::string(profile)));
    EXPECT_EQ(option_of(*client, IPPROTO_IP, IP_TOS), dscp << 2) << profile;
    EXPECT_EQ(option_of(*client, IPPROTO_TCP, TCP_NODELAY) != 0, std::string_view(profile).starts_with("Low"))
        << profile;
    EXPECT_EQ(client->get<std::string>("connCapacityProfile"), profile);
  }
  const auto wrong = client->set("connCapacityProfile", std::string("Fast"));
  EXPECT_EQ(wrong.error().reason, Reason::invalid_argument);
  EXPECT_NE(wrong.error().detail.find("Scavenger"), std::string::npos);
}

// API-287: with Low Latency/Interactive the peer need not wait for acknowledgements. The kernel tells by the state of
// its interactive mode, which it leaves by itself as data come.
TEST_F(Tcp, InteractiveTrafficIsAcknowledgedAtOnce) {
  pair();
  const auto at_once = [&] { return option_of(*client, IPPROTO_TCP, TCP_QUICKACK) == 1; };
  client->demand(1 << 20);
  const auto exchange = [&](int times) {  // what makes the kernel take the connection for an interactive one
    for (int i = 0; i < times; ++i) {
      client->send("x");
      server().demand(1);
      ASSERT_TRUE(until([&] { return server().received.size() > server_had; }));
      server_had = server().received.size();
      server().send("y");
      ASSERT_TRUE(until([&] { return client->received.size() > client_had; }));
      client_had = client->received.size();
    }
  };
  exchange(5);
  EXPECT_FALSE(at_once()) << "the kernel waits for something to send the acknowledgement with";
  ASSERT_TRUE(client->set("connCapacityProfile", std::string("Low Latency/Interactive")));
  EXPECT_TRUE(at_once());
  exchange(5);
  EXPECT_TRUE(at_once());
  ASSERT_TRUE(client->set("connCapacityProfile", std::string("Default")));
  exchange(5);
  EXPECT_FALSE(at_once());
}

// API-281: background traffic gives way where the kernel can do that; elsewhere it has the code point only.
TEST_F(Tcp, ScavengersGiveWayWhereTheKernelCan) {
  const int probe = ::socket(AF_INET, SOCK_STREAM, 0);
  const bool can = setsockopt(probe, IPPROTO_TCP, TCP_CONGESTION, "lp", 2) == 0;
  ::close(probe);
  pair();
  const std::string usual = control_of(*client);
  ASSERT_TRUE(client->set("connCapacityProfile", std::string("Scavenger")));
  EXPECT_EQ(control_of(*client), can ? "lp" : usual);
  EXPECT_EQ(option_of(*client, IPPROTO_IP, IP_TOS), 1 << 2);
  ASSERT_TRUE(client->set("connCapacityProfile", std::string("Default")));
  EXPECT_EQ(control_of(*client), usual);
}

// API-165, API-174, IMPL-58: one reliable transport has one code point, whatever its messages ask for (RFC 7657
// section 6).
TEST_F(Tcp, MessagesDoNotChangeTheCodePoint) {
  pair({{"dscp", std::int64_t{8}}});
  MessageRef urgent = new_message();
  urgent->capacity_profile = CapacityProfile::low_latency_interactive;
  server().demand(1 << 16);
  client->send("urgent", urgent);
  ASSERT_TRUE(until([&] { return server().received == "urgent"; }));
  EXPECT_EQ(option_of(*client, IPPROTO_IP, IP_TOS), 8 << 2);
}

TEST_F(Tcp, AcceptedSocketsInheritTheOptions) {
  pair({{"keepalive-ms", std::int64_t{20'000}}, {"user-timeout-ms", std::int64_t{30'000}}});
  EXPECT_EQ(option_of(*client, IPPROTO_TCP, TCP_NODELAY), 0);  // of no use before there are data
  client->send("x");
  ASSERT_TRUE(until([&] { return option_of(*client, IPPROTO_TCP, TCP_NODELAY) == 1; }));
  for (const OneLayer* side : {client.get(), &server()}) {
    EXPECT_EQ(option_of(*side, IPPROTO_TCP, TCP_NODELAY), 1);
    EXPECT_EQ(option_of(*side, SOL_SOCKET, SO_KEEPALIVE), 1);
    EXPECT_EQ(option_of(*side, IPPROTO_TCP, TCP_KEEPIDLE), 20);
    EXPECT_EQ(option_of(*side, IPPROTO_TCP, TCP_USER_TIMEOUT), 30'000);
  }
  EXPECT_EQ(server().get<Duration>("connTimeout"), Duration(30s));
}

TEST_F(Tcp, BuffersAreSetBeforeTheHandshake) {
  pair({{"send-buffer-bytes", std::int64_t{50'000}}, {"receive-buffer-bytes", std::int64_t{40'000}}});
  for (const OneLayer* side : {client.get(), &server()}) {
    EXPECT_EQ(option_of(*side, SOL_SOCKET, SO_SNDBUF), 100'000);  // the kernel doubles
    EXPECT_EQ(option_of(*side, SOL_SOCKET, SO_RCVBUF), 80'000);
  }
}

// API-143
TEST_F(Tcp, PacesToTheLargestRate) {
  pair();
  EXPECT_EQ(client->get<std::uint64_t>("maxSendRate"), UINT64_MAX);
  ASSERT_TRUE(client->set("maxSendRate", std::uint64_t{8'000'000}));
  EXPECT_EQ(option_of(*client, SOL_SOCKET, SO_MAX_PACING_RATE), 1'000'000);
  ASSERT_TRUE(client->set("maxSendRate", UINT64_MAX));
  EXPECT_EQ(option_of(*client, SOL_SOCKET, SO_MAX_PACING_RATE), -1);
  EXPECT_FALSE(client->set("maxSendRate", std::uint64_t{0}));
}

// API-150, API-151, API-152, API-156
TEST_F(Tcp, FactsAreReadOnly) {
  pair();
  EXPECT_EQ(client->get<std::uint64_t>("sendMsgMaxLen"), UINT64_MAX);
  EXPECT_EQ(client->get<std::uint64_t>("recvMsgMaxLen"), UINT64_MAX);
  EXPECT_GT(client->get<std::uint64_t>("singularTransmissionMsgMaxLen"), 500u);
  EXPECT_GT(client->get<Duration>(kRoundTripTime.name), Duration::zero());
  for (const std::string_view name : {kSendMsgMaxLen.name, kRecvMsgMaxLen.name, kSingularTransmissionMsgMaxLen.name,
                                      kRoundTripTime.name, kTcpSegmentsInFlight.name}) {
    EXPECT_EQ(client->set(name, std::uint64_t{1}).error().reason, Reason::invalid_argument) << name;
  }
  EXPECT_EQ(client->set("recvChecksumLen", std::uint64_t{8}).error().reason, Reason::unsupported);
  EXPECT_EQ(client->set("connPriority", std::uint64_t{8}).error().reason, Reason::unsupported);
}

// IMPL-108. Whether the kernel has a cookie for this peer is its business: the data arrives once, in any case.
TEST_F(Tcp, CarriesReplayableDataEarly) {
  protocol = configured("tcp", {{"fast-open", true}});
  listener.emplace(*loop, protocol, loopback());
  listener->on_peer = [](OneLayer& peer) { peer.demand(1000); };
  for (int i = 0; i < 3; ++i) {
    client = OneLayer::connect(*loop, protocol, loopback(listener->port()));
    MessageRef info = new_message();
    info->replayable = true;
    client->send("early data", info);
    client->send(" and late");
    ASSERT_TRUE(until([&] { return client->was_ready || client->over(); }));
    ASSERT_FALSE(client->failure) << client->failure->detail;
    ASSERT_TRUE(until(
        [&] { return listener->peers.size() > std::size_t(i) && listener->peers.back()->received.size() >= 19; }));
    EXPECT_EQ(listener->peers.back()->received, "early data and late");
  }
}

TEST_F(Tcp, CarriesDataInTheSynOnceItHasACookie) {
  const bool permitted = in_own_network([this] {
    std::ofstream("/proc/sys/net/ipv4/tcp_fastopen") << "3";
    loop = make_loop();
    protocol = configured("tcp", {{"fast-open", true}});
    listener.emplace(*loop, protocol, loopback());
    listener->on_peer = [](OneLayer& peer) { peer.demand(1000); };
    for (int i = 0; i < 3; ++i) {
      client = OneLayer::connect(*loop, protocol, loopback(listener->port()));
      EXPECT_EQ(client->was_early, i > 0);
      EXPECT_EQ(client->was_ready, i == 0);
      MessageRef info = new_message();
      info->replayable = true;
      client->send("early", info);
      client->send(" late");
      ASSERT_TRUE(until(
          [&] { return listener->peers.size() > std::size_t(i) && listener->peers.back()->received.size() == 10; }));
      EXPECT_EQ(listener->peers.back()->received, "early late");
      if (i == 0) continue;
      ASSERT_EQ(client->notices.size(), 1u);
      EXPECT_EQ(client->notices[0].first, Notice::early_accepted);
    }
    // The kernel would wait for data for ever; without any the handshake begins all the same.
    client = OneLayer::connect(*loop, protocol, loopback(listener->port()));
    EXPECT_TRUE(client->was_early);
    client->send("not replayable");
    EXPECT_TRUE(
        until([&] { return listener->peers.size() == 4 && listener->peers.back()->received == "not replayable"; }));
    client.reset();
    listener.reset();
    loop.reset();
  });
  if (!permitted) GTEST_SKIP() << "needs the permission to make a network namespace";
}

TEST_F(Tcp, FastOpenWithoutEarlyDataConnectsAsUsual) {
  protocol = configured("tcp", {{"fast-open", true}});
  listener.emplace(*loop, protocol, loopback());
  for (int i = 0; i < 3; ++i) {
    client = OneLayer::connect(*loop, protocol, loopback(listener->port()));
    ASSERT_TRUE(until([&] { return client->was_ready; }));
    client->send("hello");
    ASSERT_TRUE(until([&] { return listener->peers.size() == std::size_t(i) + 1; }));
    listener->peers.back()->demand(10);
    ASSERT_TRUE(until([&] { return listener->peers.back()->received == "hello"; }));
  }
}

TEST_F(Tcp, CanBeDestroyedAtAnyTime) {
  protocol = configured("tcp");
  listener.emplace(*loop, protocol, loopback());
  for (int steps = 0; steps < 12; ++steps) {
    client = OneLayer::connect(*loop, protocol, loopback(listener->port()));
    client->demand(1000);
    client->send("data");
    if (steps % 3 == 0) client->close();
    for (int i = 0; i < steps; ++i) loop->run_once(false);
    client.reset();
  }
  listener.reset();
  pass(10ms);
}

}  // namespace
}  // namespace trellis::test
