// own_changes.cc: addresses of this host that come and go while an association lives: the peer is asked to add and
// remove them (RFC 5061), and to send to one of them.
#include <algorithm>
#include <format>

#include "crc32c.h"
#include "peer_addresses.h"
#include "sctp_acceptor.h"

namespace trellis::sctp {
namespace {

constexpr std::string_view kAsked[] = {"add the address ", "remove the address ", "send to the address "};

std::string_view text_of_change(Change change) noexcept {
  return kAsked[change == Change::add ? 0 : change == Change::remove ? 1 : 2];
}

const std::vector<std::unique_ptr<SctpPath>> kNoPaths;

}  // namespace

// ---- in the handshake

// Where routing decides there is one path without an address, and no news of it.
bool SctpInstance::offers_changes() const noexcept {
  const bool follows_paths = std::ranges::any_of(known_paths_, [](const Path& path) { return bool(path.local); });
  return settings_.dynamic_addresses && !one_path_ && !withdrawn_ && follows_paths &&
         lower_.route().path.type != InterfaceType::loopback;
}

// A peer that wants further chunks to be authenticated hears no offer in the next INIT, which the library sends when
// its time comes. It has kept nothing of the first.
bool SctpInstance::wants_too_much(std::span<const std::byte> init_ack) {
  if (own_offer_.key_vector.empty() || tag_of(init_ack) != own_tag_ || !packet_is_sound(init_ack)) return false;
  if (!offer_in_packet(init_ack).demands_more) return false;
  withdrawn_ = true;
  own_offer_ = {};
  return true;
}

// With the INIT ACK that the library has taken: its COOKIE ECHO has the tag from there.
void SctpInstance::heard_offer(std::span<const std::byte> init_ack) {
  if (own_offer_.key_vector.empty() || !packet_is_sound(init_ack)) return;
  if (initiate_tag(init_ack) == 0 || tag_of(header_) != initiate_tag(init_ack)) return;
  const Offer peer = offer_in_packet(init_ack);
  reconfiguration_.reset();
  if (!has_host(own_addresses_, local_of(lower_))) unsaid_local_ = local_of(lower_);
  if (peer.complete) expect_changes(own_offer_, peer, own_tsn_, initial_tsn(init_ack));
}

void SctpInstance::expect_changes(const Offer& own, const Offer& peer, std::uint32_t own_tsn, std::uint32_t peer_tsn) {
  reconfiguration_ =
      std::make_unique<Reconfiguration>(static_cast<ReconfigurationOwner&>(*this), host_.executor(), settings_, header_,
                                        Authenticator(own.key_vector, peer.key_vector, peer.hmac), own_tsn, peer_tsn);
}

// ---- what is there

bool SctpInstance::is_there(const Address& local) const noexcept {
  return std::ranges::any_of(known_paths_,
                             [&](const Path& path) { return !path.local || same_host(path.local, local); });
}

// A server sends by its host's routes.
bool SctpInstance::leads_out(const SctpPath& path) const noexcept {
  return !path.leaving && (flow_ != nullptr || !path.local || is_there(path.local));
}

bool SctpInstance::has_way_out() const noexcept {
  if (!paths_) return flow_ != nullptr || is_there(local_of(lower_));
  return std::ranges::any_of(paths_->all(), [&](const auto& path) { return leads_out(*path); });
}

// The peer has agreed to hear us from there.
bool SctpInstance::is_agreed(const Address& local) const noexcept {
  return flow_ != nullptr || !local || has_host(own_addresses_, local) || same_host(local, unsaid_local_);
}

// What has come is added, and what has gone removed, in one chunk. Without a way out the peer is asked from the new
// address, to which a lower is wanted at once.
void SctpInstance::follow_own_addresses() {
  if (!reconfiguration_ || stage_ != Stage::open) return;
  std::erase_if(given_up_, [this](const Address& address) { return !is_there(address); });
  std::vector<AddressRequest> wanted;
  const auto want = [&](Change change, const Address& address) {
    const AddressRequest request{change, host_of(address)};
    if (reconfiguration_->can(change) && !reconfiguration_->asks(request)) wanted.push_back(request);
  };
  for (const Address& address : addresses_to_tell()) {
    if (!has_host(own_addresses_, address) && !has_host(given_up_, address)) want(Change::add, address);
  }
  const bool others = !wanted.empty() || std::ranges::any_of(own_addresses_, [&](const Address& address) {
    return is_there(address) && !has_host(given_up_, address);
  });
  for (const Address& address : own_addresses_) {
    if (others && (!is_there(address) || has_host(given_up_, address))) want(Change::remove, address);
  }
  if (wanted.empty() && own_addresses_.empty() && !has_way_out()) {  // a NAT hides them: the peer takes what it sees
    want(Change::add, {});
    want(Change::remove, {});
  }
  if (!wanted.empty()) reconfiguration_->ask(wanted);
}

// The application has added one, or wants it again.
void SctpInstance::want(const Address& local) {
  if (!has_host(added_, local)) added_.push_back(host_of(local));
  std::erase_if(given_up_, [&](const Address& address) { return same_host(address, local); });
  follow_own_addresses();
}

// The application, or a failure, has taken the last path from an address of ours.
void SctpInstance::give_up(const Address& local) {
  const auto from_there = [&](const auto& path) { return same_host(path->local, local) && !path->leaving; };
  if (!local || !paths_ || std::ranges::any_of(paths_->all(), from_there)) return;
  given_up_.push_back(host_of(local));
  follow_own_addresses();
}

// ---- what the peer says to it

void SctpInstance::peer_answered(const AddressRequest& request, Cause cause) noexcept {
  const bool done = cause == Cause::none;
  if (!done) {
    host_.notify(Notice::soft_error, {Reason::prohibited, 0, kLayer,
                                      std::format("the peer does not {}{}: {}", text_of_change(request.change),
                                                  text_of(request.address), text_of(cause))});
  }
  if (!request.address) {
    if (done) moved(request.change);
    return;
  }
  switch (request.change) {
    case Change::add:
      (done ? own_addresses_ : given_up_).push_back(request.address);
      if (done && paths_) paths_->probe_from(request.address);
      break;
    case Change::remove: lose_own(request.address); break;
    case Change::prefer:
      if (done) peer_primary_ = request.address;
      return;
  }
  follow_own_addresses();
  cover_paths();
  host_.wake();
}

// The peer knows us by what it has seen, and by nothing else any more.
void SctpInstance::moved(Change change) noexcept {
  for (const auto& path : paths_ ? paths_->all() : kNoPaths) {
    if (change == Change::add && path->quiet && leads_out(*path)) unsaid_local_ = path->local;
    if (change == Change::remove && !same_host(path->local, unsaid_local_)) let_go(*path);
  }
  if (change == Change::add && paths_) paths_->probe_from(unsaid_local_);
  host_.wake();
}

void SctpInstance::lose_own(const Address& address) noexcept {
  std::erase_if(own_addresses_, [&](const Address& own) { return same_host(own, address); });
  for (const auto& path : paths_ ? paths_->all() : kNoPaths) {
    if (!same_host(path->local, address)) continue;
    if (paths_->is_primary(*path)) home_ = address;
    let_go(*path);
  }
}

// ---- packets

// The path in use first, then the others that lead out; those that the peer does not know yet at last. In each attempt
// another one (RFC 5061 section 5.1 B3).
Duration SctpInstance::send_asconf(std::span<const std::byte> packet, unsigned attempt) noexcept {
  const Duration first = std::chrono::milliseconds(settings_.rto_initial);
  if (!has_way_out()) return Duration::max();
  if (!paths_) {
    send_by_only_path(packet);
    return first;
  }
  std::vector<SctpPath*> ways;
  for (const auto& path : paths_->all()) {
    if (leads_out(*path)) ways.push_back(path.get());
  }
  std::ranges::stable_sort(ways, {}, [this](const SctpPath* path) {
    return std::tuple(!is_agreed(path->local), path != &paths_->in_use(), path->health.state());
  });
  SctpPath& way = *ways[attempt % ways.size()];
  has_packets(way);
  way.out->add(packet, 0);
  return way.health.rto();
}

void SctpInstance::send_by_only_path(std::span<const std::byte> packet) noexcept {
  if (flow_ != nullptr) {
    flow_->acceptor.has_packets(flow_->out);
    flow_->out.add(packet, 0);
  } else {
    own_out_->add(packet, 0);
    host_.wake();
  }
}

void SctpInstance::send_asconf_ack(std::span<const std::byte> packet) noexcept {
  PacketsOut back(host_.executor().pool(), source_.lower, source_.to);
  back.add(packet, 0);
  back.emit();
}

Address SctpInstance::known_address() const noexcept {
  if (flow_ != nullptr) return flow_->out.to()->local;
  return own_addresses_.empty() ? unsaid_local_ : own_addresses_.front();
}

void SctpInstance::peer_is_silent() noexcept {
  end(Error{Reason::timed_out, 0, kLayer, "the peer does not answer any more: it was asked to change addresses"});
}

void SctpInstance::peer_answers_nothing() noexcept {
  std::array<std::byte, kPacketHeader + 2 * kChunkHeader> packet{};
  std::ranges::copy(header_, packet.begin());
  packet[kPacketHeader] = std::byte{SCTP_ABORT_ASSOCIATION};
  write_16(packet, kPacketHeader + 2, 2 * kChunkHeader);
  write_16(packet, kPacketHeader + kChunkHeader, static_cast<std::uint16_t>(Cause::illegal_ack));
  write_16(packet, kPacketHeader + kChunkHeader + 2, kChunkHeader);
  seal_packet(packet);
  take_packet(packet, 0);
  end(Error{Reason::protocol_violation, 0, kLayer, "the peer answered what it was not asked (RFC 5061)"});
}

}  // namespace trellis::sctp
