// Whatever a hosts file says, what is read of it is sound and bounded.
#include <cstdlib>

#include "hosts_file.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace trellis::hosts;
  const HostsTable table = parse_hosts({reinterpret_cast<const char*>(data), size}, "hosts");
  if (table.faults.size() > kFaultsMost || table.names.size() > kNamesMost) std::abort();
  for (const auto& [name, addresses] : table.names) {
    if (name.empty() || name.size() > 253 || addresses.size() > kAddressesMost) std::abort();
    for (const auto& address : addresses) {
      if (!address) std::abort();
    }
  }
  return 0;
}
