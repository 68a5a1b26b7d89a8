// multicast_rendezvous.h: Preconnection::rendezvous() between groups: joins one, then sends to the other.
#pragma once
#include <optional>

#include "core/framework_core.h"
#include "trellis/rendezvous.h"

namespace trellis {

class MulticastRendezvous final : public Rendezvous::State, Job {
 public:
  /// `plan`: of the Preconnection, or why there is none. The framework and the loop outlive this.
  MulticastRendezvous(FrameworkCore& framework, Executor& loop, Result<Plan> plan, Message early,
                      RendezvousEvents events);
  ~MulticastRendezvous() override;
  void begin();
  Result<void> add_remote(std::vector<Endpoint> endpoints) override;  // there is nobody to be found

 private:
  void run() noexcept override;  // Job: it cannot begin
  void join();
  void connect();
  void failed(Error why);

  FrameworkCore& framework_;
  Executor& loop_;
  Result<Plan> plan_;
  Message early_;
  RendezvousEvents events_;
  Listener listener_;
  Connection connection_;  // on its way
};

}  // namespace trellis
