#include "raw_sockets.h"

#include <fcntl.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "process.h"

namespace trellis::bench {
namespace {

constexpr int kBacklog = 4096;

sockaddr* generic(sockaddr_in& address) { return reinterpret_cast<sockaddr*>(&address); }
const sockaddr* generic(const sockaddr_in& address) { return reinterpret_cast<const sockaddr*>(&address); }

}  // namespace

sockaddr_in raw_address(std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(port);
  return address;
}

sockaddr_in local_address(int descriptor) {
  sockaddr_in address{};
  socklen_t size = sizeof address;
  check(getsockname(descriptor, generic(address), &size), "getsockname");
  return address;
}

RawListener raw_listen() {
  const int descriptor = check(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), "socket");
  const sockaddr_in any = raw_address(0);
  check(bind(descriptor, generic(any), sizeof any), "bind");
  check(listen(descriptor, kBacklog), "listen");
  return {descriptor, local_address(descriptor)};
}

int raw_dial(const sockaddr_in& address) {
  const int descriptor = check(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), "socket");
  raw_connect(descriptor, address);
  return descriptor;
}

std::pair<int, int> raw_pair() {
  const RawListener listener = raw_listen();
  const int client = raw_dial(listener.address);
  set_non_blocking(client);
  const int server = check(accept4(listener.descriptor, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC), "accept4");
  close(listener.descriptor);
  set_no_delay(client);
  set_no_delay(server);
  return {client, server};
}

int raw_udp() {
  const int descriptor = check(socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), "socket");
  const sockaddr_in any = raw_address(0);
  check(bind(descriptor, generic(any), sizeof any), "bind");
  return descriptor;
}

void set_no_delay(int descriptor) {
  const int on = 1;
  check(setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on), "setsockopt(TCP_NODELAY)");
}

void set_non_blocking(int descriptor) { check(fcntl(descriptor, F_SETFL, O_NONBLOCK), "fcntl"); }

void raw_connect(int descriptor, const sockaddr_in& address) {
  check(connect(descriptor, generic(address), sizeof address), "connect");
}

void raw_reset(int descriptor) {
  const linger at_once{.l_onoff = 1, .l_linger = 0};
  check(setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once), "setsockopt(SO_LINGER)");
  close(descriptor);
}

void drop_accepted(const RawListener& listener) {
  raw_reset(check(accept4(listener.descriptor, nullptr, nullptr, SOCK_CLOEXEC), "accept4"));
}

Epoll::Epoll() : descriptor_(check(epoll_create1(EPOLL_CLOEXEC), "epoll_create1")) {}
Epoll::~Epoll() { close(descriptor_); }
void Epoll::add(int descriptor, unsigned events) const {
  epoll_event event{.events = events, .data = {.fd = descriptor}};
  check(epoll_ctl(descriptor_, EPOLL_CTL_ADD, descriptor, &event), "epoll_ctl");
}

}  // namespace trellis::bench
