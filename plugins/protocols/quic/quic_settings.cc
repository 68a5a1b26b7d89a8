#include "quic_settings.h"

#include <algorithm>
#include <chrono>
#include <format>

#include "preferred_address.h"

namespace trellis::quic {
namespace {

constexpr std::int64_t kMiB = 1 << 20;
constexpr std::int64_t kDay = 86'400'000;
constexpr std::int64_t kLargePacket = 16'250;  // four of them go to the kernel at once

// Payloads of Ethernet and of its large frames; of paths with tunnels.
constexpr std::uint16_t kUsualSizes[] = {1452, 8952}, kSmallSizes[] = {1444, 1406, 1342, 1232};

constexpr OptionSpec kOptions[] = {
    {.name = "versions",
     .fallback = std::string_view("v1 v2"),
     .meaning = "versions of QUIC, best first, with spaces between: v1 (RFC 9000), v2 (RFC 9369)"},
    {.name = "idle-timeout-ms",
     .fallback = std::int64_t{30'000},
     .meaning = "silence after which the connection ends, unless the peer's is shorter; 0: never",
     .least = 0,
     .most = kDay},
    {.name = "keep-alive-ms",
     .fallback = std::int64_t{0},
     .meaning = "silence after which a probe is sent, at least 15 s; 0: never",
     .least = 0,
     .most = kDay},
    {.name = "streams",
     .fallback = std::int64_t{100},
     .meaning = "bidirectional streams that a peer may have open",
     .least = 0,
     .most = 1 << 20},
    {.name = "unidirectional-streams",
     .fallback = std::int64_t{100},
     .meaning = "unidirectional streams that a peer may have open",
     .least = 0,
     .most = 1 << 20},
    {.name = "stream-window-bytes",
     .fallback = std::int64_t{256 << 10},
     .meaning = "what a peer may send on a stream before we have read it, at first",
     .least = 1024,
     .most = 1024 * kMiB},
    {.name = "window-bytes",
     .fallback = std::int64_t{512 << 10},
     .meaning = "the same of all streams together",
     .least = 1024,
     .most = 1024 * kMiB},
    {.name = "stream-window-most-bytes",
     .fallback = 16 * kMiB,
     .meaning = "how far the window of a stream grows on fast paths with a long round trip",
     .least = 1024,
     .most = 1024 * kMiB},
    {.name = "window-most-bytes",
     .fallback = 24 * kMiB,
     .meaning = "the same of all streams together",
     .least = 1024,
     .most = 1024 * kMiB},
    {.name = "send-queue-bytes",
     .fallback = std::int64_t{256 << 10},
     .meaning = "what may wait on a stream to be sent for the first time",
     .least = 1024,
     .most = 64 * kMiB},
    {.name = "packet-bytes",
     .fallback = kLargePacket,
     .meaning = "largest UDP payload that is tried",
     .least = 1200,
     .most = 65527},
    {.name = "congestion-control",
     .fallback = std::string_view("cubic"),
     .meaning = "how the rate adapts to the network",
     .words = "cubic reno bbr"},
    {.name = "close-code",
     .fallback = std::int64_t{0},
     .meaning = "the application's code for a connection that ends well (HTTP/3: 256)",
     .least = 0},
    {.name = "retry",
     .fallback = std::string_view("busy"),
     .meaning = "when a server sends clients away once, to see that their addresses are theirs",
     .words = "never busy always"},
    {.name = "busy-handshakes",
     .fallback = std::int64_t{1000},
     .meaning = "handshakes at once from which on a server is busy",
     .least = 1,
     .most = 1 << 24},
    {.name = "datagrams", .fallback = true, .meaning = "unreliable datagrams beside the streams (RFC 9221)"},
    {.name = "migration", .fallback = true, .meaning = "a connection may change its path"},
    {.name = "preferred-address",
     .fallback = std::string_view(),
     .meaning = "where a server wants its clients to go once they are let in: 192.0.2.7:443 [2001:db8::7]:443"},
    {.name = "early-data", .fallback = true, .meaning = "a server accepts early data (0-RTT), each once"},
};

std::unexpected<Error> refuse(std::string_view option, std::string_view value, std::string_view why) {
  return fail(Reason::configuration, std::format("found {}='{}', {}", option, value, why), 0, kLayer);
}

Result<std::vector<std::uint32_t>> read_versions(std::string_view text) {
  std::vector<std::uint32_t> list;
  for (const std::string& word : security::words_of(text)) {
    if (word != "v1" && word != "v2") return refuse("versions", text, "expected v1, v2 or both");
    const std::uint32_t version = word == "v1" ? NGTCP2_PROTO_VER_V1 : NGTCP2_PROTO_VER_V2;
    if (list.size() == 1 && list.front() == version) return refuse("versions", text, "which names a version twice");
    if (list.size() == 2) return refuse("versions", text, "which names a version twice");
    list.push_back(version);
  }
  if (list.empty()) return refuse("versions", text, "expected v1, v2 or both");
  return list;
}

// A probe more often than every 15 s is more load than a NAT needs (RFC 8085 section 3.5). QUIC-19
Result<Duration> read_keep_alive(std::int64_t ms) {
  if (ms != 0 && ms < 15'000) return refuse("keep-alive-ms", std::to_string(ms), "expected 0 or at least 15000");
  return std::chrono::milliseconds(ms);
}

// Upwards to the largest one. The first that does not come through ends that, and then smaller ones are tried.
std::vector<std::uint16_t> sizes_to_try(std::uint64_t most) {
  std::vector<std::uint16_t> sizes;
  const auto add = [&](std::uint16_t size) {
    if (size < most) sizes.push_back(size);
  };
  std::ranges::for_each(kUsualSizes, add);
  if (most > NGTCP2_MAX_UDP_PAYLOAD_SIZE) sizes.push_back(static_cast<std::uint16_t>(most));
  std::ranges::for_each(kSmallSizes, add);
  return sizes;
}

}  // namespace

std::span<const OptionSpec> quic_options() noexcept {
  static const std::vector<OptionSpec> kAll = security::with_credential_options(kOptions);
  return kAll;
}

Result<Settings> Settings::from(const Options& options) {
  auto credentials = security::CredentialSettings::from(options, kLayer);
  if (!credentials) return fail(std::move(credentials));
  auto versions = read_versions(options.text("versions"));
  if (!versions) return fail(std::move(versions));
  auto keep_alive = read_keep_alive(options.number("keep-alive-ms"));
  if (!keep_alive) return fail(std::move(keep_alive));
  auto preferred = read_preferred(options.text("preferred-address"));
  if (!preferred) return fail(std::move(preferred));
  const auto bytes = [&](std::string_view name) { return static_cast<std::uint64_t>(options.number(name)); };
  Settings s;
  static_cast<security::CredentialSettings&>(s) = std::move(*credentials);
  s.versions = std::move(*versions);
  s.preferred = std::move(*preferred);
  s.keep_alive = *keep_alive;
  s.idle_timeout = std::chrono::milliseconds(options.number("idle-timeout-ms"));
  s.streams_bidi = bytes("streams");
  s.streams_uni = bytes("unidirectional-streams");
  s.stream_window = bytes("stream-window-bytes");
  s.window = bytes("window-bytes");
  s.stream_window_most = std::max(s.stream_window, bytes("stream-window-most-bytes"));
  s.window_most = std::max(s.window, bytes("window-most-bytes"));
  s.send_queue = bytes("send-queue-bytes");
  s.packet_most = bytes("packet-bytes");
  s.packet_sizes = sizes_to_try(s.packet_most);
  const auto congestion = options.text("congestion-control");
  s.congestion = congestion == "bbr"    ? NGTCP2_CC_ALGO_BBR
                 : congestion == "reno" ? NGTCP2_CC_ALGO_RENO
                                        : NGTCP2_CC_ALGO_CUBIC;
  s.close_code = bytes("close-code");
  if (s.close_code >= std::uint64_t{1} << 62)
    return refuse("close-code", std::to_string(s.close_code), "expected less than 2^62");
  const auto retry = options.text("retry");
  s.retry = retry == "always" ? Retry::always : retry == "never" ? Retry::never : Retry::busy;
  s.busy = bytes("busy-handshakes");
  s.datagrams = options.flag("datagrams");
  s.migration = options.flag("migration");
  s.early_data = options.flag("early-data");
  return s;
}

}  // namespace trellis::quic
