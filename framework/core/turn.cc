#include "core/turn.h"

#include <bit>

namespace trellis {

void Slot::request_wake() noexcept {
  wanted_ = true;
  turn_->wake(*this);
}
void Slot::request_deadline(TimePoint at) noexcept { arm(turn_->executor(), at); }
void Slot::on_alarm() noexcept {
  expired_ = true;
  turn_->wake(*this);
}

void Slot::add_above(EngineLink& link) {
  link.place = static_cast<std::uint32_t>(many->above.size());
  many->above.push_back(&link);
}
void Slot::remove_above(EngineLink& link) noexcept {
  many->above[link.place] = many->above.back();
  many->above[link.place]->place = link.place;
  many->above.pop_back();
  if (std::exchange(link.left_over, false)) std::erase(many->left_over, &link);
}

Turn::Turn(Executor& executor, const Log& log) : executor_(executor), log_(log) {
  schedule_.turn = this;
  schedule_.schedule.begin = [](Schedule& s) noexcept {
    Turn& turn = *reinterpret_cast<OwnSchedule&>(s).turn;  // the schedule is OwnSchedule's first member
    turn.executor_.queue(turn);
  };
}

Turn::~Turn() {
  over_ = true;
  for (const bool last : {false, true}) {
    for (auto& member : members_) {
      if (member != nullptr && member->outlives() == last) member.reset();
    }
  }
}

void Turn::advance(TurnMember& member) noexcept {
  if (!std::exchange(member.to_advance_, true)) to_advance_.push_back(&member);
  schedule_.schedule.wake();
}
void Turn::deliver(TurnMember& member) noexcept {
  if (!std::exchange(member.to_deliver_, true)) to_deliver_.push_back(&member);
  schedule_.schedule.wake();
}
void Turn::adopt(std::unique_ptr<TurnMember> member) {
  member->place_ = static_cast<std::uint32_t>(members_.size());
  members_.push_back(std::move(member));
}
void Turn::retire(TurnMember& member) noexcept {
  if (!std::exchange(member.retired_, true)) retired_.push_back(&member);
  schedule_.schedule.wake();
}
void Turn::wake(Slot& slot) noexcept {
  if (!std::exchange(slot.woken_, true)) slot.next_woken_ = std::exchange(woken_, &slot);
  schedule_.schedule.wake();
}

bool Turn::work() const noexcept {
  const Schedule& s = schedule_.schedule;
  return (s.up_levels | s.down_levels | flush_levels_) != 0 || woken_ != nullptr || !to_advance_.empty() ||
         !to_deliver_.empty();
}

void Turn::run() noexcept {
  schedule_.schedule.awake = true;
  int rounds = 0;
  do round();
  while (++rounds < kRoundsPerTurn && work());
  destroy_retired();
  schedule_.schedule.awake = work();
  if (schedule_.schedule.awake) executor_.again(*this);  // budget spent: fairness before throughput
}

void Turn::round() noexcept {
  if (woken_ != nullptr) wake_pass();
  if (!to_advance_.empty()) advance_pass();
  if (schedule_.schedule.up_levels != 0) up_pass();
  if (!to_deliver_.empty()) deliver_pass();
  down_pass();
}

void Turn::wake_pass() noexcept {
  Slot* slot = std::exchange(woken_, nullptr);
  while (slot != nullptr) {
    Slot& s = *slot;
    slot = std::exchange(s.next_woken_, nullptr);
    s.woken_ = false;
    const bool expired = std::exchange(s.expired_, false);
    const bool wanted = std::exchange(s.wanted_, false);
    if (s.active() && expired) s.layer().on_deadline();
    if (s.active() && wanted) s.layer().on_wake();
    if (s.active()) {
      offer_above(s);
      offer_below(s);
    }
    want_flush(s);
  }
}

void Turn::advance_pass() noexcept {
  advancing_.swap(to_advance_);
  for (TurnMember* member : advancing_) {
    member->to_advance_ = false;
    member->advance();
  }
  advancing_.clear();
}

void Turn::deliver_pass() noexcept {
  delivering_.swap(to_deliver_);
  for (TurnMember* member : delivering_) {
    member->to_deliver_ = false;
    member->deliver();
  }
  delivering_.clear();
}

void Turn::up_pass() noexcept {
  Schedule& s = schedule_.schedule;
  while (s.up_levels != 0) {
    const int level = std::countr_zero(s.up_levels);  // lowest first: what a layer pushes is moved in the same pass
    s.up_levels &= s.up_levels - 1;
    Link* link = std::exchange(s.up[level], nullptr);
    while (link != nullptr) {
      auto& visited = static_cast<EngineLink&>(*link);
      link = std::exchange(visited.up.next, nullptr);
      visited.up.queued = false;
      visit_up(visited);
    }
  }
}

void Turn::visit_up(EngineLink& link) noexcept {
  const bool news = !link.up.batch.empty() || (link.up.finished && !link.told_up);
  if (link.upper == nullptr) {
    if (std::exchange(link.down.refilled, false)) link.top->on_credit();
    if (news) {
      link.told_up = link.up.finished;
      link.top->on_up(link.up.batch, link.up.finished);
    }
    return;
  }
  Slot& slot = *link.upper;
  if (!slot.active()) return;  // revisit() comes when it has opened
  if (std::exchange(link.down.refilled, false)) {
    slot.layer().on_credit(LowerPort(link));
    offer_above(slot);
    if (link.upper == nullptr) return want_flush(slot);  // it was dropped
  }
  if (news && slot.active()) {
    slot.layer().on_up(LowerPort(link), link.up.batch);
    link.told_up = link.up.finished && link.up.batch.empty();
    if (link.watch_taken && link.up.batch.empty()) slot.taken();
  }
  want_flush(slot);
}

void Turn::down_pass() noexcept {
  Schedule& s = schedule_.schedule;
  for (std::uint32_t levels; (levels = s.down_levels | flush_levels_) != 0;) {
    const int level = 31 - std::countl_zero(levels);  // highest first
    s.down_levels &= ~(1u << level);
    Link* link = std::exchange(s.down[level], nullptr);
    while (link != nullptr) {
      auto& visited = static_cast<EngineLink&>(*link);
      link = std::exchange(visited.down.next, nullptr);
      visited.down.queued = false;
      visit_down(visited);
    }
    flush(static_cast<std::uint8_t>(level));
  }
}

void Turn::visit_down(EngineLink& link) noexcept {
  if (link.discards) link.down.batch.clear();
  if (link.lower == nullptr) return;  // the layer below is gone
  Slot& slot = *link.lower;
  if (!slot.active()) return;  // revisit() comes when it has opened
  if (std::exchange(link.up.refilled, false)) {
    slot.upper_credit(UpperPort(link));
    offer_below(slot);
    if (link.lower == nullptr) return want_flush(slot);  // its stream has ended
  }
  if (slot.active() && (!link.down.batch.empty() || (link.down.finished && !link.told_down))) {
    slot.down(UpperPort(link), link.down.batch);
    if (link.lower == nullptr) return want_flush(slot);
    link.told_down = link.down.finished && link.down.batch.empty() && slot.ready;
  }
  if (link.watch_drain && link.down.batch.empty()) slot.drained(link);
  if (slot.many && !link.down.batch.empty() && slot.above == nullptr && !std::exchange(link.left_over, true))
    slot.many->left_over.push_back(&link);
  want_flush(slot);
}

void Turn::offer_above(Slot& slot) noexcept {
  if (slot.above != nullptr) {
    if (!slot.above->down.batch.empty()) slot.above->visit_below();
  } else if (slot.many) {
    for (EngineLink* link : slot.many->left_over) {
      link->left_over = false;
      link->visit_below();
    }
    slot.many->left_over.clear();
  }
}

void Turn::offer_below(Slot& slot) noexcept {
  if (slot.below != nullptr && !slot.below->up.batch.empty()) slot.below->visit_above();
  if (!slot.many) return;
  for (EngineLink* link : slot.many->below) {
    if (!link->up.batch.empty()) link->visit_above();
  }
}

void Turn::revisit_above(EngineLink& link) noexcept {
  if (!link.down.batch.empty() || link.up.refilled || (link.down.finished && !link.told_down)) link.visit_below();
}

void Turn::revisit_below(EngineLink& link) noexcept {
  if (!link.up.batch.empty() || link.down.refilled || (link.up.finished && !link.told_up)) link.visit_above();
}

void Turn::revisit(Slot& slot) noexcept {
  if (slot.above != nullptr) revisit_above(*slot.above);
  if (slot.below != nullptr) revisit_below(*slot.below);
  if (slot.many) {
    for (EngineLink* link : slot.many->above) revisit_above(*link);
    for (EngineLink* link : slot.many->below) revisit_below(*link);
  }
  want_flush(slot);
}

void Turn::want_flush(Slot& slot) noexcept {
  if (!slot.active() || std::exchange(slot.to_flush_, true)) return;
  slot.next_flush_ = std::exchange(flush_[slot.level_], &slot);
  flush_levels_ |= 1u << slot.level_;
  schedule_.schedule.wake();
}

void Turn::flush(std::uint8_t level) noexcept {
  flush_levels_ &= ~(1u << level);
  Slot* slot = std::exchange(flush_[level], nullptr);
  while (slot != nullptr) {
    Slot& s = *slot;
    slot = std::exchange(s.next_flush_, nullptr);
    s.to_flush_ = false;
    if (s.active()) s.layer().flush();
  }
}

void Turn::destroy_retired() noexcept {
  // Destroying a member may retire others or make them quiet; what is not quiet then waits for the next turn.
  for (bool progress = true; progress && !retired_.empty();) {
    progress = false;
    for (std::size_t i = 0; i < retired_.size();) {
      const TurnMember& member = *retired_[i];
      if (member.to_advance_ || member.to_deliver_ || !member.quiet()) {
        ++i;
        continue;
      }
      progress = true;
      retired_[i] = retired_.back();
      retired_.pop_back();
      const std::uint32_t place = member.place_;
      const std::unique_ptr<TurnMember> gone = std::move(members_[place]);
      members_[place] = std::move(members_.back());
      members_.pop_back();
      if (place < members_.size()) members_[place]->place_ = place;
    }
  }
}

}  // namespace trellis
