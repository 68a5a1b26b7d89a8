// multihoming.cc: an association whose ends have several addresses. They tell each other in the handshake; a client
// then asks the engine for a lower to each address of its peer, and one from each path of its own; a server knows its
// peer by the tag in its packets, whichever of the told addresses they come from. Nobody else is let in (RFC 9260
// section 5.1).
#include <algorithm>
#include <format>

#include "../property_name.h"
#include "crc32c.h"
#include "peer_addresses.h"
#include "sctp_acceptor.h"

namespace trellis::sctp {
namespace {

constexpr std::size_t kPathWindow = 1 << 20;  // bytes of datagrams

Address local_of(LowerPort port) noexcept {
  const Route& route = port.route();
  return route.local ? route.local : route.path.local;
}

bool has(std::span<const Address> all, const Address& one) noexcept {
  return std::ranges::any_of(all, [&](const Address& a) { return same_host(a, one); });
}

std::string name_of(const SctpPath& path) {
  return std::format("path {} ({} to {})", path.number, text_of(path.local), text_of(path.remote));
}

std::unexpected<Error> no_such_path(std::string_view name, const PathSet* paths) {
  if (paths == nullptr) return fail(Reason::unsupported, "the association has one path", 0, kLayer);
  return fail(Reason::invalid_argument,
              std::format("{}: expected the number of a confirmed path: {}", name, paths->text()), 0, kLayer);
}

}  // namespace

// ---- a client

// What is told is fixed with the first INIT: SCTP has no other moment for it without RFC 5061.
void SctpInstance::say_init() noexcept {
  said_init_ = true;
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
  if (!paths_) return cover_paths();
  for (const auto& path : paths_->all()) {
    const bool there = std::ranges::any_of(all, [&](const Path& p) { return same_host(p.local, path->local); });
    if (!path->local) continue;
    if (!there)
      paths_->vanish(*path);
    else if (path->health.state() == PathState::inactive)
      paths_->probe(*path);
  }
  std::erase_if(covered_, [&](std::uint32_t id) { return !std::ranges::contains(all, id, &Path::id); });
  cover_paths();
  host_.wake();
}

// One of each family for each interface, the one in use first: more would fail together.
std::vector<Address> SctpInstance::addresses_to_tell() const {
  std::vector<Address> told;
  const Route& route = lower_.route();
  if (one_path_ || route.path.type == InterfaceType::loopback) return told;
  std::vector<std::pair<std::string_view, Address::Family>> links;
  for (const Path& path : known_paths_) {
    const std::pair link(std::string_view(path.interface_name), path.local.family);
    const bool in_use = link == std::pair(std::string_view(route.path.interface_name), route.remote.family);
    if (!path.local || path.deprecated || !may_be_told(path.local, route.remote)) continue;
    if (std::ranges::contains(links, link) || (in_use && !same_host(path.local, local_of(lower_)))) continue;
    links.push_back(link);
    told.push_back(path.local);
    if (told.size() == kAddressesMost) break;
  }
  return told;
}

void SctpInstance::wish_for(const LowerWish& wish) noexcept {
  auto wished = host_.lowers().want_lower(wish);
  if (!wished) return host_.log(Severity::info, "no further path: " + wished.error().detail);
  wished->mark(this);
  ++wishes_;
}

void SctpInstance::reach_peer_addresses() noexcept {
  for (const Address& address : peer_addresses_) {
    if (!same_host(address, lower_.route().remote))
      wish_for({.purpose = LowerWish::Purpose::standby, .remote = address});
  }
  cover_paths();
}

// One from each path that leads out and is not used yet, once the addresses of the peer have had their choice.
void SctpInstance::cover_paths() noexcept {
  if (own_out_ == std::nullopt || !lives() || wishes_ > 0) return;
  for (const Path& path : known_paths_) {
    const auto from_there = [&](const auto& p) { return same_host(p->local, path.local); };
    const bool used = paths_ ? std::ranges::any_of(paths_->all(), from_there) : same_host(local_of(lower_), path.local);
    const auto to = std::ranges::find(peer_addresses_, path.local.family, &Address::family);
    if (used || to == peer_addresses_.end() || !has(own_addresses_, path.local) ||
        std::ranges::contains(covered_, path.id))
      continue;
    covered_.push_back(path.id);
    wish_for({.purpose = LowerWish::Purpose::standby, .path = path.id, .remote = *to});
  }
}

// Of two addresses that both ends have told each other, and not there yet.
bool SctpInstance::belongs(LowerPort port) const noexcept {
  const Address local = local_of(port), remote = port.route().remote;
  const bool from_us = !local || same_host(local, local_of(lower_)) || has(own_addresses_, local);
  const auto is_same = [&](const auto& p) { return same_host(p->local, local) && same_host(p->remote, remote); };
  return has(peer_addresses_, remote) && from_us && (!paths_ || std::ranges::none_of(paths_->all(), is_same));
}

void SctpInstance::lower_ready(LowerPort port) noexcept {
  const bool asked = port.mark<SctpInstance>() == this;
  if (asked) --wishes_;
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
    paths_ =
        std::make_unique<PathSet>(static_cast<PathSetOwner&>(*this), host_.executor(), settings_, header_, own_tag_);
    SctpPath& first = *paths_->add(local_of(lower_), lower_.route().remote, PathState::active);
    first.lower = lower_;
    first.out = &*own_out_;
  }
  SctpPath* const path = paths_->add(local_of(port), port.route().remote, PathState::unconfirmed);
  if (path == nullptr) return false;
  path->lower = port;
  path->out = &path->own_out.emplace(host_.executor().pool(), port, MessageRef());
  port.grant_to(kPathWindow);
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
  if (!paths_->remove(*path)) return false;
  if (port == lower_) lower_ = paths_->in_use().lower;
  return true;
}

