#include "core/local_gathering.h"

#include <algorithm>
#include <format>
#include <utility>

#include "core/destination_order.h"
#include "core/routed_source.h"
#include "core/ways.h"
#include "trellis/address_text.h"

namespace trellis {
namespace {

constexpr std::size_t kBasesMost = 32;                                                // host candidates
constexpr Address kFarIpv4{.family = Address::Family::ipv4, .ip = {192, 88, 99, 1}};  // as far away as any

bool is_address(const Address& address) noexcept { return address && address.ip != decltype(address.ip){}; }

// RFC 8445 section 5.1.1.1: loopback addresses are no candidates; those of a link mean nothing to whoever is behind it.
bool is_candidate(const Preconnection::Wishes& wishes, const Path& path) noexcept {
  if (!path.local) return false;
  if (is_address(wishes.local.address) || !wishes.interface_name.empty()) return true;
  return address_scope(path.local) > kLinkLocalScope && !path.deprecated;
}

}  // namespace

LocalGathering::LocalGathering(FrameworkCore& framework, Executor& loop, const Plan& plan, std::function<void()> over)
    : framework_(framework), loop_(loop), plan_(plan), over_(std::move(over)) {}

// ---- addresses of this host

void LocalGathering::begin(std::vector<Address> servers) {
  servers_ = std::move(servers);
  auto table = framework_.paths(loop_, plan_);
  if (!table) {
    trouble.push_back(std::move(table).error());
    return over_();
  }
  if (*table != nullptr) {
    follow(std::move(*table));
    if (this->table()->complete()) gather();
    return;
  }
  ++pending_;
  gather_routed(Address::Family::ipv6);
  gather_routed(Address::Family::ipv4);
  one_less();
}

void LocalGathering::paths_changed(const PathNews&) noexcept { gather(); }

void LocalGathering::gather() {
  if (std::exchange(gathered_, true)) return;
  const std::vector<Path> paths = table()->paths();
  unfollow();
  ++pending_;
  for (const Path& path : paths) {
    if (unwanted(plan_.wishes, path).empty() && is_candidate(plan_.wishes, path)) add_base(path);
  }
  one_less();
}

// Where nobody finds paths: what the host would send from, to whoever is to be reached, else to anywhere.
void LocalGathering::gather_routed(Address::Family family) {
  const auto& wishes = plan_.wishes;
  const Address& local = wishes.local.address;
  if ((wishes.family != Address::Family::none && wishes.family != family) || (local && local.family != family)) return;
  Path path{.id = 1, .interface_name = wishes.interface_name};
  if (is_address(local)) path.local = local;
  std::vector<Address> towards{server_of(family), wishes.remote.address};
  towards.push_back(family == Address::Family::ipv6 ? kFarIpv6 : kFarIpv4);
  for (const Address& to : towards) {
    if (!path.local && to.family == family) path.local = routed_source(loop_, path, to);
  }
  if (path.local) add_base(path);
}

void LocalGathering::add_base(const Path& path) {
  const std::string where = path.interface_name.empty() ? "" : " on " + path.interface_name;
  if (bases_.size() == kBasesMost) {
    trouble.push_back(
        {Reason::exhausted, 0, "core",
         std::format("more than {} addresses of this host: {} is left out", kBasesMost, to_text(path.local))});
    return;
  }
  const Address server = server_of(path.local.family);
  auto socket = open(path, plan_.wishes.local.port, server);
  if (!socket) {
    trouble.push_back(std::move(socket).error());
    return;
  }
  Base& base = bases_.emplace_back();
  base.interface_name = path.interface_name;
  base.local = (*socket)->local();
  base.held = std::make_shared<HeldSocket>(loop_, std::move(*socket));
  if (!server) return;
  if (auto connected = base.held->socket().connect(server); !connected) {
    trouble.push_back(
        {connected.error().reason, connected.error().code, "stun",
         "the STUN server " + to_text(server) + " cannot be reached" + where + ": " + connected.error().detail});
    return;
  }
  base.server = server;
  ask(bases_.size() - 1);
  if (!plan_.wishes.stun.username.empty()) allocate(bases_.size() - 1, path);
}

Result<std::unique_ptr<Socket>> LocalGathering::open(const Path& path, std::uint16_t port,
                                                     const Address& server) const {
  Address local = path.local;
  local.port = port;
  return loop_.sockets().open({.kind = SocketSpec::Kind::datagram,
                               .role = server ? SocketSpec::Role::connect : SocketSpec::Role::unconnected,
                               .family = local.family,
                               .local = local,
                               .interface_name = path.interface_name});
}

// ---- what servers say

Address LocalGathering::server_of(Address::Family family) const noexcept {
  const auto found = std::ranges::find(servers_, family, &Address::family);
  return found == servers_.end() ? Address{} : *found;
}

StunLogin LocalGathering::login() const { return {plan_.wishes.stun.username, plan_.wishes.stun.password}; }

TimePoint LocalGathering::next_turn() noexcept {
  ++pending_;
  return loop_.now() + kStunPace * static_cast<int>(asked_++);
}

void LocalGathering::one_less() {
  if (--pending_ == 0) over_();
}

void LocalGathering::ask(std::size_t base) {
  bases_[base].held->learn(next_turn(), login(), [this, base](Result<Address> seen) {
    if (seen)
      bases_[base].reflexive = *seen;
    else
      trouble.push_back(std::move(seen).error());
    one_less();
  });
}

void LocalGathering::allocate(std::size_t base, const Path& path) {
  const Address server = bases_[base].server;
  auto socket = open(path, 0, server);
  Result<bool> connected = socket ? (*socket)->connect(server) : Result<bool>(std::unexpected(socket.error()));
  if (!connected) {
    trouble.push_back(std::move(connected).error());
    return;
  }
  const auto lost = [log = framework_.options.log](const Error& why) {  // the candidate may outlive the framework
    if (log) log(Severity::warning, why.layer, why.detail);
  };
  bases_[base].relay = std::make_shared<RelayAllocation>(loop_, std::move(*socket), login(), lost);
  bases_[base].relay->begin(next_turn(), [this, base](Result<void> made) {
    if (made)
      bases_[base].relayed = bases_[base].relay->relayed();
    else
      trouble.push_back(std::move(made).error());
    one_less();
  });
}

// ---- what it comes to

std::vector<LocalCandidate> LocalGathering::candidates() const {
  std::vector<LocalCandidate> all;
  all.reserve(3 * bases_.size());
  for (const Base& base : bases_)
    all.push_back({CandidateKind::host, base.local, base.local, base.interface_name, {}, base.held});
  for (const Base& base : bases_) {
    if (!base.reflexive || base.reflexive == base.local) continue;  // RFC 8445 section 5.1.3
    all.push_back(
        {CandidateKind::server_reflexive, base.reflexive, base.local, base.interface_name, base.server, base.held});
  }
  for (const Base& base : bases_) {
    if (base.relayed)
      all.push_back({CandidateKind::relayed, base.relayed, base.relayed, base.interface_name, base.server, base.relay});
  }
  return all;
}

}  // namespace trellis
