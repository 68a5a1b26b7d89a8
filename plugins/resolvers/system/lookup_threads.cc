#include "lookup_threads.h"

#include <pthread.h>

#include <csignal>
#include <system_error>
#include <thread>
#include <utility>

namespace trellis {
namespace {

// Signals are for the application's threads: those started while this lives get none.
class SignalsHeld {
 public:
  SignalsHeld() noexcept {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before_);
  }
  ~SignalsHeld() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
  SignalsHeld(const SignalsHeld&) = delete;
  SignalsHeld& operator=(const SignalsHeld&) = delete;

 private:
  sigset_t before_{};
};

}  // namespace

LookupThreads::~LookupThreads() {
  const std::lock_guard lock(shared_->mutex);
  shared_->queue.clear();
}

bool LookupThreads::run(std::function<void()> work) noexcept {
  const std::lock_guard lock(shared_->mutex);
  shared_->queue.push_back(std::move(work));
  if (shared_->threads == kThreadsMost) return true;
  const SignalsHeld held;
  try {
    std::thread([shared = shared_] { serve(shared); }).detach();
    ++shared_->threads;
  } catch (const std::system_error&) {
    if (shared_->threads > 0) return true;  // one that runs comes to it
    shared_->queue.pop_back();
    return false;
  }
  return true;
}

void LookupThreads::serve(const std::shared_ptr<Shared>& shared) noexcept {
  for (;;) {
    std::function<void()> work;
    {
      const std::lock_guard lock(shared->mutex);
      if (shared->queue.empty()) {
        --shared->threads;
        return;
      }
      work = std::move(shared->queue.front());
      shared->queue.pop_front();
    }
    work();
  }
}

}  // namespace trellis
