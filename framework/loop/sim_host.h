// sim_host.h: a simulated computer: interfaces with addresses, a kernel, and the loops of the program that runs on it.
#pragma once
#include <initializer_list>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "loop/fault_plan.h"
#include "loop/sim_link.h"
#include "loop/sim_nat.h"
#include "loop/sim_ports.h"
#include "loop/sim_tcp.h"
#include "loop/virtual_loop.h"

namespace trellis {

class SimDatagram;
class SimHost;
class SimNetwork;

/// How a host behaves. May be changed at any time; buffer sizes count for new sockets.
struct HostOptions {
  unsigned loops = 1;                        ///< how many loops its program runs; fixed
  bool forwards = false;                     ///< it is a router
  std::size_t send_buffer = 256 * 1024;      ///< SO_SNDBUF of TCP, bytes
  std::size_t receive_buffer = 256 * 1024;   ///< SO_RCVBUF of TCP, bytes
  std::size_t datagram_buffer = 208 * 1024;  ///< SO_SNDBUF and SO_RCVBUF of UDP, bytes
  std::size_t sockets = 10'000;              ///< descriptors; more fail with EMFILE
  double short_transfers = 0;  ///< probability that a read or write moves only a random part, or is cut in odd places
};

/// A network interface of a host. Interface 1 is the loopback.
class SimInterface final : public PacketSink {
 public:
  SimInterface(SimHost& host, std::string name, unsigned index, std::initializer_list<std::string_view> addresses);

  void set_up(bool up) noexcept;               ///< down: its addresses are not ours, no route uses it
  void add_address(std::string_view literal);  ///< more are allowed; the first of a family is the preferred source
  void add_address(const Address& address);    ///< as above
  void remove_address(std::string_view literal) noexcept;

  bool up() const noexcept { return up_; }
  unsigned index() const noexcept { return index_; }          ///< the scope of its link-local addresses
  const std::string& name() const noexcept { return name_; }  ///< "eth0"
  const std::vector<Address>& addresses() const noexcept { return addresses_; }
  /// Its preferred address of a family; unset when it has none.
  Address address(Address::Family family, bool link_local = false) const noexcept;
  bool has(const Address& address) const noexcept;  ///< whatever the port
  std::uint32_t mtu() const noexcept;               ///< of its link
  SimHost& host() const noexcept { return host_; }
  const SimLink* link() const noexcept { return link_; }  ///< null: not connected
  SimInterface* peer() const noexcept { return peer_; }   ///< at the other end of the link; null: not connected
  /// It has an address of this family, or none at all, as interfaces of routers may.
  bool carries(Address::Family family) const noexcept {
    return addresses_.empty() || address(family) || address(family, true);
  }

  void arrive(SimPacket&& packet) noexcept override;

 private:
  friend class SimNetwork;
  friend class SimHost;
  SimHost& host_;
  std::string name_;
  unsigned index_;
  std::vector<Address> addresses_;
  bool up_ = true;
  SimLink* link_ = nullptr;          // null: not connected, or the loopback
  SimLinkDirection* out_ = nullptr;  // null: not connected
  SimInterface* peer_ = nullptr;     // at the other end of the link
};

/// A simulated computer.
class SimHost {
 public:
  SimHost(SimNetwork& network, std::string name, const HostOptions& options);
  ~SimHost();
  SimHost(const SimHost&) = delete;
  SimHost& operator=(const SimHost&) = delete;

  HostOptions options;
  SimInterface& add_interface(std::string name, std::initializer_list<std::string_view> addresses = {});
  SimInterface& interface(std::string_view name) noexcept;  ///< precondition: it has one of this name
  const std::vector<std::unique_ptr<SimInterface>>& interfaces() const noexcept { return interfaces_; }
  VirtualLoop& loop(unsigned index = 0) noexcept { return *loops_[index]; }         ///< of its program
  unsigned loops() const noexcept { return static_cast<unsigned>(loops_.size()); }  ///< how many there are
  SimLinkDirection& loopback() noexcept { return loopback_; }  ///< packets to itself; 5 µs by default
  /// Makes it translate addresses of what leaves by this interface; it should forward.
  SimNat& add_nat(SimInterface& outside, const NatOptions& options = {});
  const std::string& name() const noexcept { return name_; }
  std::size_t sockets() const noexcept { return open_sockets_; }  ///< open now

