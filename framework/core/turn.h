// turn.h: the engine of one loop. Everything that changed since the last turn is moved here, once, in passes:
// wake (layers that a socket or a deadline stirred) -> up (lowest level first) -> deliver (application callbacks) ->
// down (highest level first, then flush()). A few rounds at most; the rest waits for the next turn.
//
// One Turn per loop and not per stack, so that many connections over one UDP socket end in one sendmmsg. Stacks are
// destroyed only at the end of a turn, so nothing here or in a layer can find its `this` gone.
#pragma once
#include <memory>
#include <string_view>
#include <vector>

#include "core/recycle.h"
#include "trellis/framework.h"
#include "trellis/port.h"
#include "trellis/protocol.h"

namespace trellis {

class Slot;
class Turn;

/// Rounds of one turn: enough for a reply to leave in the turn that brought the request.
inline constexpr int kRoundsPerTurn = 4;

/// What the end of a stack that the application sees hears of it.
class StackTop {
 public:
  virtual void on_up(Batch& batch, bool finished) noexcept = 0;  ///< takes everything
  virtual void on_credit() noexcept = 0;

 protected:
  ~StackTop() = default;
};

/// A link between two slots, or between the topmost slot and a StackTop.
struct EngineLink : Link {
  Slot* lower = nullptr;
  Slot* upper = nullptr;  // null: `top` is above
  StackTop* top = nullptr;
  std::uint32_t place = 0;  // in Slot::Many, where `lower` has many links above
  bool told_up = false;     // finished was passed on
  bool told_down = false;
  bool watch_drain = false;  // lower->drained() when `down` has been taken
  bool watch_taken = false;  // upper->taken() when `up` has been taken
  bool left_over = false;    // in Slot::Many::left_over
  bool discards = false;     // what goes down is dropped
};

/// A layer's place in the engine: what is to be called, and when.
class Slot : public Alarm {
 public:
  Slot(Turn& turn, std::uint8_t level) : turn_(&turn), level_(level) {}
  void request_wake() noexcept;
  void request_deadline(TimePoint) noexcept;
  void on_alarm() noexcept final;

  virtual Layer& layer() noexcept = 0;                // precondition: opened
  virtual void down(UpperPort, Batch&) noexcept = 0;  // on_down of a protocol instance
  virtual void upper_credit(UpperPort) noexcept = 0;  // on_credit of a protocol instance
  virtual void drained(EngineLink&) noexcept {}       // a link above, marked watch_drain, is empty now
  virtual void taken() noexcept {}                    // a link below, marked watch_taken, is empty now
  bool active() const noexcept { return opened && !ended; }
  bool idle() const noexcept { return !woken_ && !to_flush_; }

  /// The links of a layer that may have many. Most layers have one above and one below, and none of this.
  struct Many {
    std::vector<EngineLink*> above;      // of a multiplexer, one for each stream; Slot::above is null then
    std::vector<EngineLink*> left_over;  // of `above`: the layer left something in `down`
    std::vector<EngineLink*> below;      // further lowers, besides Slot::below
  };
  void add_above(EngineLink&);              // precondition: many
  void remove_above(EngineLink&) noexcept;  // of those added

  EngineLink* above = nullptr;
  EngineLink* below = nullptr;
  std::unique_ptr<Many> many;
  bool opened = false;  // open() was called
  bool ready = false;   // the layer said so
  bool ended = false;   // closed or failed: the layer is not called any more

 protected:
  ~Slot() = default;
  Turn* turn_;

 private:
  friend class Turn;
  Slot* next_woken_ = nullptr;
  Slot* next_flush_ = nullptr;
  std::uint8_t level_;
  bool woken_ = false, wanted_ = false, expired_ = false, to_flush_ = false;
};

/// Something with lifecycle work or application callbacks to do in the turn. Kept in lists, so it must outlive the
/// turn in which it was listed: give it to Turn::retire() instead of deleting it.
class TurnMember : public Recycled {
 public:
  virtual ~TurnMember() = default;
  virtual void advance() noexcept {}                    // after wake: open the next layer, close the next one, …
  virtual void deliver() noexcept {}                    // between up and down: application callbacks
  virtual bool quiet() const noexcept { return true; }  // nothing of it waits in a schedule: may be destroyed
  virtual bool outlives() const noexcept {
    return false;
  }  // is destroyed after all others (acceptors, their instances)

 private:
  friend class Turn;
  std::uint32_t place_ = 0;  // in Turn::members_
  bool to_advance_ = false, to_deliver_ = false, retired_ = false;
};

class Turn final : public Job {
 public:
  Turn(Executor& executor, const Log& log);
  ~Turn();
  void run() noexcept override;

  Executor& executor() noexcept { return executor_; }
  Schedule& schedule() noexcept { return schedule_.schedule; }
  const Log& log() const noexcept { return log_; }
  void advance(TurnMember&) noexcept;       // calls its advance() in this turn
  void deliver(TurnMember&) noexcept;       // calls its deliver() in this turn
  void adopt(std::unique_ptr<TurnMember>);  // owns it until retire()
  template <class T, class... A>
  T& make(A&&... args) {
    auto made = std::make_unique<T>(std::forward<A>(args)...);
    T& member = *made;
    adopt(std::move(made));
    return member;
  }
  void retire(TurnMember&) noexcept;  // destroys it at the end of this turn, or of a later one
  void wake(Slot&) noexcept;
  void revisit(Slot&) noexcept;                 // it opened or became ready: offers what has been waiting for it
  bool over() const noexcept { return over_; }  // it is being destroyed, with all its members
  std::size_t members() const noexcept { return members_.size(); }  // for tests

 private:
  struct OwnSchedule {  // lets begin() find the Turn
    Schedule schedule;
    Turn* turn;
  };
  bool work() const noexcept;
  void round() noexcept;
  void wake_pass() noexcept;
  void advance_pass() noexcept;
  void up_pass() noexcept;
  void deliver_pass() noexcept;
  void down_pass() noexcept;
  void visit_up(EngineLink&) noexcept;
  void visit_down(EngineLink&) noexcept;
  void offer_above(Slot&) noexcept;  // once more what it left in the links above
  void offer_below(Slot&) noexcept;
  void revisit_above(EngineLink&) noexcept;
  void revisit_below(EngineLink&) noexcept;
  void want_flush(Slot&) noexcept;
  void flush(std::uint8_t level) noexcept;
  void destroy_retired() noexcept;

  Executor& executor_;
  const Log& log_;
  OwnSchedule schedule_;
  Slot* woken_ = nullptr;
  Slot* flush_[kStackDepthMax] = {};
  std::uint32_t flush_levels_ = 0;
  bool over_ = false;
  std::vector<TurnMember*> to_advance_, advancing_, to_deliver_, delivering_, retired_;
  std::vector<std::unique_ptr<TurnMember>> members_;
};

}  // namespace trellis
