// multicast.h: endpoints that are multicast groups (RFC 9622 section 6.1.1): what may be asked for.
#pragma once
#include "trellis/preconnection.h"

namespace trellis {

/// The group that the endpoint is, by its address or its text; unset: it is none.
Address group_of(const Endpoint& endpoint);
/// Whether a group is at one of the ends, so that the stack has to be able to do with one.
bool concerns_group(const Preconnection::Wishes& wishes);

/// For initiate() and resolve(): a group may be the only remote endpoint, and is no local one (IMPL-139).
Result<void> check_groups_to_send(const Preconnection::Wishes& wishes);
/// For listen(): a group may be the local endpoint, with one source that is a host of its family.
Result<void> check_group_to_receive(const Preconnection::Wishes& wishes);
/// For rendezvous(): none of the ends is a group, or both are, and the local one from every source (API-53).
Result<void> check_groups_to_meet(const Preconnection::Wishes& wishes);
/// What a Listener at this group receives from: the source that was given with it, or else the address of a remote one
/// (IMPL-143); unset: from everybody.
Address source_of(const Preconnection::Wishes& wishes);

}  // namespace trellis
