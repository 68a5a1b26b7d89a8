// stateless_replies.h: what a server says to packets that belong to no connection.
#pragma once
#include <ngtcp2/ngtcp2.h>

#include "address_tokens.h"
#include "quic_settings.h"
#include "trellis/listen.h"

namespace trellis::quic {

/// Every reply is smaller than what it answers, so it is of no use to somebody who sends with another one's address.
class StatelessReplies {
 public:
  /// All outlive it.
  StatelessReplies(AcceptHost& host, LowerPort lower, const Settings& settings, const ResetTokens& resets) noexcept
      : host_(host), lower_(lower), settings_(settings), reset_tokens_(resets) {}
  /// Names our versions (RFC 9000 section 6).
  void negotiate_version(const ngtcp2_version_cid& header, const Chunk& chunk) noexcept;
  /// Bids the client to come again with this token, to `ours`.
  void retry(const ngtcp2_pkt_hd& first, const ngtcp2_cid& ours, const Token& token, const Chunk& chunk) noexcept;
  /// The token of its Retry is wrong: INVALID_TOKEN.
  void refuse_token(const ngtcp2_pkt_hd& first, const Chunk& chunk) noexcept;
  /// We know nothing of this connection (any more): a stateless reset, a bounded number of them each second (RFC 9000
  /// section 10.3).
  void reset(const ngtcp2_version_cid& header, std::size_t packet_size, const Chunk& chunk) noexcept;

 private:
  template <class Write>
  void reply(const Chunk& to, Write write) noexcept;

  AcceptHost& host_;
  LowerPort lower_;
  const Settings& settings_;
  const ResetTokens& reset_tokens_;
  TimePoint second_{};  // in which resets are counted
  unsigned resets_ = 0;
};

}  // namespace trellis::quic
