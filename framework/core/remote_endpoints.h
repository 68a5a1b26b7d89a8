// remote_endpoints.h: what endpoints of an application may be, and what they are for.
#pragma once
#include "core/compose.h"
#include "trellis/preconnection.h"

namespace trellis {

inline constexpr std::size_t kRemotesMost = 32;  // as many as a node of the tree has children

/// Errors: nobody, or no port. `host`: a service that has to be looked for is one too.
Result<void> check_remote(const Endpoint& remote, bool host);
std::unexpected<Error> too_many_remotes(std::size_t found);
/// An address that is given as text is read here.
Endpoint with_address(Endpoint remote);
/// The address is the one that is meant; a port of 0 means any.
bool is_at(const Address& own, const Address& meant) noexcept;
/// Errors: one is for a protocol that nobody provides.
Result<void> check_protocols(const Registry& registry, const Preconnection::Wishes& wishes);
/// Why the stack cannot be used: none of the endpoints is for it; empty: it can.
std::string misses(const Preconnection::Wishes& wishes, const ComposedStack& stack);
/// Whether the stack may use it (RFC 9622 section 6.1.3: WithProtocol).
bool is_for(const Endpoint& endpoint, const ComposedStack& stack) noexcept;

}  // namespace trellis
