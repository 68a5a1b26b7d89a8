// quic_acceptor.h: tells the peers of a listener apart by the connection ids in their packets.
#pragma once
#include <unordered_map>
#include <vector>

#include "quic_instance.h"
#include "trellis/listen.h"

namespace trellis::quic {

class QuicAcceptor final : public Acceptor {
 public:
  /// `shared` outlives it.
  QuicAcceptor(AcceptHost& host, LowerPort lower, const Shared& shared);

  void open(const OpenArgs&) noexcept override;
  void close(const CloseArgs&) noexcept override;
  void on_up(LowerPort, Batch&) noexcept override;
  void on_credit(LowerPort) noexcept override;
  void unseated(ProtocolInstance&) noexcept override;

  // For the instances.
  void enroll(const ngtcp2_cid& id, QuicInstance& instance);
  void retire(const ngtcp2_cid& id, QuicInstance& instance) noexcept;
  void wants_room(QuicInstance& instance);  ///< room() follows

 private:
  void take(Chunk&& chunk) noexcept;
  void admit(Chunk&& chunk) noexcept;
  void negotiate_version(const ngtcp2_version_cid& header, const Chunk& chunk) noexcept;

  AcceptHost& host_;
  LowerPort lower_;
  const Shared& shared_;
  std::unordered_map<ConnectionId, QuicInstance*, ConnectionIdHash> by_id_;
  std::vector<QuicInstance*> waiting_;  // for room
  bool stopping_ = false;
};

}  // namespace trellis::quic
