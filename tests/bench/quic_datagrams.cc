// quic_datagrams.cc: a million datagrams (RFC 9221) of 1200 bytes over one QUIC connection, between two processes.
//
// The rate is that of the receiver. Datagrams are not sent again, so a few may be missing; more than that is a failure.
#include <cerrno>

#include "ours.h"
#include "raw_quic.h"
#include "rows.h"
#include "tls_ends.h"
#include "transfer.h"

namespace trellis::bench {
namespace quic_datagrams_row {

constexpr std::size_t kCount = 1'000'000;
constexpr std::size_t kLeast = kCount / 100 * 95;
constexpr double kThousand = 1e3;

void expect_enough(const char* whose, std::size_t received) {
  errno = 0;
  if (received < kLeast)
    die("quic-datagrams, " + std::string(whose) + ": only " + std::to_string(received) + " have come");
}

// ---- ours

struct Taker {
  Connection& from;
  std::size_t got = 0;
  void receive() {
    from.receive(kWholeMessage, kRawDatagram, [this](Result<Message> message) {
      if (!message) return;
      if (message->data.size() == kRawDatagram) ++got;
      receive();
    });
  }
};

// The end of the stream tells that all have been sent.
void receive_ours(const Outlet& out) {
  Ours ours;
  OurListener listener(ours, quic_stack());
  out.put(listener.port);
  std::vector<Connection>& both = listener.accepted;
  ours.run_until([&] { return both.size() == 2; });
  if (both[0].face() == Face::datagram) std::swap(both[0], both[1]);
  const Meter meter;
  Taker taker{both[1]};
  taker.receive();
  bool over = false;
  both[0].receive(SIZE_MAX, SIZE_MAX, [&over](Result<Message>) { over = true; });
  ours.run_until([&] { return over; });
  out.put(meter.used());
  expect_enough("ours", taker.got);
  bool closed = false;
  both[0].close([&closed](Result<void>) { closed = true; });
  ours.run_until([&] { return closed; });
}

Used send_ours(std::uint16_t port) {
  Ours ours;
  Connection stream = dial(ours, quic_stack(), port);
  stream.send(stream.allocate(1));
  bool ready = false;
  Connection datagrams = stream.clone(
      [&ready](Result<void> how) {
        expect(std::move(how), "clone");
        ready = true;
      },
      {.face = Face::datagram});
  ours.run_until([&ready] { return ready; });
  // Once it is known that packets of their size come through.
  ours.run_until([&] { return std::get<std::uint64_t>(*datagrams.get("sendMsgMaxLen")) >= kRawDatagram; });
  const Meter meter;
  std::size_t sent = 0;
  const auto fill = [&] {
    for (bool room = true; room && sent < kCount; ++sent) room = datagrams.send(datagrams.allocate(kRawDatagram));
  };
  datagrams.on_writable(fill);
  fill();
  ours.run_until([&] { return sent == kCount; });
  bool gone = false, closed = false;
  datagrams.close([&gone](Result<void>) { gone = true; });
  ours.run_until([&gone] { return gone; });
  stream.close([&closed](Result<void>) { closed = true; });
  ours.run_until([&closed] { return closed; });
  return meter.used();
}

// ---- the baseline

void receive_raw(const Outlet& out) {
  RawQuic end(true);
  out.put(end.port());
  while (end.peers.empty() || !end.peers.front()->complete) end.turn();
  const Meter meter;
  const RawQuicPeer& peer = *end.peers.front();
  while (!peer.over) end.turn();
  out.put(meter.used());
  expect_enough("the baseline", peer.datagrams);
}

Used send_raw(std::uint16_t port) {
  RawQuic end(false);
  RawQuicPeer& peer = end.dial(port);
  peer.datagrams_to_send = kCount;
  while (!peer.complete) end.turn();
  const Meter meter;
  while (peer.datagrams_to_send > 0) end.turn();
  end.close(peer);
  return meter.used();
}

double rate(const Transfer& transfer) {
  constexpr double kGibibytes = static_cast<double>(kCount * kRawDatagram) / (std::size_t{1} << 30);
  return transfer.gibibytes_per_second / kGibibytes * kCount / kThousand;
}

}  // namespace quic_datagrams_row

Row quic_datagrams() {
  using namespace quic_datagrams_row;
  return {.name = "quic-datagrams",
          .about = "QUIC datagrams of 1200 bytes per second, a million of them; baseline: a loop on ngtcp2",
          .unit = "k/s",
          .better = Better::higher,
          .target = 0.9,
          .ours = [] { return rate(transfer(kCount * kRawDatagram, receive_ours, send_ours)); },
          .baseline = [] { return rate(transfer(kCount * kRawDatagram, receive_raw, send_raw)); }};
}

}  // namespace trellis::bench
