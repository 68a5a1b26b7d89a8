// packets_out.cc: what leaves. Packets of one size for one path are packed behind each other and cut by the kernel.
#include <algorithm>
#include <cstring>

#include "net_path.h"
#include "quic_acceptor.h"
#include "quic_error.h"
#include "quic_instance.h"

namespace trellis::quic {
namespace {

constexpr std::size_t kSegmentsMost = 64;   // that a kernel cuts
constexpr std::size_t kBurstMost = 65'000;  // bytes of them
constexpr std::size_t kPieces = 16;         // of a stream's data in one packet

// Nobody else need hear that the interface takes no packets of this size: the library notices.
MessageRef unheard(const MessageRef& course) {
  MessageRef info = new_message();
  info->remote = course->remote;
  info->local = course->local;
  info->no_fragmentation = true;
  info->tell = [](MessageInfo*, Fate, const Error*) noexcept {};
  return info;
}

bool same_path(const ngtcp2_path& a, const ngtcp2_path& b) noexcept { return ngtcp2_path_eq(&a, &b) != 0; }

}  // namespace

// Fills one block. True: there may be more to send.
bool QuicInstance::write_burst(std::size_t& budget) noexcept {
  const std::size_t credit = lower_.credit();
  if (credit == 0) {
    if (acceptor_ != nullptr) acceptor_->wants_room(*this);
    return false;
  }
  const std::size_t most = ngtcp2_conn_get_max_tx_udp_payload_size(connection_);
  const std::size_t usual = ngtcp2_conn_get_path_max_tx_udp_payload_size(connection_);
  // One packet always fits; more do while there is credit, so that one that does not go with them may follow.
  const std::size_t several =
      lower_.takes_segments() ? std::min({budget, credit, usual * kSegmentsMost, kBurstMost}) : 0;
  const std::size_t room = std::max(most, several);
  Slice block = host_.executor().pool().allocate(0, static_cast<std::uint32_t>(room), 0);
  auto* const out = reinterpret_cast<std::uint8_t*>(block.edit().data());
  ngtcp2_path_storage first, path;
  ngtcp2_path_storage_zero(&first);
  ngtcp2_path_storage_zero(&path);
  ngtcp2_pkt_info first_info{}, info{};
  std::size_t used = 0, segment = 0;
  const auto send = [&] {
    if (used == 0) return;
    block.drop_back(static_cast<std::uint32_t>(room - used));
    push(std::move(block), segment, first.path, first_info);
    budget -= std::min(budget, used);
  };
  for (bool more = true; more;) {
    // Only the first packet may be larger than usual: a probe of the path.
    const std::size_t size = std::min(room - used, used == 0 ? most : usual);
    const ngtcp2_ssize written = write_packet({out + used, size}, path.path, info);
    if (written <= 0) {
      send();
      if (written < 0) library_failed(static_cast<int>(written));
      return false;
    }
    const auto bytes = static_cast<std::size_t>(written);
    if (used == 0) {
      ngtcp2_path_copy(&first.path, &path.path);
      first_info = info;
      segment = bytes;
    } else if (bytes > segment || info.ecn != first_info.ecn || !same_path(first.path, path.path)) {
      Slice alone = host_.executor().pool().allocate(0, static_cast<std::uint32_t>(bytes), 0);
      std::memcpy(alone.edit().data(), out + used, bytes);
      send();
      push(std::move(alone), bytes, path.path, info);
      budget -= std::min(budget, bytes);
      return budget > 0;
    }
    used += bytes;
    more = bytes == segment && bytes <= usual && used + usual <= several;  // a probe goes alone: it may be refused
  }
  send();
  return budget > 0;
}

// One packet, with frames of as many streams as fit. The library wants the same arguments until it is complete.
ngtcp2_ssize QuicInstance::write_packet(std::span<std::uint8_t> out, ngtcp2_path& path,
                                        ngtcp2_pkt_info& info) noexcept {
  for (;;) {
    Stream* const s = next_to_send();
    if (s == nullptr) {
      return ngtcp2_conn_writev_stream(connection_, &path, &info, out.data(), out.size(), nullptr, 0, kNoId, nullptr, 0,
                                       now());
    }
    const ngtcp2_ssize n = s->is_datagrams() ? write_datagram(*s, out, path, info) : write_stream(*s, out, path, info);
    if (n != NGTCP2_ERR_WRITE_MORE) return n;
  }
}

Stream* QuicInstance::next_to_send() noexcept {
  Stream* const s = schedule_.front();
  if (s == nullptr || s->is_datagrams() || ngtcp2_conn_get_max_data_left(connection_) > 0) return s;
  return s->out.waiting() == 0 ? s : nullptr;  // the window of all streams together is closed
}

ngtcp2_ssize QuicInstance::write_stream(Stream& s, std::span<std::uint8_t> out, ngtcp2_path& path,
                                        ngtcp2_pkt_info& info) noexcept {
  ngtcp2_vec pieces[kPieces];
  bool all = false;
  const std::size_t count = s.out.gather(pieces, all);
  const bool finish = s.finish && all;
  ngtcp2_ssize taken = -1;
  const std::uint32_t flags =
      NGTCP2_WRITE_STREAM_FLAG_MORE | (finish ? std::uint32_t{NGTCP2_WRITE_STREAM_FLAG_FIN} : 0u);
  const ngtcp2_ssize n = ngtcp2_conn_writev_stream(connection_, &path, &info, out.data(), out.size(), &taken, flags,
                                                   s.id, pieces, count, now());
  if (taken >= 0) {
    s.out.sent(static_cast<std::size_t>(taken));
    s.announced = true;
    if (finish && s.out.waiting() == 0) s.finish_sent = true;
    refill(s);
  }
  if (n == NGTCP2_ERR_STREAM_DATA_BLOCKED) s.blocked = true;
  // How the library tells that the peer has said STOP_SENDING: it takes nothing more for the stream. QUIC-29
  if (n == NGTCP2_ERR_STREAM_SHUT_WR || n == NGTCP2_ERR_STREAM_NOT_FOUND) {
    s.stopped = true;
    if (s.port) {
      host_.streams().stream_aborted(s.port, Direction::sending,
                                     {Reason::reset, 0, kLayer, "the peer reads no more of the stream"});
    }
  }
  if (s.blocked || !s.wants_to_send())
    schedule_.remove(s);
  else if (taken >= 0)
    schedule_.next_turn();
  return s.blocked || s.stopped ? NGTCP2_ERR_WRITE_MORE : n;
}

ngtcp2_ssize QuicInstance::write_datagram(Stream& s, std::span<std::uint8_t> out, ngtcp2_path& path,
                                          ngtcp2_pkt_info& info) noexcept {
  const Chunk& front = s.datagrams.front();
  const auto bytes = octets(front.data.bytes());
  const bool expired = front.info && front.info->expires <= host_.executor().now();
  ngtcp2_ssize n = NGTCP2_ERR_WRITE_MORE;
  int accepted = 1;
  if (!expired && bytes.size() <= datagram_most()) {
    const ngtcp2_vec piece{const_cast<std::uint8_t*>(bytes.data()),
                           bytes.size()};  // the library wants none that is empty
    n = ngtcp2_conn_writev_datagram(connection_, &path, &info, out.data(), out.size(), &accepted,
                                    NGTCP2_WRITE_DATAGRAM_FLAG_MORE, ++datagram_id_, &piece, bytes.empty() ? 0 : 1,
                                    now());
    if (accepted != 0 && front.info) {
      front.info->report(Fate::sent);
      if (front.info->tell != nullptr) tracked_.emplace(datagram_id_, front.info);
    }
  } else if (front.info) {
    const Error error{Reason::too_large, 0, kLayer, "the path takes no datagrams of this size any more"};
    front.info->report(expired ? Fate::expired : Fate::failed, &error);
  }
  if (accepted != 0) {
    const Chunk gone = s.datagrams.pop();
    s.charge -= s.port.charge(gone);
    if (s.datagrams.empty())
      schedule_.remove(s);
    else
      schedule_.next_turn();
    refill(s);
    if (s.finish && s.datagrams.empty()) {  // the last one: it can be forgotten
      stir(s);
      host_.wake();
    }
  }
  return n;
}

// One MessageInfo for all packets of a path.
const MessageRef& QuicInstance::course(const ngtcp2_path& path) noexcept {
  const Address local = address_of(path.local), remote = address_of(path.remote);
  if (!course_ || course_->remote != remote || course_->local != local) {
    course_ = new_message();
    course_->remote = remote;
    course_->local = local;
    course_->no_fragmentation = true;  // RFC 9000 section 14
  }
  return course_;
}

void QuicInstance::push(Slice bytes, std::size_t segment, const ngtcp2_path& path,
                        const ngtcp2_pkt_info& info) noexcept {
  const bool cut = bytes.size() > segment;
  LowerPort port = port_of(path);
  if (!port) return;  // its way has gone in the meantime
  const bool probe = segment > ngtcp2_conn_get_path_max_tx_udp_payload_size(connection_);
  port.push(Chunk{.data = std::move(bytes),
                  .info = probe ? unheard(course(path)) : course(path),
                  .segment_size = static_cast<std::uint16_t>(cut ? segment : 0),
                  .ecn = static_cast<std::uint8_t>(info.ecn),
                  .end_of_message = true});
}

}  // namespace trellis::quic
