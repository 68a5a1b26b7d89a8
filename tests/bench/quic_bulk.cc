// quic_bulk.cc: bulk transfer over one QUIC connection with AES-128-GCM, between two processes with a processor each.
//
// Baselines: ngtcp2 in a plain loop with the same settings; TCP by the framework; one stream instead of many.
#include <cerrno>

#include "our_transfer.h"
#include "raw_quic.h"
#include "rows.h"
#include "tls_ends.h"

namespace trellis::bench {
namespace quic_bulk_row {

constexpr std::size_t kTotal = std::size_t{500} << 20;
constexpr std::uint32_t kMessage = 64 << 10;
constexpr std::size_t kStreams = 100;

double rate(const std::string& stack, std::size_t streams = 1) {
  return our_transfer(stack, {.bytes = kTotal, .message = kMessage, .streams = streams}).gibibytes_per_second;
}

void receive_raw(const Outlet& out) {
  RawQuic end(true);
  out.put(end.port());
  while (end.peers.empty() || !end.peers.front()->complete) end.turn();
  const Meter meter;
  RawQuicPeer& peer = *end.peers.front();
  while (!peer.finished) end.turn();
  out.put(meter.used());
  errno = 0;
  if (peer.bytes != kTotal) die("quic-bulk: bytes are missing");
  while (!peer.over) end.turn();
}

Used send_raw(std::uint16_t port) {
  RawQuic end(false);
  RawQuicPeer& peer = end.dial(port);
  peer.bytes_to_send = kTotal;
  while (!peer.complete) end.turn();
  const Meter meter;
  while (!peer.finished) end.turn();
  const Used used = meter.used();
  end.close(peer);
  return used;
}

Transfer ours() { return our_transfer(quic_stack(), {.bytes = kTotal, .message = kMessage}); }
Transfer raw() { return transfer(kTotal, receive_raw, send_raw); }

}  // namespace quic_bulk_row

Row quic_bulk_cpu() {
  using namespace quic_bulk_row;
  return {.name = "quic-bulk-cpu",
          .about = "processor time of both ends per GiB over one QUIC stream, AES-128-GCM; baseline: a loop on ngtcp2",
          .unit = "s/GiB",
          .better = Better::lower,
          .target = 1.05,
          .ours = [] { return ours().cpu_per_gibibyte; },
          .baseline = [] { return raw().cpu_per_gibibyte; }};
}

Row quic_bulk_rate() {
  using namespace quic_bulk_row;
  return {.name = "quic-bulk-rate",
          .about = "the same transfer, throughput",
          .unit = "GiB/s",
          .better = Better::higher,
          .target = 0.95,
          .ours = [] { return ours().gibibytes_per_second; },
          .baseline = [] { return raw().gibibytes_per_second; },
          .pairs = kPairsNoisy};
}

Row quic_bulk_tcp() {
  using namespace quic_bulk_row;
  return {.name = "quic-bulk-tcp",
          .about = "throughput over one QUIC stream; baseline: the same over TCP, without encryption, by Trellis",
          .unit = "GiB/s",
          .better = Better::higher,
          .target = 0.5,
          .ours = [] { return rate(quic_stack()); },
          .baseline = [] { return rate("tcp"); }};
}

Row quic_streams() {
  using namespace quic_bulk_row;
  return {.name = "quic-streams",
          .about = "throughput over 100 QUIC streams at once; baseline: over one",
          .unit = "GiB/s",
          .better = Better::higher,
          .target = 0.9,
          .ours = [] { return rate(quic_stack(), kStreams); },
          .baseline = [] { return rate(quic_stack()); }};
}

}  // namespace trellis::bench
