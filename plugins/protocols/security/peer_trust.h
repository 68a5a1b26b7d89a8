// peer_trust.h: whom one side trusts: anchors, revocation lists, pinned keys. Parsed once for many connections.
#pragma once
#include <botan/certstor.h>

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "security/credential_settings.h"

namespace trellis::security {

/// Immutable; shared by loops. The settings outlive it.
class PeerTrust {
 public:
  /// What the application says, and where it says nothing the options. Errors: anchors that cannot be read.
  static Result<PeerTrust> make(const CredentialSettings& settings, const Security& parameters, bool server,
                                const char* layer);

  /// Trust anchors and revocation lists to judge the peer by.
  const std::vector<Botan::Certificate_Store*>& anchors() const noexcept { return anchors_; }
  /// They were given: few enough to name them in a certificate request.
  bool anchors_are_given() const noexcept { return anchors_are_given_; }
  bool pins_fit(std::span<const std::uint8_t> key) const;  ///< SPKI in DER; true when none are given
  bool has_pins() const noexcept { return !pinned_.empty(); }
  /// Tells sessions that were authenticated by different rules, or with other keys of ours, apart.
  std::string fingerprint(const Security& parameters, std::span<const Der> own_keys) const;

 private:
  std::vector<Botan::Certificate_Store*> anchors_;
  std::shared_ptr<Botan::Certificate_Store_In_Memory> of_application_;
  std::vector<Der> pinned_;
  std::string anchors_name_;
  bool anchors_are_given_ = false;
};

}  // namespace trellis::security
