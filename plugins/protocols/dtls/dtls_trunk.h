// dtls_trunk.h: the associations of all peers of a layer above that tells them apart by itself, as sctp does
// (RFC 8261). It gives and gets datagrams with addresses, as from an unconnected UDP socket, and with a label: it tells
// an association from a later one of the same addresses, which may be somebody else's.
#pragma once
#include <list>
#include <memory>
#include <unordered_map>

#include "association.h"
#include "door.h"
#include "flow.h"

namespace trellis::dtls {

class DtlsTrunk final : private AssociationOwner {
 public:
  /// `shared` outlives it.
  DtlsTrunk(LayerHost& host, UpperPort upper, LowerPort lower, const Shared& shared)
      : host_(host), upper_(upper), lower_(lower), shared_(shared) {}
  ~DtlsTrunk() = default;

  void open(const OpenArgs& args) noexcept;
  void on_up(LowerPort from, Batch& batch) noexcept;
  void on_down(UpperPort from, Batch& batch) noexcept;
  void on_deadline() noexcept;
  void on_wake() noexcept;
  void close() noexcept;

 private:
  struct Peer {
    Peer(DtlsTrunk& trunk, const Flow& flow)
        : remote{.address = flow.remote},
          association(trunk.host_, trunk.lower_, trunk.shared_, trunk, flow.as_info(++trunk.last_label_)) {}
    Endpoint remote;
    Association association;
    TimePoint deadline = TimePoint::max();
  };
  void arrived(Association&, Slice&& content, std::uint8_t ecn) noexcept override;
  void opened(Association&) noexcept override {}
  void ended(Association&, std::optional<Error> why) noexcept override;
  void deadline(Association&, TimePoint at) noexcept override;
  void heard(Association&, unsigned) noexcept override {}
  void take(Chunk&& chunk) noexcept;
  void take_hello(Chunk&& chunk, const Flow& flow, Peer* known) noexcept;
  void admit(const Flow& flow, const FirstHello& hello) noexcept;
  void sweep() noexcept;

  LayerHost& host_;
  UpperPort upper_;
  LowerPort lower_;
  const Shared& shared_;
  Door door_{lower_};
  std::unordered_map<Flow, std::unique_ptr<Peer>, FlowHash> peers_;
  std::vector<std::unique_ptr<Peer>> replaced_;  // until nothing calls them any more
  const OpenArgs* args_ = nullptr;
  std::size_t datagram_most_ = 0;
  std::uint32_t last_label_ = 0;
  TimePoint next_deadline_ = TimePoint::max();
  bool some_ended_ = false;
};

}  // namespace trellis::dtls
