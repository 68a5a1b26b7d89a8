// tcp_pingpong.cc: one byte there and one byte back over TCP, again and again.
//
// Both ends live on one loop in one process, as in a proxy: the time is then that of system calls and of what surrounds
// them, and not that of waking another processor, which would hide both.
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "laps.h"
#include "ours.h"
#include "process.h"
#include "raw_sockets.h"
#include "rows.h"

namespace trellis::bench {
namespace tcp_pingpong_row {

constexpr std::size_t kLaps = 2000;
constexpr int kRoundTrips = 20;  // in a lap
constexpr std::size_t kReadBytes = 65536;
constexpr double kMicroseconds = 1e6;

double baseline() {
  const auto [client, server] = raw_pair();
  const Epoll epoll;
  epoll.add(client, EPOLLIN);
  epoll.add(server, EPOLLIN);
  static char buffer[kReadBytes];
  int round_trips = 0;
  Laps laps(kLaps);
  laps.begin();
  check(send(client, buffer, 1, MSG_NOSIGNAL), "send");
  while (laps.count() < kLaps) {
    epoll_event events[16];
    const int n = check(epoll_wait(epoll.descriptor(), events, 16, -1), "epoll_wait");
    for (int i = 0; i < n; ++i) {
      const int descriptor = events[i].data.fd;
      check(recv(descriptor, buffer, sizeof buffer, 0), "recv");
      if (descriptor == client && ++round_trips % kRoundTrips == 0) laps.lap();
      check(send(descriptor, buffer, 1, MSG_NOSIGNAL), "send");
    }
  }
  close(client);
  close(server);
  return laps.typical() / kRoundTrips * kMicroseconds;
}

// Answers each byte with a byte.
struct Echo {
  Connection& connection;
  Laps* laps;  // null: somebody else counts
  int answered = 0;
  void send() {
    Slice byte = connection.allocate(1);
    byte.edit()[0] = std::byte{1};
    connection.send(std::move(byte));
  }
  void receive() {
    connection.receive(1, kReadBytes, [this](Result<Message> message) {
      expect(std::move(message), "receive");
      if (laps != nullptr && ++answered % kRoundTrips == 0) laps->lap();
      send();
      receive();
    });
  }
};

double ours() {
  OurPair pair("tcp");
  Laps laps(2 * kLaps);
  Echo client{pair.client, &laps}, server{pair.server, nullptr};
  client.receive();
  server.receive();
  laps.begin();
  client.send();
  pair.run_until([&laps] { return laps.count() >= kLaps; });
  return laps.typical() / kRoundTrips * kMicroseconds;
}

}  // namespace tcp_pingpong_row

Row tcp_pingpong() {
  using namespace tcp_pingpong_row;
  return {.name = "tcp-pingpong",
          .about = "a round trip of one byte over TCP; baseline: epoll, recv and send",
          .unit = "us",
          .better = Better::lower,
          .target = 1.15,
          .ours = ours,
          .baseline = baseline};
}

}  // namespace trellis::bench
