// raw_sockets.h: plain sockets for baselines and for the far ends of measurements. All on the IPv4 loopback, on ports
// that the system chooses. Whatever fails ends the process.
#pragma once
#include <netinet/in.h>

#include <cstdint>
#include <utility>

namespace trellis::bench {

/// A non-blocking listening TCP socket, and where it listens.
struct RawListener {
  int descriptor;
  sockaddr_in address;
};
RawListener raw_listen();

/// Resets the end that a listening socket got of a connection; nobody measures it.
void drop_accepted(const RawListener& listener);

/// The loopback address with a port.
sockaddr_in raw_address(std::uint16_t port);

/// A blocking connect; the socket stays blocking.
int raw_dial(const sockaddr_in& address);

/// Two ends of one TCP connection, non-blocking and without delay.
std::pair<int, int> raw_pair();

/// A non-blocking UDP socket on a port of its own.
int raw_udp();
sockaddr_in local_address(int descriptor);

void set_no_delay(int descriptor);
void set_non_blocking(int descriptor);
void raw_connect(int descriptor, const sockaddr_in& address);

/// Ends a connection with a reset, so that thousands of them leave nothing in TIME_WAIT behind.
void raw_reset(int descriptor);

/// An epoll instance, and what most programs do with one.
class Epoll {
 public:
  Epoll();
  Epoll(const Epoll&) = delete;
  Epoll& operator=(const Epoll&) = delete;
  ~Epoll();
  void add(int descriptor, unsigned events) const;
  int descriptor() const { return descriptor_; }

 private:
  int descriptor_;
};

}  // namespace trellis::bench
