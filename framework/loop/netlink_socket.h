// netlink_socket.h: messages to and from the kernel itself (netlink(7)), for what it says about links and addresses.
#pragma once
#include "loop/posix_sockets.h"

namespace trellis {

class NetlinkSocket final : public PosixSocket {
 public:
  /// `protocol`: NETLINK_…
  static Result<std::unique_ptr<Socket>> open(PosixSockets& owner, int protocol);
  NetlinkSocket(PosixSockets& owner, int descriptor) noexcept : PosixSocket(owner, descriptor, {}, 0) {}

  Result<bool> connect(const Address& remote) noexcept override;
  Result<void> listen(int backlog) noexcept override;
  Result<Accepted> accept() noexcept override;
  /// What did not come from the kernel is dropped. Reason::exhausted: messages were lost, ask for everything anew.
  Result<Io> receive(Batch& into, std::size_t byte_budget, bool keep_segments) noexcept override;
  Result<Io> send(Batch& from) noexcept override;
  Result<void> finish() noexcept override { return {}; }
};

}  // namespace trellis
