// posix_sockets.cc: see posix_sockets.h.
#include "loop/posix_sockets.h"

#include <ifaddrs.h>
#include <net/if.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "loop/datagram_scratch.h"
#include "loop/datagram_socket.h"
#include "loop/libevent_loop.h"
#include "loop/multicast_group.h"
#include "loop/netlink_socket.h"
#include "loop/socket_address.h"
#include "loop/socket_error.h"
#include "loop/stream_socket.h"

namespace trellis {

namespace {

// The end of a stream is told with the data before it, so that finding it costs no further poll.
constexpr short kReading = EV_READ | EV_CLOSED;

constexpr int kLastProtocol = 254;  // 255 is none: the kernel takes it for packets that bring their own IP header
constexpr const char* kNeedsRaw =
    "open a raw socket, for which this process needs the capability CAP_NET_RAW (setcap cap_net_raw+ep); without it "
    "use a stack over udp";

int kernel_type(SocketSpec::Kind kind) noexcept {
  if (kind == SocketSpec::Kind::raw) return SOCK_RAW;
  return kind == SocketSpec::Kind::datagram ? SOCK_DGRAM : SOCK_STREAM;
}

int set_flag(int descriptor, int level, int option) noexcept {
  const int one = 1;
  return setsockopt(descriptor, level, option, &one, sizeof one);
}

/// The options that must be there before bind(); returns what was being done when it failed, or null.
const char* prepare(int descriptor, const SocketSpec& spec) {
  const bool connects = spec.role == SocketSpec::Role::connect;
  // Without it an IPv6 socket would also get IPv4 peers, as mapped addresses that equal no address of a path or
  // candidate, and would take the port from an IPv4 socket beside it.
  const bool raw = spec.kind == SocketSpec::Kind::raw;  // has no such peers, and cannot be told
  if (spec.family == Address::Family::ipv6 && !connects && !raw && set_flag(descriptor, IPPROTO_IPV6, IPV6_V6ONLY) < 0)
    return "set IPV6_V6ONLY";
  // A restarted server must not wait for the last one's connections to leave TIME_WAIT.
  if (spec.role == SocketSpec::Role::listen && spec.kind == SocketSpec::Kind::stream &&
      set_flag(descriptor, SOL_SOCKET, SO_REUSEADDR) < 0)
    return "set SO_REUSEADDR";
  if (spec.share_port && set_flag(descriptor, SOL_SOCKET, SO_REUSEPORT) < 0) return "set SO_REUSEPORT";
  // Choosing the port only in connect() lets one local port serve many remote addresses.
  if (connects && spec.kind == SocketSpec::Kind::stream && spec.local && spec.local.port == 0)
    set_flag(descriptor, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT);
  if (!spec.interface_name.empty()) {
    const std::string name(spec.interface_name);
    if (setsockopt(descriptor, SOL_SOCKET, SO_BINDTODEVICE, name.data(), static_cast<socklen_t>(name.size())) < 0)
      return "bind to an interface";
  }
  return nullptr;
}

}  // namespace

PosixSockets::PosixSockets(LibeventLoop& loop) noexcept : loop_(loop) {}

PosixSockets::~PosixSockets() = default;

void PosixSockets::end() noexcept {
  if (open_ == 0) return;
  std::fprintf(stderr,
               "trellis: a loop ends while %zu of its sockets are open: destroy connections and listeners first\n",
               open_);
  std::abort();
}

DatagramScratch& PosixSockets::datagrams(bool segments) {
  auto& scratch = segments ? segments_ : datagrams_;
  if (scratch == nullptr) scratch = std::make_unique<DatagramScratch>(loop_.pool(), segments);
  return *scratch;
}

std::string PosixSockets::interface_name(const Address& local) const {
  if (local.family == Address::Family::ipv4 && local.ip[0] == 127) return "lo";  // all of 127/8, one address is listed
  ifaddrs* list = nullptr;
  if (getifaddrs(&list) != 0) return {};
  const std::unique_ptr<ifaddrs, decltype(&freeifaddrs)> owner(list, &freeifaddrs);
  for (const ifaddrs* one = list; one != nullptr; one = one->ifa_next) {
    if (one->ifa_addr == nullptr || one->ifa_addr->sa_family != kernel_family(local.family)) continue;
    SocketAddress found{};
    std::memcpy(&found, one->ifa_addr, local.family == Address::Family::ipv4 ? sizeof found.ipv4 : sizeof found.ipv6);
    if (from_kernel(found).ip == local.ip) return one->ifa_name;
  }
  return {};
}

Result<std::unique_ptr<Socket>> PosixSockets::open(const SocketSpec& spec) noexcept {
  if (spec.kind == SocketSpec::Kind::netlink) return NetlinkSocket::open(*this, spec.protocol);
  const bool raw = spec.kind == SocketSpec::Kind::raw;
  if (raw && (spec.protocol <= 0 || spec.protocol > kLastProtocol))
    return fail(Reason::invalid_argument, "open a raw socket: it needs an IP protocol of 1 to 254", 0, "socket");
  const bool datagram = spec.kind == SocketSpec::Kind::datagram;
  if (spec.family == Address::Family::none || (spec.local && spec.local.family != spec.family))
    return fail(Reason::invalid_argument,
                "open a socket: its family is unset or differs from that of its local address", 0, "socket");
  const int type = kernel_type(spec.kind) | SOCK_NONBLOCK | SOCK_CLOEXEC;
  const int descriptor = ::socket(kernel_family(spec.family), type, spec.protocol);
  if (descriptor < 0) return std::unexpected(socket_error(errno, raw && errno == EPERM ? kNeedsRaw : "open a socket"));
  std::unique_ptr<Socket> socket;
  if (datagram || raw) {
    socket = std::make_unique<DatagramSocket>(*this, descriptor, spec);
  } else {
    socket = std::make_unique<StreamSocket>(*this, descriptor);
  }
  if (const char* doing = prepare(descriptor, spec)) {
    const int error = errno;
    const std::string on = spec.interface_name.empty() ? "" : " (" + std::string(spec.interface_name) + ")";
    return std::unexpected(socket_error(error, doing + on));
  }
  const bool joins = datagram && is_multicast(spec.local);
  const auto interface = joins ? prepare_group(descriptor, spec) : Result<unsigned>(0);
  if (!interface) return std::unexpected(interface.error());
  SocketAddress address;
  const socklen_t length = to_kernel(spec.local, address);
  if (length != 0 && ::bind(descriptor, &address.any, length) < 0)
    return std::unexpected(socket_error(errno, "bind to " + describe(spec.local)));
  if (joins) {
    if (auto joined = join_group(descriptor, spec, *interface); !joined) return fail(std::move(joined));
  }
  return socket;
}

PosixSocket::PosixSocket(PosixSockets& owner, int descriptor, const Address& peer, short when_idle) noexcept
    : owner_(owner),
      remote_(peer),
      descriptor_(descriptor),
      when_idle_(when_idle),
      connected_(bool(peer)),
      established_(bool(peer)) {
  ++owner_.open_;
}

PosixSocket::~PosixSocket() {
  unregister();
  ::close(descriptor_);
  --owner_.open_;
}

std::unexpected<Error> PosixSocket::failure(int error, std::string doing) const {
  if (remote_) doing += " " + describe(remote_);
  return std::unexpected(socket_error(error, doing));
}

std::unexpected<Error> PosixSocket::final_failure(int error, std::string doing) {
  if (final_error_ == 0) final_error_ = error;
  return failure(final_error_, std::move(doing));
}

Result<bool> PosixSocket::connect(const Address& remote) noexcept {
  SocketAddress address;
  const socklen_t length = to_kernel(remote, address);
  if (length == 0) return fail(Reason::invalid_argument, "connect: the address is unset", 0, "socket");
  remote_ = remote;
  remote_.hop_limit = 0;
  if (const int hops = remote.hop_limit; hops != 0) {
    const bool v6 = remote.family == Address::Family::ipv6;
    const int unicast = v6 ? IPV6_UNICAST_HOPS : IP_TTL, multicast = v6 ? IPV6_MULTICAST_HOPS : IP_MULTICAST_TTL;
    setsockopt(descriptor_, v6 ? IPPROTO_IPV6 : IPPROTO_IP, is_multicast(remote) ? multicast : unicast, &hops,
               sizeof hops);
  }
  // With fast open this may be before the handshake.
  if (::connect(descriptor_, &address.any, length) == 0) return connected_ = true;
  // EINTR: connecting goes on, as after EINPROGRESS.
  if (errno != EINPROGRESS && errno != EINTR) return final_failure(errno, "connect to");
  // On loopback the handshake is over by now: asking saves a poll, and to others it costs nothing beside the round
  // trip.
  return connected_ = has_peer();
}

Result<bool> PosixSocket::connected() noexcept {
  if (final_error_ != 0) return final_failure(final_error_, "connect to");
  if (has_peer()) return connected_ = true;
  const int error = take_error();
  if (error != 0) return final_failure(error, connected_ ? "connection to" : "connect to");
  return established_;  // the kernel forgets the peer once both sides have finished
}

bool PosixSocket::has_peer() noexcept {
  SocketAddress peer;
  socklen_t size = sizeof peer;
  if (getpeername(descriptor_, &peer.any, &size) != 0) return false;
  return established_ = true;
}

int PosixSocket::take_error() noexcept {
  int error = 0;
  socklen_t size = sizeof error;
  getsockopt(descriptor_, SOL_SOCKET, SO_ERROR, &error, &size);
  return error;
}

void PosixSocket::reset() noexcept {
  const linger at_once{.l_onoff = 1, .l_linger = 0};
  setsockopt(descriptor_, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
}

Address PosixSocket::local() const noexcept {
  SocketAddress address;
  socklen_t size = sizeof address;
  if (getsockname(descriptor_, &address.any, &size) < 0) return {};
  const Address local = from_kernel(address);
  return local.port == 0 && is_wildcard(local) ? Address{} : local;
}

Result<void> PosixSocket::set(int level, int option, std::span<const std::byte> value) noexcept {
  if (setsockopt(descriptor_, level, option, value.data(), static_cast<socklen_t>(value.size())) == 0) return {};
  return std::unexpected(socket_error(errno, "set option " + std::to_string(level) + "/" + std::to_string(option)));
}

Result<std::size_t> PosixSocket::get(int level, int option, std::span<std::byte> value) noexcept {
  socklen_t length = static_cast<socklen_t>(value.size());
  if (getsockopt(descriptor_, level, option, value.data(), &length) == 0) return length;
  return std::unexpected(socket_error(errno, "get option " + std::to_string(level) + "/" + std::to_string(option)));
}

short PosixSocket::wanted_events() const noexcept {
  short events = 0;
  if (any(interest_, Ready::readable) && !ended_) events |= kReading;
  if (any(interest_, Ready::writable)) events |= EV_WRITE;
  if (events != 0) return events | EV_PERSIST;
  // Once is enough: after a reset the socket stays in that state, and each registration would report it again.
  return failed_ || when_idle_ == 0 ? 0 : when_idle_ | EV_ET | EV_PERSIST;
}

Result<void> PosixSocket::watch(SocketEvents& who, Ready interest) noexcept {
  watcher_ = &who;
  interest_ = interest;
  const short wanted = wanted_events();
  // Only reading is given up: leave it. If something does arrive before reading is wanted again, see stirred().
  const short writing = any(interest, Ready::writable) ? EV_WRITE : 0;
  const bool reads = (registered_ & EV_READ) != 0 && (registered_ & EV_ET) == 0;
  if (reads && !any(interest, Ready::readable) && (registered_ & EV_WRITE) == writing) return {};
  // The same where nothing was watched yet: the layers of a new connection are about to read.
  if (registered_ == 0 && interest == Ready::none && established_ && !ended_ && !failed_)
    return register_for(kReading | EV_PERSIST);
  return register_for(wanted);
}

Result<void> PosixSocket::register_for(short events) noexcept {
  if (events == registered_) return {};
  unregister();  // libevent refuses to mix edges and levels on one descriptor
  if (events == 0) return {};
  event_assign(&event_, loop().base(), descriptor_, events, on_event, this);
  if (event_add(&event_, nullptr) != 0) return failure(errno, "watch");
  registered_ = events;
  return {};
}

void PosixSocket::unregister() noexcept {
  if (registered_ != 0) event_del(&event_);
  registered_ = 0;
}

void PosixSocket::on_event(evutil_socket_t, short what, void* self) noexcept {
  auto& socket = *static_cast<PosixSocket*>(self);
  socket.loop().begin_turn();
  socket.last_ = socket.last_ || (what & EV_CLOSED) != 0;
  Ready ready = Ready::none;
  if ((what & EV_READ) != 0 && any(socket.interest_, Ready::readable) && !socket.ended_) ready = Ready::readable;
  if ((what & EV_WRITE) != 0 && any(socket.interest_, Ready::writable)) ready = ready | Ready::writable;
  if (ready == Ready::none) return socket.stirred();
  socket.watcher_->on_ready(socket, ready);  // may destroy the socket
}

void PosixSocket::stirred() noexcept {
  // poll() and not SO_ERROR: that would clear the error, which receive() or send() shall return.
  pollfd state{.fd = descriptor_, .events = 0, .revents = 0};
  const bool error = ::poll(&state, 1, 0) == 1 && (state.revents & POLLERR) != 0;
  if (!error || failed_) {
    if (register_for(wanted_events()) || failed_) return;
    // The kernel cannot watch it any more: the layer must not wait for what will never be told.
  }
  failed_ = true;
  unregister();
  watcher_->on_ready(*this, Ready::failed);  // may destroy the socket
}

}  // namespace trellis
