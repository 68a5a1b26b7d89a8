#include "rtnetlink.h"

#include <linux/if.h>
#include <linux/if_addr.h>
#include <linux/if_arp.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <array>
#include <cstring>
#include <format>
#include <optional>
#include <string_view>

namespace trellis {
namespace {

using Bytes = std::span<const std::byte>;

constexpr std::size_t aligned(std::size_t length) { return (length + 3) & ~std::size_t{3}; }

template <class T>
std::optional<T> value_of(Bytes bytes) {
  if (bytes.size() < sizeof(T)) return std::nullopt;
  T value;
  std::memcpy(&value, bytes.data(), sizeof value);
  return value;
}

/// A header of 4 bytes whose first two are the length of all, as attributes and next hops have.
template <class Header>
std::optional<Bytes> take_part(Bytes& rest, std::size_t stated) {
  if (stated < sizeof(Header) || stated > rest.size()) return std::nullopt;
  const Bytes part = rest.subspan(sizeof(Header), stated - sizeof(Header));
  rest = rest.subspan(std::min(aligned(stated), rest.size()));
  return part;
}

/// Calls visit(type, payload) for each attribute; false when they are malformed.
template <class Visit>
bool each_attribute(Bytes rest, const Visit& visit) {
  while (rest.size() >= sizeof(rtattr)) {
    const rtattr header = *value_of<rtattr>(rest);
    const auto payload = take_part<rtattr>(rest, header.rta_len);
    if (!payload || !visit(header.rta_type & NLA_TYPE_MASK, *payload)) return false;
  }
  return rest.empty();
}

bool read_address(int family, Bytes bytes, Address& out) {
  const std::size_t length = family == AF_INET ? 4 : 16;
  if (bytes.size() != length) return false;
  out.family = family == AF_INET ? Address::Family::ipv4 : Address::Family::ipv6;
  std::memcpy(out.ip.data(), bytes.data(), length);
  return true;
}

bool read_number(Bytes bytes, std::uint32_t& out) {
  const auto number = value_of<std::uint32_t>(bytes);
  out = number.value_or(0);
  return number.has_value();
}

std::string text_of(Bytes bytes) {
  const auto* const text = reinterpret_cast<const char*>(bytes.data());
  return {text, strnlen(text, bytes.size())};
}

using Wrong = const char*;  // what was found and expected; null: all is well
constexpr Wrong kShort = "found less than its fixed part, expected all of that";
constexpr Wrong kAttributes = "found an attribute whose length does not fit, expected the kind's, within the message";
constexpr Wrong kPrefixLength = "found a prefix longer than the address, expected 32 or 128 bits at most";
constexpr Wrong kNoIndex = "found no number of an interface, expected one";

InterfaceType type_of(unsigned hardware, unsigned flags, std::string_view kind) {
  if ((flags & IFF_LOOPBACK) != 0) return InterfaceType::loopback;
  for (const std::string_view tunnel : {"tun", "wireguard", "gre", "gretap", "ip6gre", "ip6gretap", "ipip", "ip6tnl",
                                        "sit", "vti", "vti6", "xfrm", "vxlan", "geneve"}) {
    if (kind == tunnel) return InterfaceType::tunnel;
  }
  if (kind == "wwan" || kind == "rmnet") return InterfaceType::cellular;
  if (kind == "virt_wifi") return InterfaceType::wifi;
  switch (hardware) {
    case ARPHRD_ETHER: return InterfaceType::wired;
    case ARPHRD_IEEE80211:
    case ARPHRD_IEEE80211_PRISM:
    case ARPHRD_IEEE80211_RADIOTAP: return InterfaceType::wifi;
    case 519:  // ARPHRD_RAWIP: modems that speak IP
    case 820:  // ARPHRD_PHONET_PIPE
      return InterfaceType::cellular;
    case ARPHRD_PPP:
    case ARPHRD_TUNNEL:
    case ARPHRD_TUNNEL6:
    case ARPHRD_SIT:
    case ARPHRD_IPGRE:
    case ARPHRD_IP6GRE:
    case ARPHRD_NONE: return InterfaceType::tunnel;
    default: return InterfaceType::unknown;
  }
}

Wrong read_link(Bytes body, bool gone, RtnetlinkSink& sink) {
  const auto header = value_of<ifinfomsg>(body);
  if (!header) return kShort;
  if (header->ifi_index <= 0) return kNoIndex;
  LinkFact fact{.gone = gone, .index = static_cast<unsigned>(header->ifi_index)};
  fact.enabled = (header->ifi_flags & IFF_UP) != 0;
  fact.running = fact.enabled && (header->ifi_flags & IFF_RUNNING) != 0;
  std::string kind;
  const bool sound = each_attribute(body.subspan(aligned(sizeof *header)), [&](unsigned type, Bytes value) {
    if (type == IFLA_IFNAME) fact.name = text_of(value);
    if (type == IFLA_MTU) return read_number(value, fact.mtu);
    if (type != IFLA_LINKINFO) return true;
    return each_attribute(value, [&](unsigned inner, Bytes text) {
      if (inner == IFLA_INFO_KIND) kind = text_of(text);
      return true;
    });
  });
  if (!sound) return kAttributes;
  if (fact.name.empty() || fact.name.size() >= IFNAMSIZ)
    return "found no name, or a longer one, expected 1 to 15 bytes";
  fact.type = type_of(header->ifi_type, header->ifi_flags, kind);
  fact.made_here = !kind.empty();
  sink.link(fact);
  return nullptr;
}

Wrong read_address_message(Bytes body, bool gone, RtnetlinkSink& sink) {
  const auto header = value_of<ifaddrmsg>(body);
  if (!header) return kShort;
  const int family = header->ifa_family;
  if (family != AF_INET && family != AF_INET6) return nullptr;
  AddressFact fact{.gone = gone, .index = header->ifa_index, .prefix_length = header->ifa_prefixlen};
  std::uint32_t flags = header->ifa_flags;
  Address local, either;
  const bool sound = each_attribute(body.subspan(aligned(sizeof *header)), [&](unsigned type, Bytes value) {
    if (type == IFA_LOCAL) return read_address(family, value, local);
    if (type == IFA_ADDRESS) return read_address(family, value, either);
    if (type == IFA_FLAGS) return read_number(value, flags);
    if (type != IFA_CACHEINFO) return true;
    const auto lifetimes = value_of<ifa_cacheinfo>(value);
    if (!lifetimes) return false;
    fact.preferred_seconds = lifetimes->ifa_prefered;
    fact.valid_seconds = lifetimes->ifa_valid;
    return true;
  });
  fact.address = local ? local : either;
  if (!sound) return kAttributes;
  if (!fact.address) return "found no address, expected one";
  if (fact.prefix_length > (family == AF_INET ? 32 : 128)) return kPrefixLength;
  const bool link_local = family == AF_INET6 && fact.address.ip[0] == 0xfe && (fact.address.ip[1] & 0xc0) == 0x80;
  if (link_local) fact.address.scope = fact.index;
  const bool tentative = (flags & IFA_F_TENTATIVE) != 0 && (flags & IFA_F_OPTIMISTIC) == 0;
  fact.usable = !tentative && (flags & IFA_F_DADFAILED) == 0;
  // IFA_F_TEMPORARY has the bit that means "secondary" for IPv4.
  fact.temporary = family == AF_INET6 && (flags & IFA_F_TEMPORARY) != 0;
  fact.deprecated = (flags & IFA_F_DEPRECATED) != 0 || fact.preferred_seconds == 0;
  sink.address(fact);
  return nullptr;
}

bool read_next_hops(Bytes rest, std::vector<unsigned>& out) {
  while (rest.size() >= sizeof(rtnexthop)) {
    const rtnexthop hop = *value_of<rtnexthop>(rest);
    if (!take_part<rtnexthop>(rest, hop.rtnh_len)) return false;
    out.push_back(static_cast<unsigned>(hop.rtnh_ifindex));
  }
  return rest.empty();
}

Wrong read_route(Bytes body, bool gone, RtnetlinkSink& sink) {
  const auto header = value_of<rtmsg>(body);
  if (!header) return kShort;
  const int family = header->rtm_family;
  if ((family != AF_INET && family != AF_INET6) || header->rtm_type != RTN_UNICAST) return nullptr;
  if ((header->rtm_flags & RTM_F_CLONED) != 0) return nullptr;  // the kernel's notes about one destination
  RouteFact fact{.gone = gone};
  fact.route.prefix_length = header->rtm_dst_len;
  fact.route.destination.family = family == AF_INET ? Address::Family::ipv4 : Address::Family::ipv6;
  std::uint32_t table = header->rtm_table;
  std::vector<unsigned> interfaces;
  const bool sound = each_attribute(body.subspan(aligned(sizeof *header)), [&](unsigned type, Bytes value) {
    if (type == RTA_DST) return read_address(family, value, fact.route.destination);
    if (type == RTA_TABLE) return read_number(value, table);
    if (type == RTA_PRIORITY) return read_number(value, fact.route.metric);
    if (type == RTA_MULTIPATH) return read_next_hops(value, interfaces);
    if (type != RTA_OIF) return true;
    interfaces.push_back(0);
    return read_number(value, interfaces.back());
  });
  if (!sound) return kAttributes;
  if (fact.route.prefix_length > (family == AF_INET ? 32 : 128)) return kPrefixLength;
  if (table != RT_TABLE_MAIN) return nullptr;
  for (const unsigned index : interfaces) {
    fact.index = index;
    sink.route(fact);
  }
  return nullptr;
}

Wrong read_router_message(Bytes body, RtnetlinkSink& sink) {
  const auto header = value_of<nduseroptmsg>(body);
  if (!header) return kShort;
  if (header->nduseropt_ifindex <= 0) return kNoIndex;
  const Bytes options = body.subspan(aligned(sizeof *header));
  if (header->nduseropt_opts_len > options.size()) return "found more options than there are bytes, expected as many";
  constexpr unsigned kRouterAdvertisement = 134;
  if (header->nduseropt_family != AF_INET6 || header->nduseropt_icmp_type != kRouterAdvertisement) return nullptr;
  const RouterFact fact{static_cast<unsigned>(header->nduseropt_ifindex),
                        read_router_options(options.first(header->nduseropt_opts_len))};
  if (!fact.told.options.empty() || !fact.told.faults.empty()) sink.router(fact);
  return nullptr;
}

Wrong read_end(const nlmsghdr& header, Bytes body, RtnetlinkSink& sink) {
  const auto error = value_of<std::int32_t>(body);
  if (header.nlmsg_type == NLMSG_ERROR && !error) return kShort;
  const int code = error.value_or(0) < 0 && *error > INT32_MIN ? -*error : 0;
  sink.listed(header.nlmsg_seq, code, (header.nlmsg_flags & NLM_F_DUMP_INTR) != 0);
  return nullptr;
}

/// What rtnetlink(7) calls it.
std::string name_of(unsigned type) {
  switch (type) {
    case NLMSG_DONE: return "NLMSG_DONE";
    case NLMSG_ERROR: return "NLMSG_ERROR";
    case RTM_NEWLINK: return "RTM_NEWLINK";
    case RTM_DELLINK: return "RTM_DELLINK";
    case RTM_NEWADDR: return "RTM_NEWADDR";
    case RTM_DELADDR: return "RTM_DELADDR";
    case RTM_NEWROUTE: return "RTM_NEWROUTE";
    case RTM_DELROUTE: return "RTM_DELROUTE";
    case RTM_NEWNDUSEROPT: return "RTM_NEWNDUSEROPT";
    default: return "type " + std::to_string(type);
  }
}

Wrong read_message(const nlmsghdr& header, Bytes body, RtnetlinkSink& sink) {
  switch (header.nlmsg_type) {
    case NLMSG_DONE:
    case NLMSG_ERROR: return read_end(header, body, sink);
    case RTM_NEWLINK:
    case RTM_DELLINK: return read_link(body, header.nlmsg_type == RTM_DELLINK, sink);
    case RTM_NEWADDR:
    case RTM_DELADDR: return read_address_message(body, header.nlmsg_type == RTM_DELADDR, sink);
    case RTM_NEWROUTE:
    case RTM_DELROUTE: return read_route(body, header.nlmsg_type == RTM_DELROUTE, sink);
    case RTM_NEWNDUSEROPT: return read_router_message(body, sink);
    default: return nullptr;
  }
}

}  // namespace

bool read_rtnetlink(std::span<const std::byte> messages, RtnetlinkSink& sink) noexcept {
  while (!messages.empty()) {
    const auto header = value_of<nlmsghdr>(messages);
    const auto body = header ? take_part<nlmsghdr>(messages, header->nlmsg_len) : std::nullopt;
    const Wrong wrong = body ? read_message(*header, *body, sink)
                             : "found another length than there are bytes, expected its header and what that says";
    if (wrong == nullptr) continue;
    sink.malformed(std::format("message {}: {}", header ? name_of(header->nlmsg_type) : "without a header", wrong));
    return false;
  }
  return true;
}

std::vector<std::byte> listing_request(std::uint16_t type, std::uint32_t sequence) {
  struct {
    nlmsghdr header;
    std::array<std::byte, 16> body;  // as long as the longest of the three, all zero: of every family
    rtattr head{.rta_len = RTA_LENGTH(sizeof(std::uint32_t)), .rta_type = IFLA_EXT_MASK};
    std::uint32_t mask = RTEXT_FILTER_SKIP_STATS;  // the kernel's counters of a link cost it more than all the rest
  } request{};
  static_assert(sizeof(ifinfomsg) == 16 && sizeof(ifaddrmsg) == 8 && sizeof(rtmsg) == 12);
  const std::size_t body = type == RTM_GETLINK   ? sizeof request - sizeof request.header
                           : type == RTM_GETADDR ? sizeof(ifaddrmsg)
                                                 : sizeof(rtmsg);
  request.header.nlmsg_len = static_cast<std::uint32_t>(sizeof request.header + body);
  request.header.nlmsg_type = type;
  request.header.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
  request.header.nlmsg_seq = sequence;
  std::vector<std::byte> bytes(request.header.nlmsg_len);
  std::memcpy(bytes.data(), &request, bytes.size());
  return bytes;
}

}  // namespace trellis
