// Datagrams: addresses, sizes, ECN, segments, and what becomes of datagrams that cannot be sent.
#include <netinet/udp.h>
#include <unistd.h>

#include <algorithm>

#include "harness.h"
#include "loop/socket_address.h"

namespace trellis::test {
namespace {

using Kind = SocketSpec::Kind;
using Role = SocketSpec::Role;

class DatagramTest : public LoopTest {
 public:
  std::unique_ptr<Socket> bound(Address local) {
    return open({.kind = Kind::datagram, .role = Role::unconnected, .family = local.family, .local = local});
  }
  std::unique_ptr<Socket> connected(const Address& remote, Address local = {}) {
    auto socket = open({.kind = Kind::datagram, .family = remote.family, .local = local});
    auto done = socket->connect(remote);
    EXPECT_TRUE(done && *done);
    return socket;
  }
  /// Sends all of the batch.
  void send(Socket& socket, Batch& batch) {
    auto io = socket.send(batch);
    ASSERT_TRUE(io) << io.error().detail;
    EXPECT_FALSE(io->blocked);
    EXPECT_TRUE(batch.empty());
  }
  void send(Socket& socket, Chunk&& one) {
    Batch batch;
    batch.add(std::move(one));
    send(socket, batch);
  }
  /// Polls and receives until `count` chunks have come.
  Result<Io> receive(Socket& socket, Batch& into, std::size_t count, bool keep_segments = false) {
    Watcher watcher;
    EXPECT_TRUE(socket.watch(watcher, Ready::readable));
    Result<Io> last = Io{};
    EXPECT_TRUE(run_until([&] {
      if (watcher.seen.empty()) return false;
      watcher.seen.clear();
      last = socket.receive(into, 1 << 20, keep_segments);
      return !last || into.size() >= count;
    }));
    EXPECT_TRUE(socket.watch(idle, Ready::none));
    return last;
  }
  static MessageRef to(const Address& remote, const Address& local = {}) {
    MessageRef info = new_message();
    info->remote = remote;
    info->local = local;
    return info;
  }
  Chunk addressed(std::string_view bytes, MessageRef info) {
    Chunk made = chunk(bytes);
    made.info = std::move(info);
    return made;
  }
  Watcher idle;
};

/// A message whose fate is heard.
struct Told : MessageInfo {
  Told() {
    tell = [](MessageInfo* info, Fate fate, const Error* why) noexcept {
      auto& told = *static_cast<Told*>(info);
      told.fates.push_back(fate);
      if (why != nullptr) told.why = *why;
    };
    release = [](MessageInfo*) noexcept {};
  }
  std::vector<Fate> fates;
  Error why{};
};

class DatagramBothFamilies : public DatagramTest, public testing::WithParamInterface<Family> {
 public:
  void SetUp() override {
    if (GetParam() == Family::ipv6 && !has_ipv6(loop)) GTEST_SKIP() << "this machine has no IPv6";
  }
  Address any() const {
    Address address;
    address.family = GetParam();
    return address;
  }
};
INSTANTIATE_TEST_SUITE_P(Ip, DatagramBothFamilies, testing::Values(Family::ipv4, Family::ipv6),
                         [](const auto& about) { return about.param == Family::ipv4 ? "v4" : "v6"; });

TEST_P(DatagramBothFamilies, ConnectedPairNeedsNoInfo) {
  auto a = bound(loopback(GetParam()));
  auto b = connected(a->local());
  auto c = connected(b->local(), {});
  send(*b, chunk("to a"));
  Batch got;
  ASSERT_TRUE(receive(*a, got, 1));
  EXPECT_EQ(text(got), "to a");
  const Address from = got.front().info->remote;
  EXPECT_EQ(from, b->local());
  got.clear();
  send(*a, addressed("to b", to(from)));
  ASSERT_TRUE(receive(*b, got, 1));
  EXPECT_EQ(text(got), "to b");
  EXPECT_FALSE(got.front().info);
  EXPECT_TRUE(got.front().end_of_message);
  EXPECT_EQ(b->remote(), a->local());
}

// A wildcard socket learns which of our addresses was used, and answers from that one.
TEST_P(DatagramBothFamilies, WildcardSocketsKnowTheirLocalAddress) {
  auto server = bound(any());
  const std::uint16_t port = server->local().port;
  Address second = loopback(GetParam(), port);
  if (GetParam() == Family::ipv4) second.ip[3] = 77;
  auto client = connected(second);
  send(*client, chunk("?"));
  Batch got;
  ASSERT_TRUE(receive(*server, got, 1));
  ASSERT_TRUE(got.front().info);
  EXPECT_EQ(got.front().info->local, second);
  EXPECT_EQ(got.front().info->remote, client->local());
  send(*server, got);  // the connected client would not take an answer from another address
  ASSERT_TRUE(receive(*client, got, 1));
  EXPECT_EQ(text(got), "?");
}

TEST_P(DatagramBothFamilies, BoundSocketsKnowTheirLocalAddress) {
  auto server = bound(loopback(GetParam()));
  auto client = connected(server->local());
  send(*client, chunk("?"));
  Batch got;
  ASSERT_TRUE(receive(*server, got, 1));
  EXPECT_EQ(got.front().info->local, server->local());
}

TEST_P(DatagramBothFamilies, OneInfoPerPairOfAddresses) {
  auto server = bound(loopback(GetParam()));
  auto a = connected(server->local()), b = connected(server->local());
  Batch got;
  for (int i = 0; i < 3; ++i) {
    send(*a, chunk("a"));
    send(*b, chunk("b"));
  }
  ASSERT_TRUE(receive(*server, got, 6));
  std::vector<MessageInfo*> infos;
  for (const Chunk& chunk : got) infos.push_back(chunk.info.get());
  EXPECT_EQ(infos, (std::vector{infos[0], infos[1], infos[0], infos[1], infos[0], infos[1]}));
  EXPECT_NE(infos[0], infos[1]);
}

TEST_P(DatagramBothFamilies, EcnOfEachDatagram) {
  auto a = bound(loopback(GetParam()));
  auto b = connected(a->local());
  Batch out, got;
  for (const int ecn : {0, 1, 2, 3, 2}) {
    out.add(chunk("same size"));
    out.back().ecn = static_cast<std::uint8_t>(ecn);
  }
  send(*b, out);
  ASSERT_TRUE(receive(*a, got, 5));
  std::vector<int> ecn;
  for (const Chunk& chunk : got) ecn.push_back(chunk.ecn);
  EXPECT_EQ(ecn, (std::vector{0, 1, 2, 3, 2}));
}

TEST_P(DatagramBothFamilies, EverySizeArrivesWhole) {
  auto a = bound(loopback(GetParam()));
  const int room = 4 << 20;
  ASSERT_TRUE(a->set(SOL_SOCKET, SO_RCVBUF, std::as_bytes(std::span(&room, 1))));
  auto b = connected(a->local());
  for (const std::size_t size : {0, 1, 448, 449, 1200, 2432, 2433, 9000, 16'385, 65'507}) {
    // Two at once: a large datagram must not overwrite another.
    Batch out, got;
    out.add(patterned(size));
    out.add(chunk("between"));
    out.add(patterned(size));
    send(*b, out);
    ASSERT_TRUE(receive(*a, got, 3));
    EXPECT_EQ(got.size(), 3u);
    for (const int wanted : {0, 2}) {
      const auto bytes = got.begin()[wanted].data.bytes();
      ASSERT_EQ(bytes.size(), size);
      for (std::size_t i = 0; i < size; ++i) ASSERT_EQ(bytes[i], pattern(i)) << "of " << size << " at " << i;
    }
    EXPECT_EQ(std::memcmp(got.begin()[1].data.bytes().data(), "between", 7), 0);
  }
}

// Runs of equal datagrams go out as one send that the kernel cuts; nobody may notice.
TEST_P(DatagramBothFamilies, RunsOfManySizesStayTheDatagramsTheyAre) {
  auto a = bound(loopback(GetParam()));
  const int room = 4 << 20;
  ASSERT_TRUE(a->set(SOL_SOCKET, SO_RCVBUF, std::as_bytes(std::span(&room, 1))));
  auto b = connected(a->local());
  std::vector<std::size_t> sizes(150, 1200);
  for (const std::size_t size : {900, 900, 900, 10, 10, 0, 0, 1300, 1200, 1500, 1500, 40, 1, 2, 3, 3, 2}) {
    sizes.push_back(size);
  }
  Batch out, got;
  for (const std::size_t size : sizes) out.add(patterned(size));
  send(*b, out);
  ASSERT_TRUE(receive(*a, got, sizes.size()));
  std::vector<std::size_t> arrived;
  for (const Chunk& chunk : got) {
    arrived.push_back(chunk.data.size());
    for (std::size_t i = 0; i < chunk.data.size(); ++i) ASSERT_EQ(chunk.data.bytes()[i], pattern(i));
  }
  EXPECT_EQ(arrived, sizes);
}

TEST_P(DatagramBothFamilies, SegmentsAreCutOnTheWayOut) {
  auto a = bound(loopback(GetParam()));
  const int room = 4 << 20;
  ASSERT_TRUE(a->set(SOL_SOCKET, SO_RCVBUF, std::as_bytes(std::span(&room, 1))));
  auto b = connected(a->local());
  for (const std::size_t size : {1200, 1201, 12'500, 120'000}) {
    Chunk large = patterned(size);
    large.segment_size = 1200;
    send(*b, std::move(large));
    Batch got;
    ASSERT_TRUE(receive(*a, got, (size + 1199) / 1200));
    std::size_t at = 0;
    for (const Chunk& chunk : got) {
      EXPECT_EQ(chunk.data.size(), std::min<std::size_t>(1200, size - at));
      EXPECT_EQ(chunk.segment_size, 0);
      for (const std::byte byte : chunk.data.bytes()) ASSERT_EQ(byte, pattern(at++));
    }
    EXPECT_EQ(at, size);
  }
}

TEST_P(DatagramBothFamilies, SegmentsAreKeptForWhoWantsThem) {
  auto a = bound(loopback(GetParam()));
  auto b = connected(a->local());
  Batch got;
  ASSERT_TRUE(a->receive(got, 1 << 20, true));  // from now on
  for (const bool keep : {true, false}) {
    Chunk large = patterned(30'100);
    large.segment_size = 1000;
    large.ecn = 1;
    send(*b, std::move(large));
    ASSERT_TRUE(receive(*a, got, 1, keep));
    std::size_t bytes = 0;
    for (const Chunk& chunk : got) {
      bytes += chunk.data.size();
      EXPECT_EQ(chunk.ecn, 1);
      EXPECT_TRUE(chunk.info);
      EXPECT_EQ(chunk.segment_size, keep && chunk.data.size() > 1000 ? 1000 : 0);
    }
    EXPECT_EQ(bytes, 30'100u);
    if (keep) {
      EXPECT_LT(got.size(), 31u) << "loopback keeps what was sent in one piece";
    } else {
      EXPECT_EQ(got.size(), 31u);
    }
    got.clear();
  }
}

using DatagramSocketTest = DatagramTest;

/// A receiver beside the framework, which sees the fields of the IP header.
class HeaderReader {
 public:
  HeaderReader() {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const int one = 1;
    EXPECT_EQ(bind(socket_, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    EXPECT_EQ(setsockopt(socket_, IPPROTO_IP, IP_RECVTTL, &one, sizeof one), 0);
    EXPECT_EQ(setsockopt(socket_, IPPROTO_IP, IP_RECVTOS, &one, sizeof one), 0);
  }
  ~HeaderReader() { close(socket_); }
  Address address() const {
    SocketAddress address;
    socklen_t size = sizeof address;
    EXPECT_EQ(getsockname(socket_, &address.any, &size), 0);
    return from_kernel(address);
  }
  /// Waits for a datagram and returns its hop limit and its traffic class.
  std::pair<int, int> read() const {
    char bytes[100];
    alignas(cmsghdr) char control[200];
    iovec vector{bytes, sizeof bytes};
    msghdr message{};
    message.msg_iov = &vector;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    EXPECT_GT(recvmsg(socket_, &message, 0), 0);
    std::pair<int, int> fields;
    for (cmsghdr* note = CMSG_FIRSTHDR(&message); note != nullptr; note = CMSG_NXTHDR(&message, note)) {
      if (note->cmsg_type == IP_TTL) std::memcpy(&fields.first, CMSG_DATA(note), sizeof fields.first);
      if (note->cmsg_type == IP_TOS) fields.second = *CMSG_DATA(note);
    }
    return fields;
  }

 private:
  const int socket_ = socket(AF_INET, SOCK_DGRAM, 0);
};

TEST_F(DatagramSocketTest, HopLimitAndTrafficClassOfEachDatagram) {
  HeaderReader reader;
  auto socket = bound(loopback(Family::ipv4));
  const int dscp = 0x28 << 2;
  ASSERT_TRUE(socket->set(IPPROTO_IP, IP_TOS, std::as_bytes(std::span(&dscp, 1))));
  Address near = reader.address(), far = near;
  near.hop_limit = 3;
  Batch out;
  out.add(addressed("near", to(near)));
  out.add(addressed("usual", to(far)));
  out.add(addressed("marked", to(far)));
  out.back().ecn = 2;
  send(*socket, out);
  EXPECT_EQ(reader.read(), std::pair(3, dscp));
  const auto usual = reader.read();
  EXPECT_NE(usual.first, 3);
  EXPECT_EQ(usual.second, dscp);
  EXPECT_EQ(reader.read().second, dscp | 2) << "ECN does not overwrite what the layer chose";
}

TEST_F(DatagramSocketTest, TooLargeIsTakenAndItsFateTold) {
  auto a = bound(loopback(Family::ipv4));
  for (const bool connect : {true, false}) {
    auto b = connect ? connected(a->local()) : bound(loopback(Family::ipv4));
    Told large, small;
    large.remote = small.remote = a->local();
    Batch out, got;
    out.add(addressed("before", MessageRef(&small)));
    out.add(patterned(65'508));
    out.back().info = MessageRef(&large);
    out.add(addressed("after", MessageRef(&small)));
    send(*b, out);
    EXPECT_EQ(large.fates, std::vector{Fate::failed});
    EXPECT_EQ(large.why.reason, Reason::too_large);
    EXPECT_EQ(large.why.detail,
              "send a datagram of 65508 bytes to 127.0.0.1:" + std::to_string(a->local().port) + ": Message too long");
    EXPECT_EQ(small.fates, std::vector{Fate::sent});
    ASSERT_TRUE(receive(*a, got, 2));
    EXPECT_EQ(text(got), "beforeafter");
  }
}

TEST_F(DatagramSocketTest, TooLargeForNobodyIsReturned) {
  auto a = bound(loopback(Family::ipv4));
  auto b = connected(a->local());
  Batch out, got;
  out.add(patterned(65'508));
  out.add(chunk("after"));
  auto io = b->send(out);
  ASSERT_FALSE(io);
  EXPECT_EQ(io.error().reason, Reason::too_large);
  EXPECT_EQ(out.size(), 1u);
  send(*b, out);
  ASSERT_TRUE(receive(*a, got, 1));
  EXPECT_EQ(text(got), "after");
}

TEST_F(DatagramSocketTest, RefusedIsASoftErrorOfAnEarlierDatagram) {
  Address nobody;
  nobody = bound(loopback(Family::ipv4))->local();
  auto socket = connected(nobody);
  Watcher watcher;
  ASSERT_TRUE(socket->watch(watcher, Ready::readable));
  Batch out, got;
  out.add(chunk("one"));
  ASSERT_TRUE(socket->send(out));
  ASSERT_TRUE(run_until([&] { return watcher.saw(Ready::readable); }));
  auto io = socket->receive(got, 1000);
  ASSERT_FALSE(io);
  EXPECT_EQ(io.error().reason, Reason::unreachable);
  EXPECT_EQ(io.error().code, ECONNREFUSED);
  io = socket->receive(got, 1000);
  ASSERT_TRUE(io) << "said once";
  EXPECT_TRUE(io->blocked);

  out.add(chunk("two"));
  ASSERT_TRUE(socket->send(out));
  out.add(chunk("three"));
  io = socket->send(out);
  ASSERT_FALSE(io);
  EXPECT_EQ(io.error().code, ECONNREFUSED);
  EXPECT_EQ(out.size(), 1u) << "nothing was taken";
  io = socket->send(out);
  ASSERT_TRUE(io);
  EXPECT_TRUE(out.empty());
}

TEST_F(DatagramSocketTest, ASoftErrorIsReportedToWhoWantsNothingAndTheSocketGoesOn) {
  Address nobody = bound(loopback(Family::ipv4))->local();
  auto socket = connected(nobody);
  Watcher watcher;
  ASSERT_TRUE(socket->watch(watcher, Ready::none));
  send(*socket, chunk("x"));
  ASSERT_TRUE(run_until([&] { return !watcher.seen.empty(); }));
  EXPECT_EQ(watcher.seen, std::vector{Ready::failed});
  EXPECT_LE(wakes_within(30ms), 4);
  Batch got;
  EXPECT_FALSE(socket->receive(got, 1000));
  auto revived = bound(nobody);
  send(*socket, chunk("y"));
  ASSERT_TRUE(receive(*revived, got, 1));
  EXPECT_EQ(text(got), "y");
  send(*revived, addressed("z", to(socket->local())));
  got.clear();
  ASSERT_TRUE(receive(*socket, got, 1));
  EXPECT_EQ(text(got), "z");
}

TEST_F(DatagramSocketTest, AnUnroutableAddressConcernsOneDatagram) {
  auto a = bound(loopback(Family::ipv4));
  auto b = bound(loopback(Family::ipv4));  // cannot leave the host from 127.0.0.1
  Address elsewhere = loopback(Family::ipv4, 9);
  elsewhere.ip = {192, 0, 2, 1};
  Told lost;
  lost.remote = elsewhere;
  Batch out, got;
  // Three alike, so that they would go as one send.
  for (int i = 0; i < 3; ++i) out.add(addressed("lost", MessageRef(&lost)));
  out.add(addressed("found", to(a->local())));
  send(*b, out);
  EXPECT_EQ(lost.fates, std::vector{Fate::failed});
  ASSERT_TRUE(receive(*a, got, 1));
  EXPECT_EQ(text(got), "found");
}

TEST_F(DatagramSocketTest, FragmentsAreForbiddenForThoseWhoAskOnly) {
  auto a = bound(loopback(Family::ipv4));
  auto b = bound(loopback(Family::ipv4));
  const auto discover = [&] {
    int value = 0;
    EXPECT_TRUE(b->get(IPPROTO_IP, IP_MTU_DISCOVER, std::as_writable_bytes(std::span(&value, 1))));
    return value;
  };
  const int before = discover();
  MessageRef whole = to(a->local()), any = to(a->local());
  whole->no_fragmentation = true;
  Batch out, got;
  out.add(addressed("any", any));
  out.add(addressed("whole", whole));
  send(*b, out);
  EXPECT_EQ(discover(), IP_PMTUDISC_DO);
  send(*b, addressed("any", any));
  EXPECT_EQ(discover(), before);
  const int probe = IP_PMTUDISC_PROBE;
  ASSERT_TRUE(b->set(IPPROTO_IP, IP_MTU_DISCOVER, std::as_bytes(std::span(&probe, 1))));
  send(*b, addressed("whole", whole));
  send(*b, addressed("any", any));
  EXPECT_EQ(discover(), IP_PMTUDISC_PROBE) << "what the layer chose stays";
  ASSERT_TRUE(receive(*a, got, 5));
  EXPECT_EQ(got.size(), 5u);
}

TEST_F(DatagramSocketTest, AlternatingPeersGetTheirOwn) {
  auto a = bound(loopback(Family::ipv4)), b = bound(loopback(Family::ipv4));
  auto socket = bound(loopback(Family::ipv4));
  Batch out, got;
  for (const char* pair : {"1", "2", "3"}) {
    out.add(addressed(pair, to(a->local())));
    out.add(addressed(pair, to(a->local())));
    out.add(addressed(pair, to(b->local())));
  }
  send(*socket, out);
  ASSERT_TRUE(receive(*a, got, 6));
  EXPECT_EQ(text(got), "112233");
  got.clear();
  ASSERT_TRUE(receive(*b, got, 3));
  EXPECT_EQ(text(got), "123");
}

// Without checksums the kernel refuses to cut a send into datagrams.
TEST_F(DatagramSocketTest, WhenTheKernelDoesNotCutWeDo) {
  auto a = bound(loopback(Family::ipv4));
  auto b = connected(a->local());
  const int one = 1;
  ASSERT_TRUE(b->set(SOL_SOCKET, SO_NO_CHECK, std::as_bytes(std::span(&one, 1))));
  for (int round = 0; round < 2; ++round) {
    Batch out, got;
    for (int i = 0; i < 5; ++i) out.add(patterned(1000));
    out.add(patterned(3500));
    out.back().segment_size = 1000;
    out.add(patterned(10));
    send(*b, out);
    ASSERT_TRUE(receive(*a, got, 10));
    std::vector<std::size_t> sizes;
    for (const Chunk& chunk : got) sizes.push_back(chunk.data.size());
    EXPECT_EQ(sizes, (std::vector<std::size_t>{1000, 1000, 1000, 1000, 1000, 1000, 1000, 1000, 500, 10}));
    const auto second = got.begin()[6].data.bytes();
    for (std::size_t i = 0; i < second.size(); ++i) ASSERT_EQ(second[i], pattern(1000 + i));
  }
}

TEST_F(DatagramSocketTest, TheBudgetBoundsWhatOneCallTakes) {
  auto a = bound(loopback(Family::ipv4));
  auto b = connected(a->local());
  Batch out, got;
  for (int i = 0; i < 40; ++i) out.add(patterned(1200));
  send(*b, out);
  auto io = a->receive(got, 15'000);
  ASSERT_TRUE(io);
  EXPECT_EQ(got.size(), 10u);
  EXPECT_EQ(io->bytes, 12'000u);
  EXPECT_FALSE(io->blocked);
  io = a->receive(got, 1);
  ASSERT_TRUE(io);
  EXPECT_EQ(io->bytes, 1200u) << "one datagram at least";
  io = a->receive(got, 0);
  ASSERT_TRUE(io);
  EXPECT_EQ(got.size(), 11u);
  io = a->receive(got, 1 << 20);
  ASSERT_TRUE(io);
  EXPECT_EQ(got.size(), 40u);
  EXPECT_TRUE(io->blocked);
}

TEST_F(DatagramSocketTest, SmallDatagramsDoNotHoldLargeBlocks) {
  auto a = bound(loopback(Family::ipv4));
  auto b = connected(a->local());
  Batch got;
  ASSERT_TRUE(a->receive(got, 1 << 20));  // makes the loop's receive blocks
  const std::size_t before = loop.pool().live_bytes();
  for (const auto& [size, held] : {std::pair{100u, 448u}, {1200u, 2432u}, {3000u, 16896u}, {40'000u, 66048u}}) {
    send(*b, patterned(size));
    ASSERT_TRUE(receive(*a, got, 1));
    EXPECT_EQ(loop.pool().live_bytes() - before, held);
    got.clear();
  }
}

TEST_F(DatagramSocketTest, PausedSocketsAreQuiet) {
  auto a = bound(loopback(Family::ipv4));
  auto b = connected(a->local());
  Watcher watcher;
  ASSERT_TRUE(a->watch(watcher, Ready::readable));
  loop.run_once(false);
  ASSERT_TRUE(a->watch(watcher, Ready::none));
  for (int i = 0; i < 3; ++i) send(*b, chunk("x"));
  EXPECT_LE(wakes_within(30ms), 6);
  EXPECT_TRUE(watcher.seen.empty());
  ASSERT_TRUE(a->watch(watcher, Ready::readable));
  ASSERT_TRUE(run_until([&] { return watcher.saw(Ready::readable); }));
}

TEST_F(DatagramSocketTest, WritableAfterBlockingAndNotForEver) {
  auto a = bound(loopback(Family::ipv4));
  auto b = connected(a->local());
  Watcher watcher;
  ASSERT_TRUE(b->watch(watcher, Ready::writable));
  ASSERT_TRUE(run_until([&] { return watcher.saw(Ready::writable); }));
  ASSERT_TRUE(b->watch(watcher, Ready::none));
  EXPECT_LE(wakes_within(30ms), 4);
  watcher.seen.clear();
  for (int i = 0; i < 3; ++i) send(*b, chunk("x"));
  EXPECT_LE(wakes_within(30ms), 4);
  EXPECT_TRUE(watcher.seen.empty());
}

TEST_F(DatagramSocketTest, StreamCallsAreUnsupported) {
  auto socket = bound(loopback(Family::ipv4));
  EXPECT_EQ(socket->listen(1).error().reason, Reason::unsupported);
  EXPECT_EQ(socket->accept().error().reason, Reason::unsupported);
  EXPECT_EQ(socket->finish().error().reason, Reason::unsupported);
}

TEST_F(DatagramSocketTest, UdpLite) {
  auto a = loop.sockets().open({.kind = Kind::datagram,
                                .role = Role::unconnected,
                                .protocol = IPPROTO_UDPLITE,
                                .local = loopback(Family::ipv4)});
  if (!a) GTEST_SKIP() << "this kernel has no UDP-Lite: " << a.error().detail;
  auto b = open({.kind = Kind::datagram, .protocol = IPPROTO_UDPLITE});
  ASSERT_TRUE(b->connect((*a)->local()));
  Batch out, got;
  for (int i = 0; i < 5; ++i) out.add(chunk("light"));
  send(*b, out);
  ASSERT_TRUE(receive(**a, got, 5, true));
  EXPECT_EQ(got.size(), 5u);
}

}  // namespace
}  // namespace trellis::test
