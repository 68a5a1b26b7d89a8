// state_keeper.h: a store plugin beside the memory of the process, and what one establishment wants of it.
//
// The loop never waits for a store: a race waits for an answer as long as a quick store needs, then begins without.
#pragma once
#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "trellis/executor.h"
#include "trellis/framework.h"
#include "trellis/protocol.h"
#include "trellis/state.h"

namespace trellis {

struct FrameworkCore;
struct Plan;

/// An open store of a policy. Used by all loops.
class StateKeeper {
 public:
  static constexpr Duration kPatience = std::chrono::milliseconds(2);  ///< what a race waits for an answer at most
  static constexpr Duration kSlowFor = std::chrono::seconds(10);  ///< after an answer that was too late: not at all

  StateKeeper(std::string name, std::unique_ptr<OpenStore> store) : name_(std::move(name)), store_(std::move(store)) {}
  const std::string& name() const noexcept { return name_; }
  OpenStore& store() noexcept { return *store_; }
  bool usable() const noexcept { return store_->usable(); }
  /// To the application's log, once: why the store cannot be used.
  void tell_trouble(const Log& log);
  void put(StateKey key, StateValue value, Duration keep, const Executor& loop) noexcept;
  /// How long a race that begins now may wait.
  Duration patience(TimePoint now) const noexcept { return now < slow_until_.load() ? Duration{} : kPatience; }
  void was_slow(TimePoint now) noexcept { slow_until_.store(now + kSlowFor); }

 private:
  std::string name_;
  std::unique_ptr<OpenStore> store_;
  std::atomic<TimePoint> slow_until_ = TimePoint{};
};

/// The detail of entries that hold Experiences (experience.h); their protocol is the stack.
inline constexpr std::string_view kRaceDetail = "race";

/// What the store knows of one peer: fetched before the race, and what was not used is given back after it.
class StateVisit {
 public:
  /// `tickets`: single-use entries too. All references outlive it.
  StateVisit(FrameworkCore& framework, const Plan& plan, Executor& loop, bool tickets);
  ~StateVisit();
  /// True: `answered` is called later, once. False: nobody answers.
  bool ask(std::function<void()> answered);
  void give_back() noexcept;

 private:
  void arrived(std::vector<StateEntry> entries);
  void take_in(StateEntry entry);

  FrameworkCore& framework_;
  const Plan& plan_;
  Executor& loop_;
  std::vector<StatePlace> places_;
  std::unique_ptr<OpenStore::Fetch> fetch_;
  std::function<void()> answered_;
  std::vector<StateEntry> lent_;  // single-use entries that were put into the memory
};

}  // namespace trellis
