// properties.cc: what an association and its streams tell and can be told.
#include <algorithm>

#include "../property_name.h"
#include "sctp_instance.h"

namespace trellis::sctp {
namespace {

std::unexpected<Error> wrong(std::string_view name, std::string_view expected) {
  return fail(Reason::invalid_argument, std::string(name) + ": expected " + std::string(expected), 0, kLayer);
}

// RFC 8260's words for the enumeration of RFC 9622 section 8.1.5.
constexpr std::pair<Scheduler, std::string_view> kSchedulers[] = {
    {Scheduler::first_come, "First-Come, First-Served"},
    {Scheduler::round_robin, "Round-Robin"},
    {Scheduler::fair, "Fair Capacity"},
    {Scheduler::priority, "Priority-Based"},
};

}  // namespace

// IMPL-167
Result<PropertyValue> SctpInstance::get(UpperPort port, std::string_view name) noexcept {
  if (same_name(name, kSendMsgMaxLen.name) || same_name(name, kRecvMsgMaxLen.name)) return UINT64_MAX;
  if (same_name(name, kConnScheduler.name)) {
    return std::string(std::ranges::find(kSchedulers, scheduler_, [](const auto& s) { return s.first; })->second);
  }
  if (same_name(name, kSingularTransmissionMsgMaxLen.name)) {
    constexpr std::uint64_t kCommonHeader = 12, kDataHeader = 16, kInterleavedHeader = 20;
    return settings_.packet - kCommonHeader - (interleaving_ ? kInterleavedHeader : kDataHeader);
  }
  if (port) {
    const Stream& s = *port.mark<Stream>();
    if (same_name(name, kConnPriority.name)) return s.priority;
    if (same_name(name, kStreamId.name)) return std::uint64_t{s.id};
    if (same_name(name, kStreamPath)) return get_stream_path(s);
  }
  if (same_name(name, kPeerPrimary)) return get_peer_primary();
  if (same_name(name, kPaths) || same_name(name, kPath) || same_name(name, kPrimary) ||
      same_name(name, kMultipathPolicy.name))
    return get_paths(name);
  if (same_name(name, "sctp.interleaving") && lives()) return interleaving_;
  if (same_name(name, "sctp.streams") && lives()) return std::uint64_t{out_streams_};
  const auto status = lives() ? association_.status() : std::nullopt;
  if (status && same_name(name, "sctp.congestionWindow")) return std::uint64_t{status->sstat_primary.spinfo_cwnd};
  if (status && same_name(name, "sctp.unacknowledged")) return std::uint64_t{status->sstat_unackdata};
  if (status && same_name(name, kRoundTripTime.name))
    return Duration(std::chrono::milliseconds(status->sstat_primary.spinfo_srtt));
  return fail(Reason::unsupported);
}

Result<void> SctpInstance::set(UpperPort port, std::string_view name, const PropertyValue& value) noexcept {
  if (same_name(name, kConnPriority.name) && port) {
    const auto* const priority = std::get_if<std::uint64_t>(&value);
    if (priority == nullptr) return wrong(name, "a number");
    Stream& s = *port.mark<Stream>();
    s.priority = *priority;
    if (lives() && usable(s)) prioritize(s);
    return {};
  }
  if (same_name(name, kConnScheduler.name)) return set_scheduler(value);
  if (same_name(name, kConnCapacityProfile.name) && lives()) {
    const auto* const profile = std::get_if<std::string>(&value);
    association_.acknowledge_at_once(profile != nullptr && same_name(*profile, "Low Latency/Interactive"));
    return flow_ != nullptr ? Result<void>() : fail(Reason::unsupported);  // marking packets is left to our own port
  }
  if (same_name(name, kKeepAliveTimeout.name)) {
    const auto* const after = std::get_if<Duration>(&value);
    if (after == nullptr || *after <= Duration::zero()) return wrong(name, "a duration above zero, or Disabled");
    if (!lives()) return fail(Reason::unsupported, "the association is not up", 0, kLayer);
    const auto ms = std::chrono::ceil<std::chrono::milliseconds>(*after).count();
    association_.heartbeat_every(
        *after == Duration::max() ? 0 : static_cast<std::uint32_t>(std::min<std::int64_t>(ms, INT32_MAX)));
    if (paths_) paths_->beat_every(*after == Duration::max() ? Duration::zero() : *after);
    return {};
  }
  if (same_name(name, kStreamPath) && port) return set_stream_path(*port.mark<Stream>(), value);
  if (same_name(name, kPeerPrimary)) return set_peer_primary(value);
  if (same_name(name, kPrimary) || same_name(name, kPath)) return set_primary(name, value);
  if (same_name(name, kMultipath.name) && flow_ != nullptr) {  // the listener's application wants one path
    one_path_ = true;
    drop_paths();
    return {};
  }
  if (same_name(name, kAdvertisesAltaddr.name) && flow_ == nullptr && !said_init_) {
    const bool* const yes = std::get_if<bool>(&value);
    if (yes == nullptr) return wrong(name, "true or false");
    advertises_ = advertises_ || *yes;
    return {};
  }
  for (const std::string_view fixed : {kSendMsgMaxLen.name, kRecvMsgMaxLen.name, kSingularTransmissionMsgMaxLen.name}) {
    if (same_name(name, fixed)) return fail(Reason::invalid_argument, std::string(fixed) + " is read-only", 0, kLayer);
  }
  return fail(Reason::unsupported);
}

Result<void> SctpInstance::set_scheduler(const PropertyValue& value) noexcept {
  const auto* const word = std::get_if<std::string>(&value);
  for (const auto& [scheduler, name] : kSchedulers) {
    if (word == nullptr || !same_name(*word, name)) continue;
    scheduler_ = scheduler;
    if (lives()) association_.schedule_by(scheduler);
    return {};
  }
  std::string known;
  for (const auto& scheduler : kSchedulers) known.append(known.empty() ? "\"" : ", \"").append(scheduler.second) += '"';
  return wrong(kConnScheduler.name, "one of " + known);
}

// The library's number of a priority has 16 bits; lower goes first there too.
void SctpInstance::prioritize(const Stream& s) noexcept {
  association_.prioritize(s.id, static_cast<std::uint16_t>(std::min<std::uint64_t>(s.priority, UINT16_MAX)));
}

}  // namespace trellis::sctp
