#include "signals.h"

#include <csignal>

#include <pthread.h>

namespace trellis::tool {

namespace {

sigset_t handled() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGINT);
  sigaddset(&set, SIGTERM);
  return set;
}

}  // namespace

Signals::Signals(Loop& loop) : loop_(loop) {
  const sigset_t set = handled();
  pthread_sigmask(SIG_BLOCK, &set, nullptr);  // inherited by every thread to come, so only thread_ gets them
  thread_ = std::thread([this, set] {
    int number = 0;
    while (sigwait(&set, &number) != 0) {
    }
    if (over_) return;
    received_ = number;
    loop_.stop();
  });
}

Signals::~Signals() {
  over_ = true;
  // It ends nothing: the thread waits for it in sigwait().
  // NOLINTNEXTLINE(bugprone-bad-signal-to-kill-thread)
  if (received_ == 0) pthread_kill(thread_.native_handle(), SIGTERM);
  thread_.join();
  const sigset_t set = handled();
  pthread_sigmask(SIG_UNBLOCK, &set, nullptr);
}

}  // namespace trellis::tool
