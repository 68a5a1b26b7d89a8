// stream_socket.h: TCP and what looks like it, connected or listening.
#pragma once
#include "loop/posix_sockets.h"

namespace trellis {

/// A SOCK_STREAM socket.
class StreamSocket final : public PosixSocket {
 public:
  /// While nothing is wanted it is registered for room to send, edge-triggered: unlike EV_READ this does not stir with
  /// every segment that arrives, and errors are reported with everything.
  StreamSocket(PosixSockets& owner, int descriptor, const Address& peer = {}) noexcept
      : PosixSocket(owner, descriptor, peer, EV_WRITE) {}

  Result<void> listen(int backlog) noexcept override;
  Result<Accepted> accept() noexcept override;
  Result<Io> receive(Batch& into, std::size_t byte_budget, bool keep_segments) noexcept override;
  Result<Io> send(Batch& from) noexcept override;
  Result<void> finish() noexcept override;

 private:
  void count_waiting() noexcept;

  bool bulk_ = false;          // the last receive() filled its block: the next one offers more than one
  bool none_waits_ = false;    // for accept(): the last one took all there was
  std::uint16_t waiting_ = 0;  // for accept(): so many more, at least
};

}  // namespace trellis
