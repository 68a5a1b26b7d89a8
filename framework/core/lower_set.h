// lower_set.h: what a trunk stands on. Each lower is a Stack of the layers below the multiplexer; the first is
// established with the trunk, further ones when the multiplexer wants them or when its acceptor attaches them. One can
// fail without the others, and whether the multiplexer lives on is for it to say.
//
// Life of a lower: wished [-> establishing] -> joined -> gone, or leaving -> gone. What is gone is swept in advance().
#pragma once
#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "core/establishment_owner.h"

namespace trellis {

class Establishment;
class Trunk;
struct Growth;
struct Plan;

/// Where a candidate was on its way when another one won the race.
struct Loser {
  Address remote;
  std::string interface_name;  // empty: routing decides
};

/// One way down of a multiplexer.
struct Lower final : EstablishmentOwner {
  explicit Lower(class LowerSet& set) : owner(set) {}

  // Until it is joined
  Stack& make_candidate(const std::shared_ptr<const ComposedStack>& composed,
                        const std::shared_ptr<const Security>& security) override;
  void remember(std::string_view, const PropertyValue&) override {}
  void bind(Stack& stack, std::string_view node, MessageRef early_copy) noexcept override;
  void establish_failed(Error) noexcept override;
  void race_over(std::unique_ptr<RaceReport>, std::shared_ptr<Preconnection::RaceOver>) override {}

  // Of its stack
  void on_up(Batch& batch, bool) noexcept override { batch.clear(); }  // leaving: nobody reads any more
  void on_credit() noexcept override {}
  void stack_early() noexcept override;
  void stack_ready() noexcept override;
  void stack_failed(Error) noexcept override;
  void stack_closed() noexcept override;
  void stack_noticed(Notice, Error) noexcept override;
  void stack_answered(unsigned rtts_left) noexcept override;

  LowerSet& owner;
  EngineLink wish;                         // names it to the multiplexer, until it has a stack
  Establishment* establishment = nullptr;  // until it is ready
  std::shared_ptr<Growth> growth;          // what to establish, or is being established
  Stack* stack = nullptr;
  bool begun = false;             // to establish
  bool joined = false;            // the multiplexer's link
  bool tell = false;              // lower_ready() is due
  bool ready = false;             // its stack is
  const char* removed = nullptr;  // the application has taken away this of its endpoints; null: it has not
  bool leaving = false;           // dropped gracefully: its goodbye is still on the way
  bool closed = false;            // ended cleanly
  bool gone = false;              // to be swept
};

class LowerSet {
 public:
  static constexpr std::size_t kMost = 16;  // of one trunk, with those that are leaving

  explicit LowerSet(Trunk& trunk) : trunk_(trunk) {}
  ~LowerSet();
  /// The lower of the trunk's first layer, made with the trunk.
  void add_first(Stack& stack);
  /// One that is ready, with what has come up in it: of an acceptor. `tell`: the multiplexer is there already.
  void adopt(Stack& stack, bool tell);
  /// What further lowers are established from; never called: the peer connects.
  void grow_from(std::shared_ptr<const Growth> growth) noexcept { growth_ = std::move(growth); }

  /// Where those go first that are wanted in reserve or besides the first.
  void prefer(std::vector<Loser> losers) noexcept { losers_ = std::move(losers); }

  // LowerHost
  Result<LowerPort> want(const LowerWish& wish) noexcept;
  void drop(LowerPort port, const CloseArgs& args) noexcept;
  Stack* find(LowerPort port) noexcept;  // null: it has none
  Result<void> set(std::string_view name, const PropertyValue& value) noexcept;

  // From the application (RFC 9622 section 7.5).
  bool grows() const noexcept { return growth_ != nullptr; }
  bool uses_several() noexcept { return user() != nullptr; }
  bool prohibits(Feature feature) const noexcept;  // precondition of this and all below: it grows
  std::size_t remotes() const noexcept;            // that are known
  std::size_t room() const noexcept { return kMost - std::min(kMost, lowers_.size()); }
  bool knows(const Endpoint& remote) noexcept;
  bool runs_from(const Address& local) noexcept;
  void add(const Endpoint& remote);
  void add(const Address& local);
  bool remove(const Endpoint& remote);  // false: it was the last one, and nothing has changed
  bool remove(const Address& local);    // the same

  // From the trunk's stack
  void paths_changed() noexcept;  // of the table that the trunk follows
  void moved() noexcept;          // the multiplexer goes by its newest lower from now on
  Stack* first() noexcept;        // the one that answers for all; null: none, or the layers below belong to a listener
  bool carries() noexcept;        // the multiplexer may open
  bool ready() noexcept;
  void advance() noexcept;
  void tell_news() noexcept;  // at the end of the pass
  bool close() noexcept;      // true: all have ended
  void abort(std::uint64_t code) noexcept;
  void leave() noexcept;
  bool moving() noexcept;
  bool may_join() const noexcept { return lowers_.size() < kMost; }

 private:
  friend struct Lower;
  LayerSlot& multiplexer() noexcept;
  LowerUser* user() noexcept;
  void join(Lower& lower) noexcept;
  void cut(Lower& lower) noexcept;
  void lost(Lower& lower, const Error& error) noexcept;
  Result<std::shared_ptr<const Plan>> plan_for(const LowerWish& wish);
  Lower& begin(std::shared_ptr<const Plan> plan);
  void replan(std::shared_ptr<const Plan> plan);
  void tell_paths() noexcept;
  void follow_route() noexcept;
  void stirred() noexcept;
  Lower* of(LowerPort port) noexcept;

  Trunk& trunk_;
  std::vector<std::unique_ptr<Lower>> lowers_;
  std::shared_ptr<const Growth> growth_;
  std::vector<std::pair<std::string, PropertyValue>> properties_;  // that were set on the layers below
  std::vector<Loser> losers_;                                      // best first
  Lower* in_use_ = nullptr;                                        // of a multiplexer that has moved; null: the oldest
  bool paths_told_ = false;
};

}  // namespace trellis
