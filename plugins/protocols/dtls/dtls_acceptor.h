// dtls_acceptor.h: the peers of a listener, told apart by their addresses. Of one that has not echoed its cookie
// nothing is kept (RFC 6347 section 4.2.1).
#pragma once
#include <unordered_map>
#include <vector>

#include "door.h"
#include "dtls_instance.h"
#include "trellis/listen.h"

namespace trellis::dtls {

class DtlsAcceptor final : public Acceptor {
 public:
  /// `shared` outlives it.
  DtlsAcceptor(AcceptHost& host, LowerPort lower, const Shared& shared) : host_(host), lower_(lower), shared_(shared) {}

  void open(const OpenArgs&) noexcept override;
  void close(const CloseArgs&) noexcept override;
  void on_up(LowerPort, Batch&) noexcept override;
  void on_credit(LowerPort) noexcept override;
  void unseated(ProtocolInstance&) noexcept override;

  // For the instances.
  void wants_room(DtlsInstance& instance);  ///< room() follows

 private:
  void take(Chunk&& chunk) noexcept;
  void take_hello(Chunk&& chunk, const Flow& flow, DtlsInstance* known) noexcept;
  void admit(const Flow& flow, FirstHello&& hello) noexcept;

  AcceptHost& host_;
  LowerPort lower_;
  const Shared& shared_;
  Door door_{lower_};
  std::unordered_map<Flow, DtlsInstance*, FlowHash> peers_;
  std::vector<DtlsInstance*> waiting_;  // for room
  bool stopping_ = false;
};

}  // namespace trellis::dtls
