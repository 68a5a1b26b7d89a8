// udp_settings.h: the options of one udp layer of one policy.
#pragma once
#include <cstddef>
#include <span>

#include "trellis/clock.h"
#include "trellis/option.h"

namespace trellis {

inline constexpr const char* kLayer = "udp";

/// The schema, for policies and `trellis plugins`.
std::span<const OptionSpec> udp_options() noexcept;

/// Options as values. 0 means: not given, the kernel decides.
struct UdpLayerSettings {
  explicit UdpLayerSettings(const Options& options);

  bool checksum;
  bool dont_fragment;
  std::uint8_t dscp;
  std::size_t send_queue;
  std::size_t receive_batch;
  int send_buffer;
  int receive_buffer;
  std::size_t peers;
  std::size_t peer_queue;
  Duration peer_idle;  // zero: for ever
};

}  // namespace trellis
