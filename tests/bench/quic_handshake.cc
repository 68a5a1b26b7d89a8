// quic_handshake.cc: full handshakes of a server, by the processor time that it needs for each. The client is the same
// for ours and for the baseline: the plain loop on ngtcp2, one handshake after the other, in a process of its own.
#include <cerrno>

#include "ours.h"
#include "process.h"
#include "raw_quic.h"
#include "rows.h"
#include "tls_ends.h"
#include "transfer.h"

namespace trellis::bench {
namespace quic_handshake_row {

constexpr std::size_t kFirst = 50;  // caches and pools fill
constexpr std::size_t kHandshakes = 700;

void serve_ours(const Outlet& out) {
  Ours ours;
  std::size_t accepted = 0;
  OurListener listener(ours, quic_stack(",resumption=false,tickets=0"), [&](Connection&) { ++accepted; });
  out.put(listener.port);
  const auto serve = [&](std::size_t until) {
    while (accepted < until) {
      ours.loop->run_once(true);
      listener.accepted.clear();
    }
  };
  serve(kFirst);
  const Meter meter;
  serve(kHandshakes);
  out.put(meter.used());
  serve(kHandshakes + 1);
}

void serve_raw(const Outlet& out) {
  RawQuic end(true);
  out.put(end.port());
  std::size_t accepted = 0;
  const auto serve = [&](std::size_t until) {
    while (accepted < until) {
      end.turn();
      for (; !end.peers.empty() && end.peers.front()->over; ++accepted) end.close(*end.peers.front());
    }
  };
  serve(kFirst);
  const Meter meter;
  serve(kHandshakes);
  out.put(meter.used());
  serve(kHandshakes + 1);
}

double rate(const std::function<void(const Outlet&)>& serve) {
  constexpr auto kDeadline = std::chrono::seconds(kSecondsMax);
  Child server(kServerCpu, serve);
  const auto port = server.take<std::uint16_t>(kDeadline);
  errno = 0;
  if (!port) die("quic-handshakes: the server ended");
  RawQuic end(false);
  for (std::size_t i = 0; i < kHandshakes; ++i) {
    RawQuicPeer& peer = end.dial(*port);
    peer.bytes_to_send = 1;
    while (!peer.finished && !peer.over) end.turn();
    end.close(peer);
  }
  // The server stays until one more has come, so that the last one is not left alone.
  RawQuicPeer& last = end.dial(*port);
  last.bytes_to_send = 1;
  while (!last.complete) end.turn();
  end.close(last);
  const auto used = server.take<Used>(kDeadline);
  errno = 0;
  if (!used) die("quic-handshakes: the server ended");
  return static_cast<double>(kHandshakes - kFirst) / used->cpu;
}

}  // namespace quic_handshake_row

Row quic_handshakes() {
  using namespace quic_handshake_row;
  return {.name = "quic-handshakes",
          .about = "full handshakes in a second of a QUIC server's processor time; baseline: a loop on ngtcp2",
          .unit = "/s",
          .better = Better::higher,
          .target = 0.95,
          .ours = [] { return rate(serve_ours); },
          .baseline = [] { return rate(serve_raw); },
          .pairs = kPairsNoisy};
}

}  // namespace trellis::bench
