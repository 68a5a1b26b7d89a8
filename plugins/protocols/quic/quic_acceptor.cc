#include "quic_acceptor.h"

#include <algorithm>

namespace trellis::quic {
namespace {

constexpr std::size_t kAcceptorWindow = 16
                                        << 20;  // bytes of datagrams of all peers: all is read in the turn it came in
constexpr std::size_t kFarewellsMost = 10'000;
constexpr std::uint8_t kLongHeader = 0x80;

/// How many bytes from the front on are of one connection. What the kernel has joined (GRO) comes from one address, and
/// a client may have several connections there.
std::uint32_t of_one_connection(const Chunk& chunk) noexcept {
  const auto bytes = octets(chunk.data.bytes());
  const auto size = static_cast<std::uint32_t>(bytes.size());
  const std::uint32_t segment = chunk.segment_size;
  if (segment == 0 || size <= segment) return size;
  if (segment <= kIdBytes || (bytes[0] & kLongHeader) != 0) return segment;
  const auto same = [&](std::uint32_t at) {
    return size - at > kIdBytes && (bytes[at] & kLongHeader) == 0 &&
           std::memcmp(&bytes[at + 1], &bytes[1], kIdBytes) == 0;
  };
  std::uint32_t run = segment;
  while (run < size && same(run)) run += std::min(segment, size - run);
  return run;
}

}  // namespace

QuicAcceptor::QuicAcceptor(AcceptHost& host, LowerPort lower, const Shared& shared)
    : host_(host),
      lower_(lower),
      shared_(shared),
      tokens_(shared.secrets),
      reset_tokens_(shared.secrets.reset),
      replies_(host, lower, shared.settings, reset_tokens_),
      loops_(shared.secrets.loop) {
  ConnectionIdHash hash;
  host.executor().secret(std::as_writable_bytes(std::span(hash.keys)));
  by_id_ = decltype(by_id_)(64, hash);
  parted_ = decltype(parted_)(64, hash);
}

void QuicAcceptor::open(const OpenArgs& args) noexcept {
  lower_.grant_to(kAcceptorWindow);
  host_.listening(args.route.local);
}

void QuicAcceptor::close(const CloseArgs&) noexcept {
  stopping_ = true;
  host_.closed();
}

void QuicAcceptor::on_up(LowerPort from, Batch& batch) noexcept {
  while (!batch.empty()) {
    Chunk chunk = batch.pop();
    for (std::uint32_t run; (run = of_one_connection(chunk)) < chunk.data.size();) {
      take(Chunk{.data = chunk.data.split_front(run),
                 .info = chunk.info,
                 .segment_size = chunk.segment_size,
                 .ecn = chunk.ecn,
                 .end_of_message = true});
    }
    take(std::move(chunk));
  }
  from.grant_to(kAcceptorWindow);
}

void QuicAcceptor::take(Chunk&& chunk) noexcept {
  const auto bytes = octets(chunk.data.bytes());
  const std::size_t packet =
      chunk.segment_size != 0 ? std::min<std::size_t>(chunk.segment_size, bytes.size()) : bytes.size();
  if (bytes.empty()) return;
  ngtcp2_version_cid header;
  const int done = ngtcp2_pkt_decode_version_cid(&header, bytes.data(), packet, kIdBytes);
  if (done == NGTCP2_ERR_VERSION_NEGOTIATION) return replies_.negotiate_version(header, chunk);
  if (done != 0) return;
  const ConnectionId id(header.dcid, header.dcidlen);
  if (const auto found = by_id_.find(id); found != by_id_.end()) return found->second->input(std::move(chunk));
  if (const auto found = parted_.find(id); found != parted_.end()) return repeat(*found->second, chunk);
  if (header.version == 0 && of_another_loop(header, chunk)) return;
  if (header.version == 0) return replies_.reset(header, packet, chunk);  // a short header: nothing begins with it
  if (!std::ranges::contains(shared_.settings.versions, header.version))
    return replies_.negotiate_version(header, chunk);
  admit(std::move(chunk));
}

// The kernel spreads packets by addresses, and this client's has changed. Clients do not move before the handshake is
// over, so only short headers are looked at.
bool QuicAcceptor::of_another_loop(const ngtcp2_version_cid& header, const Chunk& chunk) noexcept {
  const Executor& here = host_.executor();
  if (here.loops() == 1 || header.dcidlen != kIdBytes) return false;
  const unsigned loop = loops_.read(std::span<const std::uint8_t, kIdBytes>(header.dcid, kIdBytes));
  if (loop == here.loop() || loop >= here.loops()) return false;
  host_.forward(loop, chunk);
  return true;
}

void QuicAcceptor::admit(Chunk&& chunk) noexcept {
  const auto bytes = octets(chunk.data.bytes());
  const std::size_t packet =
      chunk.segment_size != 0 ? std::min<std::size_t>(chunk.segment_size, bytes.size()) : bytes.size();
  FirstFlight first{};
  if (stopping_ || ngtcp2_accept(&first.header, bytes.data(), packet) != 0) return;
  if (!tokens_.judge(first, chunk.info->remote, host_.executor().wall_clock()))
    return replies_.refuse_token(first.header, chunk);
  if (!first.validated && asks_for_address()) return send_away(first.header, chunk);
  Seat* const seat = host_.seat(chunk.info->remote, lower_);
  if (seat == nullptr) return;
  auto made = std::make_unique<QuicInstance>(*seat, shared_, *this, first);
  enroll(first.header.dcid, *made);
  made->shakes_hands = true;
  ++handshakes_;
  made->input(std::move(chunk));
  host_.seated(seat, std::move(made));
}

bool QuicAcceptor::asks_for_address() const noexcept {
  const Settings& own = shared_.settings;
  return own.retry == Retry::always || (own.retry == Retry::busy && handshakes_ >= own.busy);
}

// Nothing is kept of it: all is in the token. QUIC-86
void QuicAcceptor::send_away(const ngtcp2_pkt_hd& first, const Chunk& chunk) noexcept {
  ngtcp2_cid ours;
  ours.datalen = kIdBytes;
  host_.executor().secret(std::as_writable_bytes(std::span(ours.data, kIdBytes)));
  const Token token = tokens_.for_retry(first, ours, chunk.info->remote, host_.executor().wall_clock());
  if (!token.empty()) replies_.retry(first, ours, token, chunk);
}

void QuicAcceptor::knows_peer(QuicInstance& instance) noexcept {
  if (std::exchange(instance.shakes_hands, false)) --handshakes_;
}

// ---- after the end

void QuicAcceptor::part_from(QuicInstance& gone) {
  forget_farewells(kFarewellsMost - 1);
  auto& farewell = *farewells_.emplace_back(std::make_unique<Farewell>());
  farewell.words = std::move(gone.last_words);
  farewell.ids = std::move(gone.ids);
  farewell.until = host_.executor().now() + gone.linger();
  for (const ConnectionId& id : farewell.ids) parted_.insert_or_assign(id, &farewell);
}

// Less and less often, so that two ends do not keep each other busy.
void QuicAcceptor::repeat(Farewell& farewell, const Chunk& chunk) noexcept {
  ++farewell.heard;
  if ((farewell.heard & (farewell.heard - 1)) == 0 && lower_.credit() > 0)
    lower_.push(Chunk{.data = farewell.words.share(), .info = chunk.info, .end_of_message = true});
  forget_farewells(kFarewellsMost);
}

void QuicAcceptor::forget_farewells(std::size_t most) noexcept {
  while (!farewells_.empty() && (farewells_.size() > most || farewells_.front()->until <= host_.executor().now())) {
    for (const ConnectionId& id : farewells_.front()->ids) {
      const auto found = parted_.find(id);
      if (found != parted_.end() && found->second == farewells_.front().get()) parted_.erase(found);
    }
    farewells_.pop_front();
  }
}

// ---- for the instances

void QuicAcceptor::name_loop(ngtcp2_cid& id) noexcept {
  const Executor& here = host_.executor();
  if (here.loops() > 1) loops_.write(std::span<std::uint8_t, kIdBytes>(id.data, kIdBytes), here.loop());
}

void QuicAcceptor::enroll(const ngtcp2_cid& id, QuicInstance& instance) {
  if (by_id_.try_emplace(ConnectionId(id), &instance).second) instance.ids.emplace_back(id);
}

void QuicAcceptor::retire(const ngtcp2_cid& id, QuicInstance& instance) noexcept {
  const ConnectionId key(id);
  if (std::erase(instance.ids, key) > 0) by_id_.erase(key);
}

void QuicAcceptor::unseated(ProtocolInstance& instance) noexcept {
  auto& gone = static_cast<QuicInstance&>(instance);
  for (const ConnectionId& id : gone.ids) by_id_.erase(id);
  std::erase(waiting_, &gone);
  knows_peer(gone);
  if (gone.last_words.size() > 0) part_from(gone);
}

void QuicAcceptor::wants_room(QuicInstance& instance) {
  if (!std::exchange(instance.waits_for_room, true)) waiting_.push_back(&instance);
}

void QuicAcceptor::on_credit(LowerPort) noexcept {
  for (QuicInstance* const one : std::exchange(waiting_, {})) {
    if (std::exchange(one->waits_for_room, false)) one->room();
  }
}

}  // namespace trellis::quic
