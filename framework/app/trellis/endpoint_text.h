// endpoint_text.h: endpoints as people write them.
#pragma once
#include <string>
#include <string_view>

#include "trellis/framework.h"
#include "trellis/path.h"
#include "trellis/result.h"

namespace trellis {

/// Reads a peer (RACE-99): name:7000, 192.0.2.1:7000, [2001:db8::1]:7000, [fe80::1%eth0]:7000, with a port from 1 to
/// 65535, or a URL, of which host and port count: https://name/path. Without a port http means 80 and https 443; https
/// asks for the service too, so that its HTTPS records steer the race. For programs that are told whom to call; pass
/// what it gives to Preconnection::remote. Reads a service of DNS-SD too (RFC 6763 section 4), which says its own port:
/// Office printer._ipp._tcp.local, or *._ipp._tcp.local for whoever offers it; \. is a dot in the name of an instance.
/// Errors: invalid_argument, which says what was found and expected.
Result<Endpoint> parse_remote(std::string_view text);
/// Prints an endpoint as it is read: NAME:PORT, ADDRESS:PORT, a URL, or a service.
std::string to_text(const Endpoint& endpoint);
/// Reads an address of this host with or without a port: 127.0.0.1, 127.0.0.1:7000, ::1, [::1]:7000; without one the
/// port is 0. For Preconnection::local. Errors: invalid_argument.
Result<Endpoint> parse_local(std::string_view text);
/// A multicast group to receive from.
struct GroupToJoin {
  Endpoint group;
  Address source{};  ///< the only one that is received from; unset: any
};
/// Reads a group, with or without its one source: 239.1.2.3, 232.1.2.3@192.0.2.1, ff3e::8000:1@2001:db8::1. The port is
/// 0. For Preconnection::local. Errors: invalid_argument.
Result<GroupToJoin> parse_group(std::string_view text);
/// Reads curl's [+]HOST:PORT:ADDR[,ADDR…]; HOST may be *. Errors: invalid_argument.
Result<KnownHost> parse_known_host(std::string_view text);
/// Reads a port from `least` to 65535. Errors: invalid_argument.
Result<std::uint16_t> parse_port(std::string_view text, std::uint16_t least);

}  // namespace trellis
