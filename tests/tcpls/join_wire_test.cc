// What goes over the wire when a connection joins, and what becomes of joins that fail.
#include <set>

#include "tcpls_world.h"

namespace trellis::test {
namespace {

using Octets = std::vector<std::byte>;
using testing::ElementsAre;

std::size_t number(std::span<const std::byte> bytes, std::size_t at, std::size_t size) {
  std::size_t value = 0;
  for (std::size_t i = 0; i < size; ++i) value = value << 8 | std::to_integer<std::size_t>(bytes[at + i]);
  return value;
}

struct Record {
  std::size_t type, size;  // size: of all of it
};
std::vector<Record> records(std::span<const std::byte> bytes) {
  std::vector<Record> list;
  while (bytes.size() >= 5) {
    list.push_back({number(bytes, 0, 1), 5 + number(bytes, 3, 2)});
    bytes = bytes.subspan(std::min(bytes.size(), list.back().size));
  }
  return list;
}

/// A ClientHello, the first record of a connection.
struct HelloView {
  explicit HelloView(std::span<const std::byte> bytes) {
    auto take = [&, at = std::size_t{9}](std::size_t size) mutable {
      const auto part = bytes.subspan(at, size);
      at += size;
      return Octets(part.begin(), part.end());
    };
    auto vector = [&](std::size_t length_size) { return take(number(take(length_size), 0, length_size)); };
    version = number(take(2), 0, 2);
    random = take(32);
    session_id = vector(1);
    suites = vector(2);
    vector(1);
    const Octets list = vector(2);
    for (std::size_t at = 0; at + 4 <= list.size();) {
      const std::size_t type = number(list, at, 2), size = number(list, at + 2, 2);
      extensions.emplace(type, Octets(list.begin() + static_cast<std::ptrdiff_t>(at + 4),
                                      list.begin() + static_cast<std::ptrdiff_t>(at + 4 + size)));
      at += 4 + size;
    }
  }
  std::size_t version = 0;
  Octets random, session_id, suites;
  std::multimap<std::size_t, Octets> extensions;
};
constexpr std::size_t kServerName = 0, kGroups = 10, kSignatures = 13, kAlpn = 16, kPsk = 41, kEarlyData = 42,
                      kVersions = 43, kKeyShare = 51, kTcpls = 0xFF64, kJoin = 0xFF65;

/// Where the value of an extension begins in a ClientHello; 0: nowhere.
std::size_t find_extension(std::span<const std::byte> hello, std::size_t type) {
  std::size_t at = 9 + 2 + 32;
  at += 1 + number(hello, at, 1);
  at += 2 + number(hello, at, 2);
  at += 1 + number(hello, at, 1) + 2;
  for (; at + 4 <= hello.size(); at += 4 + number(hello, at + 2, 2)) {
    if (number(hello, at, 2) == type) return at + 4;
  }
  return 0;
}

/// Somebody who writes everything down.
struct Recorder : TcplsWorld {
  struct Talk {
    Octets there, back;
    bool early = false;  // the client said more than its hello before it was answered
  };
  Recorder() {
    change = [this](SimPacket& packet) {
      const bool there = packet.to.port == 4433;
      if (!there && packet.tcp.syn && !packet.tcp.has_ack) server_dialed = true;
      if (packet.payload.empty()) return;
      const std::uint16_t port = there ? packet.from.port : packet.to.port;
      Talk& talk = talks[port];
      if (there && talk.there.empty() && meddle && port != ports[0]) meddle(packet);
      talk.early = talk.early || (there && !talk.there.empty() && talk.back.empty());
      Octets& to = there ? talk.there : talk.back;
      to.insert(to.end(), packet.payload.begin(), packet.payload.end());
      if (heard) heard(port, there);
    };
  }
  Talk& talk(std::size_t n) { return talks[ports.at(n)]; }
  Octets hello(std::size_t n) {
    const Octets& all = talk(n).there;
    return {all.begin(), all.begin() + static_cast<std::ptrdiff_t>(records(all)[0].size)};
  }
  /// What the server says to who sends this on a connection of its own.
  std::string answer_to(const Octets& bytes) {
    Talker& raw = dial("tcp");
    EXPECT_TRUE(until([&] { return raw.ready.has_value(); }));
    raw.read();
    raw.send(std::string_view(reinterpret_cast<const char*>(bytes.data()), bytes.size()));
    world.run_for(2s);
    return raw.reader->all;
  }
  static std::set<std::string> numbers(Talker& t) {
    std::set<std::string> found;
    std::string list = connections(t);
    for (std::size_t at = 0; at < list.size();
         at = list.find("; ", at) == std::string::npos ? list.size() : list.find("; ", at) + 2)
      found.insert(list.substr(at, list.find(':', at) - at));
    return found;
  }
  std::map<std::uint16_t, Talk> talks;
  std::function<void(SimPacket&)> meddle;                     // with the hello of a join
  std::function<void(std::uint16_t port, bool there)> heard;  // after each packet with something in it
  bool server_dialed = false;
};
const std::string kRefused = {21, 3, 3, 0, 2, 2, 47};

// TCPLS-61, TCPLS-63, TCPLS-65, TCPLS-67, TCPLS-123: hello, hello, a ChangeCipherSpec each, and first records as long
// as those of TLS; the client waits for its answer.
TEST(Join, LooksLikeTls) {
  Recorder w;
  w.connect("standby=1");
  w.world.run_for(150ms);
  ASSERT_EQ(w.ports.size(), 2u);
  const auto there = records(w.talk(1).there), back = records(w.talk(1).back);
  ASSERT_EQ(there.size(), 3u) << "its first one acknowledges the server's in passing";
  ASSERT_GE(back.size(), 3u);
  for (const auto& side : {there, back}) {
    EXPECT_EQ(side[0].type, 22u);
    EXPECT_EQ(side[1].type, 20u);
    for (std::size_t i = 2; i < side.size(); ++i) EXPECT_EQ(side[i].type, 23u);
  }
  EXPECT_EQ(there[2].size, 5 + 53 + 17u);
  EXPECT_EQ(back[2].size, 5 + 900 + 17u);
  EXPECT_FALSE(w.talk(1).early);
}

// TCPLS-62, TCPLS-57, TCPLS-110, TCPLS-117, TCPLS-140
TEST(Join, TheClientHello) {
  Recorder w;
  w.connect("standby=2");
  w.world.run_for(1s);
  ASSERT_EQ(w.ports.size(), 3u);
  const HelloView first(w.hello(0)), join(w.hello(1)), other(w.hello(2));
  EXPECT_EQ(join.version, 0x0303u);
  EXPECT_NE(join.random, first.random);
  EXPECT_EQ(join.session_id.size(), 32u);
  EXPECT_EQ(join.suites, first.suites);
  for (const std::size_t type : {kServerName, kGroups, kSignatures, kVersions, kTcpls}) {
    ASSERT_EQ(join.extensions.count(type), 1u) << type;
    EXPECT_EQ(join.extensions.find(type)->second, first.extensions.find(type)->second) << type;
  }
  EXPECT_EQ(join.extensions.count(kAlpn), first.extensions.count(kAlpn));
  EXPECT_NE(join.extensions.find(kKeyShare)->second, first.extensions.find(kKeyShare)->second);
  EXPECT_EQ(join.extensions.count(kJoin), 1u);
  EXPECT_EQ(first.extensions.count(kJoin), 0u);
  for (const HelloView* hello : {&first, &join}) EXPECT_EQ(hello->extensions.count(kEarlyData), 0u);
  EXPECT_EQ(join.extensions.count(kPsk), 0u);
  const Octets one = join.extensions.find(kJoin)->second, two = other.extensions.find(kJoin)->second;
  EXPECT_EQ(one.size(), 33u);
  EXPECT_NE(one, two);
}

// TCPLS-54: tokens have nothing in common with each other: as many bits differ as do by chance, and no value of a byte
// comes too often.
TEST(Join, TokensLookRandom) {
  Recorder w;
  Talker& t = w.connect();
  for (int round = 0; round < 40; ++round) {
    w.break_connection(w.ports.size() - 1, Verdict::reset);
    t.send("x");
    w.world.run_for(1s);
  }
  std::vector<Octets> tokens;
  std::map<std::byte, int> values;
  for (std::size_t n = 1; n < w.ports.size(); ++n) {
    tokens.push_back(HelloView(w.hello(n)).extensions.find(kJoin)->second);
    for (std::size_t i = 1; i < 33; ++i) ++values[tokens.back()[i]];
  }
  ASSERT_GE(tokens.size(), 30u);
  for (const auto& [value, count] : values) EXPECT_LT(count, 30) << "of " << tokens.size() * 32;
  for (std::size_t n = 1; n < tokens.size(); ++n) {
    int differ = 0;
    for (std::size_t i = 1; i < 33; ++i)
      differ += std::popcount(std::to_integer<unsigned>(tokens[n][i] ^ tokens[n - 1][i]));
    EXPECT_GT(differ, 70);
    EXPECT_LT(differ, 186);
  }
}

// TCPLS-64: the key share of a join is not looked at, and no HelloRetryRequest asks for a better one.
TEST(Join, TheKeyShareIsIgnored) {
  Recorder w;
  w.meddle = [](SimPacket& packet) {
    const std::size_t share = find_extension(packet.payload, kKeyShare);
    ASSERT_NE(share, 0u);
    packet.payload[share + 2] = packet.payload[share + 3] = std::byte{0x1a};  // a group that there is not
  };
  Talker& t = w.connect("standby=1");
  w.world.run_for(1s);
  EXPECT_THAT(Recorder::numbers(t), ElementsAre("0", "1"));
  EXPECT_EQ(records(w.talk(1).there)[1].type, 20u) << "there was no second hello";
}

// TCPLS-56: both sides call the connections by the same numbers.
TEST(Join, BothSidesUseTheSameNumbers) {
  Recorder w;
  Talker& t = w.connect("standby=2");
  w.world.run_for(1s);
  EXPECT_THAT(Recorder::numbers(t), ElementsAre("0", "1", "2"));
  EXPECT_THAT(Recorder::numbers(*w.peers[0]), ElementsAre("0", "1", "2"));
}

// TCPLS-40, TCPLS-52, TCPLS-58, TCPLS-68, TCPLS-114, TCPLS-125: a token that was used is worth nothing, even while its
// connection lives.
TEST(Join, ATokenServesOnce) {
  Recorder w;
  Talker& t = w.connect("standby=1");
  w.world.run_for(1s);
  EXPECT_EQ(w.answer_to(w.hello(1)), kRefused);
  EXPECT_THAT(Recorder::numbers(t), ElementsAre("0", "1"));
  EXPECT_FALSE(t.failed);
}

// TCPLS-69, TCPLS-116: tokens die with their session.
TEST(Join, TokensDieWithTheSession) {
  Recorder w;
  Talker& t = w.connect();
  w.world.run_for(1s);
  Octets unused;
  w.meddle = [&](SimPacket& packet) {  // a hello that does not arrive
    unused = packet.payload;
    packet.payload[find_extension(packet.payload, kJoin) + 20] ^= std::byte{1};
  };
  w.break_connection(0, Verdict::reset);
  t.send("x");
  ASSERT_TRUE(w.until([&] { return w.ports.size() >= 3 && !unused.empty(); }));
  t.connection.abort(0);
  w.peers[0]->connection.abort(0);
  w.world.run_for(1s);
  w.peers.clear();
  w.world.run_for(1s);
  EXPECT_EQ(w.answer_to(unused), kRefused);
}

// TCPLS-40, TCPLS-68: the server has accepted the hello, and then the connection dies: its number is gone.
TEST(Join, ANumberIsBurntWithItsConnection) {
  Recorder w;
  w.heard = [&](std::uint16_t port, bool there) {
    if (w.ports.size() > 1 && port == w.ports[1] && !there) w.broken[port] = Verdict::reset;
  };
  Talker& t = w.connect("standby=1");
  ASSERT_TRUE(w.until([&] { return Recorder::numbers(t).contains("2"); }, 10s)) << TcplsWorld::connections(t);
  EXPECT_EQ(w.answer_to(w.hello(1)), kRefused);
  EXPECT_FALSE(Recorder::numbers(t).contains("1"));
  EXPECT_FALSE(Recorder::numbers(*w.peers[0]).contains("1"));
}

// TCPLS-58, TCPLS-70: a token that the server does not know is refused; the client tries the next one.
TEST(Join, ARefusedTokenIsDiscarded) {
  Recorder w;
  int meddled = 0;
  w.meddle = [&](SimPacket& packet) {
    if (++meddled == 1) packet.payload[find_extension(packet.payload, kJoin) + 20] ^= std::byte{1};
  };
  Talker& t = w.connect("standby=1");
  ASSERT_TRUE(w.until([&] { return Recorder::numbers(t).contains("2"); }, 10s)) << TcplsWorld::connections(t);
  const Octets& back = w.talk(1).back;
  EXPECT_EQ(std::string(reinterpret_cast<const char*>(back.data()), back.size()), kRefused);
  EXPECT_FALSE(Recorder::numbers(t).contains("1"));
}

// TCPLS-10: a ClientHello with the extension tcpls twice.
TEST(Join, TcplsTwice) {
  Recorder w;
  w.connect();
  Octets hello = w.hello(0);
  const std::size_t at = find_extension(hello, kTcpls) - 4;
  const Octets again(hello.begin() + static_cast<std::ptrdiff_t>(at),
                     hello.begin() + static_cast<std::ptrdiff_t>(at + 4));
  hello.insert(hello.begin() + static_cast<std::ptrdiff_t>(at), again.begin(), again.end());
  std::size_t list = 9 + 2 + 32;
  list += 1 + number(hello, list, 1);
  list += 2 + number(hello, list, 2);
  list += 1 + number(hello, list, 1);
  for (const auto& [place, size] : {std::pair<std::size_t, std::size_t>{3, 2}, {6, 3}, {list, 2}}) {
    const std::size_t length = number(hello, place, size) + 4;
    for (std::size_t i = 0; i < size; ++i) hello[place + i] = static_cast<std::byte>(length >> 8 * (size - 1 - i));
  }
  EXPECT_EQ(w.answer_to(hello), kRefused);
}

// TCPLS-51: a server with something to say and no connection waits for the client.
TEST(Join, AServerNeverDials) {
  Recorder w;
  Talker& t = w.connect({}, "tokens=0");
  EXPECT_FALSE(w.peers[0]->connection.set("tcpls.path", std::uint64_t{1}));
  w.break_connection(0, Verdict::reset);
  w.peers[0]->send("data");
  t.send("x");
  w.world.run_for(120s);
  EXPECT_TRUE(t.failed);
  EXPECT_TRUE(w.peers[0]->failed);
  EXPECT_FALSE(w.server_dialed);
}

// TCPLS-90, TCPLS-92, TCPLS-94, TCPLS-136: close_notify is the last record on each connection, after which that ends.
TEST(Join, GoodbyeOnAllConnections) {
  Recorder w;
  Talker& t = w.connect("standby=1,scheduler=aggregate");
  w.world.run_for(1s);
  w.wire->set({.delay = 10ms, .jitter = 8ms});
  const std::string all(300'000, 'a');
  t.send(all);
  t.close();
  ASSERT_TRUE(w.until([&] { return t.closed && w.peers[0]->reader->ended; }));
  EXPECT_EQ(w.peers[0]->reader->all, "hello" + all) << "the end comes behind everything";
  for (const std::size_t n : {0, 1}) EXPECT_EQ(records(w.talk(n).there).back().size, 5 + 2 + 17u) << n;
}

}  // namespace
}  // namespace trellis::test
