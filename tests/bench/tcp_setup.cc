// tcp_setup.cc: how long it takes from the wish for a TCP connection to a connection that can be used.
//
// Both connect to the same kind of plain listening socket of the same process, so only the active side differs.
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>

#include "laps.h"
#include "ours.h"
#include "process.h"
#include "raw_sockets.h"
#include "rows.h"
#include "trellis/address_text.h"

namespace trellis::bench {
namespace tcp_setup_row {

constexpr std::size_t kConnections = 2200;
constexpr double kMicroseconds = 1e6;

int connect_with_epoll(const RawListener& listener, const Epoll& epoll) {
  const int descriptor = check(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), "socket");
  set_no_delay(descriptor);
  const auto* address = reinterpret_cast<const sockaddr*>(&listener.address);
  if (connect(descriptor, address, sizeof listener.address) == 0) return descriptor;
  if (errno != EINPROGRESS) die("connect");
  epoll.add(descriptor, EPOLLOUT);
  epoll_event event;
  if (epoll_wait(epoll.descriptor(), &event, 1, -1) != 1) die("epoll_wait");
  int error = 0;
  socklen_t size = sizeof error;
  check(getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &error, &size), "getsockopt(SO_ERROR)");
  errno = error;
  if (error != 0) die("connect");
  return descriptor;
}

double baseline() {
  const RawListener listener = raw_listen();
  const Epoll epoll;
  Laps laps(kConnections);
  while (laps.count() < kConnections) {
    laps.begin();
    const int descriptor = connect_with_epoll(listener, epoll);
    laps.lap();
    drop_accepted(listener);
    raw_reset(descriptor);
  }
  close(listener.descriptor);
  return laps.typical() * kMicroseconds;
}

double ours() {
  const RawListener listener = raw_listen();
  Ours ours;
  Preconnection preconnection(*ours.framework);
  preconnection.stack("tcp").remote(loopback(ntohs(listener.address.sin_port)));
  Laps laps(kConnections);
  connect_often(*ours.loop, preconnection, listener, kConnections, laps);
  close(listener.descriptor);
  return laps.typical() * kMicroseconds;
}

// To a name with one address or two: the first one answers; the second one is armed to be tried and never is.
double to_name(bool raced) {
  const RawListener listener = raw_listen();
  const std::uint16_t port = ntohs(listener.address.sin_port);
  std::vector<Address> addresses{parse_address("127.0.0.1", port).value()};
  if (raced) addresses.push_back(parse_address("127.0.0.2", port).value());  // where nobody listens
  const auto loop = make_loop();
  const auto framework = expect(Framework::create({.hosts = {{"peer.example", port, addresses}}}), "framework");
  Preconnection preconnection(*framework);
  preconnection.stack("tcp").remote({.host = "peer.example", .port = port});
  Laps laps(kConnections);
  connect_often(*loop, preconnection, listener, kConnections, laps);
  close(listener.descriptor);
  return laps.typical() * kMicroseconds;
}

}  // namespace tcp_setup_row

Row race_healthy() {
  using namespace tcp_setup_row;
  return {.name = "race-healthy",
          .about = "initiate to ready where the first of two addresses of a name answers; baseline: it has one",
          .unit = "us",
          .better = Better::lower,
          .target = 1.1,
          .ours = [] { return to_name(true); },
          .baseline = [] { return to_name(false); }};
}

Row tcp_setup() {
  using namespace tcp_setup_row;
  return {.name = "tcp-setup",
          .about = "initiate to ready over the loopback; baseline: non-blocking connect and epoll",
          .unit = "us",
          .better = Better::lower,
          .target = 1.1,
          .ours = ours,
          .baseline = baseline};
}

}  // namespace trellis::bench
