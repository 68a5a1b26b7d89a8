// interfaces_provider.h: the path provider "interfaces".
#pragma once
#include "system_dns.h"
#include "trellis/path.h"

namespace trellis {

/// Tells the paths of all interfaces, as the provider does.
Result<std::unique_ptr<PathProvider::Watch>> watch_interfaces(Executor& executor, SystemDnsPlaces places,
                                                              PathObserver& observer) noexcept;

/// The addresses of this host's interfaces as the kernel tells them (rtnetlink(7)), and every change.
class InterfacesProvider final : public PathProvider {
 public:
  std::string_view name() const noexcept override { return "interfaces"; }
  std::span<const OptionSpec> options() const noexcept override;
  Result<std::unique_ptr<Watch>> watch(Executor& executor, const Options& options,
                                       PathObserver& observer) noexcept override;
};

}  // namespace trellis
