// sim_socket.cc: see sim_socket.h.
#include "loop/sim_socket.h"

#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "loop/sim_datagram.h"
#include "loop/sim_host.h"
#include "loop/sim_listener.h"
#include "loop/sim_packet.h"
#include "loop/sim_stream.h"
#include "loop/socket_error.h"

namespace trellis {

namespace {

constexpr Ready both(Ready a, Ready b) noexcept {
  return static_cast<Ready>(static_cast<std::uint8_t>(a) & static_cast<std::uint8_t>(b));
}

}  // namespace

SimSocket::SimSocket(const Seat& seat)
    : Pollable(seat.loop),
      host_(seat.host),
      loop_(seat.loop),
      protocol_(seat.protocol),
      family_(seat.family),
      bound_(seat.bound),
      share_port_(seat.share_port),
      local_(seat.local),
      options_(seat.protocol, seat.family) {
  host_.socket_opened();
}

SimSocket::~SimSocket() {
  host_.ports().release(this);
  host_.socket_closed();
}

int SimSocket::fault(SocketCall call) noexcept { return host_.faults().next(call, host_.name()); }

std::unexpected<Error> SimSocket::failure(int error, std::string doing) const {
  if (remote_) doing += " " + describe(remote_);
  return std::unexpected(socket_error(error, doing));
}

Result<void> SimSocket::watch(SocketEvents& who, Ready interest) noexcept {
  if (const int error = fault(SocketCall::watch)) return failure(error, "watch");
  watcher_ = &who;
  interest_ = interest;
  stir();
  return {};
}

Ready SimSocket::ready() const noexcept {
  if (watcher_ == nullptr) return Ready::none;
  const Ready now = state();
  const Ready wanted = both(now, both(interest_, Ready::readable | Ready::writable));
  if (wanted != Ready::none) return wanted;
  return any(now, Ready::failed) && !failed_told_ ? Ready::failed : Ready::none;
}

void SimSocket::tell(Ready what) noexcept {
  if (what == Ready::failed) failed_told_ = true;
  watcher_->on_ready(*this, what);
}

void SimSocket::error_came() noexcept {
  failed_told_ = false;
  stir();
}

Address SimSocket::local() const noexcept { return local_.port == 0 && is_wildcard(local_) ? Address{} : local_; }

Result<void> SimSocket::set(int level, int option, std::span<const std::byte> value) noexcept {
  int error = fault(SocketCall::set);
  if (error == 0) error = options_.set(level, option, value);
  if (error != 0) return failure(error, "set option " + std::to_string(level) + "/" + std::to_string(option));
  option_set();
  return {};
}

Result<std::size_t> SimSocket::get(int level, int option, std::span<std::byte> value) noexcept {
  const auto doing = [&] { return "get option " + std::to_string(level) + "/" + std::to_string(option); };
  if (const int error = fault(SocketCall::get)) return failure(error, doing());
  std::vector<std::byte> known = fact(level, option);
  if (known.empty()) {
    auto remembered = options_.get(level, option);
    if (!remembered) return failure(ENOPROTOOPT, doing());
    known = std::move(*remembered);
  }
  const std::size_t size = std::min(known.size(), value.size());
  std::memcpy(value.data(), known.data(), size);
  return size;
}

int SimSocket::bind(Address address, const Address& remote) {
  address.hop_limit = 0;
  const int error = host_.ports().claim(protocol_, address, share_port_, this, [&](const Address& candidate) {
    return protocol_ != IPPROTO_TCP || !remote || !host_.tcp().in_use(candidate, remote);
  });
  if (error == 0) local_ = address;
  return error;
}

std::size_t SimSocket::cut(std::size_t most) noexcept {
  if (most <= 1 || !host_.random().chance(host_.options.short_transfers)) return most;
  return 1 + host_.random().below(most);
}

namespace {

/// The protocol that a simulated kernel uses for the one that was asked for; 0: it does not know it. MPTCP falls back
/// to TCP, as it does in Linux when the peer does not speak it.
int known_protocol(const SocketSpec& spec) noexcept {
  constexpr int kMptcp = 262;
  if (spec.kind == SocketSpec::Kind::raw) return has_no_ports(spec.protocol) ? spec.protocol : 0;
  const bool stream = spec.kind == SocketSpec::Kind::stream;
  switch (spec.protocol) {
    case 0: return stream ? IPPROTO_TCP : IPPROTO_UDP;
    case IPPROTO_TCP:
    case kMptcp: return stream ? IPPROTO_TCP : 0;
    case IPPROTO_UDP:
    case IPPROTO_UDPLITE: return stream ? 0 : spec.protocol;
    default: return 0;
  }
}

/// The errno with which binding to this address fails, or 0.
int cannot_bind(SimHost& host, const SocketSpec& spec) noexcept {
  if (!spec.local || is_wildcard(spec.local)) return 0;
  if (is_multicast(spec.local)) return 0;
  if (is_link_local(spec.local) && spec.local.scope == 0 && spec.interface_name.empty()) return EINVAL;
  return host.owns(spec.local) ? 0 : EADDRNOTAVAIL;
}

}  // namespace

Result<std::unique_ptr<Socket>> open_sim_socket(SimHost& host, VirtualLoop& loop, const SocketSpec& spec) {
  if (spec.kind == SocketSpec::Kind::netlink)
    return fail(Reason::unsupported, "open a socket: the simulated kernel has no netlink", 0, "socket");
  if (spec.family == Address::Family::none || (spec.local && spec.local.family != spec.family))
    return fail(Reason::invalid_argument,
                "open a socket: its family is unset or differs from that of its local address", 0, "socket");
  const auto failed = [](int error, const std::string& doing) { return std::unexpected(socket_error(error, doing)); };
  if (const int error = host.faults().next(SocketCall::open, host.name())) return failed(error, "open a socket");
  const int protocol = known_protocol(spec);
  if (protocol == 0) return failed(EPROTONOSUPPORT, "open a socket");
  if (host.sockets() >= host.options.sockets) return failed(EMFILE, "open a socket");
  const SimInterface* bound = spec.interface_name.empty() ? nullptr : host.find_interface(spec.interface_name);
  if (!spec.interface_name.empty() && bound == nullptr)
    return failed(ENODEV, "bind to an interface (" + std::string(spec.interface_name) + ")");
  const bool joins = spec.kind == SocketSpec::Kind::datagram && is_multicast(spec.local);
  if (joins && bound == nullptr) bound = host.route(spec.source ? spec.source : spec.local, {}, nullptr);
  if (joins && bound == nullptr) return failed(ENETUNREACH, "join the multicast group " + describe(spec.local));
  int error = cannot_bind(host, spec);
  const SimSocket::Seat seat{host, loop, protocol, spec.family, {}, bound, spec.share_port || joins, spec.source};
  std::unique_ptr<SimSocket> socket;
  if (spec.kind == SocketSpec::Kind::datagram || spec.kind == SocketSpec::Kind::raw) {
    socket = std::make_unique<SimDatagram>(seat, spec.role);
  } else if (spec.role == SocketSpec::Role::listen) {
    socket = std::make_unique<SimListener>(seat);
  } else {
    socket = std::make_unique<SimStream>(seat);
  }
  if (error == 0 && spec.local) error = socket->bind_to(spec.local);
  if (error != 0) return failed(error, "bind to " + describe(spec.local));
  return socket;
}

}  // namespace trellis
