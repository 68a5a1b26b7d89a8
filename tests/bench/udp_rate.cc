// udp_rate.cc: datagrams per second, from one socket to another in bursts that fit into the socket's buffer.
//
// Both ends live on one loop, so that nothing is lost and each datagram is sent and received in the measured time. The
// receiving side is a server, which must know who each datagram comes from.
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <array>

#include "laps.h"
#include "ours.h"
#include "process.h"
#include "raw_sockets.h"
#include "rows.h"

namespace trellis::bench {
namespace udp_rate_row {

constexpr std::uint32_t kDatagram = 1200;
constexpr std::size_t kBurst = 64;  // 147 KB as the kernel counts them; a socket's buffer has 208 KB by default
constexpr std::size_t kBursts = 4000;
constexpr std::size_t kReadBytes = 2048;
constexpr double kThousand = 1e3;

// Arrays for sendmmsg and recvmmsg, set up once.
template <std::size_t kSize>
struct Burst {
  std::array<std::array<char, kSize>, kBurst> data{};
  std::array<iovec, kBurst> parts{};
  std::array<sockaddr_in, kBurst> peers{};
  std::array<mmsghdr, kBurst> messages{};
  explicit Burst(bool with_peers) {
    for (std::size_t i = 0; i < kBurst; ++i) {
      parts[i] = {.iov_base = data[i].data(), .iov_len = kSize};
      messages[i].msg_hdr.msg_iov = &parts[i];
      messages[i].msg_hdr.msg_iovlen = 1;
      if (with_peers) messages[i].msg_hdr.msg_name = &peers[i];
    }
  }
  // The kernel overwrites the lengths.
  void renew() {
    for (mmsghdr& message : messages) message.msg_hdr.msg_namelen = sizeof(sockaddr_in);
  }
};

double rate(const Laps& bursts) { return kBurst / bursts.typical() / kThousand; }

double baseline() {
  const int receiver = raw_udp(), sender = raw_udp();
  raw_connect(sender, local_address(receiver));
  const Epoll epoll;
  epoll.add(receiver, EPOLLIN);
  static Burst<kDatagram> out(false);
  static Burst<kReadBytes> in(true);
  Laps bursts(kBursts);
  bursts.begin();
  while (bursts.count() < kBursts) {
    int left = check(sendmmsg(sender, out.messages.data(), kBurst, 0), "sendmmsg");
    if (left != kBurst) die("sendmmsg sent less than a burst");
    while (left > 0) {
      epoll_event event;
      check(epoll_wait(epoll.descriptor(), &event, 1, -1), "epoll_wait");
      in.renew();
      left -= check(recvmmsg(receiver, in.messages.data(), kBurst, MSG_DONTWAIT, nullptr), "recvmmsg");
    }
    bursts.lap();
  }
  close(receiver);
  close(sender);
  return rate(bursts);
}

// Takes datagrams; the last one of a burst asks for the next burst.
struct Sink {
  Connection& from;
  Connection& to;
  Laps& bursts;
  std::size_t left = 0;
  void send_burst() {
    for (left = 0; left < kBurst; ++left) to.send(to.allocate(kDatagram));
  }
  void burst_ended() {
    bursts.lap();
    send_burst();
  }
  void receive() {
    from.receive(kWholeMessage, kReadBytes, [this](Result<Message> message) {
      if (expect(std::move(message), "receive").data.size() != kDatagram) die("a datagram has changed its size");
      if (--left == 0) burst_ended();
      receive();
    });
  }
};

double ours() {
  Ours ours;
  OurListener listener(ours, "udp");
  Connection client = dial(ours, "udp", listener.port);
  client.send(client.allocate(kDatagram));  // shows the client to the server
  ours.run_until([&] { return !listener.accepted.empty(); });
  Laps bursts(2 * kBursts);
  Sink sink{listener.accepted.front(), client, bursts, 1};
  bursts.begin();
  sink.receive();
  ours.run_until([&] { return bursts.count() >= kBursts; });
  return rate(bursts);
}

}  // namespace udp_rate_row

Row udp_rate() {
  using namespace udp_rate_row;
  return {.name = "udp-rate",
          .about =
              "UDP datagrams of 1200 bytes per second; baseline: sendmmsg and recvmmsg of 64, each one by itself in "
              "the kernel",
          .unit = "k/s",
          .better = Better::higher,
          .target = 0.9,
          .ours = ours,
          .baseline = baseline};
}

}  // namespace trellis::bench
