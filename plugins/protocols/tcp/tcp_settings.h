// tcp_settings.h: the options of one tcp layer of one policy.
#pragma once
#include <chrono>
#include <cstddef>
#include <span>

#include "trellis/clock.h"
#include "trellis/option.h"

namespace trellis {

inline constexpr const char* kLayer = "tcp";

/// The schema, for policies and `trellis plugins`.
std::span<const OptionSpec> tcp_options() noexcept;

/// Options as values. 0 means: not given, the kernel decides.
struct TcpLayerSettings {
  explicit TcpLayerSettings(const Options& options);

  bool no_delay;
  bool fast_open;
  std::size_t send_queue;
  std::size_t read_bytes;
  Duration keep_alive;
  Duration user_timeout;
  Duration close_timeout;
  unsigned retransmissions_told;
  std::uint8_t dscp;
  int backlog;
  int send_buffer;
  int receive_buffer;
};

}  // namespace trellis
