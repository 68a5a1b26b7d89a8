#include "quic_acceptor.h"

#include <algorithm>

namespace trellis::quic {
namespace {

constexpr std::size_t kInputWindow = 16 << 20;  // bytes of datagrams of all peers: all is read in the turn it came in

}  // namespace

QuicAcceptor::QuicAcceptor(AcceptHost& host, LowerPort lower, const Shared& shared)
    : host_(host), lower_(lower), shared_(shared) {
  ConnectionIdHash hash;
  host.executor().secret(std::as_writable_bytes(std::span(hash.keys)));
  by_id_ = decltype(by_id_)(64, hash);
}

void QuicAcceptor::open(const OpenArgs& args) noexcept {
  lower_.grant_to(kInputWindow);
  host_.listening(args.route.local);
}

void QuicAcceptor::close(const CloseArgs&) noexcept {
  stopping_ = true;
  host_.closed();
}

void QuicAcceptor::on_up(LowerPort from, Batch& batch) noexcept {
  while (!batch.empty()) take(batch.pop());
  from.grant_to(kInputWindow);
}

void QuicAcceptor::take(Chunk&& chunk) noexcept {
  const auto bytes = security::octets(chunk.data.bytes());
  const std::size_t packet =
      chunk.segment_size != 0 ? std::min<std::size_t>(chunk.segment_size, bytes.size()) : bytes.size();
  if (bytes.empty()) return;
  ngtcp2_version_cid header;
  const int done = ngtcp2_pkt_decode_version_cid(&header, bytes.data(), packet, kIdBytes);
  if (done == NGTCP2_ERR_VERSION_NEGOTIATION) return negotiate_version(header, chunk);
  if (done != 0) return;
  const auto found = by_id_.find(ConnectionId(header.dcid, header.dcidlen));
  if (found != by_id_.end()) return found->second->input(std::move(chunk));
  // Version 0 stands for a short header: no connection begins with it.
  if (header.version != 0 && !std::ranges::contains(shared_.settings.versions, header.version))
    return negotiate_version(header, chunk);
  admit(std::move(chunk));
}

void QuicAcceptor::admit(Chunk&& chunk) noexcept {
  const auto bytes = security::octets(chunk.data.bytes());
  const std::size_t packet =
      chunk.segment_size != 0 ? std::min<std::size_t>(chunk.segment_size, bytes.size()) : bytes.size();
  FirstFlight first{};
  if (stopping_ || ngtcp2_accept(&first.header, bytes.data(), packet) != 0) return;
  Seat* const seat = host_.seat(chunk.info->remote, lower_);
  if (seat == nullptr) return;
  auto made = std::make_unique<QuicInstance>(*seat, shared_, *this, first);
  enroll(first.header.dcid, *made);
  made->input(std::move(chunk));
  host_.seated(seat, std::move(made));
}

void QuicAcceptor::negotiate_version(const ngtcp2_version_cid& header, const Chunk& chunk) noexcept {
  constexpr std::uint32_t kMost = 256;
  if (lower_.credit() == 0) return;
  Slice packet = host_.executor().pool().allocate(0, kMost, 0);
  const auto& versions = shared_.settings.versions;
  const auto n = ngtcp2_pkt_write_version_negotiation(reinterpret_cast<std::uint8_t*>(packet.edit().data()), kMost,
                                                      static_cast<std::uint8_t>(host_.executor().random()), header.scid,
                                                      header.scidlen, header.dcid, header.dcidlen, versions.data(),
                                                      versions.size());
  if (n <= 0) return;
  packet.drop_back(kMost - static_cast<std::uint32_t>(n));
  lower_.push(Chunk{.data = std::move(packet), .info = chunk.info, .end_of_message = true});
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
