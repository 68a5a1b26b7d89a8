// raw_socket.h: plain sockets of the kernel, as peers that know nothing of the framework. Calls block, up to kDeadline.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

namespace trellis::test {

/// A socket; closed by its destructor.
class RawSocket {
 public:
  RawSocket() = default;
  explicit RawSocket(int descriptor) : descriptor_(descriptor) {}
  RawSocket(RawSocket&& other) noexcept : descriptor_(std::exchange(other.descriptor_, -1)) {}
  RawSocket& operator=(RawSocket&& other) noexcept {
    std::swap(descriptor_, other.descriptor_);
    return *this;
  }
  ~RawSocket();

  /// Listens on 127.0.0.1, or on ::1.
  static RawSocket tcp_listener(bool ipv6 = false, int backlog = 16);
  /// Bound to 127.0.0.1, or to ::1.
  static RawSocket udp(bool ipv6 = false);
  /// A connection to 127.0.0.1.
  static RawSocket tcp_to(std::uint16_t port);

  std::uint16_t port() const;   ///< its own
  std::string address() const;  ///< "127.0.0.1:PORT" or "[::1]:PORT"
  std::string peer() const;     ///< the address of the peer, without port
  RawSocket accept() const;
  std::string read(std::size_t size) const;  ///< exactly so much, or less at the end
  std::string read_all() const;              ///< up to the end
  bool write(std::string_view bytes) const;
  void finish() const;  ///< half-close
  void reset();         ///< ends it with RST
  /// One datagram; remembers its sender for answer().
  std::string receive();
  void answer(std::string_view datagram) const;
  explicit operator bool() const { return descriptor_ >= 0; }
  int descriptor() const { return descriptor_; }

 private:
  int descriptor_ = -1;
  std::string sender_;  // a sockaddr
};

}  // namespace trellis::test
