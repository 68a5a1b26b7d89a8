// sim_host.cc: see sim_host.h.
#include "loop/sim_host.h"

#include <algorithm>
#include <cassert>
#include <cerrno>
#include <cstdio>
#include <cstdlib>

#include "loop/sim_datagram.h"
#include "loop/sim_network.h"
#include "loop/sim_socket.h"

namespace trellis {

namespace {

constexpr LinkConditions kLoopback = {.delay = std::chrono::microseconds(5), .mtu = 65536};

}  // namespace

SimInterface::SimInterface(SimHost& host, std::string name, unsigned index,
                           std::initializer_list<std::string_view> addresses)
    : host_(host), name_(std::move(name)), index_(index) {
  for (const std::string_view address : addresses) addresses_.push_back(ip(address));
}

void SimInterface::set_up(bool up) noexcept {
  up_ = up;
  host_.topology_changed();
}

void SimInterface::add_address(std::string_view literal) { add_address(ip(literal)); }

void SimInterface::add_address(const Address& address) {
  addresses_.push_back(address);
  host_.topology_changed();
}

void SimInterface::remove_address(std::string_view literal) noexcept {
  std::erase_if(addresses_, [gone = ip(literal)](const Address& address) { return same_ip(address, gone); });
  host_.topology_changed();
}

Address SimInterface::address(Address::Family family, bool link_local) const noexcept {
  const auto found = std::ranges::find_if(addresses_, [=](const Address& address) {
    return address.family == family && is_link_local(address) == link_local;
  });
  return found == addresses_.end() ? Address{} : *found;
}

bool SimInterface::has(const Address& address) const noexcept {
  return std::ranges::any_of(addresses_, [&](const Address& own) { return same_ip(own, address); });
}

std::uint32_t SimInterface::mtu() const noexcept { return out_ == nullptr ? 1500 : out_->conditions.mtu; }

void SimInterface::arrive(SimPacket&& packet) noexcept { host_.arrive(std::move(packet), *this); }

/// The Sockets of one loop of a host.
class SimHost::LoopSockets final : public Sockets {
 public:
  LoopSockets(SimHost& host, unsigned index) : host_(host), index_(index) {}
  Result<std::unique_ptr<Socket>> open(const SocketSpec& spec) noexcept override {
    return open_sim_socket(host_, host_.loop(index_), spec);
  }
  std::string interface_name(const Address& local) const override { return host_.interface_name(local); }

