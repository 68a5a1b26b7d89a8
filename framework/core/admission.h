// admission.h: which peers a Listener lets in where rules say which paths may be used: by the address of ours that they
// reached. The paths are those of now, so an interface that appears later is judged too.
#pragma once
#include <functional>
#include <memory>
#include <optional>

#include "core/path_table.h"
#include "trellis/preconnection.h"

namespace trellis {

class Admission final : public PathWatcher {
 public:
  /// Whether rules, of the application or the policy, forbid any path.
  static bool needed(std::span<const PathRule> application, std::span<const PathRule> policy) noexcept;
  /// `complete`: called once, when the paths are known; never if they are already.
  Admission(std::shared_ptr<PathTable> table, const Preconnection::Wishes& wishes, std::function<void()> complete);

  bool complete() const noexcept { return table()->complete(); }
  /// Why none of the paths may be listened on; none: there is one.
  std::optional<Error> nowhere() const;
  /// Why a peer that reached us at the local address of the route is not let in; none: it is. A multicast group is no
  /// address of ours: there the interface counts.
  std::optional<Error> refusal(const Route& route) const;
  /// One on which a group of this family may be joined, the best path's first; empty: there is none.
  std::string interface_for(Address::Family family) const;

 private:
  void paths_changed(const PathNews&) noexcept override;

  const Preconnection::Wishes wishes_;
  std::function<void()> complete_;
};

}  // namespace trellis
