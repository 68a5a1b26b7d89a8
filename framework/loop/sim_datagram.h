// sim_datagram.h: the socket of simulated UDP and UDP-Lite, and of packets of another IP protocol.
#pragma once
#include <sys/socket.h>

#include <deque>
#include <optional>

#include "loop/peer_cache.h"
#include "loop/sim_packet.h"
#include "loop/sim_socket.h"
#include "loop/virtual_world.h"

namespace trellis {

/// A datagram socket, connected or not.
class SimDatagram final : public SimSocket {
 public:
  SimDatagram(const Seat& seat, SocketSpec::Role role);
  ~SimDatagram() override;

  int bind_to(const Address& address) override;
  Result<bool> connect(const Address& remote) noexcept override;
  Result<bool> connected() noexcept override;
  Result<void> listen(int backlog) noexcept override;
  Result<Accepted> accept() noexcept override;
  Result<Io> receive(Batch& into, std::size_t byte_budget, bool keep_segments) noexcept override;
  Result<Io> send(Batch& from) noexcept override;
  Result<void> finish() noexcept override;
  void reset() noexcept override {}
  Address local() const noexcept override { return raw_ ? local_ : SimSocket::local(); }

  // For the host.

  /// How well a datagram fits this socket: 0 not at all, more is better; equal ones share.
  int fits(const SimPacket& packet, const SimInterface& in) const noexcept;
  void on_packet(SimPacket&& packet) noexcept;  ///< one for this socket; lost when the buffer is full
  void on_icmp(const IcmpError& error) noexcept;

 protected:
  Ready state() const noexcept override;
  std::vector<std::byte> fact(int level, int option) noexcept override;

 private:
  struct Drained final : WorldEvent {  // there is room to send again
    Drained(VirtualWorld& world, SimDatagram& whose) : WorldEvent(world), socket(whose) {}
    void happen() noexcept override { socket.drained(); }
    SimDatagram& socket;
  };
  std::size_t buffer(int option) const;
  std::size_t queued() const noexcept;
  bool has_room() const noexcept { return queued() < buffer(SO_SNDBUF); }  // the last one may overshoot, as in Linux
  void drained() noexcept;
  Result<Io> send_all(Batch& from) noexcept;
  int discovery() const;
  int transmit(const Chunk& chunk, std::span<const std::byte> bytes) noexcept;
  int transmit_all(const Chunk& chunk) noexcept;
  std::optional<Error> give_up_first(int error, Batch& from) noexcept;
  bool needs_port() const noexcept { return !raw_ && local_.port == 0; }
  bool is_peer(const Address& from) const noexcept;
  Chunk take_next(bool keep_segments);
  MessageRef info_of(const SimPacket& packet);

  std::deque<SimPacket> received_;
  std::size_t received_bytes_ = 0;
  std::size_t typical_ = 0;                                        // the largest of the last receive()
  mutable std::deque<std::pair<TimePoint, std::size_t>> sending_;  // leaves the link's queue then; bytes
  Drained wake_up_;
  int error_ = 0;                     // of an earlier datagram; told once
  std::unique_ptr<PeerCache> peers_;  // unconnected sockets only
  const bool raw_;                    // there are no ports
  const Address source_;              // of a multicast group: the only one that is received from; unset: all
};

}  // namespace trellis
