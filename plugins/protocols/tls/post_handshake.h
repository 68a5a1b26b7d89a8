// post_handshake.h: what a peer may say behind the handshake once nobody keeps tickets.
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>

namespace trellis::tls {

/// Follows handshake messages through the records that they come in, whose edges mean nothing.
class TicketFilter {
 public:
  /// False: there is a message that is no NewSessionTicket.
  bool only_tickets(std::span<const std::byte> payload) noexcept;

 private:
  std::uint32_t left_ = 0;  // bytes of the message's body still to come
  std::uint32_t length_ = 0;
  std::uint8_t header_ = 0;  // bytes of the header seen
};

}  // namespace trellis::tls
