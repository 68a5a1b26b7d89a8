#include "core/trunk.h"

#include "core/group.h"

namespace trellis {

Trunk::Trunk(Stack& stack) : stack_(stack) {}

Trunk::~Trunk() {
  for (Foot* foot : branches_) {
    foot->trunk = nullptr;
    foot->lower = nullptr;
  }
}

const std::shared_ptr<Group>& Trunk::group() {
  if (!group_) group_ = std::make_shared<Group>();
  return group_;
}

LayerSlot& Trunk::multiplexer() noexcept { return stack_.level(stack_.count_ - 1u).slot; }
bool Trunk::carries() noexcept {
  return multiplexer().active() && (multiplexer().Slot::ready || multiplexer().early_open);
}
bool Trunk::ready() noexcept { return stack_.told_ready_; }
void Trunk::stirred() noexcept {
  for (Foot* foot : branches_) stack_.turn().advance(*foot->stack);
}

Stack& Trunk::add_branch(Face face) { return add_branch(face, stack_.composed_); }
Stack& Trunk::add_branch(Face face, std::shared_ptr<const ComposedStack> composed) {
  Turn& turn = stack_.turn();
  Stack& branch = turn.make<Stack>(turn, std::move(composed), stack_.security_, unsigned{stack_.count_});
  branch.stand_on(*this, face);
  branch.remember_as(stack_);
  Foot& foot = *branch.foot_;
  foot.branch = static_cast<std::uint32_t>(branches_.size());
  branches_.push_back(&foot);
  ++held_;
  fresh_ = false;
  return branch;
}

void Trunk::forget(Foot& foot) noexcept {
  branches_[foot.branch] = branches_.back();
  branches_[foot.branch]->branch = foot.branch;
  branches_.pop_back();
  if (foot.lower != nullptr) multiplexer().remove_above(foot);
}

Result<void> Trunk::open_stream(Stack& branch, const StreamArgs& args) noexcept {
  LayerSlot& layer = multiplexer();
  StreamLayer* streams = layer.active() && !stack_.graceful_ ? layer.instance->streams() : nullptr;
  if (streams == nullptr)
    return fail(Reason::unsupported, stack_.composed_->text + " opens no streams: it is closing or cannot", 0, "core");
  branch.foot_->open = true;
  auto opened = streams->open_stream(UpperPort(*branch.foot_), args);
  if (!opened) branch.foot_->open = false;
  stack_.turn().revisit(layer);
  return opened;
}

void Trunk::end_stream(Foot& foot, Direction direction, std::uint64_t code) noexcept {
  LayerSlot& layer = multiplexer();
  StreamLayer* streams = layer.active() ? layer.instance->streams() : nullptr;
  if (streams == nullptr) return;
  streams->abort_stream(UpperPort(foot), direction, code);
  stack_.turn().revisit(layer);
}

// ---- the end

void Trunk::taken_by(StreamTaker* taker) noexcept {
  taker_ = taker;
  if (taker != nullptr || held_ != 0 || over_) return;
  if (ready())
    close();
  else
    stack_.leave();
}

bool Trunk::let_go(Foot& foot, bool aborts) noexcept {
  foot.held = false;
  if (--held_ != 0 || over_) return false;
  return taker_ == nullptr || (aborts && !stack_.composed_->traits.have.has(Feature::stream_abort));
}

bool Trunk::closed_with(Foot& foot) noexcept {
  if (over_ || taker_ != nullptr || !foot.held || held_ > 1) return true;
  close();  // the branches hear of the end
  return false;
}

void Trunk::close() noexcept {
  if (group_) group_->parting();
  stack_.close();
}

void Trunk::stack_failed(Error error) noexcept {
  over(&error);
  stack_.leave();
}
void Trunk::stack_closed() noexcept {
  over(nullptr);
  stack_.leave();
}
void Trunk::stack_noticed(Notice notice, Error detail) noexcept {
  if (notice == Notice::path_change && has_moved(detail)) lowers_.moved();
  for (Foot* foot : branches_) foot->stack->owner_->stack_noticed(notice, detail);
}
// The multiplexer itself says so, and it uses one path at a time.
bool Trunk::has_moved(const Error& said) const noexcept {
  const ComposedStack& composed = *stack_.composed_;
  const auto& layer = composed.layers[static_cast<std::size_t>(composed.multiplexer)];
  return layer.name == std::string_view(said.layer) && said.reason == Reason{} &&
         !layer.traits.adds.has(Feature::multipath);
}
void Trunk::stack_answered(unsigned rtts_left) noexcept {
  if (branches_.size() == 1) branches_.front()->stack->owner_->stack_answered(rtts_left);  // the one that is raced
}
void Trunk::left() noexcept {
  over(nullptr);
  lowers_.leave();
}

void Trunk::over(const Error* error) noexcept {
  if (std::exchange(over_, true)) return;
  for (Foot* foot : branches_) {
    if (foot->lower != nullptr) multiplexer().remove_above(*foot);
    foot->stack->trunk_over(error);
  }
  if (group_) group_->trunk_over(*this);
  if (StreamTaker* taker = std::exchange(taker_, nullptr)) taker->trunk_over(*this);
}

// ---- what the multiplexer says

UpperPort Trunk::accept_stream(const StreamArgs& args) noexcept {
  if (over_ || stack_.graceful_ || stack_.aborting_ || !multiplexer().active() || !group()->has_room()) return {};
  const bool bare = stack_.count_ == stack_.composed_->layers.size();  // else the layers above fix the face
  if (!bare && args.face != stack_.top_link().face) return {};
  StreamTaker* taker = group()->hears() ? group().get() : taker_;
  Stack* branch = taker != nullptr ? taker->take_stream(*this, args) : nullptr;
  if (branch == nullptr) return {};
  branch->foot_->open = true;
  return UpperPort(*branch->foot_);
}

void Trunk::stream_aborted(UpperPort port, Direction direction, Error error) noexcept {
  auto& foot = static_cast<Foot&>(port.link());
  if (!foot.held) return;
  if (foot.ending && direction == Direction::receiving) return;  // its answer: we have said that we read no more
  if (direction == Direction::sending)
    foot.stack->stream_stopped(std::move(error));
  else
    foot.stack->fail(foot.stack->first_, std::move(error));
}

void Trunk::stream_closed(UpperPort port) noexcept {
  auto& foot = static_cast<Foot&>(port.link());
  multiplexer().remove_above(foot);
  foot.stack->stream_over();
}

}  // namespace trellis
