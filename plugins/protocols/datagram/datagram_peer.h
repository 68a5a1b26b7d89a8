// datagram_peer.h: one peer of a listener. It has no socket: datagrams come from and go to its acceptor's.
#pragma once
#include <list>

#include "datagram/datagram_socket_use.h"
#include "trellis/protocol.h"

namespace trellis {

class DatagramAcceptor;
struct DatagramDoor;

/// What tells the peers of a listener apart.
struct DatagramFlow {
  Address remote{};
  Address local{};
  bool operator==(const DatagramFlow&) const = default;
};

class DatagramPeer final : public ProtocolInstance {
 public:
  /// `acceptor` outlives it.
  DatagramPeer(const Seat& seat, DatagramAcceptor& acceptor, DatagramDoor& door, const DatagramFlow& flow);
  ~DatagramPeer() override;

  void open(const OpenArgs&) noexcept override;
  void close(const CloseArgs&) noexcept override;
  void on_up(LowerPort, Batch&) noexcept override {}
  void on_down(UpperPort, Batch&) noexcept override;
  void on_credit(UpperPort) noexcept override { hand_up(); }
  void flush() noexcept override;
  Result<PropertyValue> get(UpperPort, std::string_view name) noexcept override;
  Result<void> set(UpperPort, std::string_view name, const PropertyValue& value) noexcept override;

  // For the acceptor.
  bool take(Chunk&& chunk) noexcept;      ///< false: dropped, because the application is too slow
  void room() noexcept { host_.wake(); }  ///< the socket takes datagrams again
  void end_idle() noexcept;               ///< nothing was heard of it or sent to it for too long
  bool takes_segments() const noexcept { return upper_.takes_segments(); }
  const DatagramFlow& flow() const noexcept { return flow_; }
  TimePoint active_at{};                           ///< when a datagram last came or went
  std::list<DatagramPeer*>::iterator by_activity;  ///< its place in the acceptor's list

 private:
  void hand_up() noexcept;
  DatagramPlace place() const noexcept;

  LayerHost& host_;
  UpperPort upper_;
  DatagramAcceptor& acceptor_;
  DatagramDoor& door_;
  const DatagramFlow flow_;
  MessageRef to_;  // the addresses of every datagram that has no info of its own
  Batch inbox_;    // waits for the application
  std::size_t inbox_charge_ = 0;
  const Route* route_ = nullptr;
  CapacityProfile profile_ = CapacityProfile::best_effort;  // marked on each datagram: the socket is shared
  bool over_ = false;
};

}  // namespace trellis
