// sctp_bulk.cc: bulk transfer over one SCTP association in UDP, between two processes with a processor each. Messages
// of 64 KiB, packets for a path of 1500 bytes; baseline: a bare loop on usrsctp.
#include <unistd.h>
#include <usrsctp.h>

#include <algorithm>
#include <cerrno>
#include <functional>
#include <string_view>
#include <vector>

#include "bare_sctp.h"
#include "ours.h"
#include "raw_sockets.h"
#include "rows.h"
#include "threaded_sctp.h"
#include "transfer.h"

namespace trellis::bench {
namespace sctp_bulk_row {

constexpr std::size_t kTotal = std::size_t{96} << 20;
constexpr std::uint32_t kMessage = 64 << 10;
constexpr std::string_view kStack = "sctp/udp";

// False: nothing is there, or no more.
bool read_some(struct socket* from, std::size_t& got) {
  const ssize_t n = bare_sctp_read(from);
  if (n > 0) got += static_cast<std::size_t>(n);
  return n > 0;
}

void receive_bare(const Outlet& out) {
  BareSctp sctp;
  const int udp = bare_sctp_udp();
  struct socket* const listener = sctp.listen();
  out.put(ntohs(local_address(udp).sin_port));
  struct socket* peer = nullptr;
  while (peer == nullptr) {
    sctp.turn({&udp, 1});
    peer = usrsctp_accept(listener, nullptr, nullptr);
  }
  usrsctp_set_non_blocking(peer, 1);
  const Meter meter;
  for (std::size_t got = 0; got < kTotal;) {
    sctp.turn({&udp, 1});
    while (read_some(peer, got)) {
    }
  }
  out.put(meter.used());
  usrsctp_sendv(peer, "", 1, nullptr, 0, nullptr, 0, SCTP_SENDV_NOINFO, 0);  // tells the sender
  for (int i = 0; i < 20; ++i) sctp.turn({&udp, 1});
}

Used send_bare(std::uint16_t port) {
  BareSctp sctp;
  const int udp = bare_sctp_udp();
  struct socket* const peer = sctp.dial(udp, raw_address(port));
  while ((usrsctp_get_events(peer) & SCTP_EVENT_WRITE) == 0) sctp.turn({&udp, 1});
  const std::vector<char> message(kMessage);
  const Meter meter;
  std::size_t sent = 0, got = 0;
  while (!read_some(peer, got)) {
    while (sent < kTotal) {
      if (usrsctp_sendv(peer, message.data(), kMessage, nullptr, 0, nullptr, 0, SCTP_SENDV_NOINFO, 0) < 0) {
        if (errno == EWOULDBLOCK) break;
        die("usrsctp_sendv");
      }
      sent += kMessage;
    }
    sctp.turn({&udp, 1});
  }
  return meter.used();
}

// ---- ours: as the bare loop does it, down to the message that ends it

void receive_ours(const Outlet& out) {
  Ours ours;
  OurListener listener(ours, kStack);
  out.put(listener.port);
  ours.run_until([&] { return !listener.accepted.empty(); });
  Connection& peer = listener.accepted.front();
  const Meter meter;
  std::size_t got = 0;
  std::function<void()> receive = [&] {
    peer.receive(1, SIZE_MAX, [&](Result<Message> message) {
      got += expect(std::move(message), "receive").data.size();
      receive();
    });
  };
  receive();
  ours.run_until([&] { return got >= kTotal; });
  out.put(meter.used());
  peer.send(peer.allocate(1));  // tells the sender
  for (int i = 0; i < 20; ++i) ours.loop->run_once(false);
  _exit(0);
}

Used send_ours(std::uint16_t port) {
  Ours ours;
  Connection peer = dial(ours, kStack, port);
  bool told = false;
  std::size_t sent = 0;
  const auto fill = [&] {
    for (bool room = true; room && sent < kTotal; sent += kMessage) room = peer.send(peer.allocate(kMessage));
  };
  const Meter meter;
  peer.receive(1, SIZE_MAX, [&](Result<Message> message) {
    expect(std::move(message), "receive");
    told = true;
  });
  peer.on_writable(fill);
  fill();
  ours.run_until([&] { return told; });
  const Used used = meter.used();
  peer.abort();
  return used;
}

Transfer ours() { return transfer(kTotal, receive_ours, send_ours); }
Transfer bare() { return transfer(kTotal, receive_bare, send_bare); }

constexpr std::size_t kThreadedTotal = kTotal / 4;  // it is so much slower

}  // namespace sctp_bulk_row

Row sctp_bulk_cpu() {
  using namespace sctp_bulk_row;
  return {.name = "sctp-bulk-cpu",
          .about = "processor time of both ends per GiB over SCTP in UDP, messages of 64 KiB; baseline: bare usrsctp",
          .unit = "s/GiB",
          .better = Better::lower,
          .target = 1 / 0.95,
          .ours = [] { return ours().cpu_per_gibibyte; },
          .baseline = [] { return bare().cpu_per_gibibyte; }};
}

Row sctp_bulk_rate() {
  using namespace sctp_bulk_row;
  return {.name = "sctp-bulk-rate",
          .about = "throughput of the same transfer",
          .unit = "GiB/s",
          .better = Better::higher,
          .target = 0.95,
          .ours = [] { return ours().gibibytes_per_second; },
          .baseline = [] { return bare().gibibytes_per_second; }};
}

Row sctp_bulk_threaded() {
  using namespace sctp_bulk_row;
  return {.name = "sctp-bulk-threaded",
          .about = "throughput of the same transfer; baseline: usrsctp with threads, as its own test tool has it",
          .unit = "GiB/s",
          .better = Better::higher,
          .target = 5,
          .ours = [] { return ours().gibibytes_per_second; },
          .baseline = [] { return threaded_sctp(kThreadedTotal, kMessage).gibibytes_per_second; }};
}

}  // namespace trellis::bench
