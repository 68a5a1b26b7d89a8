// dtls_instance.h: one DTLS association as a layer over datagrams; or, below a layer that tells peers apart by itself
// (sctp), the associations of all of them (dtls_trunk.h).
#pragma once
#include <memory>

#include "association.h"
#include "dtls_trunk.h"
#include "flow.h"

namespace trellis::dtls {

class DtlsAcceptor;

class DtlsInstance final : public ProtocolInstance, private AssociationOwner {
 public:
  /// A client's. `shared` outlives it.
  DtlsInstance(const Seat& seat, const Shared& shared);
  /// A peer of a listener, which has shown that it receives at its address.
  DtlsInstance(const Seat& seat, const Shared& shared, DtlsAcceptor& acceptor, const Flow& flow, FirstHello hello);

  void open(const OpenArgs&) noexcept override;
  void close(const CloseArgs&) noexcept override;
  void on_up(LowerPort, Batch&) noexcept override;
  void on_down(UpperPort, Batch&) noexcept override;
  void on_credit(UpperPort) noexcept override;
  void on_credit(LowerPort) noexcept override {}  // what was left above is offered again by itself
  void on_deadline() noexcept override;
  void on_wake() noexcept override;
  Result<PropertyValue> get(UpperPort, std::string_view name) noexcept override;

  // For the acceptor.
  void input(Chunk&& datagram) noexcept;  ///< from its peer; dropped where too many wait
  void room() noexcept { host_.wake(); }  ///< the layer below takes datagrams again
  const Flow& flow() const noexcept { return flow_; }
  bool began_with(const FirstHello& hello) const noexcept { return association_.began_with(hello); }
  bool is_open() const noexcept { return association_.is_open(); }
  void replaced() noexcept;  ///< its peer has begun anew
  bool waits_for_room = false;

 private:
  void arrived(Association&, Slice&& content, std::uint8_t ecn) noexcept override;
  void opened(Association&) noexcept override;
  void ended(Association&, std::optional<Error> why) noexcept override;
  void deadline(Association&, TimePoint at) noexcept override { host_.deadline(at); }
  void heard(Association&, unsigned rtts_left) noexcept override { host_.answered(rtts_left); }
  void drain(Batch& batch) noexcept;
  bool takes_more() noexcept;
  std::uint64_t below_most(std::string_view name) noexcept;

  LayerHost& host_;
  UpperPort upper_;
  LowerPort lower_;
  const Shared& shared_;
  DtlsAcceptor* acceptor_ = nullptr;  // null: a client's
  Flow flow_;
  std::unique_ptr<FirstHello> hello_;
  std::unique_ptr<DtlsTrunk> trunk_;
  Association association_;
  Batch inbox_;  // of a listener's peer: what the application has no room for yet
  std::size_t inbox_charge_ = 0;
  Batch unsealed_;  // contents for which there was no credit: of one datagram, or of those that came too early
  const Route* route_ = nullptr;
  std::uint64_t content_most_ = 0;
  bool over_ = false;
};

}  // namespace trellis::dtls
