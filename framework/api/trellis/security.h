// security.h: the application's SecurityParameters (RFC 9622 section 6.3), as the security layers read them.
#pragma once
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "trellis/result.h"

namespace trellis {

/// A DER-encoded object.
using Der = std::vector<std::byte>;

/// A certificate chain or raw key of ours, with its private key.
struct Identity {
  std::vector<Der> chain;  ///< leaf first
  Der private_key;         ///< PKCS #8; empty: sign() does it (a key in hardware)
  /// Signs `data` with the algorithm of that TLS name; synchronous, because no library can wait.
  std::function<Result<Der>(std::string_view algorithm, std::span<const std::byte> data)> sign;
};

/// An external pre-shared key.
struct PresharedKey {
  std::string identity;        ///< sent in clear
  std::string hash;            ///< "SHA-256" or "SHA-384"
  std::vector<std::byte> key;  ///< secret
};

/// Who the peer says it is; valid during the call that passes it.
struct PeerIdentity {
  std::span<const Der> chain;  ///< leaf first; empty: raw key or PSK
  std::string_view host;       ///< whom we meant to reach
  bool valid;                  ///< what the usual check said
};

/// Whether Connections are secured (RFC 9622 section 6.3).
enum class SecurityMode : std::uint8_t {
  required,       ///< with secrecy and a peer that has proved who it is, or not at all
  opportunistic,  ///< with secrecy where the peer can, whoever it is; in clear when all such attempts have failed
  disabled,       ///< in clear
};

/// Security parameters. Immutable once used; shared by all leaves of a race and all connections of a listener or group.
struct Security {
  SecurityMode mode = SecurityMode::required;  ///< narrowed by what the policy requires
  std::uint64_t id = 0;                        ///< same id, same content: key for a plugin's cache of parsed objects
  std::vector<Identity> server_identities;     ///< what a server shows, best first
  std::vector<Identity> client_identities;     ///< what a client shows when asked
  std::vector<Der> trusted;                    ///< trust anchors; empty: what the policy's options say
  std::vector<Der> pinned;                     ///< public keys (SPKI) of which the peer must have one
  std::vector<PresharedKey> preshared_keys;    ///< external keys
  std::vector<std::string> alpn;               ///< application protocols, best first
  std::string server_name;              ///< whom a server must prove to be; empty: the host that was connected to
  std::vector<std::string> groups;      ///< key exchange groups; empty: the layer's safe defaults
  std::vector<std::string> ciphers;     ///< cipher suites; empty: the layer's safe defaults
  std::vector<std::string> signatures;  ///< signature algorithms; empty: the layer's safe defaults
  std::uint16_t version_floor = 0;      ///< lowest TLS version (0x0304 is TLS 1.3); 0: what the options say
  /// maxCachedSessions: tickets that a client with these parameters keeps at most, of all its peers, in this process
  /// alone; the oldest go first. None: as many as fit, and those of a store (RFC 9622 section 6.3.6).
  std::optional<std::uint32_t> max_cached_sessions;
  /// cachedSessionLifetimeSeconds: how long it keeps a ticket at most. None: as long as server and policy allow.
  std::optional<std::chrono::seconds> cached_session_lifetime;

  /// A question that is still open; destroying it forgets the answer.
  struct Question {
    virtual ~Question() = default;
  };
  /// Called once on the loop, never inside verify().
  using Answer = std::function<void(Result<void>)>;
  /// The application's own check of the peer. Establishment waits for the answer: no ready() and no data before it.
  /// Null: the usual check decides alone.
  std::function<std::unique_ptr<Question>(const PeerIdentity&, Answer)> verify;

  /// A peer that the usual check refuses is refused, where nobody asks verify().
  bool must_authenticate() const noexcept { return mode != SecurityMode::opportunistic; }
};

/// NewSecurityParameters (RFC 9622 section 6.3): only stacks that secure what they carry are used.
inline std::shared_ptr<Security> new_security_parameters() { return std::make_shared<Security>(); }

/// NewDisabledSecurityParameters: stacks carry everything in clear. They are the policy's own, or its secured ones
/// without the layers that secure them, where what the policy requires allows that.
inline std::shared_ptr<Security> new_disabled_security_parameters() {
  auto made = new_security_parameters();
  made->mode = SecurityMode::disabled;
  return made;
}

/// NewOpportunisticSecurityParameters: the policy's secured stacks, with a peer that need not prove who it is; when all
/// of them have failed, those of new_disabled_security_parameters(). The two kinds never race. A Listener takes secured
/// ones.
inline std::shared_ptr<Security> new_opportunistic_security_parameters() {
  auto made = new_security_parameters();
  made->mode = SecurityMode::opportunistic;
  return made;
}

}  // namespace trellis
