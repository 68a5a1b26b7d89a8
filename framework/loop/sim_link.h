// sim_link.h: a link between two interfaces, and all the bad things that can happen on it.
//
// Each direction has conditions of its own. They are plain values and may be changed at any time, most simply from
// VirtualWorld::after(); what is already on its way is not touched by a change.
#pragma once
#include <functional>
#include <list>
#include <set>
#include <string>
#include <vector>

#include "loop/sim_packet.h"
#include "loop/virtual_world.h"

namespace trellis {

/// What becomes of a packet on a link.
enum class Verdict : std::uint8_t {
  pass,         ///< carried
  drop,         ///< vanishes: a black hole
  refuse,       ///< answered at the far end as if nobody listened: RST to TCP, ICMP port unreachable to the others
  unreachable,  ///< answered at the far end with ICMP host unreachable
  reset,        ///< a TCP segment becomes an RST to both ends, as some middleboxes do; others vanish
};

/// Which packets get which verdict. What is left at its default matches everything.
struct PacketFilter {
  Verdict verdict = Verdict::drop;                 ///< what becomes of the packets that match
  int protocol = 0;                                ///< IPPROTO_UDP, …; 0: any
  Address::Family family = Address::Family::none;  ///< none: both
  Address to{};                                    ///< unset: anybody; port 0: any port
  std::uint16_t port = 0;                          ///< destination port; 0: any
  std::size_t larger_than = 0;                     ///< only packets of more bytes than this on the wire
  bool with_payload = false;                       ///< only packets that carry data: a TCP handshake passes
  bool matches(const SimPacket&) const noexcept;   ///< all of the above hold
};

/// How one direction of a link behaves. The default is a perfect wire without delay.
struct LinkConditions {
  Duration delay{};                ///< one way, of every packet
  Duration jitter{};               ///< up to this much more, at random; the order is kept
  std::uint64_t rate = 0;          ///< bits per second; 0: infinite
  std::size_t queue = 256 * 1024;  ///< bytes that may wait for their turn when there is a rate; what is more is lost
  double loss = 0;                 ///< probability that a packet is lost
  double duplicate = 0;            ///< probability that a packet arrives twice
  double reorder = 0;              ///< probability that a packet is held back, so that later ones overtake it
  Duration reorder_by = std::chrono::milliseconds(10);  ///< how long it is held back
  std::uint32_t mtu = 1500;                             ///< bytes of the largest packet
  bool tells_too_big = true;               ///< larger ones are answered with ICMP; false: a path MTU black hole
  std::vector<PacketFilter> filters = {};  ///< the first one that matches decides; none: pass
};

/// Where a direction ends.
class PacketSink {
 public:
  virtual void arrive(SimPacket&& packet) noexcept = 0;  ///< at the moment the packet gets there

 protected:
  ~PacketSink() = default;
};

/// One direction of a link.
class SimLinkDirection {
 public:
  SimLinkDirection(VirtualWorld& world, std::string name, PacketSink& far, const LinkConditions& conditions);
  ~SimLinkDirection();

  LinkConditions conditions;  ///< may be changed at any time
  /// Sees each packet before everything else, may change it, and says what becomes of it: a man in the middle. An empty
  /// function: nobody looks.
  std::move_only_function<Verdict(SimPacket&)> tap;
  /// Loses one packet: the n-th from now; 1 is the next.
  void drop(std::uint64_t nth) { drops_.insert(packets_ + nth); }

  /// Puts a packet on the wire that nobody sent: replayed, forged. No tap and no filter sees it.
  void inject(SimPacket packet) noexcept;

  /// For hosts: sends a packet; it was checked against the MTU. Returns when it has left the queue of its sender.
  TimePoint carry(SimPacket&& packet) noexcept;
  std::uint64_t packets() const noexcept { return packets_; }  ///< given to carry() so far
  std::uint64_t lost() const noexcept { return lost_; }        ///< of those, how many vanished
  std::size_t queued_bytes() const noexcept;                   ///< waiting for their turn now

 private:
  friend class SimLink;
  struct InFlight;
  Verdict judge(SimPacket& packet) noexcept;
  TimePoint launch(SimPacket&& packet, Verdict verdict) noexcept;
  void fly(SimPacket&& packet, Verdict verdict, TimePoint departure) noexcept;
  void land(SimPacket&& packet, Verdict verdict) noexcept;
  void lose(const SimPacket& packet, std::string_view why) noexcept;

  VirtualWorld& world_;
  std::string name_;
  PacketSink& far_;
  SimLinkDirection* back_ = nullptr;  // the other direction; null on a loopback
  SeededRandom random_;
  std::set<std::uint64_t> drops_;
  std::uint64_t packets_ = 0;
  std::uint64_t lost_ = 0;
  TimePoint busy_until_{};
  TimePoint last_arrival_{};
  std::list<InFlight> in_flight_;
};

/// A link between two interfaces, first and second in the order in which they were given to SimNetwork::link.
class SimLink {
 public:
  SimLink(VirtualWorld& world, const std::string& first, const std::string& second, PacketSink& first_end,
          PacketSink& second_end, const LinkConditions& conditions);

  SimLinkDirection& forth() noexcept { return forth_; }  ///< from the first interface to the second
  SimLinkDirection& back() noexcept { return back_; }    ///< from the second interface to the first
  void set(const LinkConditions& conditions);            ///< the same conditions for both directions
  /// Adds a filter to both directions. A filter for a port matches on the way to it only.
  void block(const PacketFilter& filter);
  void unblock() noexcept;                  ///< removes all filters of both directions
  bool up() const noexcept { return up_; }  ///< routes use it

 private:
  friend class SimNetwork;
  SimLinkDirection forth_;
  SimLinkDirection back_;
  bool up_ = true;
};

}  // namespace trellis
