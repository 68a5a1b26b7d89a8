// quic_settings.h: the options of one quic layer of one policy, with the files that they name already read.
#pragma once
#include <ngtcp2/ngtcp2.h>

#include <span>
#include <vector>

#include "security/credential_settings.h"
#include "trellis/address.h"
#include "trellis/clock.h"
#include "trellis/option.h"
#include "trellis/result.h"

namespace trellis::quic {

inline constexpr const char* kLayer = "quic";

/// When a server lets a client prove its address before it spends anything on it.
enum class Retry : std::uint8_t { never, busy, always };

/// The options. Immutable; shared by all connections of the layer.
struct Settings : security::CredentialSettings {
  std::vector<std::uint32_t> versions;  ///< best first; a client begins with the first
  Duration idle_timeout{};              ///< zero: never
  Duration keep_alive{};                ///< zero: off
  std::uint64_t streams_bidi = 0;       ///< that a peer may have open
  std::uint64_t streams_uni = 0;        ///< the same of those on which only it sends
  std::uint64_t stream_window = 0;      ///< bytes, at first
  std::uint64_t window = 0;             ///< bytes of all streams together, at first
  std::uint64_t stream_window_most = 0;
  std::uint64_t window_most = 0;
  std::size_t send_queue = 0;  ///< bytes of a stream that wait to be sent for the first time
  std::size_t packet_most = 0;
  std::vector<std::uint16_t> packet_sizes;  ///< in the order in which they are tried
  std::vector<Address> preferred;           ///< of a server: where it would rather be spoken to
  ngtcp2_cc_algo congestion{};
  std::uint64_t close_code = 0;
  Retry retry{};
  std::size_t busy = 0;  ///< handshakes at once from which on Retry::busy asks
  bool datagrams = true;
  bool migration = true;
  bool early_data = true;

  /// Reads the options. Errors: configuration, with the option's name and what is wrong with its value or file.
  static Result<Settings> from(const Options& options);
};

/// The schema, for the plugin's registration.
std::span<const OptionSpec> quic_options() noexcept;

/// Nanoseconds, as the library counts; 0 stands for "never" on both sides.
constexpr std::uint64_t nanoseconds(Duration d) noexcept { return static_cast<std::uint64_t>(d.count()); }
constexpr ngtcp2_tstamp nanoseconds(TimePoint t) noexcept {
  return static_cast<std::uint64_t>(t.time_since_epoch().count());
}

}  // namespace trellis::quic
