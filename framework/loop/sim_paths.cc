// sim_paths.cc: see sim_paths.h.
#include "loop/sim_paths.h"

#include <algorithm>

namespace trellis {

namespace {

bool same_facts(const Path& a, const Path& b) noexcept { return a.mtu == b.mtu; }

// Interfaces of simulated hosts have the names that Linux gives.
InterfaceType type_of(std::string_view name) noexcept {
  if (name.starts_with("eth")) return InterfaceType::wired;
  if (name.starts_with("wl")) return InterfaceType::wifi;
  if (name.starts_with("ww")) return InterfaceType::cellular;
  if (name.starts_with("tun")) return InterfaceType::tunnel;
  return InterfaceType::unknown;
}

}  // namespace

/// Compares the paths that are there with those that were told.
class SimPaths::HostWatch final : public Watch, private TopologyListener, private Job {
 public:
  HostWatch(SimPaths& paths, SimHost& host, Executor& executor, PathObserver& observer)
      : paths_(paths), host_(host), executor_(executor), observer_(observer) {
    paths_.network_.add(*this);
    executor_.queue(*this);
  }
  ~HostWatch() override { paths_.network_.remove(*this); }

 private:
  void topology_changed() noexcept override { executor_.queue(*this); }
  void run() noexcept override {
    const std::vector<Path> before = std::exchange(told_, paths_.paths_of(host_));
    for (const Path& path : before) {
      if (std::ranges::find(told_, path.id, &Path::id) == told_.end()) observer_.path_removed(path.id);
    }
    for (const Path& path : told_) {
      const auto known = std::ranges::find(before, path.id, &Path::id);
      if (known == before.end()) {
        observer_.path_added(path);
      } else if (!same_facts(*known, path)) {
        observer_.path_changed(path);
      }
    }
    if (!std::exchange(settled_, true)) observer_.settled();
  }

  SimPaths& paths_;
  SimHost& host_;
  Executor& executor_;
  PathObserver& observer_;
  std::vector<Path> told_;
  bool settled_ = false;
};

Result<std::unique_ptr<PathProvider::Watch>> SimPaths::watch(Executor& executor, const Options&,
                                                             PathObserver& observer) noexcept {
  SimHost* host = network_.host_of(executor);
  if (host == nullptr) return fail(Reason::unsupported, "this loop belongs to no host of the simulated network");
  return std::make_unique<HostWatch>(*this, *host, executor, observer);
}

std::vector<Path> SimPaths::paths_of(const SimHost& host) {
  std::vector<Path> paths;
  for (const auto& interface : host.interfaces()) {
    if (!interface->up() || interface->link() == nullptr || !interface->link()->up()) continue;
    for (Address address : interface->addresses()) {
      if (is_link_local(address)) address.scope = interface->index();
      const auto key = std::tuple(host.name(), interface->index(), describe(address));
      Path path;
      path.id = ids_.try_emplace(key, static_cast<std::uint32_t>(ids_.size() + 1)).first->second;
      path.interface_name = interface->name();
      path.local = address;
      path.type = type_of(interface->name());
      path.mtu = interface->mtu();
      paths.push_back(std::move(path));
    }
  }
  return paths;
}

}  // namespace trellis
