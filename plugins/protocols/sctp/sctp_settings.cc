// sctp_settings.cc: the schema of the options.
#include "sctp_settings.h"

#include "peer_addresses.h"

namespace trellis::sctp {
namespace {

constexpr OptionSpec kOptions[] = {
    {.name = "port",
     .fallback = std::int64_t{0},
     .meaning = "the server's SCTP port, inside the UDP datagrams; 0: the same number as its UDP port, or over ip the "
                "Endpoint's",
     .least = 0,
     .most = 65535},
    {.name = "streams",
     .fallback = std::int64_t{64},
     .meaning = "streams in each direction to begin with; more are added when they are needed",
     .least = 1,
     .most = 65535},
    {.name = "streams-most",
     .fallback = std::int64_t{4096},
     .meaning = "streams that an association may have in each direction",
     .least = 1,
     .most = 65535},
    {.name = "packet-bytes",
     .fallback = std::int64_t{1452},
     .meaning = "largest packet, without the headers below; it must fit the path, whose MTU is not probed",
     .least = 512,
     .most = 65000},
    {.name = "send-buffer-bytes",
     .fallback = std::int64_t{1 << 20},
     .meaning = "bytes of all streams that may be on their way or wait for that",
     .least = 4096,
     .most = 256 << 20},
    {.name = "window-bytes",
     .fallback = std::int64_t{1 << 20},
     .meaning = "bytes that a peer may send before they are read",
     .least = 4096,
     .most = 256 << 20},
    {.name = "send-queue-bytes",
     .fallback = std::int64_t{256 << 10},
     .meaning = "bytes that may wait on each stream above the send buffer",
     .least = 2048,
     .most = 256 << 20},
    {.name = "rto-initial-ms",
     .fallback = std::int64_t{1000},
     .meaning = "time after which the first packets are sent again",
     .least = 10,
     .most = 60'000},
    {.name = "rto-min-ms",
     .fallback = std::int64_t{200},
     .meaning = "least time after which a packet is sent again",
     .least = 10,
     .most = 60'000},
    {.name = "rto-max-ms",
     .fallback = std::int64_t{10'000},
     .meaning = "longest time after which a packet is sent again",
     .least = 100,
     .most = 600'000},
    {.name = "retransmissions",
     .fallback = std::int64_t{10},
     .meaning = "in a row without an answer, before the association fails",
     .least = 1,
     .most = 100},
    {.name = "path-retransmissions",
     .fallback = std::int64_t{5},
     .meaning =
         "in a row on one of several paths without an answer, before it counts as inactive; it is left at the first",
     .least = 0,
     .most = 100},
    {.name = "init-attempts",
     .fallback = std::int64_t{8},
     .meaning = "how often the first packet is sent again before connecting fails",
     .least = 1,
     .most = 100},
    {.name = "heartbeat-ms",
     .fallback = std::int64_t{30'000},
     .meaning = "idle time after which the peer is probed; 0: never",
     .least = 0,
     .most = 3'600'000},
    {.name = "unreliable-retransmissions",
     .fallback = std::int64_t{0},
     .meaning = "how often a message that may be lost (msgReliable false) is sent again",
     .least = 0,
     .most = 1000},
    {.name = "scheduler",
     .fallback = std::string_view("priority"),
     .meaning = "which stream sends next",
     .words = "first-come round-robin fair priority"},
    {.name = "interleaving",
     .fallback = true,
     .meaning = "parts of messages of several streams may alternate, where the peer can (RFC 8260)"},
    {.name = "empty-messages",
     .fallback = true,
     .meaning = "carry an empty message as a zero byte with payload protocol 57 (RFC 8831); false: it fails"},
    {.name = "bytestream", .fallback = false, .meaning = "streams carry bytes instead of messages"},
    {.name = "multihoming",
     .fallback = true,
     .meaning = "an association goes on by other addresses of both ends when those in use fail; not over dtls"},
    {.name = "advertise-addresses",
     .fallback = false,
     .meaning = "a client tells its peer the addresses of its other interfaces, also where the application has not "
                "asked for that (advertisesAltaddr)"},
    {.name = "dynamic-addresses",
     .fallback = true,
     .meaning = "addresses of both ends may come and go while an association lives, where the peer can (RFC 5061)"},
    {.name = "addresses",
     .fallback = std::string_view(),
     .meaning =
         "those of this host that a listener tells its peers, beside the one that they know: 192.0.2.7 2001:db8::7"},
};

Scheduler scheduler_of(std::string_view word) noexcept {
  if (word == "first-come") return Scheduler::first_come;
  if (word == "round-robin") return Scheduler::round_robin;
  return word == "fair" ? Scheduler::fair : Scheduler::priority;
}

template <class T>
T number(const Options& options, std::string_view name) {
  return static_cast<T>(options.number(name));
}

}  // namespace

std::span<const OptionSpec> sctp_options() noexcept { return kOptions; }

Settings::Settings(const Options& options)
    : port(number<std::uint16_t>(options, "port")),
      streams(number<std::uint16_t>(options, "streams")),
      streams_most(number<std::uint16_t>(options, "streams-most")),
      packet(number<std::uint32_t>(options, "packet-bytes")),
      send_buffer(number<std::uint32_t>(options, "send-buffer-bytes")),
      window(number<std::uint32_t>(options, "window-bytes")),
      send_queue(number<std::uint32_t>(options, "send-queue-bytes")),
      rto_initial(number<std::uint32_t>(options, "rto-initial-ms")),
      rto_min(number<std::uint32_t>(options, "rto-min-ms")),
      rto_max(number<std::uint32_t>(options, "rto-max-ms")),
      retransmissions(number<std::uint16_t>(options, "retransmissions")),
      path_retransmissions(number<std::uint16_t>(options, "path-retransmissions")),
      init_attempts(number<std::uint16_t>(options, "init-attempts")),
      heartbeat(number<std::uint32_t>(options, "heartbeat-ms")),
      unreliable_retransmissions(number<std::uint32_t>(options, "unreliable-retransmissions")),
      scheduler(scheduler_of(options.text("scheduler"))),
      interleaving(options.flag("interleaving")),
      empty_messages(options.flag("empty-messages")),
      bytestream(options.flag("bytestream")),
      multihoming(options.flag("multihoming")),
      advertise_addresses(options.flag("advertise-addresses")),
      dynamic_addresses(multihoming && options.flag("dynamic-addresses")) {}

Result<Settings> Settings::from(const Options& options) {
  Settings made(options);
  auto addresses = read_addresses(options.text("addresses"));
  if (!addresses) return fail(std::move(addresses));
  if (made.multihoming) made.addresses = std::move(*addresses);
  return made;
}

}  // namespace trellis::sctp
