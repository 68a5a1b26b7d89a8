// link.h: what joins two hosts.
#pragma once
#include <string>
#include <string_view>

#include "forwarder.h"
#include "host.h"
#include "shape.h"

namespace trellis::netlab {

/// The two directions of a link.
enum class Way { forth, back };  // from the first host to the second one, and back
/// The two ends of a link.
enum class End { first, second };
enum class Family { ipv4, ipv6 };

struct LinkOptions {
  Shape forth = {}, back = {};
  unsigned mtu = 1500;  ///< of the interfaces at both ends
  bool up = true;       ///< false: both interfaces are down until bring_up()
};

/// A cable between two hosts: an interface in each, "net<number>", with an IPv4 and an IPv6 address. Its changes may be
/// made by any thread while packets flow.
class Link {
 public:
  /// The number is that of the link in its lab. Throws LabError.
  Link(const Host& first, const Host& second, unsigned number, const LinkOptions& options, Forwarder& forwarder);
  Link(const Link&) = delete;
  Link& operator=(const Link&) = delete;

  const std::string& interface() const { return interface_; }  ///< its name, the same at both ends
  /// "10.77.<number>.1" and "2001:db8:77:<number>::1" at the first end, .2 and ::2 at the second.
  std::string address(End end, Family family = Family::ipv4) const;

  Shape shape(Way way) const;
  Counters counters(Way way) const;
  void set(Way way, const Shape& shape);
  void set(const Shape& both);
  /// Nothing arrives any more in either direction, without a sign at the ends. False: it carries again.
  void black_hole(bool on = true);
  /// As if the cable were pulled: nothing arrives, and both ends see "no carrier", which the kernel tells within a
  /// second. False: plugged in again.
  void unplug(bool out = true);
  /// The interface at an end is switched off; its routes and IPv6 addresses go.
  void take_down(End end);
  /// It is switched on, with its addresses and the routes of keep().
  void bring_up(End end);
  void set_mtu(End end, unsigned mtu);
  /// Lines for ip that are run now and whenever the end is brought up: routes that would be lost. "replace", not "add".
  void keep(End end, std::string_view lines);

 private:
  struct Side {
    const Host& host;
    Descriptor tun;
    unsigned mtu;
    bool up = false;
    std::string lines = {};  // that ip runs when it comes up
  };
  Side& side(End end) { return end == End::first ? first_ : second_; }
  Channel& channel(Way way) const { return way == Way::forth ? forth_ : back_; }
  Descriptor open_tun(const Host& host) const;

  unsigned number_;
  std::string interface_;
  Side first_, second_;
  Forwarder& forwarder_;
  Channel &forth_, &back_;
};

}  // namespace trellis::netlab
