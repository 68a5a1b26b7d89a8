// sctp_streams.cc: how long messages are on their way when packets are lost: spread over 1000 streams, and all on one.
// In virtual time, so the same on every machine.
#include <algorithm>
#include <cstring>
#include <deque>
#include <vector>

#include "core/framework_core.h"
#include "loop/sim_network.h"
#include "ours.h"
#include "rows.h"

namespace trellis::bench {
namespace sctp_streams_row {

using namespace std::chrono_literals;

constexpr std::size_t kStreams = 1000;
constexpr int kRounds = 10;  // messages of each stream
constexpr std::uint32_t kMessage = 400;
constexpr Duration kBetween = 2ms;  // 200 KB/s: a fourth of what congestion control allows with so much loss
constexpr double kMilliseconds = 1e3;

struct Delays {
  VirtualWorld world;
  std::vector<double> seconds{};
  void arrived(const Message& message) {
    if (message.data.size() < sizeof(TimePoint)) return;
    TimePoint sent;
    std::memcpy(&sent, message.data.bytes().data(), sizeof sent);
    seconds.push_back(std::chrono::duration<double>(world.now() - sent).count());
  }
};

// Takes all that comes on one stream.
struct Taker {
  Delays& delays;
  Connection connection;
  void receive() {
    connection.receive(kWholeMessage, SIZE_MAX, [this](Result<Message> message) {
      if (!message) return;
      delays.arrived(*message);
      receive();
    });
  }
};

// Milliseconds within which 99 of 100 messages arrive.
double p99(std::size_t streams) {
  Delays delays;
  SimNetwork network(delays.world);
  SimHost& client = network.add_host("client");
  SimHost& server = network.add_host("server");
  SimLink& link = network.link(client.add_interface("eth0", {"10.0.0.1"}), server.add_interface("eth0", {"10.0.0.2"}),
                               {.delay = 10ms});
  FrameworkOptions options;
  options.plugin_directories = {TRELLIS_BUILD_DIR "/plugins"};
  const auto framework = expect(Framework::create(std::move(options)), "framework");
  {
    constexpr const char* kStack = "sctp(streams=2048)/udp";
    std::deque<Taker> takers;
    std::deque<Connection> senders;
    bool listening = false;
    std::size_t ready = 0;
    const auto until = [&](auto done) {
      if (!delays.world.run_until(done, 120s)) die("sctp-streams: nothing happens any more");
    };
    Listener listener =
        Preconnection(*framework)
            .stack(kStack)
            .local({.host = "10.0.0.2", .port = 4433})
            .listen(server.loop(),
                    {.listening = [&](const Address&) { listening = true; },
                     .received = [&](Connection c) { takers.emplace_back(delays, std::move(c)).receive(); },
                     .failed = [](const Error& e) { fail_measurement("listen", e); }});
    until([&] { return listening; });
    const auto is_ready = [&](Result<void> how) {
      expect(std::move(how), "stream");
      ++ready;
    };
    senders.push_back(Preconnection(*framework)
                          .stack(kStack)
                          .remote({.host = "10.0.0.2", .port = 4433})
                          .initiate(client.loop(), is_ready));
    until([&] { return ready == 1; });
    while (senders.size() < streams) senders.push_back(senders.front().clone(is_ready));
    until([&] { return ready == streams; });
    link.forth().conditions.loss = link.back().conditions.loss = 0.01;
    const std::size_t all = kStreams * kRounds;
    for (std::size_t i = 0; i < all; ++i) {
      Connection& sender = senders[i % streams];
      Slice content = sender.allocate(kMessage);
      const TimePoint now = delays.world.now();
      std::memcpy(content.edit().data(), &now, sizeof now);
      sender.send(std::move(content));
      delays.world.run_for(kBetween);
    }
    until([&] { return delays.seconds.size() == all; });
    senders.clear();
    takers.clear();
    listener = {};
    framework->core().forget(client.loop());
    framework->core().forget(server.loop());
  }
  std::ranges::sort(delays.seconds);
  return delays.seconds[delays.seconds.size() * 99 / 100] * kMilliseconds;
}

}  // namespace sctp_streams_row

Row sctp_streams() {
  using namespace sctp_streams_row;
  return {.name = "sctp-streams",
          .about = "99 of 100 messages arrive within, 1 % loss, 20 ms round trip, 1000 streams; baseline: one stream",
          .unit = "ms",
          .better = Better::lower,
          .target = 0.25,
          .ours = [] { return p99(kStreams); },
          .baseline = [] { return p99(1); }};
}

}  // namespace trellis::bench
