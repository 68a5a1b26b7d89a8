// cookies.h: who speaks first shows that it receives at its address, before anything is kept of it (RFC 6347 section
// 4.2.1). All that is needed is in the cookie.
#pragma once
#include <chrono>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "record_header.h"
#include "trellis/address.h"
#include "trellis/buffer.h"

namespace trellis::tls {
class Credentials;
}

namespace trellis::dtls {

/// A ClientHello whose sender has shown that it receives at its address.
struct FirstHello {
  std::vector<std::byte> message;   ///< with its header
  std::uint16_t sequence = 0;       ///< of the message: how often it was asked for a cookie
  std::uint64_t record_number = 0;  ///< ours go on from here
  std::string client;               ///< what the cookie is bound to

  /// Its random value: tells a client that begins anew from one that repeats itself.
  std::span<const std::byte> random() const noexcept;
  /// The same message as it was sent before the cookie was known.
  std::vector<std::byte> without_cookie(std::uint16_t as_sequence) const;
};

/// What comes of a datagram.
struct Judgement {
  std::optional<FirstHello> hello;  ///< its sender may be kept
  Slice reply;                      ///< or this goes back; empty: nothing does
};

/// Whether a datagram begins with a ClientHello in clear.
bool is_client_hello(std::span<const std::byte> datagram) noexcept;

/// Judges what somebody sends of whom nothing is known. The reply is no larger than what was sent. `now`: by a clock
/// that all servers with the same secret have in common.
Judgement judge_stranger(std::span<const std::byte> datagram, const Address& from,
                         std::chrono::system_clock::time_point now, tls::Credentials& credentials,
                         BlockPool& pool) noexcept;

}  // namespace trellis::dtls
