// router_options.h: what routers tell hosts about names (RFC 8106) and NAT64 (RFC 8781), read from the options of their
// advertisements.
#pragma once
#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "faults.h"
#include "trellis/path.h"

namespace trellis {

/// One option: what it offers, and for how long. Zero seconds take it back.
struct RouterOption {
  std::uint32_t seconds = 0;  ///< UINT32_MAX: for ever
  std::vector<Nat64Prefix> nat64 = {};
  std::vector<Address> dns_servers = {};
  std::vector<std::string> search_domains = {};
};

/// What an advertisement comes to.
struct RouterOptions {
  std::vector<RouterOption> options = {};
  Faults faults = {};  ///< "option 38 (PREF64): found …, expected …"
};

/// Options as they follow each other in an advertisement. Those of other types are passed over, and so are those that
/// are wrong in themselves, as their standards ask for. Where lengths do not fit together, what follows is lost.
RouterOptions read_router_options(std::span<const std::byte> options);

}  // namespace trellis
