// proxies.h: whom each layer of a stack talks to, where a layer is a proxy's client and what is below it goes to the
// proxy.
#pragma once
#include <vector>

#include "core/compose.h"

namespace trellis {

bool same_peer(const Endpoint& a, const Endpoint& b) noexcept;
bool names_somebody(const Endpoint& endpoint) noexcept;

/// By layer, bottom first. The first one is whom the host has to reach; it names nobody where the stack cannot be used
/// on the path.
std::vector<Endpoint> remotes_of(const ComposedStack& stack, const Endpoint& remote, const Path& path);

/// As remotes_of(), once for each proxy of the path that the stack can go through, the best one first. One alternative
/// where it uses none, or one that its options name.
std::vector<std::vector<Endpoint>> alternatives_of(const ComposedStack& stack, const Endpoint& remote,
                                                   const Path& path);

/// Whether some layer of the stack is a proxy's client.
bool uses_proxy(const ComposedStack& stack);

}  // namespace trellis
