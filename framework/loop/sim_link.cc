// sim_link.cc: when a packet arrives at the other end of a link, and whether.
#include "loop/sim_link.h"

#include <algorithm>

#include "loop/sim_address.h"

namespace trellis {

bool PacketFilter::matches(const SimPacket& packet) const noexcept {
  if (protocol != 0 && protocol != packet.protocol) return false;
  if (family != Address::Family::none && family != packet.to.family) return false;
  if (to && (!same_ip(to, packet.to) || (to.port != 0 && to.port != packet.to.port))) return false;
  if (port != 0 && port != packet.to.port) return false;
  if (with_payload && packet.payload.empty()) return false;
  return larger_than == 0 || packet.size() > larger_than;
}

struct SimLinkDirection::InFlight final : WorldEvent {
  InFlight(SimLinkDirection& on, SimPacket&& what, Verdict how)
      : WorldEvent(on.world_), direction(on), packet(std::move(what)), verdict(how) {}
  void happen() noexcept override {
    std::list<InFlight> self;  // out of the list first: what lands may put more packets on the link
    self.splice(self.begin(), direction.in_flight_, place);
    direction.land(std::move(packet), verdict);
  }

  SimLinkDirection& direction;
  SimPacket packet;
  Verdict verdict;
  std::list<InFlight>::iterator place{};
};

SimLinkDirection::SimLinkDirection(VirtualWorld& world, std::string name, PacketSink& far,
                                   const LinkConditions& initial)
    : conditions(initial), world_(world), name_(std::move(name)), far_(far), random_(world.random(name_)) {}

SimLinkDirection::~SimLinkDirection() = default;

TimePoint SimLinkDirection::carry(SimPacket&& packet) noexcept {
  ++packets_;
  world_.trace(name_, packet.kind(), packet.size(), packet.from, packet.to);
  world_.trace_payload(packet.payload);
  const Verdict verdict = judge(packet);
  return launch(std::move(packet), verdict);
}

void SimLinkDirection::inject(SimPacket packet) noexcept {
  world_.trace(name_, "inject", packet.size(), packet.from, packet.to);
  launch(std::move(packet), Verdict::pass);
}

Verdict SimLinkDirection::judge(SimPacket& packet) noexcept {
  if (drops_.erase(packets_) != 0) return Verdict::drop;
  if (tap) {
    const Verdict verdict = tap(packet);
    if (verdict != Verdict::pass) return verdict;
  }
  for (const PacketFilter& filter : conditions.filters) {
    if (filter.matches(packet)) return filter.verdict;
  }
  return random_.chance(conditions.loss) ? Verdict::drop : Verdict::pass;
}

std::size_t SimLinkDirection::queued_bytes() const noexcept {
  if (conditions.rate == 0 || busy_until_ <= world_.now()) return 0;
  const double waiting = std::chrono::duration<double>(busy_until_ - world_.now()).count();
  return static_cast<std::size_t>(waiting * static_cast<double>(conditions.rate) / 8);
}

TimePoint SimLinkDirection::launch(SimPacket&& packet, Verdict verdict) noexcept {
  TimePoint departure = world_.now();
  if (conditions.rate != 0) {
    if (queued_bytes() + packet.size() > conditions.queue) {
      lose(packet, "lost queue");
      return departure;
    }
    const std::uint64_t sending = packet.size() * 8 * 1'000'000'000 / conditions.rate;
    departure = std::max(departure, busy_until_) + Duration(static_cast<Duration::rep>(sending));
    busy_until_ = departure;
  }
  if (verdict == Verdict::drop) {
    lose(packet, "lost");
    return departure;
  }
  if (random_.chance(conditions.duplicate)) fly(SimPacket(packet), verdict, departure);
  fly(std::move(packet), verdict, departure);
  return departure;
}

void SimLinkDirection::fly(SimPacket&& packet, Verdict verdict, TimePoint departure) noexcept {
  TimePoint arrival = departure + conditions.delay + random_.up_to(conditions.jitter);
  if (random_.chance(conditions.reorder)) {
    arrival += conditions.reorder_by;
  } else {
    arrival = last_arrival_ = std::max(arrival, last_arrival_);
  }
  InFlight& flight = in_flight_.emplace_back(*this, std::move(packet), verdict);
  flight.place = std::prev(in_flight_.end());
  flight.schedule(arrival);
}

void SimLinkDirection::land(SimPacket&& packet, Verdict verdict) noexcept {
  const bool tcp = packet.protocol == IPPROTO_TCP;
  const bool answered = back_ != nullptr && packet.protocol != IPPROTO_ICMP && !(tcp && packet.tcp.rst);
  if (verdict == Verdict::pass) return far_.arrive(std::move(packet));
  lose(packet, verdict == Verdict::refuse ? "refused" : verdict == Verdict::reset ? "reset" : "unreachable");
  if (!answered) return;
  if (verdict == Verdict::unreachable) {
    back_->launch(icmp_about(packet, packet.to, IcmpError::Kind::unreachable), Verdict::pass);
  } else if (verdict == Verdict::refuse && !tcp) {
    back_->launch(icmp_about(packet, packet.to, IcmpError::Kind::refused), Verdict::pass);
  } else if (tcp) {
    back_->launch(reset_of(packet), Verdict::pass);
  }
  if (verdict != Verdict::reset || !tcp || (packet.tcp.syn && !packet.tcp.has_ack)) return;
  packet.payload.clear();
  packet.tcp = {.seq = packet.tcp.seq, .rst = true};
  far_.arrive(std::move(packet));
}

void SimLinkDirection::lose(const SimPacket& packet, std::string_view why) noexcept {
  ++lost_;
  world_.trace(name_, why, packet.size(), packet.from, packet.to);
}

SimLink::SimLink(VirtualWorld& world, const std::string& first, const std::string& second, PacketSink& first_end,
                 PacketSink& second_end, const LinkConditions& conditions)
    : forth_(world, first + ">" + second, second_end, conditions),
      back_(world, second + ">" + first, first_end, conditions) {
  forth_.back_ = &back_;
  back_.back_ = &forth_;
}

void SimLink::set(const LinkConditions& conditions) { forth_.conditions = back_.conditions = conditions; }

void SimLink::block(const PacketFilter& filter) {
  forth_.conditions.filters.push_back(filter);
  back_.conditions.filters.push_back(filter);
}

void SimLink::unblock() noexcept {
  forth_.conditions.filters.clear();
  back_.conditions.filters.clear();
}

}  // namespace trellis
