// destination_order.h: default address selection (RFC 6724): which source address goes with a destination, and in which
// order destinations are tried. Pure functions of what is given; gathering ranks derived endpoints with them.
#pragma once
#include <array>
#include <cstdint>
#include <optional>
#include <span>

#include "core/applies_to.h"
#include "trellis/address.h"
#include "trellis/clock.h"

namespace trellis {

/// A row of the policy table (RFC 6724 section 2.1). IPv4 addresses are looked up as ::ffff:a.b.c.d.
struct PrefixPolicy {
  std::array<std::uint8_t, 16> prefix{};  ///< behind `bits` all are zero
  std::uint8_t bits = 0;                  ///< length of the prefix
  std::uint8_t precedence = 0;
  std::uint8_t label = 0;
};

/// The table that is used where nothing else is said; the row with the longest prefix that fits counts.
std::span<const PrefixPolicy> default_prefix_policies() noexcept;
/// A row for a prefix as it is written.
PrefixPolicy prefix_policy(const AddressPrefix& prefix, std::uint8_t precedence, std::uint8_t label) noexcept;

/// An address of ours that a Connection could begin from.
struct SourceAddress {
  Address address{};
  std::uint8_t prefix_length = 64;  ///< bits that are the network's: rule 9 and rule 8 of sources compare up to here
  bool deprecated = false;          ///< RFC 4862
  bool temporary = false;           ///< RFC 8981
  bool home = false;                ///< a mobile node's home address
  bool care_of = false;             ///< a mobile node's care-of address
  bool outgoing = true;             ///< assigned to the interface by which the destination is reached
  bool next_hop = false;            ///< its prefix was advertised by the next hop (rule 5.5)
};

/// Where a Connection could go.
struct Destination {
  Address address{};
  std::optional<SourceAddress> source = {};  ///< what it would begin from; none: it cannot be reached (rule 1)
  bool encapsulated = false;                 ///< reached through a tunnel (rule 7)
  Duration rtt{};                            ///< measured by earlier Connections; zero: unknown (RFC 8305 section 4)
  bool used = false;                         ///< connected to before (RFC 8305 section 4)
};

inline constexpr unsigned kLinkLocalScope = 2, kSiteLocalScope = 5, kGlobalScope = 14;
/// Scope of an address as in multicast addresses: 2 link-local, 5 site-local, 14 global (RFC 6724 sections 3.1, 3.2).
unsigned address_scope(const Address& address) noexcept;
/// Bits that both addresses have in common; 0 for different families (RFC 6724 section 2.2).
unsigned common_prefix(const Address& a, const Address& b) noexcept;

/// What the rules need besides the addresses.
class AddressSelection {
 public:
  /// `policies` outlives it.
  explicit AddressSelection(std::span<const PrefixPolicy> policies = default_prefix_policies()) noexcept
      : policies_(policies) {}
  /// The best of the sources of the destination's family (RFC 6724 section 5); null: there is none.
  const SourceAddress* source_for(const Address& destination, std::span<const SourceAddress> sources) const noexcept;
  /// Whether `a`, an address of the destination's family like `b`, is the better source.
  bool better_source(const Address& destination, const SourceAddress& a, const SourceAddress& b) const noexcept;
  /// Which goes first (RFC 6724 section 6): negative a, positive b, 0: they keep their order. The size is the number of
  /// the rule that decides; 85 and 86 are those that RFC 8305 section 4 puts between rules 8 and 9.
  int compare(const Destination& a, const Destination& b) const noexcept;
  /// Best first; equal ones keep their order.
  void sort(std::span<Destination> destinations) const;

 private:
  const PrefixPolicy& policy(const Address& address) const noexcept;

  std::span<const PrefixPolicy> policies_;
};

}  // namespace trellis
