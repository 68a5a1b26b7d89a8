// datagram_instance.h: a socket of its own as a bottom layer: connected to one peer, or unconnected below a layer that
// tells its peers apart by itself (addresses then travel in Chunk::info). An unconnected one for no certain address is
// one for each family, at the same port.
//
// Opening sends nothing. Datagrams that nobody has credit for stay in the kernel. No error ends the connection.
#pragma once
#include <memory>

#include "datagram/datagram_socket_use.h"
#include "trellis/protocol.h"

namespace trellis {

class DatagramInstance final : public ProtocolInstance, private SocketEvents {
 public:
  /// `settings` outlive it.
  DatagramInstance(const Seat& seat, const DatagramSettings& settings)
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
  struct Door {
    std::unique_ptr<Socket> socket;
    SocketWatch watch;
    bool readable = false;  // more is known to wait in the kernel
    bool blocked = false;   // the socket takes no more
  };
  Result<void> bind(const OpenArgs& args);
  Result<std::unique_ptr<Socket>> open_socket(const Address& at, const OpenArgs& args);
  Door& door_to(const Chunk& chunk) noexcept;
  void send(Batch& batch) noexcept;
  void send(Door& door, Batch& batch) noexcept;
  void read() noexcept;
  void read(Door& door) noexcept;
  void hand_up() noexcept;
  void take_error(Socket& socket) noexcept;
  void soft(Error error) noexcept;
  void watch() noexcept;
  void watch(Door& door) noexcept;
  bool is_open() const noexcept { return first_.socket != nullptr; }
  void end() noexcept;
  DatagramPlace place() const noexcept;

  LayerHost& host_;
  UpperPort upper_;
  const DatagramSettings& settings_;
  Door first_, second_;  // the second one is of IPv4 where the first one is of IPv6; usually there is none
  const Route* route_ = nullptr;
  CapacityProfile profile_ = CapacityProfile::best_effort;
  Batch in_;  // read, and beyond the credit of the layer above
  Address::Family family_ = Address::Family::none;
  bool closing_ = false;
};

}  // namespace trellis
