// multihoming.cc: what an association with several paths tells of them, and what it can be told.
#include <algorithm>
#include <format>

#include "../property_name.h"
#include "peer_addresses.h"
#include "sctp_acceptor.h"

namespace trellis::sctp {
namespace {

std::string name_of(const SctpPath& path) {
  return std::format("path {} ({} to {})", path.number, text_of(path.local), text_of(path.remote));
}

std::unexpected<Error> no_such_path(std::string_view name, const PathSet* paths) {
  if (paths == nullptr) return fail(Reason::unsupported, "the association has one path", 0, kLayer);
  return fail(Reason::invalid_argument,
              std::format("{}: expected the number of a confirmed path: {}", name, paths->text()), 0, kLayer);
}

}  // namespace

void SctpInstance::drop_paths() noexcept {
  if (!paths_) return;
  for (const auto& path : paths_->all()) {
    if (flow_ != nullptr && path->own_out) flow_->acceptor.forget(*path->out);
  }
  paths_.reset();
}

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
      unsettled_ = true;
      host_.wake();
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
  if (same_name(name, kPaths)) return paths_->text();
  if (same_name(name, kPath)) {
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
    if (!same_name(name, kPath)) return p->number == *number;
    return p->lower && p->lower.route().path.id == *number;
  };
  const auto found = std::ranges::find_if(paths_->all(), is_it);
  return found != paths_->all().end() ? found->get() : nullptr;
}

Result<void> SctpInstance::set_primary(std::string_view name, const PropertyValue& value) noexcept {
  SctpPath* const path = path_by(name, value);
  if (path == nullptr || !paths_->prefer(*path)) return no_such_path(name, paths_.get());
  home_ = preferred_ = {};
  host_.wake();
  return {};
}

Result<PropertyValue> SctpInstance::get_peer_primary() const {
  const auto is_it = [this](const auto& path) { return same_host(path->local, peer_primary_); };
  if (peer_primary_ && paths_) {
    const auto found = std::ranges::find_if(paths_->all(), is_it);
    if (found != paths_->all().end()) return std::uint64_t{(*found)->number};
  }
  return fail(Reason::unsupported, "the peer was not asked to send to one of our addresses", 0, kLayer);
}

Result<void> SctpInstance::set_peer_primary(const PropertyValue& value) noexcept {
  if (!reconfiguration_ || !reconfiguration_->can(Change::prefer) || stage_ != Stage::open)
    return fail(Reason::unsupported, "the peer cannot be asked to send to one of our addresses (RFC 5061)", 0, kLayer);
  SctpPath* const path = path_by(kPeerPrimary, value);
  if (path == nullptr || !path->local || !is_agreed(path->local)) return no_such_path(kPeerPrimary, paths_.get());
  const AddressRequest request{Change::prefer, host_of(path->local)};
  reconfiguration_->ask(std::span(&request, 1));
  return {};
}

Result<PropertyValue> SctpInstance::get_stream_path(const Stream& s) const {
  const SctpPath* const path = paths_ ? paths_->tied_to(s.id) : nullptr;
  if (path == nullptr) return fail(Reason::unsupported, "the stream goes by the path of all", 0, kLayer);
  return std::uint64_t{path->number};
}

Result<void> SctpInstance::set_stream_path(const Stream& s, const PropertyValue& value) noexcept {
  SctpPath* const path = path_by(kStreamPath, value);
  if (path == nullptr || !paths_->tie(s.id, *path)) return no_such_path(kStreamPath, paths_.get());
  return {};
}

}  // namespace trellis::sctp
