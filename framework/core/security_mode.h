// security_mode.h: which stacks are for an application that wants security, does not, or takes what it gets (RFC 9622
// section 6.3). Secured stacks and those in clear are never in one race.
#pragma once
#include "core/profile.h"
#include "trellis/security.h"

namespace trellis {

/// Whether the stack keeps secrets and knows its peer.
bool secures(const StackTraits& stack) noexcept;

/// Whether the stack may be used under these parameters; null: any may. Errors: why not.
Result<void> suits(const StackTraits& stack, const Security* parameters);

/// The policy's stacks that are in clear, and its secured ones without the layers that secure them, best first: those
/// that do what is required. Opens no plugin that is not open.
StackList in_clear(Registry& registry, const Profile& profile, const Requirements& requirements);

}  // namespace trellis
