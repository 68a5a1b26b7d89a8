#include "core/watchdog.h"

#include <pthread.h>
#include <signal.h>

#include <cstdio>
#include <cstdlib>
#include <string>

namespace trellis {
namespace {

constexpr unsigned kTicks = 4;  // of which a call may live to see so many

// Signals are for the threads of the application.
std::jthread without_signals(auto&& start) {
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  std::jthread thread = start();
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  return thread;
}

}  // namespace

Watchdog::Watchdog(Duration patience)
    : patience_(patience),
      thread_(without_signals([this] { return std::jthread([this](const std::stop_token& stop) { run(stop); }); })) {}

void Watchdog::run(const std::stop_token& stop) {
  std::unique_lock lock(mutex_);
  while (!stop.stop_requested()) {
    stopping_.wait_for(lock, stop, patience_ / kTicks, [] { return false; });
    if (stop.stop_requested()) return;
    for (Watch* watch : watches_) {
      if (++watch->ticks_ > kTicks) bite(*watch);
    }
  }
}

void Watchdog::bite(const Watch& watch) const {
  const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(patience_).count();
  const std::string text = "trellis: " + std::string(watch.kind_) + " '" + std::string(watch.name_) +
                           "' has not returned from " + std::string(watch.call_) + " for " + std::to_string(ms) +
                           " ms and cannot be stopped, so the process ends: use another one, or repair its plugin\n";
  std::fputs(text.c_str(), stderr);
  std::abort();
}

Watchdog::Watch::Watch(Watchdog* dog, std::string_view kind, std::string_view name, std::string_view call)
    : dog_(dog), kind_(kind), name_(name), call_(call) {
  if (dog_ == nullptr) return;
  const std::lock_guard lock(dog_->mutex_);
  dog_->watches_.push_back(this);
}

Watchdog::Watch::~Watch() {
  if (dog_ == nullptr) return;
  const std::lock_guard lock(dog_->mutex_);
  std::erase(dog_->watches_, this);
}

}  // namespace trellis
