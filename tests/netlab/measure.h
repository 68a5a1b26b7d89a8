// measure.h: plain blocking sockets in the hosts of a lab, and what they find: times and rates.
#pragma once
#include <sys/socket.h>

#include <chrono>
#include <cstdint>
#include <string>

#include "netlab.h"

namespace trellis::netlab {

/// The port that measurements use.
inline constexpr std::uint16_t kPort = 7000;

/// An address and a port as the kernel takes them.
struct SocketName {
  /// Throws LabError when the text is no address.
  explicit SocketName(const std::string& text, std::uint16_t port = kPort);
  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
  int family() const { return storage.ss_family; }
  static constexpr socklen_t kSize = 28;  ///< of the larger family, which the kernel takes for both
  sockaddr_storage storage{};
};

/// A socket that belongs to the host. Throws LabError.
Descriptor make_socket(const Host& host, int family, int type);
/// Bound to kPort at the address; listening when it is TCP's. Throws LabError.
Descriptor bound(const Host& host, const std::string& address, int type);
/// Connects to kPort within the limit. Returns 0, errno, or ETIMEDOUT.
int try_connect(const Descriptor& socket, const std::string& address, std::chrono::milliseconds limit);

/// The median duration of `times` TCP handshakes from the client to the server, in ms. Throws LabError.
double round_trip_ms(const ClientServer& lab, const std::string& address, int times = 9);
/// What a TCP connection from the client to the server carries, in Mbit/s of its bytes, from the first half of `time`,
/// which is not counted, to its end. Throws LabError.
double megabits(const ClientServer& lab, const std::string& address, std::chrono::milliseconds time);

}  // namespace trellis::netlab