// ---- a server

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
  for (const Address& address : peer_addresses_) add_path({}, address);
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
    const bool told = same_host(all.front()->remote, from.remote) || has(peer_addresses_, from.remote);
    const bool ours = same_host(all.front()->local, from.local) || has(settings_.addresses, from.local);
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

void SctpInstance::drop_paths() noexcept {
  if (!paths_) return;
  for (const auto& path : paths_->all()) {
    if (flow_ != nullptr && path->own_out) flow_->acceptor.forget(*path->out);
  }
  paths_.reset();
}

// ---- what the set says

void SctpInstance::has_packets(SctpPath& path) noexcept {
  if (flow_ != nullptr)
    flow_->acceptor.has_packets(*path.out);
  else
    host_.wake();
}

void SctpInstance::path_became(const SctpPath& path, PathState before) noexcept {
  const auto tell = [&](Notice notice, Reason reason, std::string_view what) {
    host_.notify(notice, {reason, 0, kLayer, name_of(path) + std::string(what)});
  };
  switch (path.health.state()) {
    case PathState::active:
      return tell(Notice::path_change, Reason{}, before == PathState::unconfirmed ? " is confirmed" : " works again");
    case PathState::suspected: return tell(Notice::soft_error, Reason::timed_out, " does not answer");
    case PathState::inactive: return tell(Notice::path_change, Reason::unreachable, " is inactive");
    case PathState::unconfirmed: return;
  }
}

void SctpInstance::data_moved(const SctpPath& before, bool at_once) noexcept {
  if (at_once && lives()) association_.begin_slowly();
  host_.notify(Notice::path_change,
               {Reason{}, 0, kLayer,
                std::format("data go by {} and not by {} any more", name_of(paths_->in_use()), name_of(before))});
}

// ---- properties

Result<PropertyValue> SctpInstance::get_paths(std::string_view name) const {
  if (same_name(name, kMultipathPolicy.name) && settings_.multihoming && !one_path_) return std::string("Handover");
  if (!paths_) return fail(Reason::unsupported, "the association has one path", 0, kLayer);
  if (same_name(name, "sctp.paths")) return paths_->text();
  if (same_name(name, "sctp.path")) {
    if (flow_ == nullptr) return std::uint64_t{paths_->in_use().lower.route().path.id};
    return fail(Reason::unsupported, "only a client knows its paths by their ids", 0, kLayer);
  }
  const auto primary = std::ranges::find_if(paths_->all(), [&](const auto& p) { return paths_->is_primary(*p); });
  return std::uint64_t{(*primary)->number};
}

// By its number, or, for sctp.path, by the engine's.
SctpPath* SctpInstance::path_by(std::string_view name, const PropertyValue& value) const noexcept {
  const auto* const number = std::get_if<std::uint64_t>(&value);
  if (number == nullptr || !paths_) return nullptr;
  const auto is_it = [&](const auto& p) {
    if (!same_name(name, "sctp.path")) return p->number == *number;
    return p->lower && p->lower.route().path.id == *number;
  };
  const auto found = std::ranges::find_if(paths_->all(), is_it);
  return found != paths_->all().end() ? found->get() : nullptr;
}

Result<void> SctpInstance::set_primary(std::string_view name, const PropertyValue& value) noexcept {
  SctpPath* const path = path_by(name, value);
  if (path == nullptr || !paths_->prefer(*path)) return no_such_path(name, paths_.get());
  host_.wake();
  return {};
}

Result<PropertyValue> SctpInstance::get_stream_path(const Stream& s) const {
  const SctpPath* const path = paths_ ? paths_->tied_to(s.id) : nullptr;
  if (path == nullptr) return fail(Reason::unsupported, "the stream goes by the path of all", 0, kLayer);
  return std::uint64_t{path->number};
}

Result<void> SctpInstance::set_stream_path(const Stream& s, const PropertyValue& value) noexcept {
  constexpr std::string_view kName = "sctp.streamPath";
  SctpPath* const path = path_by(kName, value);
  if (path == nullptr || !paths_->tie(s.id, *path)) return no_such_path(kName, paths_.get());
  return {};
}

}  // namespace trellis::sctp
