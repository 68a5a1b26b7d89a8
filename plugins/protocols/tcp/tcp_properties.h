// tcp_properties.h: the RFC 9622 properties of one TCP connection, as socket options.
//
// What the kernel cannot do is refused and never ignored: Linux does not send the user timeout option of RFC 5482, and
// TCP always covers all bytes with its checksum.
#pragma once
#include <array>
#include <memory>

#include "../kernel_socket.h"
#include "tcp_settings.h"

namespace trellis {

class TcpProperties {
 public:
  explicit TcpProperties(const TcpLayerSettings& settings);
  /// Brings a new socket to what the policy asks for. Goes on after an error and returns the first one.
  Result<void> apply(Socket& socket, Address::Family family);
  /// Before the first data are sent: the option `no-delay`, which connecting has no use for.
  Result<void> send_at_once(Socket& socket) const;
  /// The capacity profile Low Latency/Interactive: the peer hears at once that its data have come. The kernel forgets
  /// it, so it is told after each read.
  bool acknowledges_at_once() const noexcept { return acknowledges_at_once_; }
  Result<void> acknowledge_at_once(Socket& socket) const;
  /// `socket`: null while there is none.
  Result<PropertyValue> get(Socket* socket, std::string_view name) const;
  Result<void> set(Socket* socket, Address::Family family, std::string_view name, const PropertyValue& value);

 private:
  Result<void> set_connection_timeout(Socket* socket, const PropertyValue& value);
  Result<void> set_keep_alive(Socket* socket, const PropertyValue& value);
  Result<void> set_profile(Socket* socket, Address::Family family, const PropertyValue& value);
  Result<void> set_rate(Socket* socket, const PropertyValue& value);
  Result<void> set_user_timeout(std::string_view name, const PropertyValue& value);
  Result<void> apply_keep_alive(Socket& socket) const;
  Result<void> apply_profile(Socket& socket, Address::Family family);
  void give_way(Socket& socket, bool yes);

  const TcpLayerSettings& settings_;
  Duration connection_timeout_;                 // max(): disabled
  Duration keep_alive_;                         // max(): disabled
  Duration advertised_timeout_;                 // would be sent, if the kernel could
  std::uint64_t rate_ = UINT64_MAX;             // bits per second
  using ControlName = std::array<char, 16>;     // TCP_CA_NAME_MAX
  std::unique_ptr<ControlName> usual_control_;  // the congestion control that gave way to TCP-LP; null: none did
  CapacityProfile profile_ = CapacityProfile::best_effort;
  bool acknowledges_at_once_ = false;
  bool timeout_changeable_ = true;  // by the peer's option
};

}  // namespace trellis
