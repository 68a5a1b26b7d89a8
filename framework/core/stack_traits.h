// stack_traits.h: what a whole stack does, whether that is what somebody requires, and whether two stacks may race
// (RFC 9621 section 4.2, RFC 9623 section 4.1.3).
#pragma once
#include <cstdint>
#include <span>
#include <string_view>

#include "trellis/property.h"
#include "trellis/result.h"
#include "trellis/traits.h"

namespace trellis {

/// The traits of its layers, folded from the bottom to the top.
struct StackTraits {
  Face face = Face::none;    ///< offered to the application
  FeatureSet have;           ///< features at the top
  FeatureSet switchable;     ///< of `have`: can be turned off
  SecurityProfile security;  ///< of the topmost layer that has one: it protects what the application sees
  unsigned headroom = 0;     ///< bytes that all layers prepend to a chunk at most
  unsigned tailroom = 0;     ///< bytes that they append at most
  unsigned handshake_rtts = 0;
  bool one_loop = false;   ///< some layer can live on one loop only
  bool multicast = false;  ///< it can send to groups and receive from them: nothing above UDP expects answers
};

/// One layer's name and traits.
struct NamedTraits {
  std::string_view name;
  LayerTraits traits;
};

/// Folds layers, bottom first. An Error says which layer does not fit, and why.
Result<StackTraits> fold(std::span<const NamedTraits> bottom_up);

/// Whether the stack does what is required and nothing that is prohibited. Requirements without a face take any.
Result<void> satisfies(const StackTraits& stack, const Requirements& requirements);

/// Whether all that the application sends may go over the stack: what is not safelyReplayable only where nothing
/// arrives twice (RFC 9623 section 5.1.1). Beside satisfies(), because a policy may name stacks that are only for those
/// applications that say so.
Result<void> carries(const StackTraits& stack, const Requirements& requirements);

/// Whether a multicast group can be at the other end, or at this one (RFC 9622 section 6.1.1).
Result<void> reaches_groups(const StackTraits& stack);

/// Whether either stack may stand in for the other. Stacks of different security are equivalent only if the policy
/// declares it; a secure and an insecure one never are, nor two of which one alone keeps secrets or knows its peer.
Result<void> equivalent(const StackTraits& a, const StackTraits& b, const Requirements& requirements,
                        bool security_declared_equal);

}  // namespace trellis
