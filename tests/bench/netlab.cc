// netlab.cc: how true the network lab (tests/netlab) is to what was asked of it, alone and ten at once.
#include <algorithm>
#include <cmath>
#include <thread>

#include "netlab/measure.h"
#include "process.h"
#include "rows.h"

namespace trellis::bench {
namespace netlab_row {

using namespace std::chrono_literals;
using netlab::ClientServer;

constexpr double kRoundTripMs = 1;  // that a round trip may be off
constexpr double kRatePart = 0.1;   // of the rate
constexpr int kLabs = 10;
constexpr double kGoodput = 1448 / 1500.0;  // what TCP leaves of a packet
constexpr auto kTransfer = 2s;

double off_ms(ClientServer& lab, std::chrono::milliseconds asked) {
  lab.path(0).set({.delay = std::chrono::microseconds(asked) / 2});
  return std::abs(netlab::round_trip_ms(lab, ClientServer::address()) - static_cast<double>(asked.count()));
}

double off_part(ClientServer& lab, double megabits) {
  const netlab::Shape asked{.delay = 2ms, .bits_per_second = static_cast<std::uint64_t>(megabits * 1e6)};
  lab.path(0).set(asked);
  return std::abs(netlab::megabits(lab, ClientServer::address(), kTransfer) / (megabits * kGoodput) - 1);
}

// The worst of what ten labs find, each in a thread of its own, at the same time.
template <class Measure>
double worst_of_ten(const Measure& measure) {
  unpin();
  std::vector<double> found(kLabs, std::nan(""));
  std::vector<std::thread> threads;
  for (double& value : found)
    threads.emplace_back([&] {
      ClientServer lab;
      value = measure(lab);
    });
  for (std::thread& thread : threads) thread.join();
  return std::ranges::max(found);
}

}  // namespace netlab_row

Row netlab_round_trip() {
  using namespace netlab_row;
  return {.name = "netlab-round-trip",
          .about = "the network lab's round trips of 1, 10, 20 and 50 ms: the worst deviation",
          .unit = "ms",
          .ours =
              [] {
                ClientServer lab;
                return std::max({off_ms(lab, 1ms), off_ms(lab, 10ms), off_ms(lab, 20ms), off_ms(lab, 50ms)});
              },
          .limit = kRoundTripMs};
}

Row netlab_rate() {
  using namespace netlab_row;
  return {.name = "netlab-rate",
          .about = "the network lab's rates of 5, 25 and 100 Mbit/s: the worst deviation, as a part of the rate",
          .unit = "",
          .ours =
              [] {
                ClientServer lab;
                return std::max({off_part(lab, 5), off_part(lab, 25), off_part(lab, 100)});
              },
          .limit = kRatePart};
}

Row netlab_parallel_round_trip() {
  using namespace netlab_row;
  return {.name = "netlab-parallel-round-trip",
          .about = "ten network labs at once, 20 ms each: the worst deviation",
          .unit = "ms",
          .ours = [] { return worst_of_ten([](ClientServer& lab) { return off_ms(lab, 20ms); }); },
          .limit = kRoundTripMs};
}

Row netlab_parallel_rate() {
  using namespace netlab_row;
  return {.name = "netlab-parallel-rate",
          .about = "ten network labs at once, 10 Mbit/s each: the worst deviation, as a part of the rate",
          .unit = "",
          .ours = [] { return worst_of_ten([](ClientServer& lab) { return off_part(lab, 10); }); },
          .limit = kRatePart};
}

}  // namespace trellis::bench
