// datagram_settings.h: the options of one layer of one policy that carries datagrams over sockets of the kernel.
#pragma once
#include <array>
#include <cstddef>

#include "trellis/clock.h"
#include "trellis/executor.h"
#include "trellis/option.h"

namespace trellis {

/// The schema of such a layer, which has one option of its own.
constexpr std::array<OptionSpec, 10> datagram_options(const OptionSpec& own) {
  return {{
      own,
      {.name = "dont-fragment",
       .fallback = false,
       .meaning = "never let the network fragment a datagram; one beyond the path's MTU fails"},
      {.name = "dscp",
       .fallback = std::int64_t{0},
       .meaning = "code point of the capacity profile Default",
       .least = 0,
       .most = 63},
      {.name = "send-queue-bytes",
       .fallback = std::int64_t{256 << 10},
       .meaning = "bytes that may wait above the socket",
       .least = 2048,
       .most = 1 << 30},
      {.name = "receive-batch-bytes",
       .fallback = std::int64_t{256 << 10},
       .meaning = "bytes to read from the socket at once at most",
       .least = 2048,
       .most = 16 << 20},
      {.name = "send-buffer-bytes",
       .fallback = std::int64_t{0},
       .meaning = "the kernel's send buffer (SO_SNDBUF); 0: the kernel's default",
       .least = 0,
       .most = 1 << 30},
      {.name = "receive-buffer-bytes",
       .fallback =
           std::int64_t{4 << 20},  // what protocols above have on their way; the kernel's default loses their bursts
       .meaning = "the kernel's receive buffer (SO_RCVBUF), as far as the system allows; 0: the kernel's default",
       .least = 0,
       .most = 1 << 30},
      {.name = "peers",
       .fallback = std::int64_t{4096},
       .meaning = "peers that one listener serves at once; datagrams of others are dropped",
       .least = 1,
       .most = 1'000'000},
      {.name = "peer-queue-bytes",
       .fallback = std::int64_t{64 << 10},
       .meaning = "bytes that wait for a peer's application to ask for them; more are dropped",
       .least = 2048,
       .most = 64 << 20},
      {.name = "peer-idle-ms",
       .fallback = std::int64_t{300'000},
       .meaning = "a peer that neither sends nor is sent to for so long is closed; 0: never",
       .least = 0,
       .most = 86'400'000},
  }};
}

/// Options as values. 0 means: not given, the kernel decides. What one protocol alone has is set by its plugin.
struct DatagramSettings {
  DatagramSettings(const Options& options, const char* own_name);

  /// Where datagrams come from and go to: UDP, or a raw socket.
  SocketSpec::Kind kind() const noexcept { return raw() ? SocketSpec::Kind::raw : SocketSpec::Kind::datagram; }
  bool raw() const noexcept { return protocol != 0; }
  std::uint64_t header() const noexcept { return raw() ? 0 : 8; }  ///< bytes between the IP header and the payload

  const char* layer;     ///< its name, for errors
  int protocol = 0;      ///< of IP, whose packets they are; 0: UDP
  bool checksum = true;  ///< UDP's
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
