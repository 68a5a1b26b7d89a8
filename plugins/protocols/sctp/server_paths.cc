// server_paths.cc: how a server comes to several paths. What its peer has told is in the cookie; the association is
// known by the tag in its packets, whichever of the told addresses they come from. Nobody else is let in (RFC 9260
// section 5.1.2).
#include <algorithm>

#include "peer_addresses.h"
#include "sctp_acceptor.h"

namespace trellis::sctp {

void SctpInstance::expect_paths(const CookieFacts& facts, std::span<const std::byte> cookie_echo) {
  std::array<std::byte, kPacketHeader> header{};
  const PacketPorts ports = ports_of(cookie_echo);
  write_16(header, 0, ports.to);
  write_16(header, 2, ports.from);
  write_16(header, kTagAt, facts.peer_tag >> 16);
  write_16(header, kTagAt + 2, facts.peer_tag);
  own_tag_ = tag_of(cookie_echo);
  peer_addresses_ = facts.addresses;
  paths_ = std::make_unique<PathSet>(static_cast<PathSetOwner&>(*this), host_.executor(), settings_, header, own_tag_);
  const MessageInfo& first = *flow_->out.to().get();
  paths_->add(first.local, first.remote, PathState::active)->out = &flow_->out;
  // The peer knows us by the addresses that it was told: where these are several, the kernel's routes choose.
  const Address local = settings_.addresses.empty() ? first.local : Address();
  for (const Address& address : peer_addresses_) {
    if (!local || local.family == address.family) add_path(local, address);
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
  if (!paths_ || flow_ == nullptr || !paths_->is_for_us(packet)) return false;
  SctpPath* const path = path_of(from);
  if (path == nullptr) return false;
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
    const bool told = same_host(all.front()->remote, from.remote) || has_host(peer_addresses_, from.remote);
    const bool ours = same_host(all.front()->local, from.local) || has_host(settings_.addresses, from.local);
    return told && ours ? add_path(from.local, from.remote) : nullptr;
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
