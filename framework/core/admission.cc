#include "core/admission.h"

#include <algorithm>
#include <utility>

#include "core/ways.h"
#include "trellis/address_text.h"

namespace trellis {

bool Admission::needed(std::span<const PathRule> application, std::span<const PathRule> policy) noexcept {
  const auto forbids = [](const PathRule& rule) {
    return rule.preference == Preference::require || rule.preference == Preference::prohibit;
  };
  return std::ranges::any_of(application, forbids) || std::ranges::any_of(policy, forbids);
}

Admission::Admission(std::shared_ptr<PathTable> table, const Preconnection::Wishes& wishes,
                     std::function<void()> complete)
    : wishes_(wishes), complete_(table->complete() ? nullptr : std::move(complete)) {
  follow(std::move(table));
}

void Admission::paths_changed(const PathNews&) noexcept {
  if (auto tell = std::exchange(complete_, nullptr)) tell();
}

std::optional<Error> Admission::nowhere() const {
  std::string reasons;
  const auto add = [&](const Path& path, const std::string& why) {
    const std::string reason = way_name(path) + ": " + why;
    if (!reasons.contains(reason)) reasons += (reasons.empty() ? ": " : "; ") + reason;
  };
  for (const Path& path : table()->paths()) {
    const std::string why = unwanted(wishes_, path);
    if (why.empty()) return std::nullopt;
    add(path, why);
  }
  for (const auto& [path, why] : table()->refused()) add(path, why);
  if (reasons.empty()) reasons = ": this host has none that is up";
  return Error{Reason::unreachable, 0, "core", "no path may be listened on" + reasons};
}

std::string Admission::interface_for(Address::Family family) const {
  for (const Path& path : table()->paths()) {
    if (path.type != InterfaceType::loopback && path.local.family == family && unwanted(wishes_, path).empty())
      return path.interface_name;
  }
  return {};
}

std::optional<Error> Admission::refusal(const Route& route) const {
  const Address& local = route.local;
  std::string why = "no path of this host has it";
  const auto is_at = [&](const Path& path) {
    if (is_multicast(local))
      return path.interface_name == route.path.interface_name && path.local.family == local.family;
    if (path.type == InterfaceType::loopback && local.family == Address::Family::ipv4 && local.ip[0] == 127)
      return true;
    return path.local.family == local.family && path.local.ip == local.ip;
  };
  for (const auto& [path, reason] : table()->refused()) {
    if (is_at(path)) why = reason;
  }
  for (const Path& path : table()->paths()) {
    if (!is_at(path)) continue;
    why = unwanted(wishes_, path);
    if (why.empty()) return std::nullopt;
  }
  return Error{Reason::prohibited, 0, "core", "a peer came to " + to_text(local) + ": " + why};
}

}  // namespace trellis
