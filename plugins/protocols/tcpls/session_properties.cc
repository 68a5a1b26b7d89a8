// session_properties.cc: what a session tells of itself, and what can be changed while it lives.
#include <format>

#include "../property_name.h"
#include "session.h"

namespace trellis::tcpls {
namespace {

// By the words of RFC 9622 section 8.1.7.
std::optional<Scheduler> scheduler_of_policy(std::string_view word) noexcept {
  if (word == "Handover") return Scheduler::pinned;
  if (word == "Interactive") return Scheduler::lowest_rtt;
  if (word == "Aggregate") return Scheduler::aggregate;
  return std::nullopt;
}

}  // namespace

Result<PropertyValue> Session::get(UpperPort port, std::string_view name) noexcept {
  if (same_name(name, kStreamId.name) && port) return std::uint64_t{port.mark<Stream>()->id};
  if (stage_ != Stage::open) return fail(Reason::unsupported);
  if (same_name(name, kStreamConnection) && port) {
    const auto& tied = port.mark<Stream>()->connection;
    if (tied && by_id(*tied) != nullptr && by_id(*tied)->usable()) return std::uint64_t{*tied};
    if (scheduler_ == Scheduler::pinned && in_use_ != nullptr) return std::uint64_t{in_use_->id};
    return fail(Reason::unsupported, "the stream goes over all connections", 0, kLayer);
  }
  if (same_name(name, kMultipathPolicy.name) || same_name(name, "tcpls.scheduler")) {
    if (same_name(name, "tcpls.scheduler")) return std::string(name_of(scheduler_));
    if (scheduler_ == Scheduler::pinned) return std::string("Handover");
    return std::string(scheduler_ == Scheduler::lowest_rtt ? "Interactive" : "Aggregate");
  }
  if (same_name(name, kKeepAliveTimeout.name) && !plain_) return keep_alive_;
  if (same_name(name, kConnTimeout.name) && !plain_) return reconnect_;
  if (same_name(name, kSingularTransmissionMsgMaxLen.name)) return fail(Reason::unsupported);
  if (same_name(name, "tcpls.agreed")) return !plain_;
  if (same_name(name, kSessionPath)) return std::uint64_t{in_use_ != nullptr ? in_use_->port.route().path.id : 0};
  if (same_name(name, "tcpls.connections")) {
    std::string list;
    for (const auto& c : connections_) {
      if (!c->open()) continue;
      const auto us = std::chrono::duration_cast<std::chrono::microseconds>(c->rtt).count();
      list += std::format("{}{}:{}us,{}B sent,{}B received{}{}{}", list.empty() ? "" : "; ", c->id, us, c->bytes_sent,
                          c->bytes_received, c->confirmed ? "" : ",joining", c.get() == in_use_ ? ",in use" : "",
                          c->port.route().path.interface_name.empty() ? "" : "," + c->port.route().path.interface_name);
    }
    return list;
  }
  if (same_name(name, "tls.version")) return std::string("1.3");
  if (same_name(name, "tls.cipherSuite")) return agreed_.suite_name;
  if (same_name(name, "tls.group")) return agreed_.group;
  if (same_name(name, "tls.alpn")) return agreed_.alpn;
  if (same_name(name, "tls.peer")) return agreed_.peer;
  if (same_name(name, "tls.resumed")) return agreed_.resumed;
  return fail(Reason::unsupported);
}

Result<void> Session::set(UpperPort port, std::string_view name, const PropertyValue& value) noexcept {
  const auto* const word = std::get_if<std::string>(&value);
  if (const auto* const id = std::get_if<std::uint64_t>(&value); same_name(name, kStreamConnection) && port && id)
    return tie(*port.mark<Stream>(), *id);
  if (same_name(name, kMultipathPolicy.name)) {
    const auto known = word != nullptr ? scheduler_of_policy(*word) : std::nullopt;
    if (known) return schedule_by(*known), Result<void>();
    return fail(Reason::invalid_argument, "multipathPolicy is Handover, Interactive or Aggregate", 0, kLayer);
  }
  if (!plain_ && (same_name(name, kKeepAliveTimeout.name) || same_name(name, kConnTimeout.name)))
    return set_time(name, value);
  if (const auto* const path = std::get_if<std::uint64_t>(&value); same_name(name, kSessionPath) && path != nullptr)
    return migrate(*path);
  if (const auto* const losers = std::get_if<std::uint64_t>(&value);
      same_name(name, kRaceLosers.name) && losers != nullptr) {
    if (!settings_.keep_losers || plain_) return fail(Reason::unsupported);
    losers_ = *losers;  // they are wished for when there are tokens
    return {};
  }
  if (!same_name(name, "tcpls.scheduler")) return fail(Reason::unsupported);
  const auto known = word != nullptr ? scheduler_of(*word) : std::nullopt;
  if (known) return schedule_by(*known), Result<void>();
  return fail(Reason::invalid_argument, "tcpls.scheduler is pinned, round-robin, lowest-rtt or aggregate", 0, kLayer);
}

// The application spreads its streams over connections as it likes, so that a loss on one holds up no other (TCPLS-48).
Result<void> Session::tie(Stream& s, std::uint64_t connection) noexcept {
  Connection* const c = connection <= UINT32_MAX ? by_id(static_cast<std::uint32_t>(connection)) : nullptr;
  if (plain_ || c == nullptr || !c->usable())
    return fail(Reason::invalid_argument, "tcpls.streamConnection is the number of an open connection", 0, kLayer);
  unqueue(s);
  s.connection = c->id;
  queue(s);
  refill(s);
  host_.wake();
  return {};
}

void Session::schedule_by(Scheduler scheduler) noexcept {
  scheduler_ = scheduler;
  keep_connected();  // there may be use for more paths, or for fewer
  let_surplus_go();
  host_.wake();
}

// Below us each TCP connection has its own user timeout: these are of the session, which outlives them.
Result<void> Session::set_time(std::string_view name, const PropertyValue& value) noexcept {
  const auto* const time = std::get_if<Duration>(&value);
  if (time == nullptr || *time <= Duration{})
    return fail(Reason::invalid_argument, std::string(name) + " is a time longer than 0", 0, kLayer);
  if (same_name(name, kKeepAliveTimeout.name))
    keep_alive_ = *time;
  else
    reconnect_ = *time == Duration::max() ? reconnect_window() : *time;
  host_.wake();  // flush() arms the deadline
  return {};
}

}  // namespace trellis::tcpls
