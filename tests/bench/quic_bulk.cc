// quic_bulk.cc: bulk transfer over one QUIC connection with AES-128-GCM, between two processes with a processor each.
#include "our_transfer.h"
#include "rows.h"
#include "tls_ends.h"

namespace trellis::bench {
namespace {

constexpr std::size_t kTotal = std::size_t{500} << 20;
constexpr std::uint32_t kMessage = 64 << 10;
constexpr std::size_t kStreams = 100;

double rate(const std::string& stack, std::size_t streams = 1) {
  return our_transfer(stack, {.bytes = kTotal, .message = kMessage, .streams = streams}).gibibytes_per_second;
}

}  // namespace

Row quic_bulk_tcp() {
  return {.name = "quic-bulk-tcp",
          .about = "throughput over one QUIC stream; baseline: the same over TCP, without encryption, by Trellis",
          .unit = "GiB/s",
          .better = Better::higher,
          .target = 0.5,
          .ours = [] { return rate(quic_stack()); },
          .baseline = [] { return rate("tcp"); }};
}

Row quic_streams() {
  return {.name = "quic-streams",
          .about = "throughput over 100 QUIC streams at once; baseline: over one",
          .unit = "GiB/s",
          .better = Better::higher,
          .target = 0.9,
          .ours = [] { return rate(quic_stack(), kStreams); },
          .baseline = [] { return rate(quic_stack()); }};
}

}  // namespace trellis::bench
