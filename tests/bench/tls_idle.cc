// tls_idle.cc: what one end of an established TLS or QUIC connection costs while nothing happens on it. Counted as in
// idle_memory.cc.
#include <sys/resource.h>

#include <algorithm>
#include <cerrno>

#include "allocation_count.h"
#include "ours.h"
#include "process.h"
#include "rows.h"
#include "tls_ends.h"

namespace trellis::bench {
namespace tls_idle_row {

constexpr std::size_t kConnections = 2500;  // 5 000 ends
constexpr rlim_t kDescriptors = 2 * kConnections + 100;

void raise_limit() {
  rlimit limit{};
  check(getrlimit(RLIMIT_NOFILE, &limit), "getrlimit");
  if (limit.rlim_cur >= kDescriptors) return;
  rlimit wanted{.rlim_cur = kDescriptors, .rlim_max = std::max(limit.rlim_max, kDescriptors)};
  check(setrlimit(RLIMIT_NOFILE, &wanted), "setrlimit");
}

double ours(const std::string& stack) {
  errno = 0;
  if (!count_allocations()) die("idle memory: this build does not count allocations");
  raise_limit();
  Ours ours;
  OurListener listener(ours, stack);
  std::vector<Connection> clients;
  clients.reserve(kConnections);
  listener.accepted.reserve(kConnections);
  const auto connect = [&] {
    clients.push_back(dial(ours, stack, listener.port));
    ours.run_until([&] { return listener.accepted.size() == clients.size(); });
    clients.back().receive(1, SIZE_MAX, [](Result<Message>) {});
    listener.accepted.back().receive(1, SIZE_MAX, [](Result<Message>) {});
  };
  connect();  // what is made once: keys, anchors, tables of the library
  const std::size_t before = allocation_count().live_bytes;
  while (clients.size() < kConnections) connect();
  for (int i = 0; i < 10; ++i) ours.loop->run_once(false);
  return static_cast<double>(allocation_count().live_bytes - before) / static_cast<double>(2 * (kConnections - 1));
}

}  // namespace tls_idle_row

Row tls_idle_memory() {
  using namespace tls_idle_row;
  return {.name = "tls-idle-memory",
          .about = "memory of an idle TLS connection in user space, per end, with 5 000 of them",
          .unit = "bytes",
          .better = Better::lower,
          .ours = [] { return ours(tls_stack()); },
          .limit = 24 * 1024};
}

Row quic_idle_memory() {
  using namespace tls_idle_row;
  return {.name = "quic-idle-memory",
          .about = "the same of an idle QUIC connection with packets of 1452 bytes, as nearly all paths carry them",
          .unit = "bytes",
          .better = Better::lower,
          .ours = [] { return ours(quic_stack(",packet-bytes=1452")); },
          .limit = 40 * 1024};
}

}  // namespace trellis::bench
