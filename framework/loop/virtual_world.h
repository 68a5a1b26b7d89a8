// virtual_world.h: virtual time. A world is a clock, the events that wait for it, and the loops that live by it.
//
// Nothing in a world reads a real clock or a real random number, and everything runs on one thread: the same seed
// and the same program give the same run, event by event. digest() tells two runs apart.
//
// Order: the earliest thing happens first. At the same instant events (packets, kernel timers) go before loops, events
// in the order in which they were scheduled, loops in the order in which they were made. A loop that has had a turn
// rests for kTurnTime: a program that spins makes time pass instead of stopping it.
#pragma once
#include <concepts>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "loop/seeded_random.h"
#include "trellis/address.h"
#include "trellis/clock.h"

namespace trellis {

class VirtualLoop;
class VirtualWorld;

/// Something that will happen at a moment, outside of the loops: a packet arrives, a timer of a simulated kernel ends.
/// Its destructor calls it off.
class WorldEvent {
 public:
  explicit WorldEvent(VirtualWorld& world) noexcept : world_(world) {}
  WorldEvent(const WorldEvent&) = delete;
  WorldEvent& operator=(const WorldEvent&) = delete;
  virtual ~WorldEvent() { cancel(); }
  virtual void happen() noexcept = 0;  ///< called once; may schedule itself again, may destroy itself
  /// Happens at `when`, or now if that is over; replaces an earlier moment. TimePoint::max() cancels.
  void schedule(TimePoint when) noexcept;
  void cancel() noexcept;                                  ///< no-op when not scheduled
  bool scheduled() const noexcept { return order_ != 0; }  ///< happen() is still to come
  TimePoint when() const noexcept { return when_; }        ///< precondition: scheduled()

 private:
  friend class VirtualWorld;
  VirtualWorld& world_;
  TimePoint when_{};
  std::uint64_t order_ = 0;
};

/// One line of a world's event log.
struct TraceEvent {
  TimePoint at;              ///< virtual time
  std::string_view who;      ///< host or loop
  std::string_view what;     ///< a word or two: "send", "drop loss"
  std::uint64_t number = 0;  ///< bytes, an errno or a count, as `what` needs it
  Address from{};            ///< unset: not about a packet
  Address to{};              ///< unset: not about a packet
};

/// The event as a line of text, without line end: "+0.025000000 server rx syn 10.0.0.1:40000 > 10.0.0.2:80 0".
std::string to_string(const TraceEvent&, TimePoint start);

/// A clock with everything that waits for it. Must be destroyed after all loops and networks in it.
class VirtualWorld {
 public:
  /// How long a loop rests after a turn before it polls again.
  static constexpr Duration kTurnTime = std::chrono::microseconds(1);
  /// Where time begins: not at zero, so that a forgotten TimePoint{} is visibly wrong.
  static constexpr TimePoint kStart{std::chrono::seconds(1000)};

  explicit VirtualWorld(std::uint64_t seed = 1) noexcept;
  ~VirtualWorld();
  VirtualWorld(const VirtualWorld&) = delete;
  VirtualWorld& operator=(const VirtualWorld&) = delete;

  std::uint64_t seed() const noexcept { return seed_; }  ///< what this world is made of
  /// A stream of random numbers that depends on the seed and the name only.
  SeededRandom random(std::string_view name) const noexcept { return SeededRandom(seed_).fork(name); }

  TimePoint now() const noexcept { return now_; }              ///< constant while something happens
  Duration elapsed() const noexcept { return now_ - kStart; }  ///< since the world began
  /// What certificates and tickets see; begins at 2026-01-01T00:00:00Z and runs with virtual time.
  std::chrono::system_clock::time_point wall_clock() const noexcept;
  /// Lets the world begin at another date.
  void begin_at(std::chrono::system_clock::time_point when) noexcept { wall_start_ = when; }

  /// Runs `task` after `delay`, outside of any loop: to change links and hosts while things run.
  void after(Duration delay, std::move_only_function<void()> task);

  /// The next event or the next turn, if it comes no later than `limit`. False: there is none, time stands still.
  bool step(TimePoint limit = TimePoint::max()) noexcept;
  /// Runs until some loop has had a turn. False: nothing is scheduled any more.
  bool run_once() noexcept;
  /// Runs for this long; the clock shows exactly that much more afterwards.
  void run_for(Duration) noexcept;
  /// Runs until done() says true, asked before the first and after each step. False: it did not within this time, or
  /// nothing is scheduled any more; the clock shows the deadline then.
  template <std::predicate F>
  bool run_until(F&& done, Duration within = std::chrono::hours(1)) noexcept {
    const TimePoint deadline = now_ + within;
    while (!done()) {
      if (step(deadline)) continue;
      now_ = deadline;
      return done();
    }
    return true;
  }
  /// Runs until nothing is scheduled any more. False: something still was after this time.
  bool run_until_idle(Duration within = std::chrono::hours(1)) noexcept;
  /// Nothing is scheduled any more: no packet, no timer, no task, no ready socket that somebody watches.
  bool idle() noexcept { return next().at == TimePoint::max(); }

  std::uint64_t events() const noexcept { return events_happened_; }  ///< how many events have happened
  std::uint64_t turns() const noexcept;                               ///< how many turns the loops have had

  /// Adds a line to the event log. For whatever simulates: hosts, links, loops.
  void trace(std::string_view who, std::string_view what, std::uint64_t number = 0, const Address& from = {},
             const Address& to = {}) noexcept;
  /// Adds payload to payload_digest().
  void trace_payload(std::span<const std::byte>) noexcept;
  /// Calls `observer` for each line of the event log from now on; an empty one ends it.
  void observe(std::move_only_function<void(const TraceEvent&)> observer) noexcept { observer_ = std::move(observer); }
  /// Of the event log up to now: same seed and program, same digest.
  std::uint64_t digest() const noexcept { return digest_; }
  /// Of all bytes that crossed the network: differs when key material did not come from the executor.
  std::uint64_t payload_digest() const noexcept { return payload_digest_; }

 private:
  friend class WorldEvent;
  friend class VirtualLoop;
  struct Next {
    TimePoint at;
    VirtualLoop* loop;  // null: an event
  };
  Next next() noexcept;
  void happen() noexcept;

  std::uint64_t seed_;
  TimePoint now_ = kStart;
  std::chrono::system_clock::time_point wall_start_;
  std::map<std::pair<TimePoint, std::uint64_t>, WorldEvent*> events_;
  std::uint64_t scheduled_ = 0;  // orders events of the same instant
  std::uint64_t events_happened_ = 0;
  std::vector<VirtualLoop*> loops_;
  std::uint64_t turns_of_gone_loops_ = 0;
  bool in_step_ = false;
  std::uint64_t digest_;
  std::uint64_t payload_digest_;
  std::move_only_function<void(const TraceEvent&)> observer_;
  struct Task;
  std::vector<std::unique_ptr<Task>> tasks_;
};

}  // namespace trellis
