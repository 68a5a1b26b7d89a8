// hosts_file.h: the table of hosts(5): names and their addresses, as a strict reader finds them.
#pragma once
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "trellis/address.h"
#include "trellis/result.h"

namespace trellis::hosts {

inline constexpr std::size_t kBytesMost = 8 << 20;  ///< of a file
inline constexpr std::size_t kNamesMost = 200'000;  ///< of a file
inline constexpr std::size_t kAddressesMost = 64;   ///< of one name
inline constexpr std::size_t kFaultsMost = 8;       ///< that are told; the rest is counted

/// What a file says. A line that is wrong is left out and told; the others count.
struct HostsTable {
  std::map<std::string, std::vector<Address>, std::less<>> names;  ///< lower case, without a dot at the end
  std::vector<std::string> faults;                                 ///< "/etc/hosts:3: found X, expected Y"
  std::size_t faults_in_all = 0;
};

/// `file` is for messages.
HostsTable parse_hosts(std::string_view text, const std::string& file);
/// Lower case, without a dot at the end.
std::string canonical(std::string_view name);

}  // namespace trellis::hosts
