// key_log.h: secrets for a packet analyser, where the policy allows it (the format of SSLKEYLOGFILE).
#pragma once
#include <cstdint>
#include <span>
#include <string_view>

namespace trellis::security {

/// Appends one line to the file that the environment names; does nothing when it names none.
void log_key(std::string_view label, std::span<const std::uint8_t> client_random,
             std::span<const std::uint8_t> secret) noexcept;

}  // namespace trellis::security