  // What follows is for the parts of the simulated kernel.

  /// What became of a packet that the host wants to send.
  struct Sent {
    int error = 0;          ///< 0; ENETUNREACH: no route; EMSGSIZE: too large for the interface or the known path
    TimePoint departure{};  ///< when it has left the queue
  };
  Sent send(SimPacket&& packet, const SimInterface* bound) noexcept;
  /// The interface by which packets leave; null: no route. A source address binds to its interface.
  SimInterface* route(const Address& to, const Address& from, const SimInterface* bound) noexcept;
  /// The address that packets to `to` come from when the socket is not bound to one; unset: no route.
  Address source_for(const Address& to, const Address& from, const SimInterface* bound) noexcept;
  std::uint32_t path_mtu(const Address& to, const Address& from, const SimInterface* bound) noexcept;
  bool owns(const Address& address) const noexcept;        ///< of an interface that is up
  std::string interface_name(const Address& local) const;  ///< of the interface that has it; empty: none
  /// It forwards what comes in here for others. What comes to the outside of a NAT is never for others.
  bool forwards_from(const SimInterface& in) const noexcept;
  SimInterface* find_interface(std::string_view name) noexcept;  ///< null: none
  void arrive(SimPacket&& packet, SimInterface& in) noexcept;
  void trace(std::string_view what, std::uint64_t number = 0, const Address& from = {},
             const Address& to = {}) noexcept;

  VirtualWorld& world() noexcept;
  FaultPlan& faults() noexcept;
  SeededRandom& random() noexcept { return random_; }
  SimTcp& tcp() noexcept { return tcp_; }
  SimPorts& ports() noexcept { return ports_; }
  void add(SimDatagram& socket) { datagrams_.push_back(&socket); }
  void remove(SimDatagram& socket) { std::erase(datagrams_, &socket); }
  void socket_opened() noexcept { ++open_sockets_; }
  void socket_closed() noexcept { --open_sockets_; }
  /// Of a list of sockets that fit equally well, the one that a packet of these ends belongs to: a seeded hash.
  std::size_t share(const Address& from, const Address& to, std::size_t count) const noexcept;

 private:
  friend class SimInterface;
  class LoopSockets;
  SimInterface* link_of(const SimInterface* bound) noexcept;
  void deliver(SimPacket&& packet, SimInterface& in) noexcept;
  void deliver_datagram(SimPacket&& packet, SimInterface& in) noexcept;
  void deliver_to_all(const SimPacket& packet, const SimInterface& in) noexcept;
  void refuse(const SimPacket& packet) noexcept;
  void deliver_icmp(const SimPacket& packet) noexcept;
  void forward(SimPacket&& packet, SimInterface& in) noexcept;
  void topology_changed() noexcept;

  SimNetwork& network_;
  std::string name_;
  std::vector<std::unique_ptr<SimInterface>> interfaces_;
  std::vector<std::unique_ptr<LoopSockets>> loop_sockets_;
  std::vector<std::unique_ptr<VirtualLoop>> loops_;
  SimLinkDirection loopback_;
  SeededRandom random_;
  std::uint64_t share_seed_;
  SimPorts ports_;
  SimTcp tcp_;
  std::vector<SimDatagram*> datagrams_;
  std::unique_ptr<SimNat> nat_;
  std::map<Address, std::uint32_t, AddressLess> path_mtus_;
  std::size_t open_sockets_ = 0;
};

}  // namespace trellis
