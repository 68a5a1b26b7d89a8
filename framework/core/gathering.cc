#include "core/gathering.h"

#include <algorithm>

#include "core/proxies.h"
#include "core/remote_endpoints.h"
#include "core/routed_source.h"
#include "core/service_endpoint.h"
#include "core/source_address.h"
#include "trellis/address_text.h"
#include "trellis/endpoint_text.h"

namespace trellis {
namespace {

// An address as its text, for resolvers.
Endpoint as_name(Endpoint remote) {
  const std::string text = to_text(remote.address);
  if (remote.host.empty()) remote.host = text.substr(0, text.rfind(':'));
  if (remote.port == 0) remote.port = remote.address.port;
  remote.address = {};
  return remote;
}

// Of several remote endpoints: the root and what is above them in the tree.
bool stands_for_all(const Endpoint& remote) { return !remote.address && remote.port == 0; }

}  // namespace

Gathering::Gathering(FrameworkCore& framework, Executor& loop, const Plan& plan, RaceEngine& race,
                     std::function<TimePoint()> now)
    : framework_(framework),
      loop_(loop),
      plan_(plan),
      race_(race),
      now_(std::move(now)),
      history_(framework, plan, loop, ways_),
      ranking_(plan.wishes.properties) {}
Gathering::~Gathering() = default;

// Where routing decides there are no paths to choose from the next time.
std::unique_ptr<ConnectionHistory> Gathering::learn_on(std::shared_ptr<const Plan> plan, const Candidate& leaf) const {
  if (table() == nullptr || !history_.used()) return nullptr;
  const Path& path = ways_[static_cast<std::size_t>(leaf.path)].paths.front();
  return std::make_unique<ConnectionHistory>(framework_, std::move(plan), loop_, leaf, path);
}

std::optional<Error> Gathering::misfit() const {
  const Address& remote = race_.tree()[kRoot].candidate.remote->address;
  const char* rule = remote ? unfit(plan_, remote) : nullptr;
  if (rule == nullptr) return std::nullopt;
  return Error{Reason::invalid_argument, 0, "core", to_text(remote) + " has " + rule};
}

void Gathering::stop() noexcept {
  unfollow();
  for (const auto& resolution : resolutions_) resolution->stop();
  for (const auto& discovery : discoveries_) discovery->stop();
}

bool Gathering::resolving() const noexcept {
  if (table() != nullptr && !table()->complete()) return true;
  return std::ranges::any_of(resolutions_, [](const auto& r) { return r->resolving(); }) ||
         std::ranges::any_of(discoveries_, [](const auto& d) { return d->resolving(); });
}

void Gathering::expand(NodeIndex node) {
  const Candidate& candidate = race_.tree()[node].candidate;
  if (candidate.path < 0) return expand_paths(node);
  if (candidate.stack < 0) return expand_stacks(node);
  if (!plan_.targets.empty() && stands_for_all(*candidate.remote)) return expand_remotes(node);
  if (needs_discovery(*candidate.remote)) return discovery(candidate.path, *candidate.remote).join(node);
  resolution(candidate.path, candidate.remote).join(node);
}

// Earlier races have a say in what is tried first and how long it may take, never in what is tried. Of an only child
// they could say nothing that matters.
NodeIndex Gathering::add(NodeIndex parent, Branch branch, Candidate& candidate, std::int64_t rank, bool only) {
  if (only && !race_.traced()) return race_.add(now_(), parent, branch, candidate, rank);
  Outlook outlook = history_.outlook(candidate);
  if (outlook.expected > Duration{}) candidate.expected = outlook.expected;
  // Whoever wishes for certain paths gets those first: a further connection, those that no other one runs on.
  if (branch == Branch::path && !plan_.wishes.paths.empty()) outlook.rank = 0, outlook.failed_before = false;
  candidate.failed_before = outlook.failed_before;
  std::string why = race_.traced() ? outlook.text(loop_.now()) : std::string();
  if (race_.traced() && branch == Branch::path) {
    const std::string& ranked = ways_[static_cast<std::size_t>(candidate.path)].ranked;
    why += !why.empty() && !ranked.empty() ? "; " + ranked : ranked;
  }
  return race_.add(now_(), parent, branch, candidate, rank + outlook.rank, std::move(why));
}

// ---- ways

void Gathering::expand_paths(NodeIndex node) {
  branching_ = node;
  auto table = framework_.paths(loop_, plan_);
  if (!table) return race_.expansion_failed(now_(), node, std::move(table).error());
  if (*table == nullptr) {
    add_any_way(ways_, plan_.wishes);
    Candidate child = race_.tree()[node].candidate;
    child.path = 0;
    way_nodes_.push_back(add(node, Branch::path, child, 0, true));
    return race_.children_changed(now_(), node, kAllGathered);
  }
  follow(std::move(*table));
  if (this->table()->complete()) update_ways();
}

// Nothing is asked before: an attempt without a route fails at once, and most networks have one.
bool Gathering::unreachable() {
  if (race_.over() || table() != nullptr || ways_.size() != 1 || !may_translate(ways_.front().paths.front()))
    return false;
  Way way = ways_.front();
  way.translates = true;
  Candidate child = race_.tree()[branching_].candidate;
  child.path = static_cast<int>(ways_.size());
  child.remote = as_name(*child.remote);
  ways_.push_back(std::move(way));
  way_nodes_.push_back(add(branching_, Branch::path, child, 1));
  race_.children_changed(now_(), branching_);
  return true;
}

bool Gathering::may_translate(const Path& path) const {
  const Address& remote = race_.tree()[kRoot].candidate.remote->address;
  if (remote.family != Address::Family::ipv4 || is_multicast(remote) || address_scope(remote) < kGlobalScope)
    return false;
  if (std::ranges::any_of(plan_.stacks, [](const auto& stack) { return stack->proxied; })) return false;
  return !routed_source(loop_, path, remote) && routed_source(loop_, path, kFarIpv6);
}

void Gathering::paths_changed(const PathNews& news) noexcept {
  update_ways();
  for (const Path& path : news.removed) {
    if (path_gone && !race_.over()) path_gone(path);
  }
}

void Gathering::update_ways() {
  if (race_.over()) return;
  PathPlace place;
  if (ranking_.any()) place = [this](const Path& path) { return ranking_.place(history_.quality(path)); };
  WaysFound found = find_ways(
      *table(), plan_.wishes, *race_.tree()[kRoot].candidate.remote, [this](const Path& path) { return targets(path); },
      place);
  tell_left_out(found);
  only_prohibited_ = found.only_prohibited;
  std::vector<bool> there(ways_.size());
  for (std::size_t rank = 0; rank < found.ways.size(); ++rank) {
    Way& now = found.ways[rank];
    const auto known = std::ranges::find_if(ways_, [&](const Way& w) { return !w.gone && w.is(now.paths.front()); });
    if (known != ways_.end()) {
      const auto i = static_cast<std::size_t>(known - ways_.begin());
      there[i] = true;
      known->paths = std::move(now.paths);
      continue;
    }
    there.push_back(true);
    Candidate child = race_.tree()[branching_].candidate;
    child.path = static_cast<int>(ways_.size());
    if (now.translates) child.remote = as_name(*child.remote);
    child.expected = expected_on(now.paths.front(), !child.remote->address);
    if (ranking_.any() && race_.traced()) now.ranked = ranking_.text(history_.quality(now.paths.front()));
    const bool raced = now.raced;
    ways_.push_back(std::move(now));
    way_nodes_.push_back(raced ? add(branching_, Branch::path, child, static_cast<std::int64_t>(rank)) : kNoNode);
  }
  if (race_.tree()[branching_].children.empty()) return race_.expansion_failed(now_(), branching_, no_way());
  race_.children_changed(now_(), branching_);
  for (const auto& resolution : resolutions_) {
    if (!race_.over()) resolution->reconsider();
  }
  for (std::size_t i = 0; i < there.size() && !race_.over(); ++i) {
    if (there[i] || std::exchange(ways_[i].gone, true) || way_nodes_[i] == kNoNode) continue;
    race_.node_failed(now_(), way_nodes_[i],
                      {Reason::unreachable, 0, "core", "the path " + ways_[i].name + " went away"});
  }
}

// How long it should take to connect on a path whose round trip is known (RACE-55); zero: nothing is known.
Duration Gathering::expected_on(const Path& path, bool resolves) const noexcept {
  const auto rtts = std::ranges::min(plan_.stacks, {}, [](const auto& s) { return s->traits.handshake_rtts; });
  return path.smoothed_rtt * (rtts->traits.handshake_rtts + (resolves ? 1 : 0));
}

void Gathering::tell_left_out(const WaysFound& found) {
  for (const auto& [which, why] : found.left_out) {
    if (std::ranges::contains(left_out_, std::pair(which, why))) continue;
    left_out_.emplace_back(which, why);
    race_.drop(now_(), branching_, why, which);
  }
}

Error Gathering::no_way() const {
  const Endpoint& remote = *plan_.target;
  const bool prohibited = !left_out_.empty() && only_prohibited_;
  Error none{prohibited ? Reason::prohibited : Reason::unreachable, 0, "core",
             "no path may be used to " + (remote.host.empty() ? to_text(remote.address) : remote.host)};
  std::string_view between = ": ";
  for (const auto& [which, why] : left_out_) {
    none.detail.append(between).append(which).append(": ").append(why);
    between = "; ";
  }
  if (left_out_.empty()) none.detail += ": this host has none that is up";
  return none;
}

// Which way the address is reached by when it was found on `way`: by the loopback if it is this host's own. -1: it
// cannot be reached.
int Gathering::way_to(const Address& address, int way) const noexcept {
  for (std::size_t i = 0; i < ways_.size() && !is_multicast(address); ++i) {
    if (ways_[i].ours && !ways_[i].gone && source_for(ways_[i].paths, address) != nullptr) return static_cast<int>(i);
  }
  return source_for(ways_[static_cast<std::size_t>(way)].paths, address) != nullptr ? way : -1;
}

// ---- stacks and addresses

std::vector<Endpoint> Gathering::targets(const Path& path) const {
  std::vector<Endpoint> all;
  all.reserve(plan_.stacks.size());
  for (const auto& stack : plan_.stacks) {
    for (auto& remotes : alternatives_of(*stack, *race_.tree()[kRoot].candidate.remote, path))
      all.push_back(std::move(remotes.front()));
  }
  return all;
}

std::vector<Endpoint> Gathering::remotes(const Candidate& candidate) const {
  auto all =
      alternatives_of(*plan_.stacks[static_cast<std::size_t>(candidate.stack)], *race_.tree()[kRoot].candidate.remote,
                      ways_[static_cast<std::size_t>(candidate.path)].paths.front());
  const auto by_this_proxy =
      std::ranges::find_if(all, [&](const auto& r) { return same_peer(r.front(), *candidate.remote); });
  auto remotes = std::move(by_this_proxy != all.end() ? *by_this_proxy : all.front());
  for (Endpoint& remote : remotes) {
    if (same_peer(remote, *candidate.remote)) remote.address = candidate.remote->address;
  }
  return remotes;
}

void Gathering::add_stack(NodeIndex parent, Candidate& child, std::int64_t rank, bool only) {
  const char* rule = nullptr;
  if (!names_somebody(*child.remote)) rule = "the path has no proxy for it";
  if (child.remote->address) {
    const int way = way_to(child.remote->address, child.path);
    if (way < 0) rule = "the path does not lead to it";
    child.path = std::max(0, way);
  }
  if (rule != nullptr)
    return race_.drop(now_(), parent, rule, plan_.stacks[static_cast<std::size_t>(child.stack)]->text);
  add(parent, Branch::protocol, child, rank, only);
}

void Gathering::expand_stacks(NodeIndex node) {
  for (std::size_t i = 0; i < plan_.stacks.size(); ++i) {
    Candidate child = race_.tree()[node].candidate;
    child.stack = static_cast<int>(i);
    child.rtts = static_cast<std::uint8_t>(plan_.stacks[i]->traits.handshake_rtts);
    const Path& path = ways_[static_cast<std::size_t>(child.path)].paths.front();
    child.expected = path.smoothed_rtt * child.rtts;
    const auto rank = static_cast<std::int64_t>(i) * kStackRanks;
    if (!plan_.stacks[i]->proxied) {
      add_stack(node, child, rank, plan_.stacks.size() == 1);
      continue;
    }
    if (!plan_.targets.empty()) {
      race_.drop(now_(), node, "several remote endpoints are not reached by proxies", plan_.stacks[i]->text);
      continue;
    }
    std::int64_t place = 0;  // several proxies of one kind are tried one after the other
    for (auto& by_proxy : alternatives_of(*plan_.stacks[i], *race_.tree()[kRoot].candidate.remote, path)) {
      Candidate one = child;
      one.remote = std::move(by_proxy.front());
      add_stack(node, one, rank + place++, false);
    }
  }
  for (const std::string& which : plan_.unfit) race_.drop(now_(), node, "not what is required", which);
  if (race_.tree()[node].children.empty()) {
    return race_.expansion_failed(now_(), node,
                                  {Reason::unreachable, 0, "core", "no stack of the policy can be used on this path"});
  }
  const bool proxied = std::ranges::any_of(plan_.stacks, [](const auto& stack) { return stack->proxied; });
  const Candidate& parent = race_.tree()[node].candidate;
  if (!parent.remote->address && !proxied && plan_.targets.empty() && !needs_discovery(*parent.remote)) {
    Resolution& names = resolution(parent.path, parent.remote);
    if (names.steers()) return names.steer(node);
  }
  race_.children_changed(now_(), node, kAllGathered);
}

// They are equivalent services (RFC 9622 section 6): what one of them comes to stands below it.
void Gathering::expand_remotes(NodeIndex node) {
  for (std::size_t i = 0; i < plan_.targets.size(); ++i) {
    Candidate child = race_.tree()[node].candidate;
    child.remote = plan_.targets[i];
    if (!is_for(*child.remote, *plan_.stacks[static_cast<std::size_t>(child.stack)])) {
      race_.drop(now_(), node, "it is for another protocol", to_text(*child.remote));
      continue;
    }
    if (const Address& address = child.remote->address) {
      const int way = way_to(address, child.path);
      const char* rule = unfit(plan_, address);
      if (rule == nullptr && way < 0) rule = "the path does not lead to it";
      if (rule != nullptr) {
        race_.drop(now_(), node, rule, to_text(address));
        continue;
      }
      child.path = way;
    }
    add(node, Branch::endpoint, child, static_cast<std::int64_t>(i));
  }
  if (race_.tree()[node].children.empty()) {
    return race_.expansion_failed(now_(), node,
                                  {Reason::unreachable, 0, "core", "the path leads to none of the remote endpoints"});
  }
  race_.children_changed(now_(), node, kAllGathered);
}

Resolution& Gathering::resolution(int path, const SharedEndpoint& name) {
  for (const auto& known : resolutions_) {
    if (known->path() == path && same_peer(known->name(), *name)) return *known;
  }
  return *resolutions_.emplace_back(std::make_unique<Resolution>(
      context(), path_of(path), path, name, [this, path](const Address& address) { return way_to(address, path); },
      [this, path] { return families_of(ways_[static_cast<std::size_t>(path)]); }));
}

Discovery& Gathering::discovery(int path, const Endpoint& service) {
  for (const auto& known : discoveries_) {
    if (known->path() == path) return *known;
  }
  return *discoveries_.emplace_back(std::make_unique<Discovery>(context(), path_of(path), path, service));
}

Path Gathering::path_of(int way) const {
  const Way& of = ways_[static_cast<std::size_t>(way)];
  Path path = of.paths.front();
  if (of.paths.size() > 1) path.local = {};  // which of them, the destination decides
  return path;
}

}  // namespace trellis
