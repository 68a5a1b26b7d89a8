#include "datagram/datagram_socket_use.h"

#include <netinet/ip.h>
#include <sys/socket.h>

namespace trellis {
namespace {

bool is_ipv6(Address::Family family) { return family == Address::Family::ipv6; }

// Payload of the largest datagram: what the length field of IP, or of UDP over IPv6, can say.
std::uint64_t largest_datagram(const DatagramPlace& place) {
  return (is_ipv6(place.family) ? 65535 : 65535 - 20) - place.settings.header();
}

std::uint64_t largest_packet(const DatagramPlace& place) {
  std::uint64_t mtu = place.mtu;
  if (place.socket != nullptr && !place.shared) {
    const auto known = is_ipv6(place.family) ? get_option<int>(*place.socket, IPPROTO_IPV6, IPV6_MTU)
                                             : get_option<int>(*place.socket, IPPROTO_IP, IP_MTU);
    if (known && *known > 0) mtu = static_cast<std::uint64_t>(*known);
  }
  const std::uint64_t headers = (is_ipv6(place.family) ? 40 : 20) + place.settings.header();
  return std::min(mtu - std::min(mtu, headers), largest_datagram(place));
}

Result<void> forbid_fragments(Socket& socket, Address::Family family) {
  if (is_ipv6(family)) return set_option(socket, IPPROTO_IPV6, IPV6_MTU_DISCOVER, IPV6_PMTUDISC_DO);
  return set_option(socket, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DO);
}

// The kernel takes datagrams without a checksum over IPv4, whatever it is told, and none over IPv6.
Result<void> set_least_coverage(const DatagramPlace& place, const PropertyValue& value) {
  const char* const layer = place.settings.layer;
  const std::uint64_t* bytes = std::get_if<std::uint64_t>(&value);
  if (bytes == nullptr) return wrong_value(kRecvChecksumLen.name, "a number of bytes", layer);
  if ((*bytes == 0) != is_ipv6(place.family)) return {};
  return fail(Reason::unsupported,
              is_ipv6(place.family) ? "over IPv6 datagrams without a checksum are not accepted (RFC 8200 section 8.1)"
                                    : "over IPv4 datagrams without a checksum cannot be kept out",
              0, layer);
}

}  // namespace

Result<void> prepare_datagrams(Socket& socket, Address::Family family, const DatagramSettings& settings,
                               const std::function<void(std::string_view)>& warn) {
  if (!settings.checksum) {
    if (is_ipv6(family)) {
      return fail(Reason::unsupported, "checksum=false: over IPv6 every datagram needs one (RFC 8200 section 8.1)", 0,
                  settings.layer);
    }
    if (auto done = set_option(socket, SOL_SOCKET, SO_NO_CHECK, 1); !done) return done;
  }
  if (settings.dont_fragment) {
    if (auto done = forbid_fragments(socket, family); !done) return done;
  }
  const auto tune = [&warn](const Result<void>& done) {
    if (!done) warn("an option of the socket was not set: " + done.error().detail);
  };
  if (settings.dscp != 0) tune(set_dscp(socket, family, settings.dscp));
  if (settings.send_buffer > 0) tune(set_option(socket, SOL_SOCKET, SO_SNDBUF, settings.send_buffer));
  if (settings.receive_buffer > 0) tune(set_option(socket, SOL_SOCKET, SO_RCVBUF, settings.receive_buffer));
  return {};
}

Result<void> limit_hops(Socket& socket, Address::Family family, std::uint8_t hops) {
  if (is_ipv6(family)) return set_option(socket, IPPROTO_IPV6, IPV6_MULTICAST_HOPS, int{hops});
  return set_option(socket, IPPROTO_IP, IP_MULTICAST_TTL, int{hops});
}

Result<PropertyValue> get_datagram(const DatagramPlace& place, CapacityProfile profile, std::string_view name) {
  if (same_name(name, kConnCapacityProfile.name)) return word_of(profile);
  if (same_name(name, kSingularTransmissionMsgMaxLen.name)) return largest_packet(place);
  if (same_name(name, kSendMsgMaxLen.name)) {
    return place.settings.dont_fragment ? largest_packet(place) : largest_datagram(place);
  }
  if (same_name(name, kRecvMsgMaxLen.name)) return largest_datagram(place);
  if (place.settings.raw()) {
    if (same_name(name, kIpProtocol.name)) return static_cast<std::uint64_t>(place.settings.protocol);
  } else if (same_name(name, kRecvChecksumLen.name)) {
    return is_ipv6(place.family) ? UINT64_MAX : std::uint64_t{0};
  }
  return fail(Reason::unsupported);
}

Result<void> set_datagram(const DatagramPlace& place, CapacityProfile& profile, std::string_view name,
                          const PropertyValue& value) {
  const char* const layer = place.settings.layer;
  for (const std::string_view fixed :
       {kSendMsgMaxLen.name, kRecvMsgMaxLen.name, kSingularTransmissionMsgMaxLen.name, kIpProtocol.name}) {
    if (fixed == kIpProtocol.name && !place.settings.raw()) continue;
    if (same_name(name, fixed)) return fail(Reason::invalid_argument, std::string(fixed) + " is read-only", 0, layer);
  }
  if (same_name(name, kRecvChecksumLen.name) && !place.settings.raw()) return set_least_coverage(place, value);
  if (!same_name(name, kConnCapacityProfile.name)) return fail(Reason::unsupported);
  auto wanted = capacity_profile(value, layer);
  if (!wanted) return fail(std::move(wanted));
  if (place.socket != nullptr) {
    if (place.shared) {
      return fail(Reason::unsupported, "the peers of a listener share its socket and so its DSCP; use the option dscp",
                  0, layer);
    }
    const std::uint8_t dscp = code_point(*wanted, place.settings.dscp);
    if (auto done = set_dscp(*place.socket, place.family, dscp); !done) return done;
  }
  profile = *wanted;
  return {};
}

}  // namespace trellis
