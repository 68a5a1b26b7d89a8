// peer_changes.cc: what a peer asks for that changes its addresses while an association lives (RFC 5061).
#include <algorithm>

#include "peer_addresses.h"
#include "sctp_acceptor.h"

namespace trellis::sctp {

// IMPL-92. A new address has a way like those that were told in the handshake: it is confirmed by a heartbeat before
// data go there.
Cause SctpInstance::peer_asks(const AddressRequest& request) noexcept {
  if (one_path_) return Cause::no_authorization;
  Address address = request.address;
  if (!address && request.change != Change::remove) address = source_.remote;
  if (!address) return peer_keeps(source_.remote);
  switch (request.change) {
    case Change::add: return peer_adds(address);
    case Change::remove: return peer_removes(address);
    case Change::prefer: return peer_prefers(address);
  }
  return Cause::unrecognized_parameters;
}

// An address from which the peer speaks can be used, whatever it looks like.
Cause SctpInstance::peer_adds(Address address) {
  const Address first = first_remote();
  const bool from_there = same_host(address, source_.remote);
  if (has_host(peer_addresses_, address)) {
    if (flow_ != nullptr && from_there && source_.remote.port != first.port) make_paths();  // its port follows
    return Cause::none;
  }
  if (!from_there && !may_be_told(address, first)) return Cause::unresolvable_address;
  if (peer_addresses_.size() >= kAddressesMost) return Cause::resource_shortage;
  address.port = from_there ? source_.remote.port : first.port;
  if (flow_ == nullptr) {
    if (!wish_for({.purpose = LowerWish::Purpose::standby, .remote = address})) return Cause::resource_shortage;
  } else {
    const Address local = local_towards(address);
    if (!local && settings_.addresses.empty()) return Cause::unresolvable_address;
    make_paths();
    settle_paths();
    if (add_path(local, address) == nullptr) return Cause::resource_shortage;
  }
  peer_addresses_.push_back(address);
  host_.wake();
  return Cause::none;
}

template <class F>
void SctpInstance::lose_peer_addresses(F which) noexcept {
  std::erase_if(peer_addresses_, which);
  if (which(preferred_)) preferred_ = {};
  if (!paths_) return;
  for (const auto& path : paths_->all()) {
    if (which(path->remote)) let_go(*path);
  }
}

Cause SctpInstance::peer_removes(const Address& address) noexcept {
  if (!has_host(peer_addresses_, address)) return Cause::unresolvable_address;
  if (peer_addresses_.size() == 1) return Cause::last_address;
  if (same_host(address, source_.remote)) return Cause::source_address;
  lose_peer_addresses([&](const Address& one) { return same_host(one, address); });
  return Cause::none;
}

// The wildcard: all but the one from which it asks.
Cause SctpInstance::peer_keeps(const Address& address) noexcept {
  if (!has_host(peer_addresses_, address)) return Cause::source_address;
  lose_peer_addresses([&](const Address& one) { return !same_host(one, address); });
  return Cause::none;
}

// One that is not confirmed yet becomes the primary one when it is.
Cause SctpInstance::peer_prefers(const Address& address) noexcept {
  if (!has_host(peer_addresses_, address)) return Cause::unresolvable_address;
  preferred_ = address;
  unsettled_ = true;
  host_.wake();
  return Cause::none;
}

// Where the peer knows us by several addresses the kernel's routes choose.
Address SctpInstance::local_towards(const Address& remote) const noexcept {
  const Address& first = flow_->out.to()->local;
  return settings_.addresses.empty() && first.family == remote.family ? first : Address();
}

// That of the handshake, or what has followed it.
Address SctpInstance::first_remote() const noexcept {
  return flow_ != nullptr ? flow_->out.to()->remote : lower_.route().remote;
}

// ---- paths that come and go

void SctpInstance::make_paths() {
  if (paths_) return;
  paths_ = std::make_unique<PathSet>(static_cast<PathSetOwner&>(*this), host_.executor(), settings_, header_);
  const Address local = flow_ != nullptr ? flow_->out.to()->local : local_of(lower_);
  SctpPath& first = *paths_->add(local, first_remote(), PathState::active);
  first.out = flow_ != nullptr ? &flow_->out : &*own_out_;
  if (flow_ != nullptr)
    flow_->several.push_back(this);
  else
    first.lower = lower_;
}

// Nothing more goes there. It is taken out by settle_paths().
void SctpInstance::let_go(SctpPath& path) noexcept {
  if (std::exchange(path.leaving, true)) return;
  path.quiet = true;
  paths_->vanish(path);
  unsettled_ = true;
  host_.wake();
}

// Takes out what leaves. The last path that has worked stays until another one is confirmed: data go to nobody else.
void SctpInstance::settle_paths() noexcept {
  if (!paths_ || !lives() || !std::exchange(unsettled_, false)) return;
  const auto goes = [this](const auto& path) { return path->leaving && !paths_->is_last(*path); };
  const auto& all = paths_->all();
  for (auto one = std::ranges::find_if(all, goes); one != all.end(); one = std::ranges::find_if(all, goes)) {
    const LowerPort lower = (*one)->lower;
    if (flow_ != nullptr) flow_->acceptor.forget(*(*one)->out);
    paths_->remove(**one);
    if (!lower) continue;
    if (lower == lower_) lower_ = paths_->in_use().lower;
    host_.lowers().drop_lower(lower, {.abort = true});
  }
  for (const auto& path : all) {
    const bool wanted = preferred_ ? same_host(path->remote, preferred_) : home_ && same_host(path->local, home_);
    if (!wanted || path->leaving || path->health.state() != PathState::active) continue;
    home_ = preferred_ = {};
    if (!paths_->is_primary(*path)) paths_->prefer(*path);
    return;
  }
}

}  // namespace trellis::sctp
