// multicast_group.h: sockets that receive from a multicast group on a real kernel. They leave it when they are closed.
#pragma once
#include "trellis/executor.h"

namespace trellis {

/// Before the socket is bound to the group `spec.local`: others may bind to it too, and the socket is bound to the
/// interface that the specification says, or else to that by which routing leads to the source or the group. Returns
/// its index. Errors: there is none.
Result<unsigned> prepare_group(int descriptor, const SocketSpec& spec);

/// After it is bound: joins, on the interface that prepare_group() returned.
Result<void> join_group(int descriptor, const SocketSpec& spec, unsigned interface);

}  // namespace trellis
