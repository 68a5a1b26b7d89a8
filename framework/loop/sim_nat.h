// sim_nat.h: network address translation at a router, with bindings that time out (RFC 4787).
//
// Bindings are endpoint-independent: an inside address keeps its outside port whomever it talks to. What comes from
// outside passes only to an inside address that has talked to just that peer.
#pragma once
#include <map>
#include <set>

#include "loop/seeded_random.h"
#include "loop/sim_address.h"
#include "loop/sim_packet.h"
#include "trellis/clock.h"

namespace trellis {

class SimHost;
class SimInterface;

/// How a NAT behaves.
struct NatOptions {
  Duration datagram_timeout = std::chrono::seconds(30);  ///< a UDP binding without outgoing packets is forgotten
  Duration stream_timeout = std::chrono::hours(2);       ///< the same for TCP
};

/// The translator of one outside interface.
class SimNat {
 public:
  SimNat(SimHost& host, SimInterface& outside, const NatOptions& options);

  NatOptions options;               ///< may be changed at any time
  void rebind() noexcept;           ///< forgets all bindings, as after a restart: what follows gets new ports
  std::size_t bindings() noexcept;  ///< that are alive

  /// Rewrites the source of a packet that leaves. False: it cannot be translated.
  bool outbound(SimPacket& packet);
  /// Rewrites the destination of a packet that comes. False: nobody inside expects it.
  bool inbound(SimPacket& packet);
  const SimInterface& outside() const noexcept { return outside_; }

 private:
  struct Binding {
    Address inside;
    Address outside;
    TimePoint expires;
    std::set<Address, AddressLess> peers;
  };
  using Key = std::pair<int, Address>;  // protocol, inside
  struct KeyLess {
    bool operator()(const Key& a, const Key& b) const noexcept {
      return a.first != b.first ? a.first < b.first : AddressLess()(a.second, b.second);
    }
  };
  void forget_expired() noexcept;
  Binding* find_outside(int protocol, const Address& outside) noexcept;
  std::uint16_t free_port(int protocol) noexcept;
  bool inbound_error(SimPacket& packet) noexcept;

  SimHost& host_;
  SimInterface& outside_;
  SeededRandom random_;
  std::map<Key, Binding, KeyLess> bindings_;
};

}  // namespace trellis
