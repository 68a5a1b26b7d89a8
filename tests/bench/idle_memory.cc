// idle_memory.cc: what one end of an established TCP connection costs in this process while nothing happens on it.
//
// Counted is everything that malloc has given out for the connections and their waiting receives, on both ends, divided
// by the number of ends. What the kernel keeps for a socket is not in it.
#include <sys/resource.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>

#include "allocation_count.h"
#include "ours.h"
#include "process.h"
#include "rows.h"

namespace trellis::bench {
namespace idle_memory_row {

constexpr rlim_t kConnections = 10'000;
constexpr rlim_t kOtherDescriptors = 100;

// As many connections as there can be descriptors for; root may raise the limit.
std::size_t connections_possible() {
  constexpr rlim_t kWanted = 2 * kConnections + kOtherDescriptors;
  rlimit limit{};
  check(getrlimit(RLIMIT_NOFILE, &limit), "getrlimit");
  rlimit wanted{.rlim_cur = kWanted, .rlim_max = std::max(limit.rlim_max, kWanted)};
  if (setrlimit(RLIMIT_NOFILE, &wanted) != 0) {
    wanted = {.rlim_cur = std::min(limit.rlim_max, kWanted), .rlim_max = limit.rlim_max};
    check(setrlimit(RLIMIT_NOFILE, &wanted), "setrlimit");
  }
  return static_cast<std::size_t>((wanted.rlim_cur - kOtherDescriptors) / 2);
}

void wait_for_input(Connection& connection) {
  connection.receive(1, SIZE_MAX, [](Result<Message>) {});
}

double ours() {
  errno = 0;
  if (!count_allocations()) die("idle-memory: this build does not count allocations");
  const std::size_t n = connections_possible();
  if (n < kConnections) std::fprintf(stderr, "idle-memory: descriptors for %zu connections only\n", n);
  Ours ours;
  OurListener listener(ours, "tcp");
  std::vector<Connection> clients;
  clients.reserve(n);
  listener.accepted.reserve(n);
  const std::size_t before = allocation_count().live_bytes;
  for (std::size_t i = 0; i < n; ++i) {
    clients.push_back(dial(ours, "tcp", listener.port));
    ours.run_until([&] { return listener.accepted.size() == i + 1; });
    wait_for_input(clients.back());
    wait_for_input(listener.accepted.back());
  }
  ours.loop->run_once(false);
  return static_cast<double>(allocation_count().live_bytes - before) / static_cast<double>(2 * n);
}

}  // namespace idle_memory_row

Row idle_memory() {
  using namespace idle_memory_row;
  return {.name = "idle-memory",
          .about = "memory of an idle TCP connection in user space, per end, with 10 000 of them",
          .unit = "bytes",
          .better = Better::lower,
          .ours = ours,
          .limit = 2048};
}

}  // namespace trellis::bench