 private:
  SimHost& host_;
  unsigned index_;
};

SimHost::SimHost(SimNetwork& network, std::string name, const HostOptions& initial)
    : options(initial),
      network_(network),
      name_(std::move(name)),
      loopback_(network.world(), name_ + ".lo", add_interface("lo", {"127.0.0.1", "::1"}), kLoopback),
      random_(network.world().random(name_)),
      share_seed_(network.world().random(name_ + "/share").next()),
      ports_(network.world().random(name_ + "/ports")),
      tcp_(*this) {
  interfaces_.front()->out_ = &loopback_;
  for (unsigned i = 0; i < options.loops; ++i) {
    loop_sockets_.push_back(std::make_unique<LoopSockets>(*this, i));
    const std::string loop_name = options.loops == 1 ? name_ : name_ + "/" + std::to_string(i);
    loops_.push_back(std::make_unique<VirtualLoop>(
        world(), VirtualLoop::Settings{loop_name, i, options.loops, loop_sockets_.back().get()}));
  }
}

SimHost::~SimHost() {
  if (open_sockets_ == 0) return;
  std::fprintf(stderr,
               "trellis: simulated host \"%s\" ends while %zu of its sockets are open: destroy connections and "
               "listeners first\n",
               name_.c_str(), open_sockets_);
  std::abort();
}

SimInterface& SimHost::add_interface(std::string name, std::initializer_list<std::string_view> addresses) {
  const auto index = static_cast<unsigned>(interfaces_.size() + 1);
  SimInterface& added =
      *interfaces_.emplace_back(std::make_unique<SimInterface>(*this, std::move(name), index, addresses));
  topology_changed();
  return added;
}

SimInterface* SimHost::find_interface(std::string_view name) noexcept {
  const auto found = std::ranges::find(interfaces_, name, [](const auto& interface) { return interface->name(); });
  return found == interfaces_.end() ? nullptr : found->get();
}

SimInterface& SimHost::interface(std::string_view name) noexcept {
  SimInterface* found = find_interface(name);
  assert(found != nullptr && "the host has no interface of this name");
  return *found;
}

SimNat& SimHost::add_nat(SimInterface& outside, const NatOptions& nat_options) {
  nat_ = std::make_unique<SimNat>(*this, outside, nat_options);
  topology_changed();
  return *nat_;
}

VirtualWorld& SimHost::world() noexcept { return network_.world(); }

FaultPlan& SimHost::faults() noexcept { return network_.faults(); }

void SimHost::trace(std::string_view what, std::uint64_t number, const Address& from, const Address& to) noexcept {
  world().trace(name_, what, number, from, to);
}

void SimHost::topology_changed() noexcept { network_.topology_changed(); }

std::string SimHost::interface_name(const Address& local) const {
  if (is_loopback(local)) return interfaces_.front()->name();
  const auto found = std::ranges::find_if(interfaces_, [&](const auto& own) { return own->has(local); });
  return found != interfaces_.end() ? (*found)->name() : std::string();
}

bool SimHost::owns(const Address& address) const noexcept {
  return is_loopback(address) || std::ranges::any_of(interfaces_, [&](const auto& interface) {
           return interface->up() && interface->has(address);
         });
}

bool SimHost::forwards_from(const SimInterface& in) const noexcept {
  return options.forwards && (nat_ == nullptr || &nat_->outside() != &in);
}

SimInterface* SimHost::route(const Address& to, const Address& from, const SimInterface* bound) noexcept {
  if (is_loopback(to) || (owns(to) && !is_link_local(to))) return interfaces_.front().get();
  if (bound == nullptr && is_link_local(to) && to.scope != 0) {
    if (to.scope > interfaces_.size()) return nullptr;
    bound = interfaces_[to.scope - 1].get();
  }
  if (bound == nullptr && from && !is_wildcard(from)) {
    const auto found = std::ranges::find_if(interfaces_, [&](const auto& own) { return own->has(from); });
    if (found == interfaces_.end()) return nullptr;
    bound = found->get();
  }
  if (is_multicast(to)) return link_of(bound);
  return network_.route(*this, to, bound);
}

// What is for everybody on a link goes to that of the interface, or of the first one that has a link.
SimInterface* SimHost::link_of(const SimInterface* bound) noexcept {
  const auto found = std::ranges::find_if(interfaces_, [&](const auto& own) {
    return own->index() != 1 && own->up() && own->out_ != nullptr && (bound == nullptr || bound == own.get());
  });
  return found == interfaces_.end() ? nullptr : found->get();
}

Address SimHost::source_for(const Address& to, const Address& from, const SimInterface* bound) noexcept {
  const SimInterface* out = route(to, from, bound);
  if (out == nullptr) return {};
  if (from && !is_wildcard(from)) return from;
  if (out == interfaces_.front().get()) return with_port(to, from.port);  // as Linux: from where it goes to
  Address source = out->address(to.family, is_link_local(to));
  if (source && is_link_local(source)) source.scope = out->index();
  return with_port(source, from.port);
}

std::uint32_t SimHost::path_mtu(const Address& to, const Address& from, const SimInterface* bound) noexcept {
  const SimInterface* out = route(to, from, bound);
  const std::uint32_t mtu = out == nullptr ? 1500 : out->mtu();
  const auto known = path_mtus_.find(with_port(to, 0));
  return known == path_mtus_.end() ? mtu : std::min(mtu, known->second);
}

SimHost::Sent SimHost::send(SimPacket&& packet, const SimInterface* bound) noexcept {
  SimInterface* out = route(packet.to, packet.from, bound);
  if (out == nullptr || out->out_ == nullptr || (!out->up() && bound != nullptr)) {
    trace("no route", packet.size(), packet.from, packet.to);
    return {.error = ENETUNREACH};
  }
  if (!packet.may_fragment && packet.size() > path_mtu(packet.to, packet.from, bound)) {
    trace("too big", packet.size(), packet.from, packet.to);
    return {.error = EMSGSIZE};
  }
  return {.departure = out->out_->carry(std::move(packet))};
}

void SimHost::arrive(SimPacket&& packet, SimInterface& in) noexcept {
  if (!in.up()) return trace("lost interface down", packet.size(), packet.from, packet.to);
  if (is_link_local(packet.from)) packet.from.scope = in.index();
  if (is_link_local(packet.to)) packet.to.scope = in.index();
  const bool from_outside = nat_ != nullptr && &nat_->outside() == &in;
  if (from_outside && nat_->inbound(packet)) return forward(std::move(packet), in);
  if (owns(packet.to) || is_multicast(packet.to)) return deliver(std::move(packet), in);
  if (options.forwards && !from_outside) return forward(std::move(packet), in);
  trace("lost nobody's", packet.size(), packet.from, packet.to);
}

void SimHost::forward(SimPacket&& packet, SimInterface& in) noexcept {
  const auto report = [&](IcmpError::Kind kind, std::uint32_t mtu = 0) {
    if (packet.protocol == IPPROTO_ICMP) return;
    const Address own = in.address(packet.from.family);
    in.out_->carry(icmp_about(packet, own ? own : packet.to, kind, mtu));
  };
  if (packet.hops <= 1) return report(IcmpError::Kind::expired);
  --packet.hops;
  SimInterface* out = owns(packet.to) ? nullptr : network_.route(*this, packet.to, nullptr);
  if (out == nullptr) {
    trace("no route", packet.size(), packet.from, packet.to);
    return report(IcmpError::Kind::unreachable);
  }
  if (!packet.may_fragment && packet.size() > out->mtu()) {
    trace("too big", packet.size(), packet.from, packet.to);
    if (out->out_->conditions.tells_too_big) report(IcmpError::Kind::too_big, out->mtu());
    return;
  }
  if (nat_ != nullptr && &nat_->outside() == out && !nat_->outbound(packet)) return;
  out->out_->carry(std::move(packet));
}

void SimHost::deliver(SimPacket&& packet, SimInterface& in) noexcept {
  trace("rx", packet.size(), packet.from, packet.to);
  switch (packet.protocol) {
    case IPPROTO_TCP: return tcp_.on_packet(std::move(packet), in);
    case IPPROTO_ICMP: return deliver_icmp(packet);
    default: return deliver_datagram(std::move(packet), in);
  }
}

void SimHost::deliver_icmp(const SimPacket& packet) noexcept {
  const IcmpError& error = packet.icmp;
  if (error.kind == IcmpError::Kind::too_big) {
    const auto [known, fresh] = path_mtus_.try_emplace(with_port(error.to, 0), error.mtu);
    if (!fresh) known->second = std::min(known->second, error.mtu);
  }
  if (error.protocol == IPPROTO_TCP) return tcp_.on_icmp(error);
  for (SimDatagram* socket : datagrams_) socket->on_icmp(error);
}

void SimHost::deliver_datagram(SimPacket&& packet, SimInterface& in) noexcept {
  if (is_multicast(packet.to) || has_no_ports(packet.protocol)) return deliver_to_all(packet, in);
  int best = 0;
  std::vector<SimDatagram*> equals;
  for (SimDatagram* socket : datagrams_) {
    const int fits = socket->fits(packet, in);
    if (fits == 0 || fits < best) continue;
    if (fits > best) equals.clear();
    best = fits;
    equals.push_back(socket);
  }
  if (!equals.empty()) return equals[share(packet.from, packet.to, equals.size())]->on_packet(std::move(packet));
  refuse(packet);
}

void SimHost::refuse(const SimPacket& packet) noexcept {
  trace("refused", packet.size(), packet.from, packet.to);
  if (!is_multicast(packet.to)) send(icmp_about(packet, packet.to, IcmpError::Kind::refused), nullptr);
}

// All sockets of a group, or for a protocol without ports, get a copy. What a host sends to a group does not come back.
void SimHost::deliver_to_all(const SimPacket& packet, const SimInterface& in) noexcept {
  bool taken = false;
  for (SimDatagram* socket : datagrams_) {
    if (socket->fits(packet, in) == 0) continue;
    taken = true;
    socket->on_packet(SimPacket(packet));
  }
  if (!taken) refuse(packet);
}

std::size_t SimHost::share(const Address& from, const Address& to, std::size_t count) const noexcept {
  if (count == 1) return 0;
  std::uint64_t hash = mix(share_seed_ ^ (std::uint64_t{from.port} << 16 | to.port));
  for (const std::uint8_t byte : from.ip) hash = mix(hash ^ byte);
  return hash % count;
}

}  // namespace trellis
