#include "core/routed_source.h"

namespace trellis {

Address routed_source(Executor& executor, const Path& path, Address destination) noexcept {
  SocketSpec spec{.kind = SocketSpec::Kind::datagram,
                  .role = SocketSpec::Role::connect,
                  .family = destination.family,
                  .interface_name = path.interface_name};
  if (path.local && path.local.family != destination.family) return {};
  spec.local = path.local;
  spec.local.port = 0;
  if (destination.port == 0) destination.port = 1;
  const auto socket = executor.sockets().open(spec);
  if (!socket || !(*socket)->connect(destination)) return {};
  Address source = (*socket)->local();
  source.port = 0;
  return source;
}

}  // namespace trellis
