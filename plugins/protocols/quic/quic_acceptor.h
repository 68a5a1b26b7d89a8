// quic_acceptor.h: tells the peers of a listener apart by the connection ids in their packets.
#pragma once
#include <deque>
#include <memory>
#include <unordered_map>
#include <vector>

#include "quic_instance.h"
#include "stateless_replies.h"
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
  void wants_room(QuicInstance& instance);           ///< room() follows
  void knows_peer(QuicInstance& instance) noexcept;  ///< its handshake is over
  void name_loop(ngtcp2_cid& id) noexcept;           ///< in an id of random bytes, where there are several loops
  AddressTokens& tokens() noexcept { return tokens_; }
  const ResetTokens& reset_tokens() const noexcept { return reset_tokens_; }

 private:
  void take(Chunk&& chunk) noexcept;
  void admit(Chunk&& chunk) noexcept;
  bool of_another_loop(const ngtcp2_version_cid& header, const Chunk& chunk) noexcept;
  bool asks_for_address() const noexcept;
  void send_away(const ngtcp2_pkt_hd& first, const Chunk& chunk) noexcept;
  /// A connection that we have ended: what still comes is answered by the same words (RFC 9000 section 10.2.1).
  struct Farewell {
    Slice words;
    std::vector<ConnectionId> ids;
    TimePoint until{};
    unsigned heard = 0;  // packets since
  };
  void part_from(QuicInstance& gone);
  void repeat(Farewell& farewell, const Chunk& chunk) noexcept;
  void forget_farewells(std::size_t most) noexcept;

  AcceptHost& host_;
  LowerPort lower_;
  const Shared& shared_;
  std::unordered_map<ConnectionId, QuicInstance*, ConnectionIdHash> by_id_;
  std::vector<QuicInstance*> waiting_;  // for room
  std::unordered_map<ConnectionId, Farewell*, ConnectionIdHash> parted_;
  std::deque<std::unique_ptr<Farewell>> farewells_;  // the oldest first
  AddressTokens tokens_;
  ResetTokens reset_tokens_;
  StatelessReplies replies_;
  LoopNames loops_;
  std::size_t handshakes_ = 0;
  bool stopping_ = false;
};

}  // namespace trellis::quic
