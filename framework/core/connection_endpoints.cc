// connection_endpoints.cc: endpoints that a Connection may use besides those that it has, or no longer
// (RFC 9622 section 7.5).
#include <algorithm>

#include "core/connection_core.h"
#include "core/group.h"
#include "core/proxies.h"
#include "core/remote_endpoints.h"
#include "core/trunk.h"
#include "trellis/address_text.h"
#include "trellis/endpoint_text.h"

namespace trellis {
namespace {

Result<void> read_locals(std::vector<Endpoint>& endpoints) {
  for (Endpoint& local : endpoints) {
    if (!local.address) local.address = parse_address(local.host, local.port).value_or(Address{});
    if (!local.address)
      return fail(Reason::invalid_argument, "found the local endpoint '" + local.host + "', expected an address", 0,
                  "core");
    if (local.address.port == 0) local.address.port = local.port;
  }
  return {};
}

Result<void> read_remotes(std::vector<Endpoint>& endpoints) {
  for (Endpoint& remote : endpoints) {
    if (auto checked = check_remote(remote, true); !checked) return checked;
    remote = with_address(std::move(remote));
  }
  return {};
}

Result<void> has_room(const LowerSet& lowers, std::size_t wanted) {
  if (wanted <= lowers.room()) return {};
  return fail(Reason::exhausted,
              "found " + std::to_string(wanted) + " further endpoints, expected at most " +
                  std::to_string(lowers.room()) + ": a connection has at most " + std::to_string(LowerSet::kMost) +
                  " lowers",
              0, "core");
}

}  // namespace

Result<void> ConnectionCore::may_change_endpoints() const {
  if (state_ == ConnectionState::established && stack_ != nullptr) return {};
  return fail(Reason::invalid_argument, "the endpoints of an Established Connection alone can be changed", 0, "core");
}

// Null: its stack stands on one lower, or the peer chooses.
LowerSet* ConnectionCore::growing() noexcept {
  LowerSet* const lowers = stack_->trunk() != nullptr ? &stack_->trunk()->lowers() : nullptr;
  return lowers != nullptr && lowers->uses_several() && lowers->grows() ? lowers : nullptr;
}

Result<LowerSet*> ConnectionCore::may_add(Feature feature) {
  const ComposedStack& composed = stack_->composed();
  const bool further_remote = feature == Feature::multipath;
  if (!composed.traits.have.has(feature) || stack_->trunk() == nullptr)
    return fail(Reason::unsupported,
                composed.text + " has one " + (further_remote ? "remote" : "local") +
                    " endpoint: expected a stack with " + (further_remote ? "multipath" : "path migration") +
                    " for a further one",
                0, "core");
  LowerSet* const lowers = growing();
  if (lowers == nullptr)
    return fail(Reason::unsupported, "the peer has connected to us: further endpoints are for it to add", 0, "core");
  if (lowers->prohibits(feature)) return fail(Reason::prohibited, "the application prohibits other paths", 0, "core");
  return lowers;
}

bool ConnectionCore::goes_to(const Endpoint& remote) {
  const Endpoint& own = *stack_->remote();
  return same_peer(own, remote) || (remote.address && stack_->route().remote == remote.address);
}

bool ConnectionCore::goes_from(const Address& local) { return is_at(stack_->local(), local); }

Result<void> ConnectionCore::add_remote(std::vector<Endpoint> endpoints) {
  if (auto may = may_change_endpoints(); !may) return may;
  if (auto read = read_remotes(endpoints); !read) return read;
  LowerSet* const several = growing();
  std::erase_if(endpoints, [&](const Endpoint& remote) {
    return (several != nullptr ? several->knows(remote) : goes_to(remote)) || !is_for(remote, stack_->composed());
  });
  if (endpoints.empty()) return {};
  auto lowers = may_add(Feature::multipath);
  if (!lowers) return fail(std::move(lowers));
  if ((*lowers)->remotes() + endpoints.size() > kRemotesMost) return too_many_remotes(endpoints.size());
  if (auto room = has_room(**lowers, endpoints.size()); !room) return room;
  for (const Endpoint& remote : endpoints) {
    if (!(*lowers)->knows(remote)) (*lowers)->add(remote);  // it may be there twice
  }
  return {};
}

Result<void> ConnectionCore::add_local(std::vector<Endpoint> endpoints) {
  if (auto may = may_change_endpoints(); !may) return may;
  if (auto read = read_locals(endpoints); !read) return read;
  LowerSet* const several = growing();
  std::erase_if(endpoints, [&](const Endpoint& local) {
    return (several != nullptr ? several->runs_from(local.address) : goes_from(local.address)) ||
           !is_for(local, stack_->composed());
  });
  if (endpoints.empty()) return {};
  auto lowers = may_add(Feature::path_migration);
  if (!lowers) return fail(std::move(lowers));
  if (auto room = has_room(**lowers, endpoints.size()); !room) return room;
  for (const Endpoint& local : endpoints) {
    if (!(*lowers)->runs_from(local.address)) (*lowers)->add(local.address);
  }
  return {};
}

Result<void> ConnectionCore::remove_remote(std::vector<Endpoint> endpoints) {
  if (auto may = may_change_endpoints(); !may) return may;
  if (auto read = read_remotes(endpoints); !read) return read;
  LowerSet* const lowers = growing();
  for (const Endpoint& remote : endpoints) {
    if (lowers != nullptr ? !lowers->knows(remote) : !goes_to(remote)) continue;
    if (lowers == nullptr || !lowers->remove(remote)) return cut_off("remote"), Result<void>();
  }
  return {};
}

Result<void> ConnectionCore::remove_local(std::vector<Endpoint> endpoints) {
  if (auto may = may_change_endpoints(); !may) return may;
  if (auto read = read_locals(endpoints); !read) return read;
  LowerSet* const lowers = growing();
  const bool may_move = lowers != nullptr && !lowers->prohibits(Feature::path_migration) &&
                        stack_->composed().traits.have.has(Feature::path_migration);
  for (const Endpoint& local : endpoints) {
    if (lowers != nullptr ? !lowers->runs_from(local.address) : !goes_from(local.address)) continue;
    if (!may_move || !lowers->remove(local.address)) return cut_off("local"), Result<void>();
  }
  return {};
}

// Removing all of them aborts (RFC 9622 section 7.5), and with the connection below go all that are its streams.
void ConnectionCore::cut_off(const char* what) noexcept {
  const Error why{Reason::unreachable, 0, "core",
                  std::string("the application has removed all ") + what + " endpoints"};
  const std::shared_ptr<Group> group = stack_->trunk() != nullptr && membership_ ? membership_->group : nullptr;
  if (group) {
    for (ConnectionCore* member : std::vector(group->members())) {
      if (member != this && group->has(member)) member->abort_for(why);
    }
  }
  abort_for(why);
}

}  // namespace trellis
