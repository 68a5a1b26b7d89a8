// udp_instance.h: a UDP socket of its own as a bottom layer: connected to one peer, or unconnected below a layer that
// tells its peers apart by itself (addresses then travel in Chunk::info).
//
// Opening sends nothing. Datagrams that nobody has credit for stay in the kernel. No error ends the connection.
#pragma once
#include <memory>

#include "trellis/protocol.h"
#include "udp_socket.h"

namespace trellis {

class UdpInstance final : public ProtocolInstance, private SocketEvents {
 public:
  /// `settings` outlive it.
  UdpInstance(const Seat& seat, const UdpLayerSettings& settings)
      : host_(seat.host), upper_(seat.upper), settings_(settings) {}

  void open(const OpenArgs&) noexcept override;
  void close(const CloseArgs&) noexcept override;
  void on_up(LowerPort, Batch&) noexcept override {}
  void on_down(UpperPort, Batch&) noexcept override;
  void on_credit(UpperPort) noexcept override;
  void on_deadline() noexcept override;
  void on_wake() noexcept override;
  void flush() noexcept override;
  Result<PropertyValue> get(UpperPort, std::string_view name) noexcept override;
  Result<void> set(UpperPort, std::string_view name, const PropertyValue& value) noexcept override;

 private:
  void on_ready(Socket&, Ready what) noexcept override;
  Result<void> bind(const OpenArgs& args);
  void read() noexcept;
  void hand_up() noexcept;
  void take_error() noexcept;
  void soft(Error error) noexcept;
  void watch() noexcept;
  void end() noexcept;
  UdpPlace place() const noexcept;

  LayerHost& host_;
  UpperPort upper_;
  const UdpLayerSettings& settings_;
  std::unique_ptr<Socket> socket_;
  const Route* route_ = nullptr;
  const CapacityProfile* profile_ = kCapacityProfiles;
  Batch in_;  // read, and beyond the credit of the layer above
  SocketWatch watch_;
  Address::Family family_ = Address::Family::none;
  bool readable_ = false;  // more is known to wait in the kernel
  bool blocked_ = false;   // the socket takes no more
  bool closing_ = false;
};

}  // namespace trellis
