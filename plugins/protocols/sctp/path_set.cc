// path_set.cc: which way packets go, and what is learned from those that pass.
#include "path_set.h"

#include <usrsctp.h>

#include <algorithm>
#include <cstring>
#include <format>

#include "crc32c.h"
#include "peer_addresses.h"

namespace trellis::sctp {
namespace {

constexpr std::size_t kBeatBytes = kPacketHeader + 2 * kChunkHeader + std::tuple_size_v<PathHealth::Nonce>;
constexpr std::uint16_t kBeatInfo = 1;  // parameter "Heartbeat Info" (RFC 9260 section 3.3.5)

constexpr std::string_view kStates[] = {"active", "potentially failed", "inactive", "unconfirmed"};

bool is_newer(std::uint32_t tsn, std::uint32_t than) noexcept {
  return static_cast<std::int32_t>(tsn - than) > 0;  // serial numbers (RFC 1982)
}

struct DataOut {
  std::uint32_t first, last;  // TSNs
  std::uint16_t stream;       // of the first
};
/// Of the DATA or I-DATA chunks of a packet.
std::optional<DataOut> data_in(std::span<const std::byte> packet) noexcept {
  std::optional<DataOut> found;
  auto chunks = chunks_of(packet);
  while (const auto chunk = take_item(chunks)) {
    if ((chunk->chunk() != SCTP_DATA && chunk->chunk() != kIData) || chunk->value.size() < 6) continue;
    const std::uint32_t tsn = read_32(chunk->value, 0);
    if (!found) found = {tsn, tsn, read_16(chunk->value, 4)};
    found->last = tsn;
  }
  return found;
}

/// What the library repeats when a timer of it expires, beside data.
bool is_repeated(int type) noexcept { return type == SCTP_SHUTDOWN || type == SCTP_SHUTDOWN_ACK || type == kReConfig; }

}  // namespace

PathSet::PathSet(PathSetOwner& owner, Executor& executor, const Settings& settings,
                 std::span<const std::byte> header) noexcept
    : owner_(owner), executor_(executor), settings_(settings) {
  std::ranges::copy(header.first(kPacketHeader), header_.begin());
}

// ---- the set

SctpPath* PathSet::add(const Address& local, const Address& remote, PathState state) {
  if (paths_.size() == kMost) return nullptr;
  paths_.push_back(std::make_unique<SctpPath>(SctpPath{.number = paths_.empty() ? 0 : ++last_number_,
                                                       .local = local,
                                                       .remote = remote,
                                                       .health = {settings_, state, executor_.now()}}));
  if (idle_) paths_.back()->health.beat_every(*idle_);
  if (primary_ == nullptr) primary_ = in_use_ = paths_.front().get();
  return paths_.back().get();
}

bool PathSet::is_last(const SctpPath& path) const noexcept {
  return std::ranges::none_of(
      paths_, [&](const auto& p) { return p.get() != &path && p->health.state() != PathState::unconfirmed; });
}

bool PathSet::remove(SctpPath& path) noexcept {
  if (is_last(path)) return false;
  change(path, true, [](PathHealth& health) { health.vanished(); });
  const auto works = [&](const auto& p) { return p.get() != &path && p->health.state() != PathState::unconfirmed; };
  const auto next = std::ranges::find_if(paths_, works);
  if (primary_ == &path) primary_ = in_use_ == &path ? next->get() : in_use_;
  if (in_use_ == &path) {
    in_use_ = primary_;
    first_tsn_here_ = sent_tsn_.value_or(0) + 1;
  }
  for (SctpPath** each : {&came_by_, &data_came_by_}) {
    if (*each == &path) *each = nullptr;
  }
  std::erase_if(tied_, [&](const auto& tied) { return tied.second == &path; });
  std::erase_if(paths_, [&](const auto& p) { return p.get() == &path; });
  return true;
}

SctpPath* PathSet::find(LowerPort lower) const noexcept {
  const auto found = std::ranges::find(paths_, lower, [](const auto& p) { return p->lower; });
  return found != paths_.end() ? found->get() : nullptr;
}

bool PathSet::prefer(SctpPath& path) noexcept {
  if (path.health.state() == PathState::unconfirmed) return false;
  primary_ = &path;
  choose(true);
  return true;
}

bool PathSet::tie(std::uint16_t stream, SctpPath& path) {
  if (path.health.state() == PathState::unconfirmed) return false;
  untie(stream);
  tied_.emplace_back(stream, &path);
  return true;
}

void PathSet::untie(std::uint16_t stream) noexcept {
  std::erase_if(tied_, [stream](const auto& tied) { return tied.first == stream; });
}

SctpPath* PathSet::tied_to(std::uint16_t stream) const noexcept {
  const auto found = std::ranges::find(tied_, stream, [](const auto& tied) { return tied.first; });
  return found != tied_.end() ? found->second : nullptr;
}

// By state, then by failures; the primary first.
void PathSet::choose(bool at_once) noexcept {
  const auto rank = [this](const auto& p) {
    return std::tuple(p->health.state(), p->health.errors(), p.get() != primary_, p->number);
  };
  SctpPath* const best = std::ranges::min_element(paths_, {}, rank)->get();
  if (best == in_use_ || best->health.state() == PathState::unconfirmed) return;
  const SctpPath& before = *std::exchange(in_use_, best);
  first_tsn_here_ = sent_tsn_.value_or(0) + 1;
  owner_.data_moved(before, at_once);
}

template <class F>
void PathSet::change(SctpPath& path, bool at_once, F how) noexcept {
  const PathState before = path.health.state();
  const unsigned errors = path.health.errors();
  how(path.health);
  if (path.health.state() != before) owner_.path_became(path, before);
  if (path.health.state() != before || path.health.errors() != errors) choose(at_once);
}

void PathSet::vanish(SctpPath& path) noexcept {
  change(path, true, [](PathHealth& health) { health.vanished(); });
}
void PathSet::probe(SctpPath& path) noexcept { path.health.probe(executor_.now()); }

void PathSet::probe_from(const Address& local) noexcept {
  for (const auto& path : paths_) {
    if (!same_host(path->local, local) || path->leaving) continue;
    path->quiet = false;
    probe(*path);
  }
}

void PathSet::beat_every(Duration idle) noexcept {
  idle_ = idle;
  for (const auto& path : paths_) path->health.beat_every(idle);
}

// ---- out

// Data go by the best path, and what answers the peer by the one on which it has spoken (RFC 9260 section 6.4).
SctpPath& PathSet::path_for(std::span<const std::byte> packet, bool timer) noexcept {
  const auto data = data_in(packet);
  if (!data) {
    const int type = first_type(packet);
    if (timer && is_repeated(type)) timed_out(*in_use_);
    if (came_by_ != nullptr) return *came_by_;
    const bool acknowledges = type == SCTP_SELECTIVE_ACK || type == SCTP_NR_SELECTIVE_ACK;
    return acknowledges && data_came_by_ != nullptr ? *data_came_by_ : *in_use_;
  }
  if (!sent_tsn_) {
    first_tsn_here_ = data->first;
    sent_tsn_ = acked_tsn_ = data->first - 1;
  }
  const bool again = !is_newer(data->first, *sent_tsn_);
  if (again && timer) timed_out(path_of_data(data->stream));
  if (is_newer(first_tsn_here_, data->first)) first_tsn_here_ = data->first;
  if (is_newer(data->last, *sent_tsn_)) sent_tsn_ = data->last;
  return path_of_data(data->stream);
}

SctpPath& PathSet::path_of_data(std::uint16_t stream) const noexcept {
  if (tied_.empty()) return *in_use_;
  SctpPath* const own = tied_to(stream);
  return own != nullptr && own->health.state() == PathState::active ? *own : *in_use_;
}

// What is sent again goes by another path (RFC 9260 section 6.4.1). One timer sends several packets; and the library's
// timer has been seen to ring although there were acknowledgements (see SctpInstance::restart_timers).
void PathSet::timed_out(SctpPath& path) noexcept {
  const TimePoint now = executor_.now();
  const bool acked = now - acked_at_ < std::chrono::milliseconds(settings_.rto_min) / 2;
  if (std::exchange(timed_out_at_, now) == now || acked) return;
  change(path, false, [now](PathHealth& health) { health.timed_out(now); });
}

bool PathSet::take_packet(std::span<const std::byte> packet, std::uint8_t ecn, bool timer) noexcept {
  SctpPath& path = path_for(packet, timer);
  owner_.has_packets(path);
  return path.out->add(packet, ecn);
}

void PathSet::send_beat(SctpPath& path) noexcept {
  PathHealth::Nonce nonce;
  executor_.secret(nonce);
  std::array<std::byte, kBeatBytes> packet{};
  std::ranges::copy(header_, packet.begin());
  const std::span chunk = std::span(packet).subspan(kPacketHeader);
  chunk[0] = std::byte{SCTP_HEARTBEAT_REQUEST};
  write_16(chunk, 2, chunk.size());
  write_16(chunk, kChunkHeader, kBeatInfo);
  write_16(chunk, kChunkHeader + 2, chunk.size() - kChunkHeader);
  std::memcpy(chunk.data() + 2 * kChunkHeader, nonce.data(), nonce.size());
  seal_packet(packet);
  path.health.beat(nonce, executor_.now());
  owner_.has_packets(path);
  path.out->add(packet, 0);
}

void PathSet::run() noexcept {
  const TimePoint now = executor_.now();
  for (const auto& path : paths_) {
    bool due = false;
    if (path->quiet) continue;
    change(*path, true, [&](PathHealth& health) { due = health.run(now); });
    if (due) send_beat(*path);
  }
}

TimePoint PathSet::due() const noexcept {
  TimePoint first = TimePoint::max();
  for (const auto& path : paths_) {
    if (!path->quiet) first = std::min(first, path->health.due());
  }
  return first;
}

void PathSet::emit() noexcept {
  for (const auto& path : paths_) path->out->emit();
}

// ---- in

bool PathSet::is_from_us(std::span<const std::byte> packet) const noexcept {
  return packet.size() >= kPacketHeader &&
         std::ranges::equal(packet.first(kTagAt + 4), std::span(header_).first(kTagAt + 4));
}

void PathSet::came(SctpPath& path, std::span<const std::byte> packet) noexcept {
  came_by_ = &path;
  auto chunks = chunks_of(packet);
  while (const auto chunk = take_item(chunks)) {
    switch (chunk->chunk()) {
      case SCTP_DATA:
      case kIData: data_came_by_ = &path; break;
      case SCTP_SELECTIVE_ACK:
      case SCTP_NR_SELECTIVE_ACK:
        if (chunk->value.size() >= 4) acknowledged(read_32(chunk->value, 0));
        break;
      case SCTP_HEARTBEAT_ACK: beat_answered(chunk->value); break;
      default: break;
    }
  }
}

// The library ignores answers to heartbeats that are not its own.
void PathSet::beat_answered(std::span<const std::byte> value) noexcept {
  PathHealth::Nonce nonce;
  const auto info = take_item(value);
  if (!info || info->type != kBeatInfo || info->value.size() != nonce.size()) return;
  std::ranges::copy(info->value, nonce.begin());
  const TimePoint now = executor_.now();
  for (const auto& path : paths_) {
    bool ours = false;
    change(*path, true, [&](PathHealth& health) { ours = health.answered(nonce, now); });
    if (ours) return;
  }
}

// Of the path to which it was last sent (RFC 9260 section 8.2).
void PathSet::acknowledged(std::uint32_t tsn) noexcept {
  if (!sent_tsn_ || is_newer(tsn, *sent_tsn_) || !is_newer(tsn, acked_tsn_)) return;
  acked_tsn_ = tsn;
  acked_at_ = executor_.now();
  if (is_newer(first_tsn_here_, tsn)) return;
  const TimePoint now = executor_.now();
  change(*in_use_, true, [now](PathHealth& health) { health.acknowledged(now); });
}

// ---- for people

std::string PathSet::text() const {
  std::string list;
  for (const auto& path : paths_) {
    const auto& health = path->health;
    const auto rtt = std::chrono::duration_cast<std::chrono::microseconds>(health.rtt()).count();
    list += std::format("{}{}: {} to {} port {}, {}", list.empty() ? "" : "; ", path->number, text_of(path->local),
                        text_of(path->remote), path->remote.port, kStates[static_cast<int>(health.state())]);
    if (rtt != 0) list += std::format(", {} us", rtt);
    if (path.get() == primary_) list += ", primary";
    if (path.get() == in_use_) list += ", in use";
  }
  return list;
}

}  // namespace trellis::sctp
