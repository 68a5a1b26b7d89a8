// rendezvous_core.h: Preconnection::rendezvous(): checks until a pair of candidates works, then a stack on that pair.
#pragma once
#include <memory>
#include <optional>

#include "core/framework_core.h"
#include "core/ice_agent.h"
#include "trellis/rendezvous.h"

namespace trellis {

class RendezvousCore final : public Rendezvous::State, Job, Alarm {
 public:
  /// `plan`: of the Preconnection, or why there is none. The framework and the loop outlive this.
  RendezvousCore(FrameworkCore& framework, Executor& loop, Result<Plan> plan, RendezvousOptions how,
                 RendezvousEvents events);
  ~RendezvousCore() override;
  void begin();
  Result<void> add_remote(std::vector<Endpoint> endpoints) override;

 private:
  Result<void> prepare();
  Result<void> choose_stack();
  Result<void> begin_checks();
  Result<void> without_checks();
  void run() noexcept override;       // Job: a pair was chosen, or it has failed
  void on_alarm() noexcept override;  // the time to connect is over, or to wait for the peer's first packet
  void settle();
  void connect();
  void listen();
  void done(Connection connection);
  void failed(Error why);

  FrameworkCore& framework_;
  Executor& loop_;
  std::optional<Plan> plan_;  // none: failure_ says why
  RendezvousOptions how_;
  RendezvousEvents events_;
  IceSession session_;
  std::unique_ptr<IceAgent> agent_;  // null: nothing is checked, or no longer
  Address local_{}, remote_{};       // the pair
  Connection connection_;            // on its way
  ConnectionCore* core_ = nullptr;   // its engine's side
  Listener listener_;
  std::optional<Error> failure_;
  TimePoint deadline_{};
};

}  // namespace trellis
