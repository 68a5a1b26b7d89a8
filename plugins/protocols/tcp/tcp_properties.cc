#include "tcp_properties.h"

#include <netinet/tcp.h>
#include <sys/socket.h>

#include <chrono>
#include <tuple>
#include <utility>

namespace trellis {
namespace {

using namespace std::chrono_literals;

constexpr Duration kDisabled = Duration::max();
constexpr Duration kKeepAliveMost = 32767s;      // the kernel's limit
constexpr Duration kTimeoutMost = 2147483647ms;  // an int of milliseconds
constexpr Duration kUserTimeoutDefault = 5min;   // RFC 9293 section 3.8.3
constexpr auto kKeepAliveInterval = 75s;         // the kernel's usual time between two probes

Duration or_disabled(Duration option) { return option == Duration::zero() ? kDisabled : option; }

template <class Unit>
int rounded_up(Duration time) {
  return static_cast<int>(std::chrono::ceil<Unit>(time).count());
}

// A positive time up to `most`, or Disabled.
Result<Duration> timeout(std::string_view name, const PropertyValue& value, Duration most) {
  const Duration* time = std::get_if<Duration>(&value);
  if (time == nullptr) return wrong_value(name, "a duration", kLayer);
  if (*time == kDisabled || (*time > Duration::zero() && *time <= most)) return *time;
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(most).count();
  return wrong_value(name, "Disabled, or more than 0 and at most " + std::to_string(seconds) + " seconds", kLayer);
}

Result<void> apply_connection_timeout(Socket& socket, Duration time) {
  const int milliseconds = time == kDisabled ? 0 : rounded_up<std::chrono::milliseconds>(time);
  return set_option(socket, IPPROTO_TCP, TCP_USER_TIMEOUT, milliseconds);
}

Result<void> apply_rate(Socket& socket, std::uint64_t bits) {
  const std::uint64_t bytes = bits == UINT64_MAX ? UINT64_MAX : std::max<std::uint64_t>(1, bits / 8);
  return set_option(socket, SOL_SOCKET, SO_MAX_PACING_RATE, bytes);
}

}  // namespace

TcpProperties::TcpProperties(const TcpLayerSettings& settings)
    : settings_(settings),
      connection_timeout_(or_disabled(settings.user_timeout)),
      keep_alive_(or_disabled(settings.keep_alive)),
      advertised_timeout_(kUserTimeoutDefault) {}

Result<void> TcpProperties::apply(Socket& socket, Address::Family family) {
  usual_control_.reset();
  Result<void> all;
  const auto note = [&all](Result<void> done) {
    if (all && !done) all = std::move(done);
  };
  if (settings_.send_buffer > 0) note(set_option(socket, SOL_SOCKET, SO_SNDBUF, settings_.send_buffer));
  if (settings_.receive_buffer > 0) note(set_option(socket, SOL_SOCKET, SO_RCVBUF, settings_.receive_buffer));
  if (connection_timeout_ != kDisabled) note(apply_connection_timeout(socket, connection_timeout_));
  if (keep_alive_ != kDisabled) note(apply_keep_alive(socket));
  if (rate_ != UINT64_MAX) note(apply_rate(socket, rate_));
  if (settings_.dscp != 0 || profile_ != CapacityProfile::best_effort) note(apply_profile(socket, family));
  return all;
}

Result<void> TcpProperties::send_at_once(Socket& socket) const {
  if (!settings_.no_delay) return {};
  return set_option(socket, IPPROTO_TCP, TCP_NODELAY, 1);
}

Result<void> TcpProperties::acknowledge_at_once(Socket& socket) const {
  return set_option(socket, IPPROTO_TCP, TCP_QUICKACK, acknowledges_at_once_ ? 1 : 0);
}

// A keep-alive that comes after the connection has timed out has no use (RFC 9622 section 8.1.4).
Result<void> TcpProperties::apply_keep_alive(Socket& socket) const {
  const bool on = keep_alive_ != kDisabled && keep_alive_ <= connection_timeout_;
  if (on) {
    const int idle = rounded_up<std::chrono::seconds>(keep_alive_);
    const int interval = std::min(idle, rounded_up<std::chrono::seconds>(kKeepAliveInterval));
    if (auto done = set_option(socket, IPPROTO_TCP, TCP_KEEPIDLE, idle); !done) return done;
    if (auto done = set_option(socket, IPPROTO_TCP, TCP_KEEPINTVL, interval); !done) return done;
  }
  return set_option(socket, SOL_SOCKET, SO_KEEPALIVE, on ? 1 : 0);
}

// Small segments wait for nothing where delay matters.
Result<void> TcpProperties::apply_profile(Socket& socket, Address::Family family) {
  const bool hurries =
      profile_ == CapacityProfile::low_latency_interactive || profile_ == CapacityProfile::low_latency_non_interactive;
  const int no_delay = settings_.no_delay || hurries ? 1 : 0;
  if (auto done = set_option(socket, IPPROTO_TCP, TCP_NODELAY, no_delay); !done) return done;
  give_way(socket, profile_ == CapacityProfile::scavenger);
  return set_dscp(socket, family, code_point(profile_, settings_.dscp));
}

// To all other traffic, where the kernel has an algorithm for it: TCP-LP, which has the aim of LEDBAT (RFC 6817).
// Elsewhere the code point alone says it.
void TcpProperties::give_way(Socket& socket, bool yes) {
  static constexpr ControlName kLowPriority{"lp"};
  if (yes == (usual_control_ != nullptr)) return;
  if (!yes) {
    std::ignore = set_option(socket, IPPROTO_TCP, TCP_CONGESTION, *std::exchange(usual_control_, nullptr));
    return;
  }
  const auto usual = get_option<ControlName>(socket, IPPROTO_TCP, TCP_CONGESTION);
  if (usual && set_option(socket, IPPROTO_TCP, TCP_CONGESTION, kLowPriority))
    usual_control_ = std::make_unique<ControlName>(*usual);
}

Result<PropertyValue> TcpProperties::get(Socket* socket, std::string_view name) const {
  if (same_name(name, kConnTimeout.name)) return connection_timeout_;
  if (same_name(name, kKeepAliveTimeout.name)) return keep_alive_;
  if (same_name(name, kConnCapacityProfile.name)) return word_of(profile_);
  if (same_name(name, kMaxSendRate.name)) return rate_;
  if (same_name(name, kTcpUserTimeoutValue.name)) return advertised_timeout_;
  if (same_name(name, kTcpUserTimeoutEnabled.name)) return false;
  if (same_name(name, kTcpUserTimeoutChangeable.name)) return timeout_changeable_;
  if (same_name(name, kSendMsgMaxLen.name) || same_name(name, kRecvMsgMaxLen.name)) return UINT64_MAX;
  const bool segment = same_name(name, kSingularTransmissionMsgMaxLen.name),
             flight = same_name(name, kTcpSegmentsInFlight.name);
  if (socket == nullptr || !(segment || flight || same_name(name, kRoundTripTime.name)))
    return fail(Reason::unsupported);
  auto info = get_option<tcp_info>(*socket, IPPROTO_TCP, TCP_INFO);
  if (!info) return fail(std::move(info));
  if (segment) return std::uint64_t{info->tcpi_snd_mss};
  if (flight) return std::uint64_t{info->tcpi_unacked};
  return Duration(std::chrono::microseconds(info->tcpi_rtt));
}

Result<void> TcpProperties::set(Socket* socket, Address::Family family, std::string_view name,
                                const PropertyValue& value) {
  if (same_name(name, kConnTimeout.name)) return set_connection_timeout(socket, value);
  if (same_name(name, kKeepAliveTimeout.name)) return set_keep_alive(socket, value);
  if (same_name(name, kConnCapacityProfile.name)) return set_profile(socket, family, value);
  if (same_name(name, kMaxSendRate.name)) return set_rate(socket, value);
  if (name.size() > 4 && same_name(name.substr(0, 4), "tcp.") && !same_name(name, kTcpSegmentsInFlight.name))
    return set_user_timeout(name, value);
  if (same_name(name, kRecvChecksumLen.name)) {
    return fail(Reason::unsupported, "TCP covers all bytes with its checksum; that cannot be changed", 0, kLayer);
  }
  for (const std::string_view fixed : {kTcpSegmentsInFlight.name, kSendMsgMaxLen.name, kRecvMsgMaxLen.name,
                                       kSingularTransmissionMsgMaxLen.name, kRoundTripTime.name}) {
    if (same_name(name, fixed)) return fail(Reason::invalid_argument, std::string(fixed) + " is read-only", 0, kLayer);
  }
  return fail(Reason::unsupported);
}

Result<void> TcpProperties::set_connection_timeout(Socket* socket, const PropertyValue& value) {
  auto time = timeout(kConnTimeout.name, value, kTimeoutMost);
  if (!time) return fail(std::move(time));
  if (socket != nullptr) {
    if (auto done = apply_connection_timeout(*socket, *time); !done) return done;
  }
  connection_timeout_ = *time;
  timeout_changeable_ = false;
  if (socket == nullptr || keep_alive_ == kDisabled) return {};
  return apply_keep_alive(*socket);
}

Result<void> TcpProperties::set_keep_alive(Socket* socket, const PropertyValue& value) {
  auto time = timeout(kKeepAliveTimeout.name, value, kKeepAliveMost);
  if (!time) return fail(std::move(time));
  const Duration before = std::exchange(keep_alive_, *time);
  Result<void> done;
  if (socket != nullptr) done = apply_keep_alive(*socket);
  if (!done) keep_alive_ = before;
  return done;
}

Result<void> TcpProperties::set_profile(Socket* socket, Address::Family family, const PropertyValue& value) {
  auto profile = capacity_profile(value, kLayer);
  if (!profile) return fail(std::move(profile));
  const CapacityProfile before = std::exchange(profile_, *profile);
  const bool was_quick = std::exchange(acknowledges_at_once_, profile_ == CapacityProfile::low_latency_interactive);
  Result<void> done;
  if (socket != nullptr) done = apply_profile(*socket, family);
  if (done && socket != nullptr && was_quick != acknowledges_at_once_) done = acknowledge_at_once(*socket);
  if (!done) profile_ = before, acknowledges_at_once_ = was_quick;
  return done;
}

Result<void> TcpProperties::set_rate(Socket* socket, const PropertyValue& value) {
  const std::uint64_t* bits = std::get_if<std::uint64_t>(&value);
  if (bits == nullptr || *bits == 0)
    return wrong_value(kMaxSendRate.name, "bits per second above 0, or Unlimited", kLayer);
  if (socket != nullptr) {
    if (auto done = apply_rate(*socket, *bits); !done) return done;
  }
  rate_ = *bits;
  return {};
}

Result<void> TcpProperties::set_user_timeout(std::string_view name, const PropertyValue& value) {
  if (same_name(name, kTcpUserTimeoutValue.name)) {
    const Duration* time = std::get_if<Duration>(&value);
    if (time == nullptr || *time <= Duration::zero()) return wrong_value(name, "a duration above 0", kLayer);
    advertised_timeout_ = *time;
    return {};
  }
  const bool* flag = std::get_if<bool>(&value);
  if (same_name(name, kTcpUserTimeoutEnabled.name)) {
    if (flag == nullptr) return wrong_value(name, "true or false", kLayer);
    if (!*flag) return {};
    return fail(Reason::unsupported, "the kernel does not send the TCP user timeout option; use connTimeout", 0,
                kLayer);
  }
  if (same_name(name, kTcpUserTimeoutChangeable.name)) {
    if (flag == nullptr) return wrong_value(name, "true or false", kLayer);
    timeout_changeable_ = *flag;
    return {};
  }
  return fail(Reason::unsupported);
}

}  // namespace trellis
