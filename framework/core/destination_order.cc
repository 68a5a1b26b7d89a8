#include "core/destination_order.h"

#include <algorithm>
#include <bit>

namespace trellis {
namespace {

using Bytes = std::array<std::uint8_t, 16>;

constexpr PrefixPolicy kDefault[] = {
    {{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}, 128, 50, 0},  // ::1: loopback
    {{}, 0, 40, 1},                                                  // ::
    {{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff}, 96, 35, 4},         // ::ffff:0:0: IPv4
    {{0x20, 0x02}, 16, 30, 2},                                       // 2002::: 6to4
    {{0x20, 0x01, 0, 0}, 32, 5, 5},                                  // 2001::: Teredo
    {{0xfc}, 7, 3, 13},                                              // fc00::: unique local
    {{}, 96, 1, 3},                                                  // ::: IPv4-compatible
    {{0xfe, 0xc0}, 10, 1, 11},                                       // fec0::: site-local
    {{0x3f, 0xfe}, 16, 1, 12},                                       // 3ffe::: 6bone
};
constexpr PrefixPolicy kNone{{}, 0, 40, 1};  // for a table without a row that fits

Bytes mapped(const Address& address) noexcept {
  if (address.family != Address::Family::ipv4) return address.ip;
  Bytes bytes{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
  std::copy_n(address.ip.begin(), 4, bytes.begin() + 12);
  return bytes;
}

unsigned bits_in_common(const Bytes& a, const Bytes& b) noexcept {
  for (std::size_t i = 0; i < a.size(); ++i) {
    const auto differ = static_cast<std::uint8_t>(a[i] ^ b[i]);
    if (differ != 0) return static_cast<unsigned>(i * 8) + static_cast<unsigned>(std::countl_zero(differ));
  }
  return 128;
}

/// Whether exactly one of two has what a rule prefers: -1 the first, 1 the second, 0 neither or both.
int prefer(bool a, bool b) noexcept { return static_cast<int>(b) - static_cast<int>(a); }

/// IPv4 addresses that share less than a whole network are not closer to each other for it: 10.0.0.1 behind address
/// translation shares five bits with 12.0.0.1 by chance.
unsigned shared_bits(const Address& destination, const SourceAddress& source) noexcept {
  const unsigned bits = std::min<unsigned>(common_prefix(source.address, destination), source.prefix_length);
  return destination.family == Address::Family::ipv4 && bits < source.prefix_length ? 0 : bits;
}

}  // namespace

std::span<const PrefixPolicy> default_prefix_policies() noexcept { return kDefault; }

PrefixPolicy prefix_policy(const AddressPrefix& prefix, std::uint8_t precedence, std::uint8_t label) noexcept {
  const unsigned before = prefix.first.family == Address::Family::ipv4 ? 96 : 0;
  return {mapped(prefix.first), static_cast<std::uint8_t>(prefix.bits + before), precedence, label};
}

unsigned address_scope(const Address& address) noexcept {
  const auto& ip = address.ip;
  if (address.family == Address::Family::ipv4) {
    if (ip[0] >= 224 && ip[0] < 240) return ip[0] == 224 && ip[1] == 0 && ip[2] == 0 ? kLinkLocalScope : kGlobalScope;
    return ip[0] == 127 || (ip[0] == 169 && ip[1] == 254) ? kLinkLocalScope : kGlobalScope;
  }
  if (ip[0] == 0xff) return ip[1] & 0x0f;
  if (ip[0] == 0xfe && (ip[1] & 0xc0) == 0x80) return kLinkLocalScope;
  if (ip[0] == 0xfe && (ip[1] & 0xc0) == 0xc0) return kSiteLocalScope;
  if (bits_in_common(ip, kDefault[0].prefix) == 128) return kLinkLocalScope;
  return kGlobalScope;
}

unsigned common_prefix(const Address& a, const Address& b) noexcept {
  if (a.family != b.family) return 0;
  const unsigned most = a.family == Address::Family::ipv4 ? 32 : 128;
  return std::min(most, bits_in_common(a.ip, b.ip));
}

const PrefixPolicy& AddressSelection::policy(const Address& address) const noexcept {
  const Bytes bytes = mapped(address);
  const PrefixPolicy* best = nullptr;
  for (const PrefixPolicy& row : policies_) {
    if (bits_in_common(bytes, row.prefix) >= row.bits && (best == nullptr || row.bits > best->bits)) best = &row;
  }
  return best != nullptr ? *best : kNone;
}

// RFC 6724 section 5, in its order; rule 8 is the last.
bool AddressSelection::better_source(const Address& destination, const SourceAddress& a,
                                     const SourceAddress& b) const noexcept {
  const auto same = [&](const SourceAddress& s) { return s.address.ip == destination.ip; };
  if (const int first = prefer(same(a), same(b))) return first < 0;
  const unsigned wanted = address_scope(destination), scope_a = address_scope(a.address),
                 scope_b = address_scope(b.address);
  if (scope_a < scope_b) return scope_a >= wanted;
  if (scope_b < scope_a) return scope_b < wanted;
  if (const int first = prefer(!a.deprecated, !b.deprecated)) return first < 0;
  if (const int first = prefer(a.home && a.care_of, b.home && b.care_of)) return first < 0;
  if (a.home != a.care_of && b.home != b.care_of && a.home != b.home) return a.home;
  if (const int first = prefer(a.outgoing, b.outgoing)) return first < 0;
  if (const int first = prefer(a.next_hop, b.next_hop)) return first < 0;
  const std::uint8_t label = policy(destination).label;
  if (const int first = prefer(policy(a.address).label == label, policy(b.address).label == label)) return first < 0;
  if (const int first = prefer(a.temporary, b.temporary)) return first < 0;
  return shared_bits(destination, a) > shared_bits(destination, b);
}

const SourceAddress* AddressSelection::source_for(const Address& destination,
                                                  std::span<const SourceAddress> sources) const noexcept {
  const SourceAddress* best = nullptr;
  for (const SourceAddress& source : sources) {
    if (source.address.family != destination.family) continue;
    if (best == nullptr || better_source(destination, source, *best)) best = &source;
  }
  return best;
}

int AddressSelection::compare(const Destination& a, const Destination& b) const noexcept {
  if (const int first = prefer(a.source.has_value(), b.source.has_value())) return first;
  const unsigned scope_a = address_scope(a.address), scope_b = address_scope(b.address);
  const PrefixPolicy &policy_a = policy(a.address), &policy_b = policy(b.address);
  if (a.source) {  // then b has one too
    const SourceAddress &from_a = *a.source, &from_b = *b.source;
    if (const int first = prefer(address_scope(from_a.address) == scope_a, address_scope(from_b.address) == scope_b))
      return first * 2;
    if (const int first = prefer(!from_a.deprecated, !from_b.deprecated)) return first * 3;
    if (const int first = prefer(from_a.home && from_a.care_of, from_b.home && from_b.care_of)) return first * 4;
    if (from_a.home != from_a.care_of && from_b.home != from_b.care_of && from_a.home != from_b.home)
      return from_a.home ? -4 : 4;
    if (const int first =
            prefer(policy(from_a.address).label == policy_a.label, policy(from_b.address).label == policy_b.label))
      return first * 5;
  }
  if (policy_a.precedence != policy_b.precedence) return policy_a.precedence > policy_b.precedence ? -6 : 6;
  if (const int first = prefer(!a.encapsulated, !b.encapsulated)) return first * 7;
  if (scope_a != scope_b) return scope_a < scope_b ? -8 : 8;
  if (a.rtt != Duration{} && b.rtt != Duration{} && a.rtt != b.rtt) return a.rtt < b.rtt ? -85 : 85;
  if (const int first = prefer(a.used, b.used)) return first * 86;
  if (a.source && a.address.family == b.address.family) {
    const unsigned bits_a = shared_bits(a.address, *a.source), bits_b = shared_bits(b.address, *b.source);
    if (bits_a != bits_b) return bits_a > bits_b ? -9 : 9;
  }
  return 0;
}

void AddressSelection::sort(std::span<Destination> destinations) const {
  // By insertion: rule 85 compares only pairs whose round trips are both known, so this is no strict weak order, for
  // which std::stable_sort asks. Lists are short (TreeLimits::children).
  for (std::size_t i = 1; i < destinations.size(); ++i) {
    for (std::size_t j = i; j > 0 && compare(destinations[j], destinations[j - 1]) < 0; --j)
      std::swap(destinations[j], destinations[j - 1]);
  }
}

}  // namespace trellis
