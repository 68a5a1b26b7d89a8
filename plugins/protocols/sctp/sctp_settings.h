// sctp_settings.h: the options of one sctp layer of one policy.
#pragma once
#include <span>
#include <vector>

#include "trellis/address.h"
#include "trellis/clock.h"
#include "trellis/option.h"
#include "trellis/result.h"
#include "trellis/traits.h"

namespace trellis::sctp {

inline constexpr const char* kLayer = "sctp";

/// In which order streams with something to send are served (RFC 8260 section 3).
enum class Scheduler : std::uint8_t { first_come, round_robin, fair, priority };

/// The options. Immutable; shared by all associations of the layer.
struct Settings {
  explicit Settings(const Options& options);
  /// With the own addresses. Errors: configuration.
  static Result<Settings> from(const Options& options);

  std::uint16_t port;                           ///< SCTP port of the server; 0: that of the Endpoint
  std::uint16_t streams;                        ///< in each direction, at first
  std::uint16_t streams_most;                   ///< after more were added
  std::uint32_t packet;                         ///< bytes of the largest one
  std::uint32_t send_buffer;                    ///< bytes of all streams that are not acknowledged
  std::uint32_t window;                         ///< bytes that a peer may send before they are read
  std::uint32_t send_queue;                     ///< bytes of a stream above the library
  std::uint32_t rto_initial, rto_min, rto_max;  ///< milliseconds
  std::uint16_t retransmissions;                ///< of one packet before the association fails
  std::uint16_t path_retransmissions;           ///< before a path is inactive
  std::uint16_t init_attempts;
  std::uint32_t heartbeat;                   ///< milliseconds; 0: none
  std::uint32_t unreliable_retransmissions;  ///< of messages that may be lost
  Scheduler scheduler;
  bool interleaving;
  bool empty_messages;
  bool bytestream;
  bool multihoming;
  bool advertise_addresses;
  bool dynamic_addresses;
  std::vector<Address> addresses = {};  ///< of a listener, told to its peers

  Face face() const noexcept { return bytestream ? Face::bytestream : Face::message; }  ///< what streams carry
};

/// The schema, for the plugin's registration.
std::span<const OptionSpec> sctp_options() noexcept;

}  // namespace trellis::sctp
