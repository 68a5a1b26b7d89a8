// lookup_threads.h: a few threads that run blocking work, because getaddrinfo(3) knows no other way to wait.
#pragma once
#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>

namespace trellis {

/// Runs work in the order in which it came, a few pieces at a time. The threads start when there is work and end when
/// there is none, so that a program that resolves nothing has none of them.
class LookupThreads {
 public:
  /// At most this many pieces of work at a time; the rest waits.
  static constexpr unsigned kThreadsMost = 16;

  LookupThreads() : shared_(std::make_shared<Shared>()) {}
  /// Drops what has not begun. What has begun is not waited for, since that may take many seconds: the work itself must
  /// find out that nobody listens any more.
  ~LookupThreads();
  LookupThreads(const LookupThreads&) = delete;
  LookupThreads& operator=(const LookupThreads&) = delete;

  /// Queues work. False: no thread runs and none could be started.
  bool run(std::function<void()> work) noexcept;

 private:
  struct Shared {  // kept alive by the threads
    std::mutex mutex;
    std::deque<std::function<void()>> queue;
    unsigned threads = 0;
  };
  static void serve(const std::shared_ptr<Shared>& shared) noexcept;
  std::shared_ptr<Shared> shared_;
};

}  // namespace trellis
