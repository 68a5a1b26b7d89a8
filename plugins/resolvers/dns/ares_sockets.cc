#include "ares_sockets.h"

#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>

namespace trellis::dns {
namespace {

constexpr std::size_t kReadBytes = 64 * 1024;

Address to_address(const sockaddr& from) noexcept {
  Address address;
  if (from.sa_family == AF_INET6) {
    sockaddr_in6 v6;
    std::memcpy(&v6, &from, sizeof v6);
    address.family = Address::Family::ipv6;
    address.port = ntohs(v6.sin6_port);
    address.scope = v6.sin6_scope_id;
    std::memcpy(address.ip.data(), &v6.sin6_addr, sizeof v6.sin6_addr);
  } else if (from.sa_family == AF_INET) {
    sockaddr_in v4;
    std::memcpy(&v4, &from, sizeof v4);
    address.family = Address::Family::ipv4;
    address.port = ntohs(v4.sin_port);
    std::memcpy(address.ip.data(), &v4.sin_addr, sizeof v4.sin_addr);
  }
  return address;
}

void put_address(const Address& from, sockaddr* out, ares_socklen_t* length) noexcept {
  if (out == nullptr || length == nullptr) return;
  sockaddr_in6 v6{};
  sockaddr_in v4{};
  const void* data = &v4;
  auto size = static_cast<ares_socklen_t>(sizeof v4);
  if (from.family == Address::Family::ipv6) {
    v6.sin6_family = AF_INET6;
    v6.sin6_port = htons(from.port);
    v6.sin6_scope_id = from.scope;
    std::memcpy(&v6.sin6_addr, from.ip.data(), sizeof v6.sin6_addr);
    data = &v6;
    size = sizeof v6;
  } else {
    v4.sin_family = AF_INET;
    v4.sin_port = htons(from.port);
    std::memcpy(&v4.sin_addr, from.ip.data(), sizeof v4.sin_addr);
  }
  std::memcpy(out, data, std::min(*length, size));
  *length = size;
}

bool on_this_host(const Address& address) noexcept {
  if (address.family == Address::Family::ipv4) return address.ip[0] == 127;
  constexpr std::array<std::uint8_t, 16> kLoopback{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1};
  return address.ip == kLoopback;
}

/// Of a message with at least two bytes.
std::uint16_t id_of(std::span<const std::byte> message) noexcept {
  return static_cast<std::uint16_t>(std::to_integer<unsigned>(message[0]) << 8 | std::to_integer<unsigned>(message[1]));
}

ares_ssize_t failed(const Error& error) noexcept {
  errno = error.code != 0 && error.code < 4096 ? static_cast<int>(error.code) : ECONNREFUSED;
  return -1;
}

}  // namespace

// A socket is opened when it is connected: only then is it known whether the server is on this host.
struct AresSockets::Entry final : SocketEvents {
  Entry(AresSockets& sockets, ares_socket_t named, const SocketSpec& wanted)
      : all(sockets), number(named), spec(wanted) {}
  void on_ready(Socket&, Ready what) noexcept override {
    const bool broken = any(what, Ready::failed);  // c-ares hears of it when it reads
    all.owner_.socket_ready(number, broken || any(what, Ready::readable), any(what, Ready::writable));
  }
  bool stream() const noexcept { return spec.kind == SocketSpec::Kind::stream; }
  int connect(const Address& remote) noexcept {
    if (on_this_host(remote)) {
      spec.interface_name = {};
      spec.local = {};
    } else if (spec.local && spec.local.family != remote.family) {
      spec.local = {};
    }
    auto opened = all.executor_.sockets().open(spec);
    if (!opened) return static_cast<int>(failed(opened.error()));
    socket = std::move(*opened);
    const auto connected = socket->connect(remote);
    if (!connected) return static_cast<int>(failed(connected.error()));
    watch();
    if (*connected) return 0;
    errno = EINPROGRESS;
    return -1;
  }
  void watch() noexcept {
    if (socket == nullptr) return;
    const Ready reading = readable ? Ready::readable : Ready::none, writing = writable ? Ready::writable : Ready::none;
    (void)socket->watch(*this, reading | writing);  // what cannot be watched times out
  }
  ares_ssize_t receive(void* out, std::size_t room, sockaddr* from, ares_socklen_t* from_length) noexcept {
    if (socket == nullptr) return failed({Reason::unreachable, ENOTCONN, "dns", {}});
    if (come.empty()) {
      const auto io = socket->receive(come, stream() ? room : kReadBytes);
      if (!io) return failed(io.error());
      if (come.empty() && io->end) return 0;
    }
    if (come.empty()) {
      errno = EAGAIN;
      return -1;
    }
    all.read_from_ = socket->remote();
    put_address(all.read_from_, from, from_length);
    const auto bytes = come.front().data.bytes();
    const std::size_t moved = std::min(room, bytes.size());
    std::memcpy(out, bytes.data(), moved);
    if (stream())
      come.consume(moved);
    else
      all.last_ = come.pop().data;  // what does not fit of a datagram is lost, as with recvfrom(2)
    return static_cast<ares_ssize_t>(moved);
  }
  ares_ssize_t send(const void* data, std::size_t size) noexcept {
    if (socket == nullptr) return failed({Reason::unreachable, ENOTCONN, "dns", {}});
    Chunk chunk{.data = all.executor_.pool().allocate(0, static_cast<std::uint32_t>(size), 0), .end_of_message = true};
    std::memcpy(chunk.data.edit().data(), data, size);
    if (!stream() && size >= 2) all.asked_[all.asked_in_all_++ % all.asked_.size()] = id_of(chunk.data.bytes());
    Batch out;
    out.add(std::move(chunk));
    const auto io = socket->send(out);
    if (!io) return failed(io.error());
    if (io->bytes > 0) return static_cast<ares_ssize_t>(io->bytes);
    errno = EAGAIN;
    return -1;
  }

