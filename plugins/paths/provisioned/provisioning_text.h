// provisioning_text.h: what a policy says of a provisioning domain, read.
#pragma once
#include <string>
#include <string_view>

#include "trellis/option.h"
#include "trellis/path.h"

namespace trellis {

/// Addresses that begin with the same bits.
struct LocalPrefix {
  Address first{};    ///< unset: all addresses
  unsigned bits = 0;  ///< that count
  bool contains(const Address& address) const noexcept;
};

/// A domain as its options describe it.
struct Domain {
  std::string name;
  std::string interfaces;  ///< pattern
  LocalPrefix addresses;
  Provisioning provisioning;
  Duration expected_rtt{};
  bool metered = false;
};

/// Errors: "found X in OPTION, expected Y".
Result<Domain> read_domain(const Options& options);

}  // namespace trellis
