// offer.h: what an end says in its INIT or INIT ACK when addresses may change while the association lives: the chunks
// that it knows beyond the usual ones (RFC 5061 section 4.2.7), and those that must be authenticated, and how (RFC 4895
// section 3). usrsctp says nothing of this, so that it never sees such chunks.
#pragma once
#include "authentication.h"

namespace trellis::sctp {

/// Of one end. Both must have said all of it.
struct Offer {
  bool complete = false;  ///< it takes ASCONF and ASCONF-ACK, and only authenticated ones, by an algorithm known here
  bool demands_more = false;               ///< it wants further chunks of ours to be authenticated
  std::uint16_t hmac = 0;                  ///< that it likes best
  std::vector<std::byte> key_vector = {};  ///< for the Authenticator
};

/// In the parameters of an INIT or INIT ACK. What is there twice counts once.
Offer offer_in(std::span<const std::byte> parameters);
/// Ours.
Offer own_offer(const Random& random);
/// In a packet with an INIT or INIT ACK.
Offer offer_in_packet(std::span<const std::byte> packet);
/// A packet with an INIT or INIT ACK alone, with our offer in it. Empty: it is none.
std::vector<std::byte> with_offer(std::span<const std::byte> packet, const Random& random);

}  // namespace trellis::sctp
