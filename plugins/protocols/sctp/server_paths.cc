// server_paths.cc: how a server comes to several paths. What its peer has told is in the cookie; the association is
// known by the tag in its packets, whichever of the told addresses they come from. Nobody else is let in (RFC 9260
// section 5.1.2).
#include <algorithm>

#include "peer_addresses.h"
#include "sctp_acceptor.h"

namespace trellis::sctp {

void SctpInstance::know_peer(const CookieFacts& facts, std::span<const std::byte> cookie_echo) {
  const PacketPorts ports = ports_of(cookie_echo);
  write_16(header_, 0, ports.to);
  write_16(header_, 2, ports.from);
  write_32(header_, kTagAt, facts.peer_tag);
  own_tag_ = tag_of(cookie_echo);
  peer_addresses_ = facts.addresses;
  peer_addresses_.insert(peer_addresses_.begin(), flow_->out.to()->remote);
}

void SctpInstance::expect_paths() {
  make_paths();
  for (const Address& address : std::span(peer_addresses_).subspan(1)) {
    const Address local = local_towards(address);
    if (local || !settings_.addresses.empty()) add_path(local, address);
  }
}

SctpPath* SctpInstance::add_path(const Address& local, const Address& remote) {
  SctpPath* const path = paths_->add(local, remote, PathState::unconfirmed);
  if (path != nullptr) {
    path->out = &path->own_out.emplace(host_.executor().pool(), lower_, MessageRef());
    path->out->go_to(way_to(remote, local));
  }
  return path;
}

bool SctpInstance::take_from(const MessageInfo& from, std::span<const std::byte> packet, std::uint8_t ecn) noexcept {
  if (flow_ == nullptr || !comes_back(packet, header_, own_tag_)) return false;
  std::vector<std::byte> room;
  if (reconfiguration_ && lives() && Reconfiguration::concerns(packet)) {
    room.resize(packet.size());
    source_ = {.remote = from.remote, .lower = lower_, .to = way_to(from.remote, from.local, from.label)};
    packet = reconfiguration_->take(packet, room);
    if (packet.empty() || flow_ == nullptr || !association_) return true;
  }
  const MessageInfo& first = *flow_->out.to().get();
  if (!paths_) {
    if (room.empty()) return false;
    if (from.remote == first.remote) Library::of_process().input(flow_->key, packet, ecn);
    return true;
  }
  SctpPath* const path = path_of(from);
  if (path == nullptr) return same_host(from.remote, first.remote) && !has_host(peer_addresses_, from.remote);
  if (reconfiguration_) reconfiguration_->heard();
  paths_->came(*path, packet);
  Library::of_process().input(flow_->key, packet, ecn);
  if (paths_) paths_->left();
  return true;
}

// The UDP port of an address is that from which it was last heard (RFC 6951 section 5.4). The one of the handshake may
// be that of other associations too.
SctpPath* SctpInstance::path_of(const MessageInfo& from) noexcept {
  const auto& all = paths_->all();
  const auto is_it = [&](const auto& p) {
    return same_host(p->remote, from.remote) && same_host(p->local, from.local);
  };
  auto found = std::ranges::find_if(all, is_it);
  if (found == all.begin() && (*found)->remote.port != from.remote.port && flow_->associations > 1) return nullptr;
  if (found == all.end())
    found = std::ranges::find_if(all, [&](const auto& p) { return same_host(p->remote, from.remote) && !p->local; });
  if (found == all.end()) {
    const bool ours = same_host(flow_->out.to()->local, from.local) || has_host(settings_.addresses, from.local);
    return has_host(peer_addresses_, from.remote) && ours ? add_path(from.local, from.remote) : nullptr;
  }
  SctpPath& path = **found;
  if (path.local != from.local || path.remote != from.remote) {
    path.local = from.local;
    path.remote = from.remote;
    path.out->go_to(way_to(from.remote, from.local));
    if (path.health.state() == PathState::unconfirmed) paths_->probe(path);
    host_.wake();
  }
  return &path;
}

}  // namespace trellis::sctp
