#include "core/proxies.h"

#include <algorithm>

#include "trellis/address_text.h"

namespace trellis {

bool same_peer(const Endpoint& a, const Endpoint& b) noexcept {
  return a.host == b.host && a.port == b.port && (!a.host.empty() || a.address == b.address);
}

bool names_somebody(const Endpoint& endpoint) noexcept { return !endpoint.host.empty() || endpoint.address; }

std::vector<Endpoint> remotes_of(const ComposedStack& stack, const Endpoint& remote, const Path& path) {
  std::vector<Endpoint> remotes(stack.layers.size());
  Endpoint here = remote;
  for (std::size_t i = stack.layers.size(); i-- > 0;) {
    remotes[i] = here;
    if (i == 0 || !names_somebody(here)) continue;
    Endpoint below = stack.layers[i].protocol->remote_below(here, path);
    if (same_peer(below, here)) continue;
    if (!below.address) below.address = parse_address(below.host, below.port).value_or(Address{});
    here = std::move(below);
  }
  return remotes;
}

bool uses_proxy(const ComposedStack& stack) {
  const Endpoint somebody{.host = "somebody.invalid", .port = 1};
  return !same_peer(remotes_of(stack, somebody, {}).front(), somebody);
}

}  // namespace trellis
