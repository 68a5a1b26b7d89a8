// client_paths.cc: how a client comes to several paths. Both ends tell their addresses in the handshake; then it asks
// the engine for a lower to each address of its peer, and for one from each path of its own that none of these uses.
#include <algorithm>

#include "crc32c.h"
#include "peer_addresses.h"
#include "sctp_instance.h"

namespace trellis::sctp {
namespace {

constexpr std::size_t kPathWindow = 1 << 20;  // bytes of datagrams

}  // namespace

Address SctpInstance::local_of(LowerPort port) noexcept {
  const Route& route = port.route();
  return route.local ? route.local : route.path.local;
}

// What is told is fixed with the first INIT: what comes later is asked for (own_changes.cc).
void SctpInstance::say_init() noexcept {
  said_init_ = true;
  if (offers_changes()) {
    if (own_offer_.key_vector.empty()) host_.executor().secret(own_random_);
    init_ = with_offer(init_, own_random_);
    own_offer_ = offer_in_packet(init_);
  }
  std::vector<std::byte> room(init_.size() + kAddressRoom);
  const auto with =
      own_addresses_.size() > 1 ? with_addresses(init_, own_addresses_, room) : std::span<const std::byte>();
  own_out_->add(with.empty() ? std::span<const std::byte>(init_) : with, 0);
  init_.clear();
}

void SctpInstance::heard_init_ack(std::span<const std::byte> packet) {
  if (one_path_ || tag_of(packet) != own_tag_ || !packet_is_sound(packet)) return;
  const Address& first = lower_.route().remote;
  peer_addresses_ = addresses_in(packet, first);
  peer_addresses_.insert(peer_addresses_.begin(), first);
}

void SctpInstance::paths(std::span<const Path> all) noexcept {
  known_paths_.assign(all.begin(), all.end());
  if (!said_init_) own_addresses_ = addresses_to_tell();
  if (paths_) check_paths();
  if (reconfiguration_ && lives()) reconfiguration_->go_on();
  follow_own_addresses();
  paths_are_news_ = true;
  cover_paths();
  host_.wake();
}

void SctpInstance::check_paths() noexcept {
  for (const auto& path : paths_->all()) {
    if (!path->local || path->leaving) continue;
    if (!is_there(path->local))
      paths_->vanish(*path);
    else if (path->health.state() == PathState::inactive)
      paths_->probe(*path);
  }
}

// What the peer is to know now; follow_own_addresses() sees to it. One of each family for each interface, the one in
// use first: more would fail together. Unasked, only what is needed (RFC 9622 section 6.2.15).
std::vector<Address> SctpInstance::addresses_to_tell() const {
  std::vector<Address> told;
  const Route& route = lower_.route();
  if (one_path_ || route.path.type == InterfaceType::loopback) return told;
  std::vector<std::pair<std::string_view, Address::Family>> links;
  for (const Path& path : known_paths_) {
    const std::pair link(std::string_view(path.interface_name), path.local.family);
    const bool in_use = is_there(local_of(lower_)) &&
                        link == std::pair(std::string_view(route.path.interface_name), route.remote.family);
    if (!path.local || path.deprecated || !may_be_told(path.local, route.remote)) continue;
    if (std::ranges::contains(links, link) || (in_use && !same_host(path.local, local_of(lower_)))) continue;
    links.push_back(link);
    told.push_back(path.local);
    if (told.size() == kAddressesMost) break;
  }
  if (!advertises_) keep_needed(told);
  return told;
}

// The address in use, or the one in its place, and those that the application has added.
void SctpInstance::keep_needed(std::vector<Address>& addresses) const {
  Address needed = local_of(lower_);
  if (!is_there(needed) && !addresses.empty()) {
    const auto known =
        std::ranges::find_if(addresses, [this](const Address& a) { return has_host(own_addresses_, a); });
    needed = known != addresses.end() ? *known : addresses.front();
  }
  std::erase_if(addresses, [&](const Address& a) { return !same_host(a, needed) && !has_host(added_, a); });
}

bool SctpInstance::wish_for(const LowerWish& wish) noexcept {
  auto wished = host_.lowers().want_lower(wish);
  if (!wished) {
    host_.log(Severity::info, "no further path: " + wished.error().detail);
    return false;
  }
  wished->mark(this);
  ++wishes_;
  return true;
}

void SctpInstance::reach_peer_addresses() noexcept {
  for (const Address& address : peer_addresses_) {
    if (same_host(address, lower_.route().remote)) continue;
    if (!wish_for({.purpose = LowerWish::Purpose::standby, .remote = address})) break;  // so it is with the others
  }
  cover_paths();
}

// From each path that leads out and is not used yet, once the addresses of the peer have had their choice. What has
// failed is wished for again when there is news: an address comes before its routes.
void SctpInstance::cover_paths() noexcept {
  if (own_out_ == std::nullopt || !lives() || wishes_ > 0) return;
  if (std::exchange(paths_are_news_, false)) covered_.clear();
  for (const Path& path : known_paths_) {
    const auto from_there = [&](const auto& p) { return same_host(p->local, path.local); };
    const bool used = paths_ ? std::ranges::any_of(paths_->all(), from_there) : same_host(local_of(lower_), path.local);
    if (used || !may_come(path.local) || std::ranges::contains(covered_, path.id)) continue;
    if (path.type == InterfaceType::loopback || (has_way_out() && !is_agreed(path.local))) continue;
    covered_.push_back(path.id);
    for (const Address& to : addresses_for(path.local))
      wish_for({.purpose = LowerWish::Purpose::standby, .path = path.id, .remote = to});
  }
}

// The peer's addresses that nothing reaches now: it may be that each is reached from one of ours only. Else the one
// that looks nearest.
std::vector<Address> SctpInstance::addresses_for(const Address& local) const {
  std::vector<Address> some, nearest;
  const auto alike = [&](const Address& a) { return std::ranges::mismatch(a.ip, local.ip).in1 - a.ip.begin(); };
  for (const Address& address : peer_addresses_) {
    if (address.family != local.family) continue;
    if (nearest.empty() || alike(address) > alike(nearest.front())) nearest = {address};
    const auto reaches = [&](const auto& p) {
      return same_host(p->remote, address) && p->health.state() == PathState::active && !p->leaving;
    };
    if (paths_ ? std::ranges::none_of(paths_->all(), reaches) : !same_host(address, first_remote()))
      some.push_back(address);
  }
  return some.empty() ? nearest : some;
}

// The peer has agreed to it, or is being asked.
bool SctpInstance::may_come(const Address& local) const noexcept {
  if (has_host(own_addresses_, local)) return true;
  return reconfiguration_ && (reconfiguration_->asks({Change::add, host_of(local)}) ||
                              (reconfiguration_->asks({Change::add, {}}) && !has_way_out()));
}

// Of two addresses that both ends have told each other, and not there yet.
bool SctpInstance::belongs(LowerPort port) const noexcept {
  const Address local = local_of(port), remote = port.route().remote;
  const bool from_us = !local || same_host(local, local_of(lower_)) || may_come(local);
  const auto is_same = [&](const auto& p) { return same_host(p->local, local) && same_host(p->remote, remote); };
  return has_host(peer_addresses_, remote) && from_us && (!paths_ || std::ranges::none_of(paths_->all(), is_same));
}

void SctpInstance::lower_ready(LowerPort port) noexcept {
  const bool asked = port.mark<SctpInstance>() == this;
  if (asked) --wishes_;
  if (!asked) want(local_of(port));
  if (!lives() || !belongs(port) || !join(port)) {
    if (!asked)
      host_.notify(Notice::soft_error,
                   {Reason::unsupported, 0, kLayer, "an address that was not told in the handshake is not added"});
    host_.lowers().drop_lower(port, {.abort = true});
  }
  cover_paths();
  host_.wake();
}

bool SctpInstance::join(LowerPort port) {
  if (!paths_) {
    make_paths();
    if (!known_paths_.empty()) check_paths();
  }
  SctpPath* const path = paths_->add(local_of(port), port.route().remote, PathState::unconfirmed);
  if (path == nullptr) return false;
  path->lower = port;
  path->out = &path->own_out.emplace(host_.executor().pool(), port, MessageRef());
  port.grant_to(kPathWindow);
  path->quiet = !is_agreed(path->local) && !same_host(path->local, local_of(lower_));
  if (path->quiet && reconfiguration_) reconfiguration_->go_on();
  return true;
}

bool SctpInstance::lower_failed(LowerPort port, const Error& error) noexcept {
  SctpPath* const path = paths_ ? paths_->find(port) : nullptr;
  if (path == nullptr) {
    if (port == lower_) return false;
    if (port.mark<SctpInstance>() == this) --wishes_;
    host_.log(Severity::info, "no further path: " + error.detail);
    cover_paths();
    return true;
  }
  const Address local = path->local;
  if (!paths_->remove(*path)) return false;
  if (port == lower_) lower_ = paths_->in_use().lower;
  give_up(local);
  return true;
}

}  // namespace trellis::sctp
