// sim_datagram.cc: see sim_datagram.h.
#include "loop/sim_datagram.h"

#include <netinet/udp.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "loop/datagram.h"
#include "loop/sim_host.h"
#include "loop/socket_address.h"
#include "loop/socket_error.h"

namespace trellis {

namespace {

constexpr std::size_t kLargestIpv4 = 65515;  // payload of a packet
constexpr std::size_t kLargestIpv6 = 65535;
constexpr std::size_t kUdpHeader = 8;
constexpr std::size_t kMostAtOnce = 64;     // datagrams of one receive()
constexpr std::size_t kMostSegments = 64;   // that GRO joins
constexpr std::size_t kMostJoined = 65000;  // bytes of them

}  // namespace

SimDatagram::SimDatagram(const Seat& seat, SocketSpec::Role role)
    : SimSocket(seat), wake_up_(seat.host.world(), *this), raw_(has_no_ports(seat.protocol)), source_(seat.source) {
  if (role == SocketSpec::Role::unconnected) peers_ = std::make_unique<PeerCache>();
  host_.add(*this);
}

SimDatagram::~SimDatagram() { host_.remove(*this); }

int SimDatagram::bind_to(const Address& address) {
  if (!raw_) return bind(address);
  local_ = address;
  local_.hop_limit = 0;
  return 0;
}

bool SimDatagram::is_peer(const Address& from) const noexcept {
  return raw_ ? same_ip(remote_, from) : same_port(remote_, from);
}

Result<bool> SimDatagram::connect(const Address& remote) noexcept {
  if (!remote) return fail(Reason::invalid_argument, "connect: the address is unset", 0, "socket");
  int error = fault(SocketCall::connect);
  if (error == 0 && remote.family != family_) error = EAFNOSUPPORT;
  const Address source = host_.source_for(remote, local_, bound_);
  if (error == 0 && !source) error = ENETUNREACH;
  if (error == 0 && needs_port()) error = bind(with_port(source, 0));
  remote_ = remote;
  remote_.hop_limit = 0;
  if (error != 0) {
    auto failed = failure(error, "connect to");
    remote_ = {};
    return failed;
  }
  if (raw_ || source.port != 0) local_ = source;
  if (remote.hop_limit != 0) {
    const bool v6 = family_ == Address::Family::ipv6;
    const int unicast = v6 ? IPV6_UNICAST_HOPS : IP_TTL, multicast = v6 ? IPV6_MULTICAST_HOPS : IP_MULTICAST_TTL;
    options_.set(v6 ? IPPROTO_IPV6 : IPPROTO_IP, is_multicast(remote) ? multicast : unicast,
                 option_value(int{remote.hop_limit}));
  }
  stir();
  return true;
}

Result<bool> SimDatagram::connected() noexcept {
  if (const int error = fault(SocketCall::connected)) return failure(error, "connect to");
  if (remote_) return true;
  if (error_ != 0) return failure(std::exchange(error_, 0), "connect to");
  return false;
}

Result<void> SimDatagram::listen(int) noexcept {
  fault(SocketCall::listen);
  return failure(EOPNOTSUPP, "listen with datagrams");
}

Result<Accepted> SimDatagram::accept() noexcept {
  fault(SocketCall::accept);
  return failure(EOPNOTSUPP, "accept with datagrams");
}

Result<void> SimDatagram::finish() noexcept {
  fault(SocketCall::finish);
  return failure(EOPNOTSUPP, "finish sending datagrams");
}

int SimDatagram::fits(const SimPacket& packet, const SimInterface& in) const noexcept {
  if (packet.protocol != protocol_ || needs_port()) return 0;
  if (!raw_ && packet.to.port != local_.port) return 0;
  if (packet.to.family != family_ || (bound_ != nullptr && bound_ != &in && in.index() != 1)) return 0;
  const bool wildcard = !local_ || is_wildcard(local_);
  if (!wildcard && !same_ip(local_, packet.to)) return 0;
  if (remote_ && !is_peer(packet.from)) return 0;
  if (source_ && !same_ip(source_, packet.from)) return 0;
  return 1 + (bound_ != nullptr ? 1 : 0) + (wildcard ? 0 : 2) + (remote_ ? 4 : 0);
}

std::size_t SimDatagram::buffer(int option) const {
  const int value = flag(SOL_SOCKET, option);
  return value > 0 ? static_cast<std::size_t>(value) : host_.options.datagram_buffer;
}

void SimDatagram::on_packet(SimPacket&& packet) noexcept {
  if (received_bytes_ + packet.size() > buffer(SO_RCVBUF))
    return host_.trace("lost buffer", packet.size(), packet.from, packet.to);
  received_bytes_ += packet.size();
  received_.push_back(std::move(packet));
  stir();
}

// As Linux: "refused" and "too big" are told to connected sockets, other errors only to those that asked for them.
void SimDatagram::on_icmp(const IcmpError& error) noexcept {
  if (error.protocol != protocol_ || (!raw_ && error.from.port != local_.port)) return;
  if (local_ && !is_wildcard(local_) && !same_ip(local_, error.from)) return;
  if (remote_ && !is_peer(error.to)) return;
  const bool v6 = family_ == Address::Family::ipv6;
  const bool asked = flag(v6 ? IPPROTO_IPV6 : IPPROTO_IP, v6 ? IPV6_RECVERR : IP_RECVERR) != 0;
  const bool hard = error.kind == IcmpError::Kind::refused ||
                    (error.kind == IcmpError::Kind::too_big && discovery() != IP_PMTUDISC_DONT);
  if (!asked && (!hard || !remote_)) return;
  error_ = raw_ && error.kind == IcmpError::Kind::refused ? ENOPROTOOPT : errno_of(error.kind);
  error_came();
}

MessageRef SimDatagram::info_of(const SimPacket& packet) {
  if (remote_ || peers_ == nullptr) return {};
  return peers_->find(packet.from, with_port(packet.to, local_.port));
}

// The next datagram, or with GRO as many of its kind as follow it.
Chunk SimDatagram::take_next(bool keep_segments) {
  const SimPacket& first = received_.front();
  const std::size_t segment = first.payload.size();
  std::size_t count = 1, bytes = segment;
  const bool joins = keep_segments && protocol_ == IPPROTO_UDP && segment > 0;
  for (; joins && count < std::min(received_.size(), kMostSegments); ++count) {
    const SimPacket& next = received_[count];
    const std::size_t size = next.payload.size();
    if (!same_port(next.from, first.from) || !same_ip(next.to, first.to) || next.ecn != first.ecn) break;
    if (size == 0 || size > segment || bytes + size > kMostJoined) break;
    bytes += size;
    if (size < segment) {  // a shorter one can only be the last
      ++count;
      break;
    }
  }
  Chunk chunk{loop_.pool().allocate(0, static_cast<std::uint32_t>(bytes), 0), info_of(first)};
  chunk.ecn = first.ecn;
  chunk.end_of_message = true;
  if (count > 1) chunk.segment_size = static_cast<std::uint16_t>(segment);
  std::byte* out = chunk.data.edit().data();
  for (; count > 0; --count) {
    const SimPacket& packet = received_.front();
    if (!packet.payload.empty()) std::memcpy(out, packet.payload.data(), packet.payload.size());
    out += packet.payload.size();
    received_bytes_ -= packet.size();
    received_.pop_front();
  }
  return chunk;
}

Result<Io> SimDatagram::receive(Batch& into, std::size_t byte_budget, bool keep_segments) noexcept {
  if (byte_budget == 0) return Io{};
  if (const int error = fault(SocketCall::receive)) {
    if (error == EAGAIN) return Io{.blocked = true};
    return failure(error, "receive from");
  }
  if (error_ != 0) return failure(std::exchange(error_, 0), "receive from");
  Io io;
  // The real one cannot know sizes before it asks the kernel: it guesses, and so the budget means a number.
  const std::size_t most =
      cut(std::clamp<std::size_t>(byte_budget / std::max(typical_, kDatagramExpected), 1, kMostAtOnce));
  typical_ = 0;
  std::size_t count = 0;
  for (; count < most && !received_.empty(); ++count) {
    into.add(take_next(keep_segments));
    const std::size_t size = into.back().data.size();
    typical_ = std::max(typical_, size);
    io.bytes += size;
  }
  io.blocked = count < most;
  return io;
}

std::size_t SimDatagram::queued() const noexcept {
  while (!sending_.empty() && sending_.front().first <= host_.world().now()) sending_.pop_front();
  std::size_t bytes = 0;
  for (const auto& [departure, size] : sending_) bytes += size;
  return bytes;
}

void SimDatagram::drained() noexcept {
  if (has_room()) return stir();
  wake_up_.schedule(sending_.front().first);
}

int SimDatagram::discovery() const {
  const bool v6 = family_ == Address::Family::ipv6;
  if (v6 && flag(IPPROTO_IPV6, IPV6_DONTFRAG) != 0) return IP_PMTUDISC_DO;
  return flag(v6 ? IPPROTO_IPV6 : IPPROTO_IP, v6 ? IPV6_MTU_DISCOVER : IP_MTU_DISCOVER);
}

int SimDatagram::transmit(const Chunk& chunk, std::span<const std::byte> bytes) noexcept {
  const MessageInfo& info = properties_of(chunk);
  SimPacket packet;
  packet.protocol = protocol_;
  packet.to = info.remote ? info.remote : remote_;
  packet.ecn = chunk.ecn & 3;
  if (!packet.to) return EDESTADDRREQ;
  if (packet.to.family != family_) return EAFNOSUPPORT;
  const std::size_t largest = family_ == Address::Family::ipv6 ? kLargestIpv6 : kLargestIpv4;
  if (bytes.size() > largest - (raw_ ? 0 : kUdpHeader)) return EMSGSIZE;
  const Address wanted = info.local && !is_wildcard(info.local) ? with_port(info.local, local_.port) : local_;
  if (wanted && !is_wildcard(wanted) && !host_.owns(wanted)) return EADDRNOTAVAIL;
  packet.from = host_.source_for(packet.to, wanted, bound_);
  if (!packet.from) return ENETUNREACH;
  if (raw_) packet.from.port = packet.to.port = 0;
  const bool v6 = family_ == Address::Family::ipv6;
  const int unicast = v6 ? IPV6_UNICAST_HOPS : IP_TTL, multicast = v6 ? IPV6_MULTICAST_HOPS : IP_MULTICAST_TTL;
  const int hops = flag(v6 ? IPPROTO_IPV6 : IPPROTO_IP, is_multicast(packet.to) ? multicast : unicast);
  packet.hops = info.remote.hop_limit != 0 ? info.remote.hop_limit : static_cast<std::uint8_t>(hops);
  packet.payload.assign(bytes.begin(), bytes.end());
  const int mode = info.no_fragmentation ? IP_PMTUDISC_DO : discovery();
  const bool fits_path = packet.size() <= host_.path_mtu(packet.to, packet.from, bound_);
  packet.may_fragment = mode == IP_PMTUDISC_DONT || (mode == IP_PMTUDISC_WANT && !fits_path);
  const std::size_t size = packet.size();
  const SimHost::Sent sent = host_.send(std::move(packet), bound_);
  if (sent.error == 0 && sent.departure > host_.world().now()) sending_.emplace_back(sent.departure, size);
  return sent.error;
}

// One datagram, or the datagrams of a chunk that carries several.
int SimDatagram::transmit_all(const Chunk& chunk) noexcept {
  auto rest = chunk.data.bytes();
  if (chunk.segment_size == 0 || rest.size() <= chunk.segment_size) return transmit(chunk, rest);
  while (!rest.empty()) {
    const auto part = rest.first(std::min<std::size_t>(rest.size(), chunk.segment_size));
    if (const int error = transmit(chunk, part)) return error;
    rest = rest.subspan(part.size());
  }
  return 0;
}

Result<Io> SimDatagram::send(Batch& from) noexcept {
  if (const int error = fault(SocketCall::send)) {
    if (error == EAGAIN) return Io{.blocked = true};
    return failure(error, "send to");
  }
  if (error_ != 0) return failure(std::exchange(error_, 0), "an earlier datagram to");
  if (needs_port()) {
    Address any = local_;
    any.family = family_;
    if (const int error = bind(any)) return failure(error, "send to");
  }
  auto io = send_all(from);
  if (!has_room()) wake_up_.schedule(sending_.front().first);
  return io;
}

Result<Io> SimDatagram::send_all(Batch& from) noexcept {
  Io io;
  for (std::size_t left = cut(from.size()); !from.empty(); --left) {
    io.blocked = left == 0 || !has_room();
    if (io.blocked) return io;
    if (const int error = transmit_all(from.front())) {
      if (auto untold = give_up_first(error, from)) return std::unexpected(*std::move(untold));
    } else {
      io.bytes += from.pop().data.size();
    }
  }
  return io;
}

// Takes a datagram that cannot be sent and tells its maker; what is returned is left for send() to tell.
std::optional<Error> SimDatagram::give_up_first(int error, Batch& from) noexcept {
  const Address to = properties_of(from.front()).remote;
  Error why = socket_error(error, "send a datagram of " + std::to_string(from.front().data.size()) + " bytes to " +
                                      describe(to ? to : remote_));
  const MessageRef info = from.pop().info;
  if (!info || info->tell == nullptr) return why;
  info->report(Fate::failed, &why);
  return std::nullopt;
}

Ready SimDatagram::state() const noexcept {
  if (error_ != 0) return Ready::readable | Ready::writable | Ready::failed;
  const Ready readable = received_.empty() ? Ready::none : Ready::readable;
  return has_room() ? readable | Ready::writable : readable;
}

std::vector<std::byte> SimDatagram::fact(int level, int option) noexcept {
  const bool mtu = (level == IPPROTO_IP && option == IP_MTU) || (level == IPPROTO_IPV6 && option == IPV6_MTU);
  int value = 0;
  if (mtu && remote_) {
    value = static_cast<int>(host_.path_mtu(remote_, local_, bound_));
  } else if (level == SOL_SOCKET && option == SO_ERROR) {
    value = std::exchange(error_, 0);
  } else if (level == SOL_SOCKET && option == SO_TYPE) {
    value = raw_ ? SOCK_RAW : SOCK_DGRAM;
  } else if (level == SOL_SOCKET && option == SO_PROTOCOL) {
    value = protocol_;
  } else if (level == SOL_SOCKET && option == SO_BINDTODEVICE && bound_ != nullptr) {
    const auto name = std::as_bytes(std::span(bound_->name()));
    return {name.begin(), name.end()};
  } else {
    return {};
  }
  const auto bytes = option_value(value);
  return {bytes.begin(), bytes.end()};
}

}  // namespace trellis
