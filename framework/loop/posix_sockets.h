// posix_sockets.h: real sockets on a LibeventLoop: opening them, waiting for them, and what all kinds have in common.
// How bytes and datagrams move is in stream_socket.h and datagram_socket.h.
#pragma once
#include <event2/event.h>
#include <event2/event_struct.h>

#include <array>
#include <memory>
#include <string>

#include "trellis/executor.h"

namespace trellis {

class DatagramScratch;
class LibeventLoop;

/// The sockets of one loop and the memory that they share for receiving.
class PosixSockets final : public Sockets {
 public:
  explicit PosixSockets(LibeventLoop& loop) noexcept;
  PosixSockets(const PosixSockets&) = delete;
  PosixSockets& operator=(const PosixSockets&) = delete;
  ~PosixSockets();
  Result<std::unique_ptr<Socket>> open(const SocketSpec& spec) noexcept override;
  std::string interface_name(const Address& local) const override;
  /// Called when the loop ends. A socket that is still open would later touch a loop that is gone: ends the process.
  void end() noexcept;

  LibeventLoop& loop() const noexcept { return loop_; }

  static constexpr std::uint32_t kStreamBlock = 64 * 1024;  ///< bytes of each of stream_blocks()
  /// Where streams receive to. A filled block moves out; what is not filled stays here, warm in the cache, so that
  /// a waiting connection holds no receive buffer.
  std::array<Slice, 4>& stream_blocks() noexcept { return stream_blocks_; }
  /// Where datagrams are received to; made when first needed. `segments`: large blocks, for GRO.
  DatagramScratch& datagrams(bool segments);

 private:
  friend class PosixSocket;
  LibeventLoop& loop_;
  std::array<Slice, 4> stream_blocks_;
  std::unique_ptr<DatagramScratch> datagrams_, segments_;
  std::size_t open_ = 0;  // PosixSockets that exist
};

/// A descriptor in the loop. Level-triggered where the layer waits for something, so that a short read may be trusted
/// to have emptied the socket: if it did not, the next poll says so. (Reading until EAGAIN costs a system call per
/// message; an edge that carries data and a reset together would be lost by a short read.)
///
/// While a layer waits for nothing the socket is still watched for errors, edge-triggered: data that nobody wants must
/// not keep the loop busy. The registration changes only when it must: giving up reading changes nothing until
/// something does arrive, because flow control takes it up again soon.
class PosixSocket : public Socket {
 public:
  PosixSocket(const PosixSocket&) = delete;
  PosixSocket& operator=(const PosixSocket&) = delete;
  ~PosixSocket() override;

  Result<bool> connect(const Address& remote) noexcept override;
  Result<bool> connected() noexcept override;
  void reset() noexcept override;
  Result<void> watch(SocketEvents& who, Ready interest) noexcept override;
  Address local() const noexcept override;
  Address remote() const noexcept override { return connected_ ? remote_ : Address{}; }
  Result<void> set(int level, int option, std::span<const std::byte> value) noexcept override;
  Result<std::size_t> get(int level, int option, std::span<std::byte> value) noexcept override;

 protected:
  /// Takes over the descriptor. `peer`: whom it is connected to already, or unset. `when_idle`: the events of libevent
  /// that betray an error and little else while the layer waits for nothing; 0: nothing is watched then.
  PosixSocket(PosixSockets& owner, int descriptor, const Address& peer, short when_idle) noexcept;

  PosixSockets& owner() const noexcept { return owner_; }
  LibeventLoop& loop() const noexcept { return owner_.loop(); }
  int descriptor() const noexcept { return descriptor_; }
  bool is_connected() const noexcept { return connected_; }
  const Address& peer() const noexcept { return remote_; }  ///< also while connecting
  /// The failed case of any result: "<doing> <peer>: <text of the error>".
  std::unexpected<Error> failure(int error, std::string doing) const;
  /// The same for an error that ends the socket; the first one is returned ever after, because the kernel tells it
  /// once and would then report a clean end.
  std::unexpected<Error> final_failure(int error, std::string doing);
  /// SO_ERROR, which the kernel clears by telling it.
  int take_error() noexcept;
  int final_error() const noexcept { return final_error_; }  ///< what final_failure() was told first, or 0
  void set_when_idle(short events) noexcept { when_idle_ = events; }
  /// Receiving has come to its end: never readable again.
  void set_ended() noexcept { ended_ = established_ = true; }
  /// The peer had finished when the last event came: the end is behind what there is to receive.
  bool is_last() const noexcept { return last_; }

 private:
  static void on_event(evutil_socket_t, short what, void* self) noexcept;
  short wanted_events() const noexcept;
  Result<void> register_for(short events) noexcept;
  void unregister() noexcept;
  void stirred() noexcept;
  bool has_peer() noexcept;

  PosixSockets& owner_;
  SocketEvents* watcher_ = nullptr;
  event event_;
  Address remote_;
  int descriptor_;
  int final_error_ = 0;
  short registered_ = 0;  // what event_ is added for; 0: it is not
  short when_idle_;
  Ready interest_ = Ready::none;
  bool connected_;    // the kernel has said so; with fast open that is a promise
  bool established_;  // the handshake is over
  bool ended_ = false;
  bool last_ = false;
  bool failed_ = false;  // Ready::failed was reported
};

}  // namespace trellis
