#include "message_size.h"

#include <algorithm>

namespace trellis::tool {

std::uint32_t message_most(const Connection& connection) {
  constexpr std::uint64_t kMost = 65536;
  constexpr std::uint64_t kSafeDatagram = 1200;  // BASE_PLPMTU (RFC 8899 section 5.1.2), where the MTU is not known
  if (connection.face() == Face::bytestream) return kMost;
  const bool datagram = connection.face() == Face::datagram;
  const auto& property = datagram ? kSingularTransmissionMsgMaxLen : kSendMsgMaxLen;
  const auto found = connection.get(property.name);
  const auto* most = found ? std::get_if<std::uint64_t>(&*found) : nullptr;
  if (most == nullptr || *most == 0) return static_cast<std::uint32_t>(datagram ? kSafeDatagram : kMost);
  return static_cast<std::uint32_t>(std::min(*most, kMost));
}

}  // namespace trellis::tool
