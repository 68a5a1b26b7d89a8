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
  sigaddset(&set, SIGHUP);
  return set;
}

}  // namespace

Signals::Signals(Loop& loop) : loop_(loop) {
  const sigset_t set = handled();
  pthread_sigmask(SIG_BLOCK, &set, nullptr);  // inherited by every thread to come, so only thread_ gets them
  thread_ = std::thread([this, set] {
    for (int number = 0; !over_;) {
      if (sigwait(&set, &number) != 0 || over_) continue;
      if (number != SIGHUP) {
        received_ = number;
        return loop_.stop();
      }
      loop_.post([this] { hang_up(); });
    }
  });
}

Signals::~Signals() {
  over_ = true;
  // It ends nothing: the thread waits for it in sigwait().
  // NOLINTNEXTLINE(bugprone-bad-signal-to-kill-thread)
  if (received_ == 0 || received_ == SIGHUP) pthread_kill(thread_.native_handle(), SIGTERM);
  thread_.join();
  const sigset_t set = handled();
  pthread_sigmask(SIG_UNBLOCK, &set, nullptr);
}

void Signals::hang_up() {
  if (on_hangup) return on_hangup();
  received_ = SIGHUP;
  loop_.stop();
}

}  // namespace trellis::tool
