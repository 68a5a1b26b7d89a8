#include "raw_socket.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "process.h"

namespace trellis::test {

namespace {

union SocketAddress {
  sockaddr any;
  sockaddr_in v4;
  sockaddr_in6 v6;
};

SocketAddress loopback(bool ipv6, std::uint16_t port) {
  SocketAddress address{};
  if (ipv6) {
    address.v6.sin6_family = AF_INET6;
    address.v6.sin6_port = htons(port);
    address.v6.sin6_addr = in6addr_loopback;
  } else {
    address.v4.sin_family = AF_INET;
    address.v4.sin_port = htons(port);
    address.v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  }
  return address;
}

socklen_t length(const SocketAddress& address) {
  return address.any.sa_family == AF_INET6 ? sizeof address.v6 : sizeof address.v4;
}

void limit_waiting(int descriptor) {
  const timeval limit{.tv_sec = kDeadline.count(), .tv_usec = 0};
  ::setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  ::setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
}

RawSocket bound(bool ipv6, int type) {
  RawSocket made(::socket(ipv6 ? AF_INET6 : AF_INET, type | SOCK_CLOEXEC, 0));
  const SocketAddress address = loopback(ipv6, 0);
  EXPECT_EQ(::bind(made.descriptor(), &address.any, length(address)), 0) << std::strerror(errno);
  limit_waiting(made.descriptor());
  return made;
}

}  // namespace

RawSocket::~RawSocket() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

RawSocket RawSocket::tcp_listener(bool ipv6, int backlog) {
  RawSocket made = bound(ipv6, SOCK_STREAM);
  EXPECT_EQ(::listen(made.descriptor_, backlog), 0) << std::strerror(errno);
  return made;
}

RawSocket RawSocket::udp(bool ipv6) { return bound(ipv6, SOCK_DGRAM); }

RawSocket RawSocket::tcp_to(std::uint16_t port) {
  RawSocket made(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  limit_waiting(made.descriptor_);
  const SocketAddress address = loopback(false, port);
  EXPECT_EQ(::connect(made.descriptor_, &address.any, length(address)), 0) << std::strerror(errno);
  return made;
}

std::uint16_t RawSocket::port() const {
  SocketAddress address{};
  socklen_t size = sizeof address;
  ::getsockname(descriptor_, &address.any, &size);
  return ntohs(address.any.sa_family == AF_INET6 ? address.v6.sin6_port : address.v4.sin_port);
}

std::string RawSocket::address() const {
  SocketAddress address{};
  socklen_t size = sizeof address;
  ::getsockname(descriptor_, &address.any, &size);
  return (address.any.sa_family == AF_INET6 ? "[::1]:" : "127.0.0.1:") + std::to_string(port());
}

std::string RawSocket::peer() const {
  SocketAddress address{};
  socklen_t size = sizeof address;
  ::getpeername(descriptor_, &address.any, &size);
  char text[INET6_ADDRSTRLEN] = {};
  if (address.any.sa_family == AF_INET6)
    inet_ntop(AF_INET6, &address.v6.sin6_addr, text, sizeof text);
  else
    inet_ntop(AF_INET, &address.v4.sin_addr, text, sizeof text);
  return text;
}

RawSocket RawSocket::accept() const {
  RawSocket made(::accept4(descriptor_, nullptr, nullptr, SOCK_CLOEXEC));
  EXPECT_TRUE(made) << std::strerror(errno);
  limit_waiting(made.descriptor_);
  return made;
}

std::string RawSocket::read(std::size_t size) const {
  std::string text(size, '\0');
  std::size_t have = 0;
  while (have < size) {
    const ssize_t got = ::recv(descriptor_, text.data() + have, size - have, 0);
    if (got <= 0) break;
    have += static_cast<std::size_t>(got);
  }
  text.resize(have);
  return text;
}

std::string RawSocket::read_all() const {
  std::string text, more;
  while (!(more = read(65536)).empty()) text += more;
  return text;
}

bool RawSocket::write(std::string_view bytes) const {
  while (!bytes.empty()) {
    const ssize_t sent = ::send(descriptor_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent < 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(sent));
  }
  return true;
}

void RawSocket::finish() const { ::shutdown(descriptor_, SHUT_WR); }

void RawSocket::reset() {
  const linger at_once{.l_onoff = 1, .l_linger = 0};
  ::setsockopt(descriptor_, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
  ::close(std::exchange(descriptor_, -1));
}

std::string RawSocket::receive() {
  std::string datagram(65536, '\0');
  SocketAddress from{};
  socklen_t size = sizeof from;
  const ssize_t got = ::recvfrom(descriptor_, datagram.data(), datagram.size(), 0, &from.any, &size);
  EXPECT_GE(got, 0) << std::strerror(errno);
  datagram.resize(static_cast<std::size_t>(std::max<ssize_t>(got, 0)));
  sender_.assign(reinterpret_cast<const char*>(&from), size);
  return datagram;
}

void RawSocket::answer(std::string_view datagram) const {
  const ssize_t sent =
      ::sendto(descriptor_, datagram.data(), datagram.size(), 0, reinterpret_cast<const sockaddr*>(sender_.data()),
               static_cast<socklen_t>(sender_.size()));
  EXPECT_EQ(sent, static_cast<ssize_t>(datagram.size())) << std::strerror(errno);
}

}  // namespace trellis::test
