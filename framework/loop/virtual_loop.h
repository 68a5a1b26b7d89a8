// virtual_loop.h: a Loop in virtual time. Several of them, one per simulated host or thread, share one VirtualWorld.
//
// A turn is what it is in the real loop: readiness, alarms, posted tasks, then the jobs. It takes no time; the loop
// then rests for VirtualWorld::kTurnTime before its next poll.
#pragma once
#include <atomic>
#include <mutex>
#include <string>
#include <vector>

#include "loop/block_pool.h"
#include "loop/job_queue.h"
#include "loop/seeded_random.h"
#include "loop/timer_queue.h"
#include "loop/virtual_world.h"
#include "trellis/loop.h"

namespace trellis {

/// What a VirtualLoop polls: a simulated socket. Its destructor takes it out of the poll.
class Pollable {
 public:
  explicit Pollable(VirtualLoop& loop) noexcept : loop_(loop) {}
  Pollable(const Pollable&) = delete;
  Pollable& operator=(const Pollable&) = delete;
  /// What the loop would tell now. It is asked as long as it says something; after Ready::none only enlist() makes the
  /// loop ask again.
  virtual Ready ready() const noexcept = 0;
  virtual void tell(Ready) noexcept = 0;  ///< called once per poll while ready(); may destroy this and others
  void enlist() noexcept;                 ///< something changed: ready() may say something now

 protected:
  ~Pollable();

 private:
  friend class VirtualLoop;
  VirtualLoop& loop_;
  bool listed_ = false;
};

/// A loop that lives in a world. Everything on one thread; only post() and stop() are safe from others, and what
/// another thread posts makes a run that no seed repeats.
class VirtualLoop final : public Loop {
 public:
  /// How to make a virtual loop.
  struct Settings {
    std::string name = "loop";   ///< in event logs; seeds random() and secret() together with the world's seed
    unsigned index = 0;          ///< this loop's number, 0 … count-1
    unsigned count = 1;          ///< how many loops the simulated application runs
    Sockets* sockets = nullptr;  ///< of the simulated host, not owned; null: opening one fails as unsupported
  };
  VirtualLoop(VirtualWorld& world, Settings settings);
  ~VirtualLoop() override;

  TimePoint now() const noexcept override { return world_.now(); }
  std::chrono::system_clock::time_point wall_clock() const noexcept override { return world_.wall_clock(); }
  void post(std::move_only_function<void()> task) noexcept override;
  void queue(Job& job) noexcept override { jobs_.queue(job); }
  void again(Job& job) noexcept override { jobs_.again(job); }
  void arm(Alarm& alarm, TimePoint deadline) noexcept override { timers_.arm(alarm, deadline); }
  void disarm(Alarm& alarm) noexcept override { timers_.disarm(alarm); }
  Sockets& sockets() noexcept override { return *settings_.sockets; }
  SizeClassPool& pool() noexcept override { return pool_; }
  std::uint64_t random() noexcept override { return random_.next(); }
  void secret(std::span<std::byte> out) noexcept override;
  unsigned loop() const noexcept override { return settings_.index; }
  unsigned loops() const noexcept override { return settings_.count; }

  /// Moves the whole world until stop(), or until nothing is scheduled any more: then nothing could end it.
  void run() noexcept override;
  /// wait: moves the whole world until this loop has had a turn or nothing is scheduled any more. Otherwise a turn only
  /// if this loop has something to do now.
  void run_once(bool wait) noexcept override;
  void stop() noexcept override { stopped_ = true; }

  VirtualWorld& world() noexcept { return world_; }                    ///< whose time it lives in
  const std::string& name() const noexcept { return settings_.name; }  ///< in event logs
  std::uint64_t turns() const noexcept { return turns_; }              ///< turns so far that had something to do
  std::size_t alarms() const noexcept { return timers_.size(); }       ///< armed alarms

  /// No turn for so long, as if the process were stopped: what its host's kernel does goes on. Call it between turns.
  void stand_still(Duration time) noexcept { rest_until_ = now() + time; }

  /// For the world: when the next turn is due; TimePoint::max() when nothing is scheduled.
  TimePoint due() noexcept;
  /// For the world: one poll and its turn.
  void turn() noexcept;

 private:
  friend class Pollable;
  bool something_ready() noexcept;
  void poll() noexcept;
  void run_posted() noexcept;

  VirtualWorld& world_;
  Settings settings_;
  SizeClassPool pool_;
  TimerQueue timers_;
  JobQueue jobs_;
  SeededRandom random_;
  SeededRandom secrets_;
  std::vector<Pollable*> polled_;  // null where one was destroyed while the poll runs
  bool polling_ = false;
  TimePoint rest_until_ = TimePoint::min();
  std::uint64_t turns_ = 0;
  std::atomic<bool> stopped_ = false;
  std::atomic<bool> has_posted_ = false;
  std::mutex posted_mutex_;
  std::vector<std::move_only_function<void()>> posted_;
};

}  // namespace trellis
