// ice_message.h: the messages of connectivity checks (RFC 8445 section 7): Binding requests and answers, signed with
// short-term credentials (RFC 8489 section 9.1).
#pragma once
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "core/stun_message.h"
#include "trellis/executor.h"
#include "trellis/resolved.h"

namespace trellis {

inline constexpr unsigned kBadRequest = 400, kWrongCredentials = 401, kUnknownAttribute = 420, kRoleConflict = 487;

/// Both sides' credentials, and what is signed with them.
class IceSession {
 public:
  using Bytes = std::vector<std::byte>;
  IceSession(IceCredentials own, IceCredentials peer) : own_(std::move(own)), peer_(std::move(peer)) {}

  /// A check: `role` is ours, `nominates` says USE-CANDIDATE.
  Bytes request(const StunId& id, std::uint32_t priority, bool controlling, std::uint64_t tie_breaker,
                bool nominates) const;
  Bytes success(const StunMessage& request, const Address& seen) const;
  Bytes refusal(const StunMessage& request, unsigned code, std::string_view reason) const;
  /// Why a request is none of the peer's, as the code of a refusal; 0: it is.
  unsigned judge(const StunMessage& request) const;
  bool from_peer(const StunMessage& answer) const;  // signed with what only the peer and we know
  /// Of what comes once the pair carries data: none: it is no check; else what is to be answered, mostly nothing.
  std::optional<Bytes> late(std::span<const std::byte> datagram, const Address& from) const;

 private:
  IceCredentials own_, peer_;
};

/// Errors: they are too short or too long, or have other characters than ICE takes.
Result<void> check_credentials(const IceCredentials& credentials, std::string_view whose);
IceCredentials fresh_credentials(Executor& executor);

}  // namespace trellis
