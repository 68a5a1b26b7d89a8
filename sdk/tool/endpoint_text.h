// endpoint_text.h: endpoints as people write them: name:7000, 192.0.2.1:7000, [2001:db8::1]:7000, [fe80::1%eth0]:7000.
#pragma once
#include <string>
#include <string_view>

#include "trellis/framework.h"
#include "trellis/path.h"
#include "trellis/result.h"

namespace trellis::tool {

/// Reads HOST:PORT with a port from 1 to 65535. Errors: invalid_argument.
Result<Endpoint> parse_remote(std::string_view text);
/// Reads an address of ours with or without a port: 127.0.0.1, 127.0.0.1:7000, ::1, [::1]:7000. Errors:
/// invalid_argument.
Result<Endpoint> parse_local(std::string_view text);
/// Reads curl's [+]HOST:PORT:ADDR[,ADDR…]; HOST may be *. Errors: invalid_argument.
Result<KnownHost> parse_known_host(std::string_view text);
/// Reads a port from `least` to 65535. Errors: invalid_argument.
Result<std::uint16_t> parse_port(std::string_view text, std::uint16_t least);

}  // namespace trellis::tool
