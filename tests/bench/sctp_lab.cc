// sctp_lab.cc: how much of a long path SCTP fills: 100 Mbit/s, round trips of 50 ms, in the network lab.
#include <cerrno>

#include "netlab/measure.h"
#include "ours.h"
#include "process.h"
#include "rows.h"

namespace trellis::bench {
namespace sctp_lab_row {

using namespace std::chrono_literals;

constexpr const char* kStack = "sctp/udp";
constexpr std::uint16_t kPort = 7000;
constexpr double kMegabits = 100;
// The queue holds what a round trip does, as a router's should: after a loss SCTP halves its window and grows it by a
// packet in each round trip, and half of both still fills the path.
constexpr netlab::LinkOptions kPath{
    .forth = {.delay = 25ms, .bits_per_second = static_cast<std::uint64_t>(kMegabits * 1e6), .queue_bytes = 625'000},
    .back = {.delay = 25ms}};
constexpr auto kTime = 6s;
constexpr std::uint32_t kMessage = 64 << 10;
constexpr auto kDeadline = std::chrono::seconds(kSecondsMax);

// Megabits a second in the second half of the time, when slow start is over.
void report_rate(const netlab::Host& host, const Outlet& out) {
  const netlab::Inside inside(host);
  Ours ours;
  Connection peer;
  bool listening = false;
  const Listener listener = Preconnection(*ours.framework)
                                .stack(kStack)
                                .local({.host = {}, .port = kPort})
                                .listen(*ours.loop, {.listening = [&](const Address&) { listening = true; },
                                                     .received = [&](Connection c) { peer = std::move(c); },
                                                     .failed = [](const Error& e) { fail_measurement("listen", e); }});
  ours.run_until([&] { return listening; });
  out.put(true);
  const double time = std::chrono::duration<double>(kTime).count();
  double begun = 0;
  std::size_t got = 0;
  std::function<void()> receive = [&] {
    peer.receive(1, SIZE_MAX, [&](Result<Message> message) {
      if (begun > 0 && now() > begun + time) return;
      const std::size_t size = expect(std::move(message), "receive").data.size();
      const double at = now();
      if (begun == 0) begun = at;
      if (at > begun + time / 2 && at <= begun + time) got += size;
      receive();
    });
  };
  ours.run_until([&] { return static_cast<bool>(peer); });
  receive();
  ours.run_until([&] { return begun > 0 && now() > begun + time; });
  out.put(static_cast<double>(got) * 8 / 1e6 / (time / 2));
  peer.abort();
  ours.loop->run_once(false);
}

double filled() {
  unpin();
  netlab::ClientServer lab({kPath});
  Child server(kServerCpu, [&](const Outlet& out) { report_rate(lab.server, out); });
  errno = 0;
  if (!server.take<bool>(kDeadline)) die("sctp-path: the server ended");
  const netlab::Inside inside(lab.client);
  Ours ours;
  bool ready = false, over = false;
  Connection connection = Preconnection(*ours.framework)
                              .stack(kStack)
                              .remote({.host = netlab::ClientServer::address(), .port = kPort})
                              .initiate(*ours.loop, [&ready](Result<void> how) {
                                expect(std::move(how), "initiate");
                                ready = true;
                              });
  ours.run_until([&ready] { return ready; });
  const auto fill = [&] {
    while (connection.send(connection.allocate(kMessage))) {
    }
  };
  connection.on_writable(fill);
  connection.receive(1, 1, [&](const Result<Message>&) { over = true; });  // the server aborts when it has measured
  fill();
  ours.run_until([&over] { return over; });
  const auto rate = server.take<double>(kDeadline);
  if (!rate) die("sctp-path: the server ended");
  return *rate;
}

}  // namespace sctp_lab_row

Row sctp_path() {
  using namespace sctp_lab_row;
  return {.name = "sctp-path",
          .about = "throughput of SCTP over a path of 100 Mbit/s and 50 ms after slow start; limit: the path's",
          .unit = "Mbit/s",
          .better = Better::higher,
          .target = 0.9,
          .ours = filled,
          .limit = kMegabits};
}

}  // namespace trellis::bench
