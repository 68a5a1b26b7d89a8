// domain_paths.h: from the paths of all interfaces to those of one provisioning domain.
#pragma once
#include <memory>
#include <set>

#include "provisioning_text.h"

namespace trellis {

/// Hears of all paths and tells those that belong to the domain, with what it offers.
class DomainPaths final : public PathObserver {
 public:
  DomainPaths(Domain domain, PathObserver& observer);
  void path_added(const Path& path) noexcept override;
  void path_changed(const Path& path) noexcept override;
  void path_removed(std::uint32_t id) noexcept override;
  void settled() noexcept override;
  void passed_over(std::string_view what) noexcept override;

 private:
  bool has(const Path& path) const noexcept;
  Path provisioned(const Path& path) const;
  std::shared_ptr<const Provisioning> offered(const Path& path) const;

  Domain domain_;
  std::shared_ptr<const Provisioning> provisioning_;
  PathObserver& observer_;
  std::set<std::uint32_t> told_;
};

}  // namespace trellis
