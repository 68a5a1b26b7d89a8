// tcpls_bulk.cc: bulk transfers over one TCP connection of TCPLS, as it is by default: everything is acknowledged and
// kept until then, so that it survives the connection. Baseline: the same over our own tls/tcp.
#include "our_transfer.h"
#include "rows.h"
#include "tls_ends.h"

namespace trellis::bench {
namespace tcpls_bulk_row {

constexpr std::size_t kMebibyte = 1 << 20;
constexpr std::uint32_t kMessage = 16 << 10;
constexpr std::size_t kStreams = 1000;

Transfer bulk(const std::string& layer, const std::string& options = {}) {
  return our_transfer(tls_stack(options, layer), {.bytes = 512 * kMebibyte, .message = kMessage});
}
double streams_rate(std::size_t streams) {
  return our_transfer(tls_stack({}, "tcpls"), {.bytes = kStreams * kMebibyte, .message = kMessage, .streams = streams})
      .gibibytes_per_second;
}

}  // namespace tcpls_bulk_row

Row tcpls_bulk_cpu() {
  using namespace tcpls_bulk_row;
  return {.name = "tcpls-bulk-cpu",
          .about = "processor time of both ends per GiB over TCPLS, one stream; baseline: our tls/tcp",
          .unit = "s/GiB",
          .better = Better::lower,
          .target = 1 / 0.9,
          .ours = [] { return bulk("tcpls").cpu_per_gibibyte; },
          .baseline = [] { return bulk("tls").cpu_per_gibibyte; }};
}

Row tcpls_bulk_rate() {
  using namespace tcpls_bulk_row;
  return {.name = "tcpls-bulk-rate",
          .about = "throughput of the same transfer",
          .unit = "GiB/s",
          .better = Better::higher,
          .target = 0.9,
          .ours = [] { return bulk("tcpls").gibibytes_per_second; },
          .baseline = [] { return bulk("tls").gibibytes_per_second; }};
}

Row tcpls_bare_cpu() {
  using namespace tcpls_bulk_row;
  return {.name = "tcpls-bare-cpu",
          .about = "as tcpls-bulk-cpu, but nothing is kept for a failover",
          .unit = "s/GiB",
          .better = Better::lower,
          .target = 1 / 0.95,
          .ours = [] { return bulk("tcpls", ",failover=false").cpu_per_gibibyte; },
          .baseline = [] { return bulk("tls").cpu_per_gibibyte; }};
}

Row tcpls_bare_rate() {
  using namespace tcpls_bulk_row;
  return {.name = "tcpls-bare-rate",
          .about = "throughput of the same transfer",
          .unit = "GiB/s",
          .better = Better::higher,
          .target = 0.95,
          .ours = [] { return bulk("tcpls", ",failover=false").gibibytes_per_second; },
          .baseline = [] { return bulk("tls").gibibytes_per_second; }};
}

Row tcpls_streams() {
  using namespace tcpls_bulk_row;
  return {.name = "tcpls-streams",
          .about = "throughput of 1000 streams of 1 MiB over one TCPLS connection; baseline: one stream of 1000 MiB",
          .unit = "GiB/s",
          .better = Better::higher,
          .target = 0.85,
          .ours = [] { return streams_rate(kStreams); },
          .baseline = [] { return streams_rate(1); }};
}

}  // namespace trellis::bench
