// sim_tcp.h: the TCP of a simulated host: finds the connection or listener of a segment, keeps what has no socket.
#pragma once
#include <deque>
#include <map>
#include <memory>
#include <set>
#include <unordered_map>
#include <vector>

#include "loop/sim_address.h"
#include "loop/sim_tcp_connection.h"

namespace trellis {

class SimHost;

/// A place where new connections are made.
class TcpListener {
 public:
  virtual void on_syn(SimPacket&&) noexcept = 0;  ///< somebody wants to connect
  /// How well it fits: 0 not at all, more is better; equal ones share.
  virtual int fits(const Address& to, const SimInterface& in) const noexcept = 0;

 protected:
  ~TcpListener() = default;
};

/// All of a host's TCP but the sockets.
class SimTcp {
 public:
  static constexpr Duration kLinger = std::chrono::seconds(60);  ///< TIME_WAIT, and FIN_WAIT_2 without a socket

  explicit SimTcp(SimHost& host);

  void on_packet(SimPacket&&, const SimInterface& in) noexcept;  ///< a segment for this host
  void on_icmp(const IcmpError&) noexcept;                       ///< an error about a segment of this host

  void add(TcpConnection&) noexcept;                                  ///< segments find it from now on
  void remove(TcpConnection&) noexcept;                               ///< not any more; no-op when not added
  bool in_use(const Address& local, const Address& remote) noexcept;  ///< by a connection
  void add(TcpListener& listener) { listeners_.push_back(&listener); }
  void remove(TcpListener& listener) { std::erase(listeners_, &listener); }

  void keep(std::unique_ptr<TcpConnection>);                     ///< owns a connection that has no socket
  std::unique_ptr<TcpConnection> take(TcpConnection&) noexcept;  ///< gives it to a socket
  void linger(TcpConnection&) noexcept;  ///< destroys a kept connection after kLinger, without keeping the world awake
  void bury(TcpConnection&) noexcept;    ///< destroys a kept connection soon, not inside its own calls

  bool has_cookie(const Address& peer) const noexcept { return cookies_.contains(with_port(peer, 0)); }  ///< fast open
  void put_cookie(const Address& peer) { cookies_.insert(with_port(peer, 0)); }
  std::size_t connections() const noexcept { return connections_.size(); }  ///< that segments can find
  SimHost& host() noexcept { return host_; }

 private:
  struct Sweeper final : WorldEvent {
    Sweeper(VirtualWorld& world, SimTcp& whose) : WorldEvent(world), tcp(whose) {}
    void happen() noexcept override { tcp.sweep(); }
    SimTcp& tcp;
  };
  using Flow = std::pair<Address, Address>;  // local, remote
  struct FlowLess {
    bool operator()(const Flow&, const Flow&) const noexcept;
  };
  TcpListener* find_listener(const SimPacket& syn, const SimInterface& in) const noexcept;
  void purge() noexcept;
  void sweep() noexcept;

  SimHost& host_;
  std::map<Flow, TcpConnection*, FlowLess> connections_;
  std::vector<TcpListener*> listeners_;
  std::unordered_map<TcpConnection*, std::unique_ptr<TcpConnection>> kept_;
  std::deque<std::pair<TimePoint, TcpConnection*>> lingering_;
  std::vector<TcpConnection*> dead_;
  std::set<Address, AddressLess> cookies_;
  Sweeper sweeper_;
};

}  // namespace trellis
