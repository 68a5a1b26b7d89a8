#include "tcp_settings.h"

namespace trellis {
namespace {

constexpr std::int64_t kMiB = 1 << 20;

constexpr OptionSpec kOptions[] = {
    {.name = "no-delay", .fallback = true, .meaning = "send small segments at once (TCP_NODELAY)"},
    {.name = "fast-open",
     .fallback = false,
     .meaning = "carry replayable data in the SYN, and accept it there (RFC 7413)"},
    {.name = "send-queue-bytes",
     .fallback = std::int64_t{256 << 10},
     .meaning = "bytes that may wait above the socket",
     .least = 4096,
     .most = 1024 * kMiB},
    {.name = "read-bytes",
     .fallback = std::int64_t{256 << 10},
     .meaning = "bytes to read from the socket at once at most",
     .least = 4096,
     .most = 16 * kMiB},
    {.name = "keepalive-ms",
     .fallback = std::int64_t{0},
     .meaning = "idle time before a keep-alive probe, in whole seconds; 0: none",
     .least = 0,
     .most = 32'767'000},
    {.name = "user-timeout-ms",
     .fallback = std::int64_t{0},
     .meaning = "how long sent data may stay unacknowledged (TCP_USER_TIMEOUT); 0: the system decides",
     .least = 0,
     .most = INT32_MAX},
    {.name = "close-timeout-ms",
     .fallback = std::int64_t{5000},
     .meaning = "how long a graceful close waits for the peer's end",
     .least = 0,
     .most = 600'000},
    {.name = "retransmissions-told",
     .fallback = std::int64_t{3},
     .meaning = "after how many retransmissions in a row the application is told (a soft error); 0: never",
     .least = 0,
     .most = 100},
    {.name = "dscp",
     .fallback = std::int64_t{0},
     .meaning = "code point of the capacity profile Default",
     .least = 0,
     .most = 63},
    {.name = "backlog",
     .fallback = std::int64_t{4096},
     .meaning = "connections that may wait to be accepted",
     .least = 1,
     .most = 65535},
    {.name = "send-buffer-bytes",
     .fallback = std::int64_t{0},
     .meaning = "the kernel's send buffer (SO_SNDBUF); 0: the kernel sizes it",
     .least = 0,
     .most = 1024 * kMiB},
    {.name = "receive-buffer-bytes",
     .fallback = std::int64_t{0},
     .meaning = "the kernel's receive buffer (SO_RCVBUF); 0: the kernel sizes it",
     .least = 0,
     .most = 1024 * kMiB},
};

}  // namespace

std::span<const OptionSpec> tcp_options() noexcept { return kOptions; }

TcpLayerSettings::TcpLayerSettings(const Options& options)
    : no_delay(options.flag("no-delay")),
      fast_open(options.flag("fast-open")),
      send_queue(static_cast<std::size_t>(options.number("send-queue-bytes"))),
      read_bytes(static_cast<std::size_t>(options.number("read-bytes"))),
      keep_alive(std::chrono::milliseconds(options.number("keepalive-ms"))),
      user_timeout(std::chrono::milliseconds(options.number("user-timeout-ms"))),
      close_timeout(std::chrono::milliseconds(options.number("close-timeout-ms"))),
      retransmissions_told(static_cast<unsigned>(options.number("retransmissions-told"))),
      dscp(static_cast<std::uint8_t>(options.number("dscp"))),
      backlog(static_cast<int>(options.number("backlog"))),
      send_buffer(static_cast<int>(options.number("send-buffer-bytes"))),
      receive_buffer(static_cast<int>(options.number("receive-buffer-bytes"))) {}

}  // namespace trellis
