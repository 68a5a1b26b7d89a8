// start_up.cc: how long an application waits until it can call initiate(): policy read, plugins found, checked and
// opened, stacks composed.
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <vector>

#include "ours.h"
#include "process.h"
#include "rows.h"

namespace trellis::bench {
namespace start_up_row {

constexpr int kProbes = 9;
constexpr double kMilliseconds = 1e3;

// What the probe writes to its standard output.
struct Probe {
  double created;  // seconds from main() to a loop and a framework
  double ready;    // when that was, on the clock of now()
};

Probe probe_in_new_process(double& from_exec) {
  int ends[2];
  check(pipe2(ends, O_CLOEXEC), "pipe2");
  const double begin = now();
  const pid_t child = check(fork(), "fork");
  if (child == 0) {
    dup2(ends[1], STDOUT_FILENO);
    execl("/proc/self/exe", "trellis-bench", kProbeStartUp, nullptr);
    _exit(1);
  }
  close(ends[1]);
  Probe probe{};
  const ssize_t got = read(ends[0], &probe, sizeof probe);
  close(ends[0]);
  int status = 0;
  check(waitpid(child, &status, 0), "waitpid");
  errno = 0;
  if (got != sizeof probe || status != 0) die("start-up: the new process ended without a result");
  from_exec = probe.ready - begin;
  return probe;
}

double ours() {
  std::vector<double> created, from_exec;
  for (int i = 0; i < kProbes; ++i) {
    created.push_back(probe_in_new_process(from_exec.emplace_back()).created);
  }
  std::fprintf(stderr, "start-up: %.2f ms from exec\n", median(from_exec) * kMilliseconds);
  return median(created) * kMilliseconds;
}

}  // namespace start_up_row

int probe_start_up() {
  using namespace start_up_row;
  const double begin = now();
  const Ours ours;
  const double ready = now();
  const Probe probe{.created = ready - begin, .ready = ready};
  return write(STDOUT_FILENO, &probe, sizeof probe) == sizeof probe ? 0 : 1;
}

Row start_up() {
  using namespace start_up_row;
  return {.name = "start-up",
          .about = "from main() until initiate() can be called with the default policy, in a new process",
          .unit = "ms",
          .better = Better::lower,
          .ours = ours,
          .limit = 5};
}

}  // namespace trellis::bench
