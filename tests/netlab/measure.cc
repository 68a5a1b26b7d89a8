#include "measure.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>

#include <algorithm>
#include <vector>

namespace trellis::netlab {
namespace {

using Clock = std::chrono::steady_clock;
constexpr std::chrono::seconds kPatience{5};
constexpr int kPollMs = 10;

void must_connect(const Descriptor& socket, const std::string& address) {
  errno = try_connect(socket, address, kPatience);
  if (errno != 0) refuse("cannot connect to " + address);
}

}  // namespace

SocketName::SocketName(const std::string& text, std::uint16_t port) {
  auto& ipv4 = reinterpret_cast<sockaddr_in&>(storage);
  auto& ipv6 = reinterpret_cast<sockaddr_in6&>(storage);
  if (inet_pton(AF_INET, text.c_str(), &ipv4.sin_addr) == 1) {
    ipv4.sin_family = AF_INET;
    ipv4.sin_port = htons(port);
  } else if (inet_pton(AF_INET6, text.c_str(), &ipv6.sin6_addr) == 1) {
    ipv6.sin6_family = AF_INET6;
    ipv6.sin6_port = htons(port);
  } else {
    throw LabError("'" + text + "' is no address");
  }
  static_assert(kSize == sizeof ipv6);
}

Descriptor make_socket(const Host& host, int family, int type) {
  const Inside inside(host);
  return Descriptor(socket(family, type | SOCK_CLOEXEC, 0), "socket");
}

Descriptor bound(const Host& host, const std::string& address, int type) {
  const SocketName local(address);
  Descriptor made = make_socket(host, local.family(), type);
  const int on = 1;
  setsockopt(made.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (bind(made.get(), local.get(), SocketName::kSize) != 0) refuse("cannot bind to " + address);
  if (type == SOCK_STREAM && listen(made.get(), SOMAXCONN) != 0) refuse("cannot listen at " + address);
  return made;
}

int try_connect(const Descriptor& socket, const std::string& address, std::chrono::milliseconds limit) {
  const auto seconds = std::chrono::floor<std::chrono::seconds>(limit);
  const timeval time{seconds.count(), std::chrono::microseconds(limit - seconds).count()};
  setsockopt(socket.get(), SOL_SOCKET, SO_SNDTIMEO, &time, sizeof time);
  const SocketName to(address);
  if (connect(socket.get(), to.get(), SocketName::kSize) == 0) return 0;
  return errno == EINPROGRESS ? ETIMEDOUT : errno;
}

double round_trip_ms(const ClientServer& lab, const std::string& address, int times) {
  const Descriptor listener = bound(lab.server, address, SOCK_STREAM);
  std::vector<double> taken;
  for (int i = 0; i < times; ++i) {
    const Descriptor socket = make_socket(lab.client, SocketName(address).family(), SOCK_STREAM);
    const Clock::time_point begin = Clock::now();
    must_connect(socket, address);
    taken.push_back(std::chrono::duration<double, std::milli>(Clock::now() - begin).count());
  }
  const auto middle = taken.begin() + times / 2;
  std::ranges::nth_element(taken, middle);
  return *middle;
}

double megabits(const ClientServer& lab, const std::string& address, std::chrono::milliseconds time) {
  const Descriptor listener = bound(lab.server, address, SOCK_STREAM);
  const Descriptor sender = make_socket(lab.client, SocketName(address).family(), SOCK_STREAM);
  must_connect(sender, address);
  const Descriptor receiver(accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK), "accept4");
  std::vector<char> block(65536);
  std::size_t received = 0;
  const Clock::time_point half = Clock::now() + time / 2, end = Clock::now() + time;
  while (Clock::now() < end) {
    while (send(sender.get(), block.data(), block.size(), MSG_DONTWAIT | MSG_NOSIGNAL) > 0) {
    }
    pollfd readable{receiver.get(), POLLIN, 0};
    poll(&readable, 1, kPollMs);
    for (ssize_t got = 0; (got = recv(receiver.get(), block.data(), block.size(), 0)) > 0;) {
      if (Clock::now() > half) received += static_cast<std::size_t>(got);
    }
  }
  const double counted = std::chrono::duration<double>(Clock::now() - half).count();
  return static_cast<double>(received) * 8 / 1e6 / counted;
}

}  // namespace trellis::netlab
