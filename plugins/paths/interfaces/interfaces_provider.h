// interfaces_provider.h: the path provider "interfaces".
#pragma once
#include "trellis/path.h"

namespace trellis {

/// The addresses of this host's interfaces as the kernel tells them (rtnetlink(7)), and every change.
class InterfacesProvider final : public PathProvider {
 public:
  std::string_view name() const noexcept override { return "interfaces"; }
  Result<std::unique_ptr<Watch>> watch(Executor& executor, const Options& options,
                                       PathObserver& observer) noexcept override;
};

}  // namespace trellis
