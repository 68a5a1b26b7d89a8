// provisioned_provider.h: the path provider "provisioned".
#pragma once
#include "interfaces_provider.h"

namespace trellis {

/// A provisioning domain (RFC 7556) that is written in the policy: the paths of the interfaces that belong to it, with
/// what the domain offers.
class ProvisionedProvider final : public PathProvider {
 public:
  std::string_view name() const noexcept override { return "provisioned"; }
  std::span<const OptionSpec> options() const noexcept override;
  Result<void> check(const Options& options) const noexcept override;
  Result<std::unique_ptr<Watch>> watch(Executor& executor, const Options& options,
                                       PathObserver& observer) noexcept override;
};

}  // namespace trellis
