#include "preferred_address.h"

#include <algorithm>
#include <charconv>
#include <format>
#include <string>

#include "net_path.h"
#include "quic_error.h"
#include "quic_settings.h"
#include "security/credential_files.h"

namespace trellis::quic {
namespace {

Address read_one(const std::string& word) {
  const std::size_t colon = word.rfind(':');
  if (colon == std::string::npos) return {};
  Address address;
  const char* const end = word.data() + word.size();
  const auto [rest, error] = std::from_chars(word.data() + colon + 1, end, address.port);
  if (error != std::errc() || rest != end || address.port == 0) return {};
  const bool brackets = colon > 2 && word.front() == '[' && word[colon - 1] == ']';
  const std::string host = brackets ? word.substr(1, colon - 2) : word.substr(0, colon);
  if (inet_pton(brackets ? AF_INET6 : AF_INET, host.c_str(), address.ip.data()) != 1) return {};
  address.family = brackets ? Address::Family::ipv6 : Address::Family::ipv4;
  return address;
}

}  // namespace

Result<std::vector<Address>> read_preferred(std::string_view text) {
  std::vector<Address> all;
  for (const std::string& word : security::words_of(text)) {
    const Address one = read_one(word);
    if (!one || std::ranges::contains(all, one.family, &Address::family)) {
      return fail(Reason::configuration,
                  std::format("found preferred-address='{}', expected an address and a port like 192.0.2.7:443 or "
                              "[2001:db8::7]:443, one of each family at most",
                              text),
                  0, kLayer);
    }
    all.push_back(one);
  }
  return all;
}

void offer_preferred(std::span<const Address> addresses, ngtcp2_preferred_addr& to) noexcept {
  for (const Address& one : addresses) {
    const NetPath path(one, one);
    if (one.family == Address::Family::ipv4) {
      std::memcpy(&to.ipv4, path.get()->remote.addr, sizeof to.ipv4);
      to.ipv4_present = 1;
    } else {
      std::memcpy(&to.ipv6, path.get()->remote.addr, sizeof to.ipv6);
      to.ipv6_present = 1;
    }
  }
}

Address preferred_of(const ngtcp2_preferred_addr& told, Address::Family family) noexcept {
  ngtcp2_sockaddr_union copy{};
  if (family == Address::Family::ipv4 && told.ipv4_present != 0) {
    copy.in = told.ipv4;
    copy.in.sin_family = AF_INET;
    return address_of({&copy.sa, sizeof copy.in});
  }
  if (family == Address::Family::ipv6 && told.ipv6_present != 0) {
    copy.in6 = told.ipv6;
    copy.in6.sin6_family = AF_INET6;
    return address_of({&copy.sa, sizeof copy.in6});
  }
  return {};
}

}  // namespace trellis::quic