  AresSockets& all;
  ares_socket_t number;
  SocketSpec spec;
  std::unique_ptr<Socket> socket;  // null: not connected yet
  Batch come;                      // received, not yet read by c-ares
  bool readable = false, writable = false;
};

// What c-ares calls; `data` is the AresSockets.
struct AresSockets::Functions {
  static AresSockets& of(void* data) noexcept { return *static_cast<AresSockets*>(data); }
  static ares_socket_t open(int family, int type, int, void* data) { return of(data).open(family, type); }
  static int close(ares_socket_t socket, void* data) {
    std::erase_if(of(data).entries_, [&](const auto& entry) { return entry->number == socket; });
    return 0;
  }
  static int set(ares_socket_t, ares_socket_opt_t, const void*, ares_socklen_t, void*) {
    errno = ENOSYS;  // buffers are those of the executor; fast open is not used
    return -1;
  }
  static int connect(ares_socket_t socket, const sockaddr* to, ares_socklen_t, unsigned int, void* data) {
    Entry* entry = of(data).find(socket);
    errno = EBADF;
    return entry == nullptr ? -1 : entry->connect(to_address(*to));
  }
  static ares_ssize_t receive(ares_socket_t socket, void* out, size_t room, int, sockaddr* from,
                              ares_socklen_t* from_length, void* data) {
    Entry* entry = of(data).find(socket);
    errno = EBADF;
    return entry == nullptr ? -1 : entry->receive(out, room, from, from_length);
  }
  static ares_ssize_t send(ares_socket_t socket, const void* bytes, size_t size, int, const sockaddr*, ares_socklen_t,
                           void* data) {
    Entry* entry = of(data).find(socket);
    errno = EBADF;
    return entry == nullptr ? -1 : entry->send(bytes, size);
  }
};

AresSockets::AresSockets(Executor& executor, SocketOwner& owner, Binding binding)
    : executor_(executor), owner_(owner), binding_(std::move(binding)) {}
AresSockets::~AresSockets() = default;

std::string AresSockets::last_fault() const {
  const auto bytes = last_.bytes();
  if (bytes.empty()) return {};
  ares_dns_record_t* parsed = nullptr;
  const auto how = ares_dns_parse(reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size(), 0, &parsed);
  const std::unique_ptr<ares_dns_record_t, decltype(&ares_dns_record_destroy)> message(parsed, ares_dns_record_destroy);
  if (how != ARES_SUCCESS) return "a malformed message";
  if ((ares_dns_record_get_flags(parsed) & ARES_FLAG_QR) == 0) return "no answer";
  const auto asked = std::span(asked_).first(std::min(asked_in_all_, asked_.size()));
  return std::ranges::contains(asked, id_of(bytes)) ? "" : "another id";
}

void AresSockets::serve(ares_channel_t& channel) noexcept {
  static constexpr ares_socket_functions_ex kFunctions{.version = 1,
                                                       .flags = ARES_SOCKFUNC_FLAG_NONBLOCKING,
                                                       .asocket = Functions::open,
                                                       .aclose = Functions::close,
                                                       .asetsockopt = Functions::set,
                                                       .aconnect = Functions::connect,
                                                       .arecvfrom = Functions::receive,
                                                       .asendto = Functions::send,
                                                       .agetsockname = nullptr,
                                                       .abind = nullptr,
                                                       .aif_nametoindex = nullptr,
                                                       .aif_indextoname = nullptr};
  ares_set_socket_functions_ex(&channel, &kFunctions, this);
}

AresSockets::Entry* AresSockets::find(ares_socket_t socket) noexcept {
  const auto found = std::ranges::find(entries_, socket, [](const auto& entry) { return entry->number; });
  return found == entries_.end() ? nullptr : found->get();
}

ares_socket_t AresSockets::open(int family, int type) noexcept {
  SocketSpec spec;
  spec.kind = type == SOCK_STREAM ? SocketSpec::Kind::stream : SocketSpec::Kind::datagram;
  spec.role = SocketSpec::Role::connect;
  spec.family = family == AF_INET6 ? Address::Family::ipv6 : Address::Family::ipv4;
  spec.interface_name = binding_.interface_name;
  spec.local = binding_.local;
  spec.local.port = 0;
  entries_.push_back(std::make_unique<Entry>(*this, next_, spec));
  return next_++;
}

void AresSockets::wait_for(ares_socket_t socket, bool readable, bool writable) noexcept {
  Entry* entry = find(socket);
  if (entry == nullptr) return;
  entry->readable = readable;
  entry->writable = writable;
  entry->watch();
}

}  // namespace trellis::dns
