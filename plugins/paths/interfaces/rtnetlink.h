// rtnetlink.h: the kernel's words about links, addresses and routes (rtnetlink(7)) as values.
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "router_options.h"
#include "trellis/path.h"

namespace trellis {

/// RTM_NEWLINK, RTM_DELLINK.
struct LinkFact {
  bool gone = false;
  unsigned index = 0;
  std::string name = {};
  std::uint32_t mtu = 0;
  bool enabled = false;  ///< IFF_UP: by whoever administers the host
  bool running = false;  ///< and it has a carrier
  InterfaceType type = InterfaceType::unknown;
  bool made_here = false;  ///< by the kernel itself (a veth, a bridge): there is no device of which sysfs knows more
};

/// RTM_NEWADDR, RTM_DELADDR.
struct AddressFact {
  bool gone = false;
  unsigned index = 0;
  Address address{};  ///< ours, not that of the other end of a point-to-point link
  std::uint8_t prefix_length = 0;
  bool usable = true;       ///< duplicate address detection is over and well
  bool temporary = false;   ///< RFC 8981
  bool deprecated = false;  ///< RFC 4862: nothing new shall begin from it
  std::uint32_t preferred_seconds = UINT32_MAX, valid_seconds = UINT32_MAX;  ///< left; UINT32_MAX: for ever
};

/// RTM_NEWROUTE, RTM_DELROUTE: one for each interface of a route.
struct RouteFact {
  bool gone = false;
  unsigned index = 0;
  PathRoute route{};
};

/// RTM_NEWNDUSEROPT: options of a router for which the kernel has no use itself (RFC 4861 section 4.2).
struct RouterFact {
  unsigned index = 0;
  RouterOptions told = {};
};

/// Who hears what a message says.
class RtnetlinkSink {
 public:
  virtual void link(const LinkFact& fact) noexcept = 0;
  virtual void address(const AddressFact& fact) noexcept = 0;
  virtual void route(const RouteFact& fact) noexcept = 0;
  virtual void router(const RouterFact& fact) noexcept = 0;
  /// The listing with this number is complete. `error`: the errno with which it was refused, or 0. `torn`: something
  /// changed meanwhile and the parts do not fit together.
  virtual void listed(std::uint32_t sequence, int error, bool torn) noexcept = 0;
  /// A message is malformed: which, what was found and what was expected. What follows it is not read.
  virtual void malformed(std::string_view what) noexcept = 0;

 protected:
  ~RtnetlinkSink() = default;
};

/// Tells the sink what the messages say; those about other things are passed over. False: one is malformed; it and what
/// came before it were told.
bool read_rtnetlink(std::span<const std::byte> messages, RtnetlinkSink& sink) noexcept;

/// A request for all of RTM_GETLINK, RTM_GETADDR or RTM_GETROUTE.
std::vector<std::byte> listing_request(std::uint16_t type, std::uint32_t sequence);

}  // namespace trellis
