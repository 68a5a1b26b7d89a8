// Bytes in are bytes out, on every stream, whatever happens to the connections
// (TCPLS-80). TCPLS_SEEDS says how many random worlds are tried (200),
// TCPLS_SEED which one alone.
#include <cstdlib>
#include <random>

#include "tcpls_world.h"

namespace trellis::test {
namespace {

std::uint64_t number_of(const char* name, std::uint64_t fallback) {
  const char* const text = std::getenv(name);
  return text != nullptr ? std::strtoull(text, nullptr, 10) : fallback;
}

struct Flow {  // what one side sends on one stream
  Talker* from;
  std::size_t stream;
  std::string sent;
};

std::string bytes_of(std::size_t stream, bool back, std::size_t offset, std::size_t size) {
  std::string made(size, 0);
  for (std::size_t i = 0; i < size; ++i)
    made[i] = static_cast<char>((offset + i) * 7 + (offset + i) / 509 + stream * 101 + (back ? 13 : 0));
  return made;
}

void one_world(std::uint64_t seed) {
  SCOPED_TRACE("TCPLS_SEED=" + std::to_string(seed));
  std::mt19937_64 random(seed);
  const auto below = [&](std::uint64_t n) { return random() % n; };
  constexpr const char* kSchedulers[] = {"pinned", "round-robin", "lowest-rtt", "aggregate"};
  TcplsWorld w(seed, std::chrono::milliseconds(1 + below(40)));
  const std::string options = "standby=" + std::to_string(below(4)) + ",tokens=8,scheduler=" + kSchedulers[below(4)];
  Talker& first = w.connect(options, options);
  const std::size_t count = 1 + below(4);
  std::vector<Talker*> here{&first}, there{w.peers[0].get()};
  std::vector<std::string> sent(count), answered(count);
  for (std::size_t i = 1; i < count; ++i) {
    Talker& made = w.clone(first);
    here.push_back(&made);
    made.send("hello");
    ASSERT_TRUE(w.until([&] { return w.peers.size() == i + 1; }));
    there.push_back(w.peers[i].get());
  }
  w.world.run_for(400ms);
  const int steps = 10 + static_cast<int>(below(30));
  TimePoint last_break{};
  for (int step = 0; step < steps; ++step) {
    const std::size_t i = below(count);
    const std::size_t size = 1 + below(below(4) == 0 ? 200'000 : 3000);
    const bool back = below(2) != 0;
    std::string& all = back ? answered[i] : sent[i];
    const std::string more = bytes_of(i, back, all.size(), size);
    (back ? there[i] : here[i])->send(more);
    all += more;
    // One loss in two seconds, so that a token for the next connection can have
    // come.
    if (below(4) == 0 && w.world.now() - last_break > 2s) {
      std::vector<std::size_t> whole;
      for (std::size_t n = 0; n < w.ports.size(); ++n) {
        if (!w.broken.contains(w.ports[n])) whole.push_back(n);
      }
      w.break_connection(whole[below(whole.size())], below(2) != 0 ? Verdict::reset : Verdict::drop);
      last_break = w.world.now();
    }
    if (below(6) == 0) w.wire->set({.delay = std::chrono::milliseconds(1 + below(60)), .jitter = 5ms});
    w.world.run_for(std::chrono::milliseconds(below(300)));
  }
  const bool all = w.until([&] {
    if (first.failed || there[0]->failed) return true;
    for (std::size_t i = 0; i < count; ++i) {
      if (there[i]->reader->all.size() < 5 + sent[i].size()) return false;
      const std::size_t got = here[i]->reader->all.size();
      if (got < answered[i].size()) return false;
    }
    return true;
  });
  ASSERT_FALSE(first.failed) << first.failed->detail;
  ASSERT_FALSE(there[0]->failed) << there[0]->failed->detail;
  for (std::size_t i = 0; i < count; ++i) {
    EXPECT_TRUE(there[i]->reader->all == "hello" + sent[i])
        << "stream " << i << ": " << there[i]->reader->all.size() << " of " << sent[i].size() + 5;
    EXPECT_TRUE(here[i]->reader->all == answered[i])
        << "stream " << i << " back: " << here[i]->reader->all.size() << " of " << answered[i].size();
  }
  ASSERT_TRUE(all) << TcplsWorld::connections(first) << " / " << TcplsWorld::connections(*there[0]);
}

TEST(Random, BytesInAreBytesOut) {
  if (const std::uint64_t alone = number_of("TCPLS_SEED", 0)) return one_world(alone);
  const std::uint64_t seeds = number_of("TCPLS_SEEDS", 200);
  for (std::uint64_t seed = 1; seed <= seeds && !testing::Test::HasFailure(); ++seed) one_world(seed);
}

}  // namespace
}  // namespace trellis::test
