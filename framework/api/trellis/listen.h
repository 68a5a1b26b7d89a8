// listen.h: the passive side. An acceptor tells peers apart and seats one instance per peer.
//
// Life of a listener: created -> open() -> listening() -> seats … -> close() (no new peers) -> destroyed after the last
// instance it seated. An acceptor and its instances are objects of one plugin: they may call each other directly, and
// an instance stirred that way calls host.wake(). One acceptor per loop; the kernel or forward() spreads the peers.
#pragma once
#include "trellis/protocol.h"

namespace trellis {

/// What the engine does for one acceptor. Valid as long as the acceptor.
class AcceptHost {
 public:
  virtual Executor& executor() noexcept = 0;                       ///< time, sockets and memory of its loop
  virtual State& state() noexcept = 0;                             ///< for tokens
  virtual const Security& security() noexcept = 0;                 ///< the application's security parameters
  virtual void log(Severity, std::string_view text) noexcept = 0;  ///< one line; never secrets
  virtual void deadline(TimePoint) noexcept = 0;                   ///< as LayerHost::deadline
  virtual void wake() noexcept = 0;                                ///< as LayerHost::wake
  virtual void failed(Error) noexcept = 0;                         ///< cannot accept any more
  virtual void listening(const Address& local) noexcept = 0;       ///< peers can come, at this address
  virtual void closed() noexcept = 0;                              ///< answers close()

  /// A new peer: get its place, make the instance, hand it in. Null: refused (limit, stopping), say no or nothing.
  /// `lower`: over_one_lower: the shared port, to push to (input comes through the acceptor);
  /// over_many_lowers: the offered port, which moves to the instance with all bytes left in it; bottom: empty.
  /// After seat(), attach() or refuse() an offered port is not ours any more: leave on_up() without touching its batch.
  virtual Seat* seat(const Address& peer, LowerPort lower) noexcept = 0;
  /// Hands the instance for a seat in; its open() follows in this turn. Null: the seat is given back.
  virtual void seated(Seat*, std::unique_ptr<ProtocolInstance>) noexcept = 0;
  /// The offered port joins an instance that we have: its lower_ready() follows.
  virtual void attach(ProtocolInstance&, LowerPort offered) noexcept = 0;
  virtual void refuse(LowerPort offered) noexcept = 0;  ///< ends the offered connection
  /// The datagram belongs to the same acceptor on another loop: it comes out of on_up() there. Copies.
  virtual void forward(unsigned loop, const Chunk&) noexcept = 0;

 protected:
  ~AcceptHost() = default;
};

/// The layer of a listening stack that tells peers apart.
class Acceptor : public Layer {
 public:
  virtual void offered(LowerPort) noexcept {}           ///< over_many_lowers: a connection was accepted below
  virtual void offered_failed(LowerPort) noexcept {}    ///< it went away before it was seated or attached
  virtual void unseated(ProtocolInstance&) noexcept {}  ///< about to be destroyed: forget it
  void on_up(LowerPort, Batch&) noexcept override {}
};

inline Result<std::unique_ptr<Acceptor>> Protocol::listen(AcceptHost&, LowerPort) const noexcept {
  return fail(Reason::unsupported, "this protocol cannot listen");
}

}  // namespace trellis
