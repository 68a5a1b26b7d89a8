#include "settings.h"

#include <algorithm>
#include <chrono>
#include <format>
#include <vector>

namespace trellis::tcpls {
namespace {

constexpr OptionSpec kOptions[] = {
    {.name = "scheduler",
     .fallback = std::string_view("pinned"),
     .meaning = "over which connection data go; the property multipathPolicy "
                "overrides it",
     .words = "pinned round-robin lowest-rtt aggregate"},
    {.name = "tokens",
     .fallback = std::int64_t{2},
     .meaning = "invitations to further connections that each client holds",
     .least = 0,
     .most = 8},
    {.name = "joins-per-second",
     .fallback = std::int64_t{20},
     .meaning = "connections that a client may join to a session in a second; more have to wait for their token",
     .least = 1,
     .most = 255},
    {.name = "standby",
     .fallback = std::int64_t{0},
     .meaning = "connections that a client joins in advance, for the failure "
                "of the one in use",
     .least = 0,
     .most = 7},
    {.name = "keep-losers",
     .fallback = false,
     .meaning = "connections join where other candidates of the race were on their way when the session was there"},
    {.name = "failover",
     .fallback = true,
     .meaning = "keep what was sent until it is acknowledged; false: a session ends with a connection that takes data "
                "along"},
    {.name = "user-timeout-ms",
     .fallback = std::int64_t{250},
     .meaning = "how long what was sent on a connection may stay "
                "unacknowledged before it counts as failed",
     .least = 20,
     .most = 600'000},
    {.name = "reconnect-ms",
     .fallback = std::int64_t{0},
     .meaning = "how long a session lives without a connection; 0: 30 s on the "
                "client, 60 s on the server",
     .least = 0,
     .most = 3'600'000},
    {.name = "unacknowledged-bytes",
     .fallback = std::int64_t{8 << 20},
     .meaning = "bytes kept to be sent again, of all streams of a session, "
                "before sending pauses",
     .least = 64 << 10,
     .most = 1 << 30},
    {.name = "reorder-bytes",
     .fallback = std::int64_t{16 << 20},
     .meaning = "bytes of a session that may wait for what is missing before it fails",
     .least = 64 << 10,
     .most = 1 << 30},
    {.name = "undelivered-bytes",
     .fallback = std::int64_t{1 << 20},
     .meaning = "bytes that the application has not taken, of all streams of a "
                "session, before reading stops",
     .least = 16 << 10,
     .most = 1 << 30},
    {.name = "half-open",
     .fallback = std::int64_t{256},
     .meaning = "connections of a listener that have not sent their "
                "ClientHello yet; more are refused",
     .least = 1,
     .most = 1024},
    {.name = "code-points",
     .fallback = std::string_view("private"),
     .meaning = "numbers of the TLS extensions: private is 0xFF64 and 0xFF65, "
                "prototypes is 100 and 101",
     .words = "private prototypes"},
};

constexpr std::string_view kSchedulers[] = {"pinned", "round-robin", "lowest-rtt", "aggregate"};

}  // namespace

std::optional<Scheduler> scheduler_of(std::string_view name) noexcept {
  const auto found = std::ranges::find(kSchedulers, name);
  if (found == std::end(kSchedulers)) return std::nullopt;
  return static_cast<Scheduler>(found - std::begin(kSchedulers));
}
std::string_view name_of(Scheduler scheduler) noexcept { return kSchedulers[static_cast<std::size_t>(scheduler)]; }

std::span<const OptionSpec> tcpls_options() noexcept {
  static const std::vector<OptionSpec> kAll = [] {
    std::vector<OptionSpec> both(std::begin(kOptions), std::end(kOptions));
    const auto tls = tls::tls_options();
    both.insert(both.end(), tls.begin(), tls.end());
    return both;
  }();
  return kAll;
}

Result<Settings> Settings::from(const Options& options) {
  auto tls = tls::Settings::from(options);
  if (!tls) return fail(std::move(tls));
  if (tls->version_floor < 0x0304) {
    return fail(Reason::configuration, "found minimum-version='1.2', expected 1.3: TCPLS runs on TLS 1.3 only", 0,
                "tcpls");
  }
  const auto bytes = [&](std::string_view name) { return static_cast<std::size_t>(options.number(name)); };
  const auto ms = [&](std::string_view name) { return std::chrono::milliseconds(options.number(name)); };
  Settings made{.tls = *tls, .join = *tls};
  made.join.resumption = false;
  made.join.preshared_keys.clear();
  made.codes = options.text("code-points") == "private" ? kPrivateUse : kPrototypes;
  made.scheduler = *scheduler_of(options.text("scheduler"));
  made.tokens = static_cast<unsigned>(options.number("tokens"));
  made.joins_per_second = static_cast<unsigned>(options.number("joins-per-second"));
  made.standby = static_cast<unsigned>(options.number("standby"));
  made.keep_losers = options.flag("keep-losers");
  made.failover = options.flag("failover");
  made.user_timeout = ms("user-timeout-ms");
  made.reconnect = ms("reconnect-ms");
  made.unacked_max = bytes("unacknowledged-bytes");
  made.reorder_max = bytes("reorder-bytes");
  made.undelivered = bytes("undelivered-bytes");
  made.hello_max = bytes("half-open");
  made.hello_timeout = made.tls.handshake_timeout;
  return made;
}

}  // namespace trellis::tcpls
