#include "process.h"

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <exception>
#include <vector>

namespace trellis::bench {
namespace {

std::vector<int> allowed_cpus() {
  cpu_set_t set;
  CPU_ZERO(&set);
  std::vector<int> cpus;
  if (sched_getaffinity(0, sizeof set, &set) != 0) return cpus;
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
    if (CPU_ISSET(cpu, &set)) cpus.push_back(cpu);
  }
  return cpus;
}

constexpr auto kPatience = std::chrono::seconds(2);

// Read before anything is pinned: children inherit the narrowed set.
const std::vector<int> all_cpus = allowed_cpus();

}  // namespace

void pin(int n) {
  if (all_cpus.empty()) return;
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(all_cpus[std::min(static_cast<std::size_t>(n), all_cpus.size() - 1)], &set);
  check(sched_setaffinity(0, sizeof set, &set), "sched_setaffinity");
}

void unpin() {
  cpu_set_t set;
  CPU_ZERO(&set);
  for (const int cpu : all_cpus) CPU_SET(cpu, &set);
  check(sched_setaffinity(0, sizeof set, &set), "sched_setaffinity");
}

void die(const std::string& what) {
  const char* why = errno != 0 ? strerrordesc_np(errno) : "unexpected";
  std::fprintf(stderr, "trellis-bench: %s: %s\n", what.c_str(), why);
  std::fflush(stderr);
  _exit(1);
}

void Outlet::write_all(const void* bytes, std::size_t size) const {
  // Less than PIPE_BUF, so it is written whole or not at all.
  if (write(descriptor_, bytes, size) != static_cast<ssize_t>(size)) die("write to the parent");
}

Child::Child(int cpu, const std::function<void(const Outlet&)>& body) {
  int ends[2];
  check(pipe2(ends, O_CLOEXEC), "pipe2");
  std::fflush(nullptr);
  const pid_t parent = getpid();
  pid_ = check(fork(), "fork");
  if (pid_ == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) _exit(1);  // it was gone before the line above
    close(ends[0]);
    pin(cpu);
    body(Outlet(ends[1]));
    std::fflush(nullptr);
    _exit(0);
  }
  close(ends[1]);
  descriptor_ = ends[0];
}

Child::~Child() {
  char end;
  read_all(&end, 1, kPatience);  // its pipe ends when it does: a profiler may have something to write before
  close(descriptor_);
  kill(pid_, SIGKILL);
  while (waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
  }
}

bool Child::read_all(void* bytes, std::size_t size, std::chrono::seconds within) const {
  const double end = now() + static_cast<double>(within.count());
  auto* to = static_cast<char*>(bytes);
  while (size > 0) {
    const double left = end - now();
    pollfd ready{.fd = descriptor_, .events = POLLIN, .revents = 0};
    const int n = left > 0 ? poll(&ready, 1, static_cast<int>(left * 1000) + 1) : 0;
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    const ssize_t got = read(descriptor_, to, size);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return false;
    to += got;
    size -= static_cast<std::size_t>(got);
  }
  return true;
}

double now() {
  timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_nsec) * 1e-9;
}

double cpu_seconds() {
  rusage used;
  getrusage(RUSAGE_SELF, &used);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) * 1e-6;
  };
  return seconds(used.ru_utime) + seconds(used.ru_stime);
}

}  // namespace trellis::bench
