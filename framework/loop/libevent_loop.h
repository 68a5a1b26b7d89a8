// libevent_loop.h: the real loop: one event_base, one thread, real time and real sockets.
//
// A turn is what happens between two polls: first the callbacks of everything that the poll found ready (sockets,
// timers, posted tasks), then its end, which runs the queued jobs. The first of those callbacks asks for the end. On a
// base of our own it follows the poll; in an application's base it is a libevent event that is made active then, and so
// comes after all the others. See turn_end() for what else it does.
#pragma once
#include <event2/event.h>
#include <event2/event_struct.h>

#include <atomic>
#include <functional>
#include <mutex>
#include <random>
#include <vector>

#include "loop/block_pool.h"
#include "loop/job_queue.h"
#include "loop/posix_sockets.h"
#include "loop/timer_queue.h"
#include "trellis/loop.h"

namespace trellis {

/// What make_loop() makes. Sockets must be destroyed before it; jobs, alarms and blocks may outlive it.
class LibeventLoop final : public Loop {
 public:
  explicit LibeventLoop(const LoopOptions& options);
  LibeventLoop(const LibeventLoop&) = delete;
  LibeventLoop& operator=(const LibeventLoop&) = delete;
  ~LibeventLoop() override;

  void run() noexcept override;
  void run_once(bool wait) noexcept override;
  void stop() noexcept override;

  TimePoint now() const noexcept override;
  std::chrono::system_clock::time_point wall_clock() const noexcept override;
  void post(std::move_only_function<void()> task) noexcept override;
  void queue(Job& job) noexcept override;
  void again(Job& job) noexcept override;
  void arm(Alarm& alarm, TimePoint deadline) noexcept override;
  void disarm(Alarm& alarm) noexcept override;
  Sockets& sockets() noexcept override { return sockets_; }
  SizeClassPool& pool() noexcept override { return pool_; }
  std::uint64_t random() noexcept override { return random_(); }
  void secret(std::span<std::byte> out) noexcept override;
  unsigned loop() const noexcept override { return index_; }
  unsigned loops() const noexcept override { return count_; }

  event_base* base() const noexcept { return base_; }  ///< for sockets
  /// Every callback of libevent starts with it: from here to the end of the turn now() stands still.
  void begin_turn() noexcept {
    in_turn_ = true;
    want_turn_end();
  }

 private:
  static void on_timer(evutil_socket_t, short, void* self) noexcept;
  static void on_wake(evutil_socket_t, short, void* self) noexcept;
  static void on_polled(evutil_socket_t, short, void* self) noexcept;
  static void on_turn_end(evutil_socket_t, short, void* self) noexcept;
  void want_turn_end() noexcept {
    if (turn_end_wanted_) return;
    turn_end_wanted_ = true;
    if (!own_base_) event_active(&turn_end_, EV_TIMEOUT, 0);
  }
  void turn_end() noexcept;
  void poll(int flags) noexcept;
  void set_timer() noexcept;
  void wake() noexcept;

  event_base* base_;
  bool own_base_;
  unsigned index_, count_;
  int timer_descriptor_, wake_descriptor_;
  event timer_, wake_, polled_, turn_end_;

  bool turn_end_wanted_ = false;
  bool in_turn_ = false;
  bool running_ = false;
  mutable bool now_known_ = false;
  mutable TimePoint now_{};
  TimePoint timer_set_to_ = TimePoint::max();  // when timer_descriptor_ expires
  JobQueue jobs_;
  TimerQueue timers_;
  std::mt19937_64 random_;

  SizeClassPool pool_;
  PosixSockets sockets_{*this};

  std::atomic<bool> stop_{false};
  std::mutex mutex_;  // guards posted_ only
  std::vector<std::move_only_function<void()>> posted_;
  std::vector<std::move_only_function<void()>> tasks_;  // those that are running; kept for its memory
};

}  // namespace trellis
