// endpoint_resolution.h: Preconnection::resolve(): local candidates and remote endpoints, looked for at the same time.
#pragma once
#include <memory>
#include <optional>
#include <string>

#include "core/local_gathering.h"
#include "core/remote_gathering.h"
#include "trellis/preconnection.h"

namespace trellis {

class EndpointResolution final : public Resolving::State, Job {
 public:
  /// `plan`: of the Preconnection, or why there is none. The framework and the loop outlive this.
  EndpointResolution(FrameworkCore& framework, Executor& loop, Result<Plan> plan, Preconnection::ResolveDone done);
  void begin();

 private:
  void find_remotes();
  void find_stun_server();
  void one_less();
  void run() noexcept override;  // Job: all that can be known is
  Result<Resolved> result();

  FrameworkCore& framework_;
  Executor& loop_;
  std::shared_ptr<const Plan> plan_;  // null: failure_ says why
  Preconnection::ResolveDone done_;
  std::unique_ptr<RemoteGathering> remote_, stun_server_;
  std::unique_ptr<LocalGathering> local_;
  std::vector<Endpoint> as_given_;  // remote endpoints that proxies resolve
  std::vector<Error> trouble_;
  std::optional<Error> failure_;
  int pending_ = 0;
};

}  // namespace trellis
