// sim_tcp.cc: see sim_tcp.h.
#include "loop/sim_tcp.h"

#include <algorithm>

#include "loop/sim_host.h"

namespace trellis {

SimTcp::SimTcp(SimHost& host) : host_(host), sweeper_(host.world(), *this) {}

bool SimTcp::FlowLess::operator()(const Flow& a, const Flow& b) const noexcept {
  constexpr AddressLess kLess;
  if (kLess(a.second, b.second)) return true;
  return !kLess(b.second, a.second) && kLess(a.first, b.first);
}

void SimTcp::on_packet(SimPacket&& packet, const SimInterface& in) noexcept {
  purge();
  const auto found = connections_.find({packet.to, packet.from});
  const bool syn = packet.tcp.syn && !packet.tcp.has_ack;
  TcpConnection* connection = found == connections_.end() ? nullptr : found->second;
  if (connection != nullptr && syn && connection->state() == TcpConnection::State::time_wait &&
      connection->user == nullptr) {  // the peer uses its port again
    bury(*connection);
    connection = nullptr;
  }
  if (connection != nullptr) return connection->on_segment(std::move(packet));
  TcpListener* listener = syn ? find_listener(packet, in) : nullptr;
  if (listener != nullptr) return listener->on_syn(std::move(packet));
  if (!packet.tcp.rst) host_.send(reset_of(packet), nullptr);
}

void SimTcp::on_icmp(const IcmpError& error) noexcept {
  const auto found = connections_.find({error.from, error.to});
  if (found != connections_.end()) found->second->on_icmp(error);
}

void SimTcp::add(TcpConnection& connection) noexcept {
  purge();
  connections_[{connection.local(), connection.remote()}] = &connection;
}

void SimTcp::remove(TcpConnection& connection) noexcept {
  const auto found = connections_.find({connection.local(), connection.remote()});
  if (found != connections_.end() && found->second == &connection) connections_.erase(found);
}

bool SimTcp::in_use(const Address& local, const Address& remote) noexcept {
  purge();
  return connections_.contains({local, remote});
}

TcpListener* SimTcp::find_listener(const SimPacket& syn, const SimInterface& in) const noexcept {
  int best = 0;
  std::vector<TcpListener*> equals;
  for (TcpListener* listener : listeners_) {
    const int fits = listener->fits(syn.to, in);
    if (fits == 0 || fits < best) continue;
    if (fits > best) equals.clear();
    best = fits;
    equals.push_back(listener);
  }
  return equals.empty() ? nullptr : equals[host_.share(syn.from, syn.to, equals.size())];
}

void SimTcp::keep(std::unique_ptr<TcpConnection> connection) {
  TcpConnection* key = connection.get();
  kept_.emplace(key, std::move(connection));
}

std::unique_ptr<TcpConnection> SimTcp::take(TcpConnection& connection) noexcept {
  auto node = kept_.extract(&connection);
  return std::move(node.mapped());
}

void SimTcp::linger(TcpConnection& connection) noexcept {
  lingering_.emplace_back(host_.world().now() + kLinger, &connection);
}

void SimTcp::purge() noexcept {
  while (!lingering_.empty() && lingering_.front().first <= host_.world().now()) bury(*lingering_.front().second);
}

void SimTcp::bury(TcpConnection& connection) noexcept {
  remove(connection);
  std::erase_if(lingering_, [&](const auto& entry) { return entry.second == &connection; });
  if (std::ranges::find(dead_, &connection) == dead_.end()) dead_.push_back(&connection);
  sweeper_.schedule(host_.world().now());
}

void SimTcp::sweep() noexcept {
  for (TcpConnection* connection : dead_) kept_.erase(connection);
  dead_.clear();
}

}  // namespace trellis
