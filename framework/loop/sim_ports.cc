// sim_ports.cc: see sim_ports.h.
#include "loop/sim_ports.h"

#include <algorithm>
#include <cerrno>

#include "loop/sim_address.h"

namespace trellis {

bool SimPorts::free(int protocol, const Address& local, bool shared) const noexcept {
  return std::ranges::none_of(taken_, [&](const Taken& taken) {
    if (taken.protocol != protocol || taken.local.port != local.port || taken.local.family != local.family)
      return false;
    if (shared && taken.shared) return false;
    return same_ip(taken.local, local) || is_wildcard(taken.local) || is_wildcard(local);
  });
}

int SimPorts::claim(int protocol, Address& local, bool shared, const void* owner,
                    const std::function<bool(const Address&)>& usable) {
  if (local.port == 0) {
    constexpr unsigned kCount = kLastEphemeral - kFirstEphemeral + 1;
    const auto offset = static_cast<unsigned>(random_.below(kCount));
    for (unsigned i = 0; i < kCount && local.port == 0; ++i) {
      const auto port = static_cast<std::uint16_t>(kFirstEphemeral + (offset + i) % kCount);
      const Address candidate = with_port(local, port);
      if (free(protocol, candidate, false) && (!usable || usable(candidate))) local.port = port;
    }
    if (local.port == 0) return EADDRINUSE;
  } else if (!free(protocol, local, shared)) {
    return EADDRINUSE;
  }
  taken_.push_back({protocol, local, shared, owner});
  return 0;
}

void SimPorts::release(const void* owner) noexcept {
  std::erase_if(taken_, [owner](const Taken& taken) { return taken.owner == owner; });
}

}  // namespace trellis
