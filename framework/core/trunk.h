// trunk.h: a connection that has streams, up to the layer that has them. Each stream is a branch: a Stack of the layers
// above, which lives and ends for itself. The trunk ends with the last branch that somebody uses, or brings all down.
#pragma once
#include <memory>
#include <vector>

#include "core/lower_set.h"

namespace trellis {

class Group;

/// Who takes the streams that the peer opens.
class StreamTaker {
 public:
  /// Called by the multiplexer: makes the branch with Trunk::add_branch(). Null: refused.
  virtual Stack* take_stream(Trunk&, const StreamArgs&) noexcept = 0;
  virtual void trunk_over(Trunk&) noexcept = 0;

 protected:
  ~StreamTaker() = default;
};

class Trunk final : public StackOwner, public StreamHost {
 public:
  explicit Trunk(Stack& stack);
  ~Trunk();
  Stack& stack() noexcept { return stack_; }
  LowerSet& lowers() noexcept { return lowers_; }
  /// The group of all Connections over it.
  const std::shared_ptr<Group>& group();
  /// A stack for one more stream, without layers and not opened.
  Stack& add_branch(Face face);
  Stack& add_branch(Face face, std::shared_ptr<const ComposedStack> composed);  // the same up to the multiplexer
  /// Makes the multiplexer open the stream of a branch.
  Result<void> open_stream(Stack& branch, const StreamArgs& args) noexcept;
  /// While there is a taker the trunk stays, even without branches. Null: there is none any more.
  void taken_by(StreamTaker* taker) noexcept;
  void moved_in_taker(std::uint32_t place) noexcept { place_in_taker_ = place; }
  std::uint32_t place_in_taker() const noexcept { return place_in_taker_; }
  /// One more lower can join it.
  bool takes_lowers() noexcept { return !over_ && multiplexer().active() && lowers_.may_join(); }
  bool fresh() const noexcept { return fresh_; }  // it never had a branch

  // From the stacks.
  bool carries() noexcept;  // layers above may open
  bool ready() noexcept;
  void stirred() noexcept;           // carries() or ready() changed
  void forget(Foot& foot) noexcept;  // it is destroyed
  bool empty() const noexcept { return branches_.empty(); }
  /// Nobody uses the branch any more, which was held; true: it was the last one, and the trunk has to end, even if more
  /// could come, when the peer would take the abort of a stream for its end.
  bool let_go(Foot& foot, bool aborts) noexcept;
  /// True: the trunk ends with the branch and has ended, or has other branches.
  bool closed_with(Foot& foot) noexcept;
  void end_stream(Foot& foot, Direction direction, std::uint64_t code) noexcept;
  void close() noexcept;  // says goodbye: nobody uses it any more, or who does waits for it
  void left() noexcept;   // its stack is about to be destroyed

  // StreamHost
  UpperPort accept_stream(const StreamArgs&) noexcept override;
  void stream_aborted(UpperPort, Direction, Error) noexcept override;
  void stream_closed(UpperPort) noexcept override;

  // StackOwner, of its own stack
  void on_up(Batch& batch, bool) noexcept override { batch.clear(); }
  void on_credit() noexcept override {}
  void stack_ready() noexcept override { stirred(); }
  void stack_failed(Error) noexcept override;
  void stack_closed() noexcept override;
  void stack_noticed(Notice, Error) noexcept override;
  void stack_answered(unsigned rtts_left) noexcept override;

 private:
  friend class LowerSet;
  friend class Stack;
  LayerSlot& multiplexer() noexcept;
  bool has_moved(const Error& said) const noexcept;
  void over(const Error* error) noexcept;

  Stack& stack_;
  LowerSet lowers_{*this};
  std::vector<Foot*> branches_;  // also those that nobody uses and the multiplexer has not forgotten
  std::shared_ptr<Group> group_;
  StreamTaker* taker_ = nullptr;
  std::uint32_t place_in_taker_ = 0;
  std::uint32_t held_ = 0;
  bool over_ = false, fresh_ = true;
};

}  // namespace trellis
