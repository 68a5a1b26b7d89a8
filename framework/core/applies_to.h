// applies_to.h: the rules by which a policy is chosen for a Connection whose application names none (<applies-to>).
//
// Only what is known before anything is tried counts: what the application said, never what a network answered. So
// nobody on the way can choose a policy.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "trellis/path.h"
#include "trellis/result.h"

namespace trellis {

/// Addresses that begin with the same bits, "192.0.2.0/24".
struct AddressPrefix {
  Address first{};    ///< all bits behind the prefix are zero
  unsigned bits = 0;  ///< that count
  bool contains(const Address& address) const noexcept;
};

/// "192.0.2.0/24", "2001:db8::/32", or one address. Errors: "found X, expected Y".
Result<AddressPrefix> parse_prefix(std::string_view text);

/// Whether the text is what the pattern says; "*" stands for any letters, none included.
bool matches(std::string_view pattern, std::string_view text) noexcept;

/// One <endpoint>: all that is said must hold.
struct EndpointRule {
  std::string host;         ///< pattern of names, lower case; empty: not said
  AddressPrefix addresses;  ///< no bits and no family: not said
  std::uint16_t port = 0;   ///< 0: not said
  bool fits(const Endpoint& endpoint) const noexcept;
};

/// What the rules are asked about.
struct Subject {
  const Endpoint* endpoint;      ///< whom to reach, or where to listen
  std::string_view application;  ///< FrameworkOptions::application
  const Path* path;              ///< the way that was asked for; without an interface: routing decides
};

/// <applies-to>: of each kind of rule that is written, one must fit. Patterns.
struct AppliesTo {
  std::vector<EndpointRule> endpoints;
  std::vector<std::string> applications;
  std::vector<std::string> interfaces;
  std::vector<std::string> provisioning_domains;
  bool empty() const noexcept;  ///< no rules: the policy is used where no other applies
  bool fits(const Subject& subject) const;
};

}  // namespace trellis
