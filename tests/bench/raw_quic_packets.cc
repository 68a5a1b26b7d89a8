// raw_quic_packets.cc: what comes in and what goes out of the socket of raw_quic.h.
#include <netinet/udp.h>
#include <sys/epoll.h>

#include <cstring>

#include "raw_quic_tables.h"

namespace trellis::bench {
namespace {

constexpr std::size_t kSegments = 64;  // that the kernel cuts

template <class T>
void add_note(msghdr& header, int level, int type, T value) {
  auto* const note = reinterpret_cast<cmsghdr*>(static_cast<char*>(header.msg_control) + header.msg_controllen);
  note->cmsg_level = level;
  note->cmsg_type = type;
  note->cmsg_len = CMSG_LEN(sizeof value);
  std::memcpy(CMSG_DATA(note), &value, sizeof value);
  header.msg_controllen += CMSG_SPACE(sizeof value);
}

}  // namespace

// ---- in

void RawQuic::turn() {
  ngtcp2_tstamp next = UINT64_MAX;
  for (const auto& peer : peers) {
    if (!peer->over) next = std::min(next, ngtcp2_conn_get_expiry(peer->connection));
  }
  const ngtcp2_tstamp now = clock_now();
  const ngtcp2_duration left = next > now ? next - now : 0;
  const timespec wait{static_cast<time_t>(left / NGTCP2_SECONDS), static_cast<long>(left % NGTCP2_SECONDS)};
  epoll_event event;
  const int ready = epoll_pwait2(epoll_, &event, 1, next == UINT64_MAX ? nullptr : &wait, nullptr);
  if (ready < 0 && errno != EINTR) die("epoll_pwait2");
  if (ready > 0) read_all();
  for (const auto& peer : peers) {
    if (peer->over) continue;
    const ngtcp2_tstamp at = clock_now();
    if (ngtcp2_conn_get_expiry(peer->connection) <= at) {
      if (const int done = ngtcp2_conn_handle_expiry(peer->connection, at); done != 0)
        fail_raw(server_ ? "a timer of a server" : "a timer of a client", done);
    }
    write(*peer);
  }
}

void RawQuic::read_all() {
  Tables& t = *tables_;
  for (int got = kRawRead; got == kRawRead;) {
    for (std::size_t i = 0; i < kRawRead; ++i) {
      t.messages[i].msg_hdr = {.msg_name = &t.from[i],
                               .msg_namelen = sizeof t.from[i],
                               .msg_iov = &t.parts[i],
                               .msg_iovlen = 1,
                               .msg_control = t.notes[i].data(),
                               .msg_controllen = t.notes[i].size(),
                               .msg_flags = 0};
    }
    got = recvmmsg(socket_, t.messages.data(), kRawRead, MSG_DONTWAIT, nullptr);
    for (int i = 0; i < got; ++i) {
      const auto n = static_cast<std::size_t>(i);
      std::size_t left = t.messages[n].msg_len, segment = left;
      std::uint8_t ecn = 0;
      msghdr& header = t.messages[n].msg_hdr;
      for (cmsghdr* note = CMSG_FIRSTHDR(&header); note != nullptr; note = CMSG_NXTHDR(&header, note)) {
        if (note->cmsg_level == SOL_UDP && note->cmsg_type == UDP_GRO) {
          int value;
          std::memcpy(&value, CMSG_DATA(note), sizeof value);
          segment = static_cast<std::size_t>(value);
        } else if (note->cmsg_level == IPPROTO_IP && note->cmsg_type == IP_TOS) {
          ecn = *CMSG_DATA(note) & 3;
        }
      }
      for (const std::uint8_t* at = t.in[n].data(); left > 0;) {
        const std::size_t size = std::min(left, segment);
        take(at, size, t.from[n], ecn);
        at += size;
        left -= size;
      }
    }
  }
}

RawQuicPeer* RawQuic::find(const ngtcp2_version_cid& header) {
  ngtcp2_cid id;
  ngtcp2_cid_init(&id, header.dcid, header.dcidlen);
  const auto found = tables_->by_id.find(id);
  return found == tables_->by_id.end() ? nullptr : found->second;
}

void RawQuic::take(const std::uint8_t* packet, std::size_t size, const sockaddr_in& from, std::uint8_t ecn) {
  ngtcp2_version_cid header;
  if (ngtcp2_pkt_decode_version_cid(&header, packet, size, kRawIdBytes) != 0) return;
  RawQuicPeer* peer = find(header);
  if (peer == nullptr) {
    ngtcp2_pkt_hd first;
    if (!server_ || ngtcp2_accept(&first, packet, size) != 0) return;
    peer = peers.emplace_back(std::make_unique<RawQuicPeer>(*this)).get();
    peer->remote = from;
    begin(*peer, &first);
  }
  if (peer->over) return;
  const ngtcp2_path path = path_of(local_, peer->remote);
  const ngtcp2_pkt_info info{.ecn = ecn};
  const int done = ngtcp2_conn_read_pkt(peer->connection, &path, &info, packet, size, clock_now());
  if (done == NGTCP2_ERR_DRAINING || done == NGTCP2_ERR_CLOSING)
    peer->over = true;
  else if (done != 0)
    fail_raw("a packet", done);
}

// ---- out

void RawQuic::write(RawQuicPeer& peer) {
  const std::size_t quantum = ngtcp2_conn_get_send_quantum(peer.connection);
  std::uint8_t* const out = tables_->out.data();
  for (std::size_t left = std::max<std::size_t>(quantum, 1); left > 0;) {
    const std::size_t usual = ngtcp2_conn_get_path_max_tx_udp_payload_size(peer.connection);
    const std::size_t most = std::max(std::min({left, kRawBurst, usual * kSegments}), std::size_t{kRawQuicPacket});
    std::size_t used = 0, segment = 0;
    std::uint8_t ecn = 0;
    bool more = true;
    while (more) {
      ngtcp2_pkt_info info{};
      const std::size_t room = used == 0 ? kRawQuicPacket : usual;
      const ngtcp2_ssize n = write_packet(peer, info, out + used, room);
      if (n < 0) fail_raw("writing", static_cast<int>(n));
      if (n == 0) {
        left = 0;
        break;
      }
      const auto size = static_cast<std::size_t>(n);
      if (used > 0 && (size > segment || info.ecn != ecn)) {
        send(peer, used, segment, ecn);
        std::memmove(out, out + used, size);
        used = 0;
      }
      if (used == 0) segment = size;
      ecn = static_cast<std::uint8_t>(info.ecn);
      used += size;
      more = size == segment && size <= usual && most - used >= usual;
    }
    if (used > 0) send(peer, used, segment, ecn);
    left -= std::min(left, used);
  }
  ngtcp2_conn_update_pkt_tx_time(peer.connection, clock_now());
}

ngtcp2_ssize RawQuic::write_packet(RawQuicPeer& peer, ngtcp2_pkt_info& info, std::uint8_t* out, std::size_t size) {
  ngtcp2_path_storage path;
  ngtcp2_path_storage_zero(&path);
  const ngtcp2_tstamp now = clock_now();
  if (peer.complete && peer.datagrams_to_send > 0) {
    const ngtcp2_vec piece{tables_->source.data(), kRawDatagram};
    int accepted = 0;
    const ngtcp2_ssize n = ngtcp2_conn_writev_datagram(peer.connection, &path.path, &info, out, size, &accepted,
                                                       NGTCP2_WRITE_DATAGRAM_FLAG_NONE, 0, &piece, 1, now);
    if (accepted != 0) --peer.datagrams_to_send;
    return n;
  }
  const bool sends = peer.stream >= 0 && peer.sent < peer.bytes_to_send;
  if (!sends) return ngtcp2_conn_write_pkt(peer.connection, &path.path, &info, out, size, now);
  const std::size_t at = peer.sent % kRawSource;
  const ngtcp2_vec piece{&tables_->source[at], std::min({kRawPiece, kRawSource - at, peer.bytes_to_send - peer.sent})};
  const bool last = piece.len == peer.bytes_to_send - peer.sent;
  ngtcp2_ssize taken = 0;
  ngtcp2_ssize n = ngtcp2_conn_writev_stream(
      peer.connection, &path.path, &info, out, size, &taken,
      last ? std::uint32_t{NGTCP2_WRITE_STREAM_FLAG_FIN} : std::uint32_t{NGTCP2_WRITE_STREAM_FLAG_NONE}, peer.stream,
      &piece, 1, now);
  if (taken > 0) peer.sent += static_cast<std::size_t>(taken);
  if (n == NGTCP2_ERR_STREAM_DATA_BLOCKED)
    n = ngtcp2_conn_write_pkt(peer.connection, &path.path, &info, out, size, now);
  return n;
}

void RawQuic::send(const RawQuicPeer& peer, std::size_t size, std::size_t segment, std::uint8_t ecn) {
  std::array<char, 128> notes{};
  iovec part{tables_->out.data(), size};
  sockaddr_in to = peer.remote;
  msghdr header{.msg_name = &to,
                .msg_namelen = sizeof to,
                .msg_iov = &part,
                .msg_iovlen = 1,
                .msg_control = notes.data(),
                .msg_controllen = 0,
                .msg_flags = 0};
  if (ecn != 0) add_note(header, IPPROTO_IP, IP_TOS, int{ecn});
  if (size > segment) add_note(header, SOL_UDP, UDP_SEGMENT, static_cast<std::uint16_t>(segment));
  check(sendmsg(socket_, &header, 0), "sendmsg");
}

}  // namespace trellis::bench
