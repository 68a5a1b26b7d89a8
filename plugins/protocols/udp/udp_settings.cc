#include "udp_settings.h"

#include <chrono>

namespace trellis {
namespace {

constexpr std::int64_t kMiB = 1 << 20;

constexpr OptionSpec kOptions[] = {
    {.name = "checksum",
     .fallback = true,
     .meaning = "protect what is sent by the UDP checksum; false is possible over IPv4 only"},
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
     .most = 1024 * kMiB},
    {.name = "receive-batch-bytes",
     .fallback = std::int64_t{256 << 10},
     .meaning = "bytes to read from the socket at once at most",
     .least = 2048,
     .most = 16 * kMiB},
    {.name = "send-buffer-bytes",
     .fallback = std::int64_t{0},
     .meaning = "the kernel's send buffer (SO_SNDBUF); 0: the kernel's default",
     .least = 0,
     .most = 1024 * kMiB},
    {.name = "receive-buffer-bytes",
     .fallback = 4 * kMiB,  // what protocols above have on their way; the kernel's default loses their bursts
     .meaning = "the kernel's receive buffer (SO_RCVBUF), as far as the system allows; 0: the kernel's default",
     .least = 0,
     .most = 1024 * kMiB},
    {.name = "peers",
     .fallback = std::int64_t{4096},
     .meaning = "peers that one listener serves at once; datagrams of others are dropped",
     .least = 1,
     .most = 1'000'000},
    {.name = "peer-queue-bytes",
     .fallback = std::int64_t{64 << 10},
     .meaning = "bytes that wait for a peer's application to ask for them; more are dropped",
     .least = 2048,
     .most = 64 * kMiB},
    {.name = "peer-idle-ms",
     .fallback = std::int64_t{300'000},
     .meaning = "a peer that neither sends nor is sent to for so long is closed; 0: never",
     .least = 0,
     .most = 86'400'000},
};

}  // namespace

std::span<const OptionSpec> udp_options() noexcept { return kOptions; }

UdpLayerSettings::UdpLayerSettings(const Options& options)
    : checksum(options.flag("checksum")),
      dont_fragment(options.flag("dont-fragment")),
      dscp(static_cast<std::uint8_t>(options.number("dscp"))),
      send_queue(static_cast<std::size_t>(options.number("send-queue-bytes"))),
      receive_batch(static_cast<std::size_t>(options.number("receive-batch-bytes"))),
      send_buffer(static_cast<int>(options.number("send-buffer-bytes"))),
      receive_buffer(static_cast<int>(options.number("receive-buffer-bytes"))),
      peers(static_cast<std::size_t>(options.number("peers"))),
      peer_queue(static_cast<std::size_t>(options.number("peer-queue-bytes"))),
      peer_idle(std::chrono::milliseconds(options.number("peer-idle-ms"))) {}

}  // namespace trellis
