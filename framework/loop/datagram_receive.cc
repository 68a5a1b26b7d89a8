// datagram_receive.cc: how datagrams come in; what goes out is in datagram_send.cc.
#include <netinet/udp.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "loop/datagram.h"
#include "loop/datagram_scratch.h"
#include "loop/datagram_socket.h"
#include "loop/ip_header.h"
#include "loop/libevent_loop.h"
#include "loop/socket_address.h"

namespace trellis {

namespace {

/// Adds the datagrams that GRO joined one by one, for a layer that does not know segments.
void add_segments(Chunk&& joined, Batch& into) {
  const std::uint32_t segment = joined.segment_size;
  joined.segment_size = 0;
  while (joined.data.size() > segment) {
    Chunk first{joined.data.split_front(segment), joined.info};
    first.ecn = joined.ecn;
    first.end_of_message = true;
    into.add(std::move(first));
  }
  into.add(std::move(joined));
}

}  // namespace

DatagramSocket::DatagramSocket(PosixSockets& owner, int descriptor, const SocketSpec& spec) noexcept
    : PosixSocket(owner, descriptor, {}, EV_READ),
      bound_(spec.local),
      ipv6_(spec.family == Address::Family::ipv6),
      raw_(spec.kind == SocketSpec::Kind::raw) {
  const bool plain_udp = !raw_ && (spec.protocol == 0 || spec.protocol == IPPROTO_UDP);
  largest_segment_ = plain_udp ? UINT16_MAX : 0;
  gro_refused_ = !plain_udp;
  set_number(level(), ipv6_ ? IPV6_RECVTCLASS : IP_RECVTOS, 1);
  // Which of our addresses a datagram was sent to is known without asking when there is only one.
  const bool many_addresses = !spec.local || is_wildcard(spec.local);
  if (spec.role == SocketSpec::Role::unconnected && many_addresses)
    set_number(level(), ipv6_ ? IPV6_RECVPKTINFO : IP_PKTINFO, 1);
}

void DatagramSocket::set_number(int level, int option, int value) noexcept {
  setsockopt(descriptor(), level, option, &value, sizeof value);
}

Result<void> DatagramSocket::set(int level, int option, std::span<const std::byte> value) noexcept {
  auto done = PosixSocket::set(level, option, value);
  if (!done) return done;
  int number = 0;
  std::memcpy(&number, value.data(), std::min(value.size(), sizeof number));
  if (level == IPPROTO_IP ? option == IP_TOS : level == IPPROTO_IPV6 && option == IPV6_TCLASS)
    traffic_class_ = static_cast<std::uint8_t>(number & ~3);
  if (level == IPPROTO_IP ? option == IP_MTU_DISCOVER : level == IPPROTO_IPV6 && option == IPV6_MTU_DISCOVER) {
    const bool forbidden = number == IP_PMTUDISC_DO || number == IP_PMTUDISC_PROBE;
    fragments_ = forbidden ? Fragments::forbidden_by_layer : Fragments::allowed;
  }
  return done;
}

// Of a raw socket the kernel tells the protocol where the port would be.
Address DatagramSocket::local() const noexcept {
  Address local = PosixSocket::local();
  if (raw_) local.port = bound_.port;
  return local;
}

Result<void> DatagramSocket::listen(int) noexcept { return failure(EOPNOTSUPP, "listen with datagrams"); }

Result<Accepted> DatagramSocket::accept() noexcept { return failure(EOPNOTSUPP, "accept with datagrams"); }

Result<void> DatagramSocket::finish() noexcept { return failure(EOPNOTSUPP, "finish sending datagrams"); }

void DatagramSocket::use_gro(bool on) noexcept {
  // It stays on: datagrams that were joined before it is switched off would arrive without their segment size.
  if (!on || gro_ || gro_refused_) return;
  const int one = 1;
  gro_ = setsockopt(descriptor(), SOL_UDP, UDP_GRO, &one, sizeof one) == 0;
  gro_refused_ = !gro_;
}

MessageRef DatagramSocket::info_of(const Address& remote, Address local) {
  if (bound_.port == 0 && !raw_) bound_ = PosixSocket::local();
  if (local) {
    local.port = bound_.port;
  } else if (!is_wildcard(bound_)) {
    local = bound_;
  }
  if (peers_ == nullptr) peers_ = std::make_unique<PeerCache>();
  return peers_->find(remote, local);
}

Result<Io> DatagramSocket::receive(Batch& into, std::size_t byte_budget, bool keep_segments) noexcept {
  if (byte_budget == 0) return Io{};
  use_gro(keep_segments);
  DatagramScratch& scratch = owner().datagrams(gro_);
  // Sizes are not known before. The budget can be overshot only by datagrams that are larger than those of the call
  // before, and by no more than the socket's receive buffer holds.
  const std::size_t expected = std::max<std::size_t>(typical_, kDatagramExpected);
  const std::size_t most = std::clamp<std::size_t>(byte_budget / expected, 1, scratch.capacity());
  const int received = scratch.receive(descriptor(), most);
  if (received < 0) {
    if (errno == EAGAIN || errno == EWOULDBLOCK) return Io{.blocked = true};
    return failure(errno, "receive from");
  }
  const auto count = static_cast<std::size_t>(received);
  Io io{.blocked = count < most};
  typical_ = 0;
  for (std::size_t i = 0; i < count; ++i) {
    const DatagramNotes notes = scratch.notes(i);
    Chunk chunk;
    if (!is_connected()) chunk.info = info_of(scratch.sender(i), notes.local);
    chunk.data = scratch.take(i);
    if (raw_ && !ipv6_) {
      const std::size_t header = ipv4_header_bytes(chunk.data.bytes());
      if (header == 0) continue;
      chunk.data.drop_front(static_cast<std::uint32_t>(header));
    }
    chunk.ecn = notes.ecn;
    chunk.end_of_message = true;
    const std::uint32_t size = chunk.data.size();
    io.bytes += size;
    typical_ = std::max(typical_, static_cast<std::uint16_t>(std::min<std::uint32_t>(size, UINT16_MAX)));
    if (notes.segment_size != 0 && size > notes.segment_size) chunk.segment_size = notes.segment_size;
    if (chunk.segment_size != 0 && !keep_segments) {
      add_segments(std::move(chunk), into);
    } else {
      into.add(std::move(chunk));
    }
  }
  return io;
}

}  // namespace trellis
