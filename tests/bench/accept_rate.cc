// accept_rate.cc: how many connections per second one loop can accept.
//
// They come in bursts from plain blocking sockets. Counted is the time until all of a burst is accepted and waits
// for input; making and ending the connections is not counted.
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "laps.h"
#include "ours.h"
#include "process.h"
#include "raw_sockets.h"
#include "rows.h"

namespace trellis::bench {
namespace accept_rate_row {

constexpr std::size_t kBurst = 64;
constexpr std::size_t kBursts = 200;
constexpr double kThousand = 1e3;

using Dialed = std::array<int, kBurst>;

Dialed dial_burst(const sockaddr_in& address) {
  Dialed dialed;
  for (int& descriptor : dialed) descriptor = raw_dial(address);
  return dialed;
}

double rate(const Laps& bursts) { return kBurst / bursts.typical() / kThousand; }

// As a server does it: until there is no more, with the peer's address, watched for input.
void accept_all(const RawListener& listener, const Epoll& epoll, std::vector<int>& accepted) {
  for (;;) {
    sockaddr_in peer;
    socklen_t size = sizeof peer;
    const int descriptor =
        accept4(listener.descriptor, reinterpret_cast<sockaddr*>(&peer), &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (descriptor < 0 && errno == EAGAIN) return;
    check(descriptor, "accept4");
    epoll.add(descriptor, EPOLLIN);
    accepted.push_back(descriptor);
  }
}

double baseline() {
  const RawListener listener = raw_listen();
  set_no_delay(listener.descriptor);  // what it accepts inherits it
  const Epoll epoll;
  epoll.add(listener.descriptor, EPOLLIN);
  Laps bursts(kBursts);
  std::vector<int> accepted;
  while (bursts.count() < kBursts) {
    const Dialed dialed = dial_burst(listener.address);
    bursts.begin();
    while (accepted.size() < kBurst) {
      epoll_event event;
      check(epoll_wait(epoll.descriptor(), &event, 1, -1), "epoll_wait");
      accept_all(listener, epoll, accepted);
    }
    bursts.lap();
    for (const int descriptor : dialed) raw_reset(descriptor);
    for (const int descriptor : accepted) raw_reset(descriptor);
    accepted.clear();
  }
  close(listener.descriptor);
  return rate(bursts);
}

double ours() {
  Ours ours;
  OurListener listener(ours, "tcp",
                       [](Connection& connection) { connection.receive(1, 65536, [](Result<Message>) {}); });
  std::vector<Connection>& accepted = listener.accepted;
  Laps bursts(kBursts);
  while (bursts.count() < kBursts) {
    const Dialed dialed = dial_burst(raw_address(listener.port));
    bursts.begin();
    ours.run_until([&accepted] { return accepted.size() == kBurst; });
    ours.loop->run_once(false);  // the loop tells the kernel what it waits for when it asks for news
    bursts.lap();
    for (Connection& connection : accepted) connection.abort();
    accepted.clear();
    for (const int descriptor : dialed) raw_reset(descriptor);
    ours.loop->run_once(false);
  }
  return rate(bursts);
}

}  // namespace accept_rate_row

Row accept_rate() {
  using namespace accept_rate_row;
  return {.name = "accept-rate",
          .about = "TCP connections accepted per second by one loop; baseline: accept4 and epoll",
          .unit = "k/s",
          .better = Better::higher,
          .target = 0.85,
          .ours = ours,
          .baseline = baseline};
}

}  // namespace trellis::bench
