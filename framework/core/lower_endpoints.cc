// lower_endpoints.cc: what the application says of the endpoints of a connection that stands on several lowers
// (RFC 9622 section 7.5). What is added gets a lower at once, and whether it is used is for the multiplexer to say.
#include <algorithm>

#include "core/establishment.h"
#include "core/lower_set.h"
#include "core/path_table.h"
#include "core/proxies.h"
#include "core/remote_endpoints.h"
#include "core/trunk.h"
#include "core/ways.h"

namespace trellis {
namespace {

// By what it was asked for, or what that has come to.
bool leads_to(Stack& stack, const Endpoint& remote) noexcept {
  return same_peer(*stack.remote(), remote) || (remote.address && stack.route().remote == remote.address);
}

Address without_port_of(Address address) noexcept {
  address.port = 0;
  return address;
}

}  // namespace

void LowerSet::replan(std::shared_ptr<const Plan> plan) {
  growth_ = std::make_shared<const Growth>(Growth{growth_->framework, std::move(plan)});
}

bool LowerSet::prohibits(Feature feature) const noexcept { return growth_->plan->wishes.prohibit.has(feature); }

std::size_t LowerSet::remotes() const noexcept { return 1 + growth_->plan->wishes.more_remotes.size(); }

bool LowerSet::knows(const Endpoint& remote) noexcept {
  const auto& wishes = growth_->plan->wishes;
  const auto is_it = [&](const Endpoint& known) {
    return same_peer(known, remote) || (remote.address && known.address == remote.address);
  };
  return is_it(wishes.remote) || std::ranges::any_of(wishes.more_remotes, is_it) ||
         std::ranges::any_of(lowers_, [&](const auto& lower) {
           return lower->joined && !lower->gone && lower->removed == nullptr && leads_to(*lower->stack, remote);
         });
}

bool LowerSet::runs_from(const Address& local) noexcept {
  return std::ranges::any_of(
      lowers_, [&](const auto& lower) { return lower->joined && !lower->gone && is_at(lower->stack->local(), local); });
}

void LowerSet::add(const Endpoint& remote) {
  auto alone = std::make_shared<Plan>(*growth_->plan);
  alone->aim_at(remote);
  auto all = std::make_shared<Plan>(*growth_->plan);
  all->wishes.more_remotes.push_back(remote);
  all->aim_at_all();
  replan(std::move(all));
  begin(std::move(alone));
}

void LowerSet::add(const Address& local) {
  auto plan = std::make_shared<Plan>(*growth_->plan);
  std::erase(plan->wishes.not_from, without_port_of(local));
  if (plan->wishes.not_from.size() != growth_->plan->wishes.not_from.size()) {
    replan(std::make_shared<Plan>(*plan));
    paths_changed();
  }
  plan->wishes.local = {.port = local.port, .address = local};
  plan->wishes.held.reset();
  plan->wishes.interface_name.clear();
  begin(std::move(plan));
}

// All of a name that was added go with it: a lower keeps the name that its address came from.
bool LowerSet::remove(const Endpoint& remote) {
  auto plan = std::make_shared<Plan>(*growth_->plan);
  std::vector<Endpoint> left = std::exchange(plan->wishes.more_remotes, {});
  left.insert(left.begin(), plan->wishes.remote);
  const auto is_it = [&](const Endpoint& known) {
    return same_peer(known, remote) || (remote.address && known.address == remote.address);
  };
  std::erase_if(left, is_it);
  if (left.empty()) return false;
  plan->wishes.remote = left.front();
  plan->wishes.more_remotes.assign(left.begin() + 1, left.end());
  plan->aim_at_all();
  replan(std::move(plan));
  for (const auto& lower : lowers_) {
    const auto* const wishes = lower->growth ? &lower->growth->plan->wishes : nullptr;
    const bool coming =
        wishes != nullptr && (is_it(wishes->remote) || std::ranges::any_of(wishes->more_remotes, is_it));
    const bool there = lower->joined && leads_to(*lower->stack, remote);
    if (!lower->gone && !lower->leaving && (coming || there)) lower->removed = "remote endpoint";
  }
  stirred();
  return true;
}

// Whoever uses one way at a time moves by itself once it hears that the path is not there any more.
bool LowerSet::remove(const Address& local) {
  auto plan = std::make_shared<Plan>(*growth_->plan);
  plan->wishes.not_from.push_back(without_port_of(local));
  const auto elsewhere = [&](const auto& lower) {
    return lower->joined && !lower->gone && !is_removed(plan->wishes, lower->stack->local());
  };
  const PathTable* const table = trunk_.stack().path_table();
  const auto usable = [&](const Path& path) { return unwanted(plan->wishes, path).empty(); };
  if (std::ranges::none_of(lowers_, elsewhere) && (table == nullptr || std::ranges::none_of(table->paths(), usable)))
    return false;
  replan(std::move(plan));
  paths_changed();
  if (!trunk_.stack().composed().traits.have.has(Feature::multipath)) return true;
  for (const auto& lower : lowers_) {
    if (lower->joined && !lower->gone && is_at(lower->stack->local(), local)) lower->removed = "local endpoint";
  }
  return true;
}

}  // namespace trellis
