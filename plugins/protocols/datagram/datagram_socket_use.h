// datagram_socket_use.h: what connections of their own and the peers of a listener share: the socket's options, the
// RFC 9622 properties, and sending a batch.
#pragma once
#include <functional>

#include "datagram/datagram_settings.h"
#include "kernel_socket.h"
#include "trellis/port.h"

namespace trellis {

/// Sets the options of the policy. An error means that the socket must not be used; what only could not be tuned is
/// told to `warn`.
Result<void> prepare_datagrams(Socket& socket, Address::Family family, const DatagramSettings& settings,
                               const std::function<void(std::string_view)>& warn);

/// How far what the socket sends to multicast groups goes (RFC 9622 section 6.1.1: WithHopLimit).
Result<void> limit_hops(Socket& socket, Address::Family family, std::uint8_t hops);

/// What a property is asked of.
struct DatagramPlace {
  const DatagramSettings& settings;
  Socket* socket;  // null: it has none yet
  Address::Family family;
  std::uint32_t mtu;  // of the path, where the socket does not know it
  bool shared;        // with other peers of a listener
};
Result<PropertyValue> get_datagram(const DatagramPlace& place, CapacityProfile profile, std::string_view name);
Result<void> set_datagram(const DatagramPlace& place, CapacityProfile& profile, std::string_view name,
                          const PropertyValue& value);

/// Sends until the batch is empty or the socket takes no more: then true. Errors end nothing: those of earlier
/// datagrams (ICMP) are told to `soft` (an Error), and a datagram that the socket refuses for ever fails alone.
template <class Soft>
bool send_datagrams(Socket& socket, Batch& batch, Soft soft) noexcept {
  constexpr int kErrorsMost = 8;  // in a row, and none of the batch was taken
  for (int errors = 0; !batch.empty();) {
    const std::size_t before = batch.size();
    auto io = socket.send(batch);
    if (io && io->blocked) return true;
    errors = io || batch.size() < before ? 0 : errors + 1;
    if (errors == kErrorsMost) {
      const Chunk refused = batch.pop();
      if (refused.info) refused.info->report(Fate::failed, &io.error());
      errors = 0;
    }
    if (!io) soft(std::move(io.error()));
  }
  return false;
}

/// For a datagram, not to be split by the transport is not to be fragmented by the network (IMPL-60): the socket
/// refuses what does not fit.
inline void forbid_splitting(Chunk& chunk) noexcept {
  if (chunk.info && chunk.info->no_segmentation) chunk.info->no_fragmentation = true;
}

/// Gives a datagram the code point of its own profile (API-174); others have that of the socket.
inline void mark_profile(Chunk& chunk, const DatagramSettings& settings) noexcept {
  if (!chunk.info || chunk.info->capacity_profile == CapacityProfile::of_connection) return;
  chunk.dscp = code_point(chunk.info->capacity_profile, settings.dscp);
}

/// Raises the window of the layer above to its level; nothing while half of it is left, since a grant costs a visit.
inline void refill(UpperPort port, std::size_t level) noexcept {
  if (port.granted() * 2 <= level) port.grant_to(level);
}

}  // namespace trellis
