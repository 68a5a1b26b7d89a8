// establishment.h: from what was asked to the stack that is ready: lets the race engine decide, runs its attempts, and
// hands the winner to the Connection.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "core/establishment_owner.h"
#include "core/framework_core.h"
#include "core/gathering.h"
#include "core/state_keeper.h"

namespace trellis {

/// What a further lower of a connection is established from.
struct Growth {
  FrameworkCore& framework;
  std::shared_ptr<const Plan> plan;  // of the connection, with its stack alone
};

class Establishment final : public TurnMember, public Alarm, public RaceActions {
 public:
  Establishment(FrameworkCore& framework, Turn& turn, std::shared_ptr<const Plan> plan, EstablishmentOwner& owner);
  ~Establishment() override;
  /// `deadline`: until when, if its plan allows more time.
  void begin(TimePoint deadline = TimePoint::max()) noexcept;
  void cancel() noexcept;  // its owner wants it no more; retires

  void on_alarm() noexcept override;  // the race decides again, or the time is over
  void advance() noexcept override;   // a failure that may not be told inside initiate()
  void deliver() noexcept override;   // of a race that was won: what the Connection need not wait for

  // RaceActions
  void start_leaf(NodeIndex leaf) noexcept override;
  void cancel_leaf(NodeIndex leaf) noexcept override;
  void expand(NodeIndex node) noexcept override { gathering_.expand(node); }
  void abandon(NodeIndex) noexcept override {}
  void wake_at(TimePoint when) noexcept override;
  void won(NodeIndex leaf) noexcept override;
  void lost(const Error& error) noexcept override;

 private:
  struct Attempt;
  Route route_to(const Candidate& candidate) const;
  void path_gone(const Path& path) noexcept;
  bool early_went_elsewhere(const Attempt& attempt) noexcept;
  Result<void> apply_properties(Attempt& winner);
  void let_grow(Trunk& trunk, std::size_t stack, const Endpoint& remote);
  Error too_late() const;
  Error explained(const Error& error) const;
  void fail(const Error& error) noexcept;
  void go_on_in_clear() noexcept;
  bool ask_store() noexcept;
  void begin_race() noexcept;
  void finish() noexcept;
  std::unique_ptr<RaceReport> report(std::string winner, const Error* failure);
  void arm_next() noexcept;
  TimePoint now() const noexcept { return beginning_ ? begun_at_ : turn_.executor().now(); }

  FrameworkCore& framework_;
  Turn& turn_;
  std::shared_ptr<const Plan> shared_plan_;  // of all that one Preconnection initiates
  const Plan& plan_;
  EstablishmentOwner* owner_;  // null: nobody wants it any more
  RaceEngine race_;
  Gathering gathering_;
  RecycledVector<std::unique_ptr<Attempt>> attempts_;  // running
  std::shared_ptr<const Growth> growth_;
  std::unique_ptr<Error> failure_;  // to be told in the turn
  int early_path_ = -1;             // the first that took early data
  TimePoint begun_at_{}, deadline_{}, wake_ = TimePoint::max();
  bool beginning_ = false;             // inside begin(): outside of a turn the clock would be read for each step
  std::unique_ptr<StateVisit> visit_;  // null: there is no store
  bool waits_for_store_ = false;
  bool late_ = false;  // the time to connect is over
  bool lost_ = false;  // every attempt has failed
};

}  // namespace trellis
