// stun_login.h: the long-term credentials of a STUN or TURN server's user (RFC 8489 section 9.2).
#pragma once
#include <string>
#include <vector>

#include "core/stun_message.h"

namespace trellis {

class StunLogin {
 public:
  /// Without a username there are none. What is not ASCII is used as it is given.
  StunLogin(std::string username, std::string password);
  bool given() const noexcept { return !username_.empty(); }
  bool known() const noexcept { return !key_.empty(); }  // requests are signed from now on
  /// The server wants credentials, or others than those: takes its realm and nonce. Errors: they are missing, or it
  /// wants what there is not.
  Result<void> challenged(const StunMessage& refusal);
  void sign(StunWriter& request) const;
  bool fits(const StunMessage& answer) const;  // it comes from who knows the password

 private:
  Result<Hash> choose(const StunMessage& refusal);
  std::string username_, password_, realm_, nonce_;
  std::vector<std::byte> algorithms_;  // PASSWORD-ALGORITHMS; empty: the server is older than that
  Hash password_hash_ = Hash::md5;
  std::vector<std::byte> key_;
};

}  // namespace trellis
