// algorithm_names.h: the algorithms of Security and of the options as a priority string of the library.
#pragma once
#include <gnutls/gnutls.h>

#include <string>
#include <string_view>

#include "security/credential_settings.h"

namespace trellis::quic {

/// What a handshake may agree on. The names are known ones; those that the library lacks are left out, and it is an
/// error when none of a kind is left.
Result<std::string> priorities_of(const security::AlgorithmNames& names, bool preshared_keys, bool raw_public_keys);

/// RFC 8446's name of a signature algorithm; empty: it has none here.
std::string_view signature_name(gnutls_sign_algorithm_t algorithm) noexcept;

/// RFC 8446's name of a key exchange group or a cipher suite. Not of the session: it lives as long as the program.
std::string_view group_name(gnutls_session_t session) noexcept;
std::string_view suite_name(gnutls_session_t session) noexcept;

}  // namespace trellis::quic
