// sim_nat.cc: see sim_nat.h.
#include "loop/sim_nat.h"

#include "loop/sim_host.h"

namespace trellis {

SimNat::SimNat(SimHost& host, SimInterface& outside, const NatOptions& initial)
    : options(initial), host_(host), outside_(outside), random_(host.world().random(host.name() + "/nat")) {}

void SimNat::rebind() noexcept {
  host_.trace("nat rebind", bindings_.size());
  bindings_.clear();
}

std::size_t SimNat::bindings() noexcept {
  forget_expired();
  return bindings_.size();
}

void SimNat::forget_expired() noexcept {
  const TimePoint now = host_.world().now();
  std::erase_if(bindings_, [now](const auto& entry) { return entry.second.expires <= now; });
}

SimNat::Binding* SimNat::find_outside(int protocol, const Address& outside) noexcept {
  for (auto& [key, binding] : bindings_) {
    if (key.first == protocol && same_port(binding.outside, outside)) return &binding;
  }
  return nullptr;
}

std::uint16_t SimNat::free_port(int protocol) noexcept {
  for (;;) {  // a simulated NAT never has so many bindings that this would not end soon
    const auto port = static_cast<std::uint16_t>(1024 + random_.below(64512));
    bool taken = false;
    for (const auto& [key, binding] : bindings_) taken |= key.first == protocol && binding.outside.port == port;
    if (!taken) return port;
  }
}

bool SimNat::outbound(SimPacket& packet) {
  forget_expired();
  if (packet.protocol == IPPROTO_ICMP) {
    const auto found = bindings_.find({packet.icmp.protocol, packet.icmp.to});
    if (found == bindings_.end()) return false;
    packet.icmp.to = found->second.outside;
    packet.from = with_port(found->second.outside, 0);
    return true;
  }
  if (has_no_ports(packet.protocol)) return false;
  const Address outside = outside_.address(packet.from.family);
  if (!outside) return false;
  const auto [entry, fresh] = bindings_.try_emplace({packet.protocol, packet.from});
  Binding& binding = entry->second;
  if (fresh) {
    binding.inside = packet.from;
    binding.outside = with_port(outside, free_port(packet.protocol));
    host_.trace("nat bind", binding.outside.port, binding.inside, binding.outside);
  }
  const bool stream = packet.protocol == IPPROTO_TCP;
  binding.expires = host_.world().now() + (stream ? options.stream_timeout : options.datagram_timeout);
  binding.peers.insert(packet.to);
  packet.from = binding.outside;
  return true;
}

bool SimNat::inbound(SimPacket& packet) {
  forget_expired();
  if (packet.protocol == IPPROTO_ICMP) return inbound_error(packet);
  const Binding* binding = find_outside(packet.protocol, packet.to);
  if (binding == nullptr || !binding->peers.contains(packet.from)) return false;
  packet.to = binding->inside;
  return true;
}

bool SimNat::inbound_error(SimPacket& packet) noexcept {
  const Binding* binding = find_outside(packet.icmp.protocol, packet.icmp.from);
  if (binding == nullptr) return false;
  packet.icmp.from = binding->inside;
  packet.to = with_port(binding->inside, 0);
  return true;
}

}  // namespace trellis
