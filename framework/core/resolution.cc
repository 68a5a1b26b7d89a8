#include "core/resolution.h"

#include <algorithm>
#include <array>
#include <ranges>

#include "core/proxies.h"
#include "core/routed_source.h"
#include "trellis/address_text.h"

namespace trellis {
namespace {

constexpr std::string_view kHttps = "https";
constexpr std::size_t kAnswersMost = 64;   // addresses of a name, or of a service of it, whoever answers (RACE-92)
constexpr std::size_t kServicesMost = 16;  // of a name
constexpr std::array<std::string_view, 4> kHttpAlpn{"h3", "h2", "http/1.1", "http/1.0"};

// What the stack has to bring for a protocol of the application: those over QUIC need security over datagrams.
bool over_datagrams(std::string_view alpn) { return alpn == "h3" || alpn.starts_with("h3-") || alpn == "doq"; }

bool secures_datagrams(const ComposedStack& stack) {
  return std::ranges::any_of(stack.layers, [](const ComposedLayer& layer) {
    return !layer.traits.security.family.empty() && layer.traits.below == Face::datagram;
  });
}

// Whether the name stands for HTTP: the application says so, or that is what it speaks (RACE-140).
bool is_http(const Preconnection::Wishes& wishes, const Endpoint& remote) {
  if (!remote.service.empty() || !wishes.security) return remote.service == kHttps;
  const auto& alpn = wishes.security->alpn;
  return std::ranges::any_of(alpn, [](const auto& id) { return std::ranges::contains(kHttpAlpn, id); });
}

// By the application: else it is a proxy, or a host that was found for a service.
bool is_asked_for(const Plan& plan, const Endpoint& name) {
  return same_peer(name, plan.wishes.remote) ||
         std::ranges::any_of(plan.targets, [&](const SharedEndpoint& target) { return same_peer(name, *target); });
}

Address without_port(Address address) {
  address.port = 0;
  return address;
}

}  // namespace

const char* unfit(const Plan& plan, const Address& address) noexcept {
  const auto wanted = plan.wishes.family;
  if (wanted != Address::Family::none && address.family != wanted) return "another address family than was asked for";
  if (is_multicast(address) && !is_multicast(plan.target->address)) return "a multicast group in place of a host";
  const Address& local = plan.wishes.local.address;
  if (local && local.family != address.family) return "another address family than the local address has";
  return nullptr;
}

Resolution::Resolution(const Context& context, Path path, int path_index, SharedEndpoint name, WayTo way_to,
                       Reach reach)
    : c_(context),
      path_(std::move(path)),
      index_(path_index),
      name_(std::move(name)),
      way_to_(std::move(way_to)),
      reach_(std::move(reach)),
      service_(is_asked_for(context.plan, *name_) && is_http(context.plan.wishes, *name_) ? kHttps : "") {}
Resolution::~Resolution() = default;

const ComposedStack& Resolution::stack_of(NodeIndex node) const {
  return *c_.plan.stacks[static_cast<std::size_t>(c_.race.tree()[node].candidate.stack)];
}

// ---- asking

bool Resolution::steers() noexcept {
  if (service_ != kHttps || c_.framework.known_host(*name_) != nullptr) return false;
  const auto& stacks = c_.plan.stacks;
  if (std::ranges::all_of(stacks, [](const auto& s) { return secures_datagrams(*s); }) ||
      std::ranges::none_of(stacks, [](const auto& s) { return secures_datagrams(*s); }))
    return false;
  begin();
  return awaited_.service || !services_.empty();
}

void Resolution::steer(NodeIndex path_node) {
  steered_ = path_node;
  steered_waits_ = !awaited_.service;  // it has not been told
  order_stacks();
}

void Resolution::join(NodeIndex stack_node) {
  nodes_.push_back({.index = stack_node, .children = {}, .dropped = {}});
  begin();
  tell(nodes_.back());
}

void Resolution::begin() {
  if (std::exchange(begun_, true)) return;
  const Endpoint& remote = *name_;
  if (const KnownHost* known = c_.framework.known_host(remote)) {
    plain_.reserve(known->addresses.size());
    for (const auto family : {Address::Family::ipv6, Address::Family::ipv4}) {
      for (const Address& address : known->addresses) {
        if (address.family == family) plain_.push_back({.address = without_port(address), .source = {}});
      }
    }
    as_given_ = true;
    return;
  }
  ask_next();
}

// One after the other, until one of them knows the name.
void Resolution::ask_next() {
  lookup_.reset();
  ipv6_error_.reset();
  ipv4_error_.reset();
  auto asked = next_ == 0 ? open() : Result<void>();
  if (asked) asked = ask(resolvers_[next_++]);
  if (asked) return;
  awaited_ = {};
  error_ = std::move(asked).error();
}

Result<void> Resolution::open() {
  auto opened = c_.framework.open_resolvers(c_.plan);
  if (!opened) return fail(std::move(opened));
  resolvers_ = std::move(*opened);
  return {};
}

Result<void> Resolution::ask(const ResolverUse& use) {
  const bool services = !service_.empty() && use.resolver->has_services(use.options);
  awaited_ = {.ipv6 = true, .ipv4 = true, .service = services};
  asked_for_ = reach_();
  const Query query{.host = name_->host,
                    .service = services ? service_ : std::string(),
                    .port = name_->port,
                    .path = &path_,
                    .ipv6 = asked_for_.ipv6,
                    .ipv4 = asked_for_.ipv4};
  auto lookup = use.resolver->resolve(c_.loop, use.options, query, *this);
  if (!lookup) return fail(std::move(lookup));
  lookup_ = std::move(*lookup);
  return {};
}

// ---- answers

void Resolution::answer(Answer answer) noexcept {
  const bool service = answer.kind == Answer::Kind::service;
  Addresses* into = &plain_;
  if (service) {
    auto found = std::ranges::find_if(services_, [&](const Service& s) { return s.same(answer); });
    if (found == services_.end() && services_.size() == kServicesMost) return too_many("a service");
    if (found == services_.end()) {
      const auto behind = std::ranges::upper_bound(services_, answer.priority, {}, &Service::priority);
      found = services_.insert(behind, {answer.priority, answer.port, answer.target, answer.alpn, {}});
    }
    into = &found->addresses;
  }
  if (service && !answer.hints) {
    // Hints count until the addresses of their family are known (RFC 9460 section 7.3).
    for (const Endpoint& e : answer.endpoints)
      std::erase_if(*into, [&](const Known& k) { return k.hint && k.address.family == e.address.family; });
  }
  for (std::size_t i = 0; i < answer.endpoints.size(); ++i) {
    Known known{.address = without_port(answer.endpoints[i].address), .source = answer.source, .hint = answer.hints};
    if (i < answer.originals.size()) known.original = without_port(answer.originals[i]);
    const auto before = std::ranges::find(*into, known.address, &Known::address);
    if (before != into->end()) {
      if (known.original) before->original = known.original;  // it was not known yet that the network translates
    } else if (into->size() == kAnswersMost) {
      too_many(to_text(known.address));
    } else {
      into->push_back(std::move(known));
    }
  }
  changed();
}

// Of the resolver that is being asked.
void Resolution::passed_over(std::string_view what) noexcept {
  c_.framework.tell_passed_over(resolvers_[next_ - 1].resolver->name(), what, c_.loop.now());
}

void Resolution::too_many(const std::string& which) {
  for (const Node& node : nodes_)
    c_.race.drop(c_.now(), node.index, "more answers than are taken from the network", which);
}

void Resolution::done(Answer::Kind kind, Result<void> how) noexcept {
  if (kind == Answer::Kind::ipv6) awaited_.ipv6 = false;
  if (kind == Answer::Kind::ipv4) awaited_.ipv4 = false;
  if (kind == Answer::Kind::service) awaited_.service = false;
  if (!how && kind == Answer::Kind::ipv6) ipv6_error_ = how.error();
  if (!how && kind == Answer::Kind::ipv4) ipv4_error_ = how.error();
  if (!awaits() && !found() && next_ < resolvers_.size() && !c_.race.over()) {
    ask_next();
    if (!error_) return;
  }
  changed();
}

void Resolution::changed() {
  order_stacks();
  for (std::size_t i = 0; i < nodes_.size() && !c_.race.over(); ++i) tell(nodes_[i]);
}

void Resolution::reconsider() {
  for (Node& node : nodes_)
    std::erase_if(node.dropped, [&](const Address& a) { return unfit(c_.plan, a) == nullptr && way_to_(a) >= 0; });
  if (!begun_) return;
  const Families now = reach_();
  if (lookup_ != nullptr && ((now.ipv6 && !asked_for_.ipv6) || (now.ipv4 && !asked_for_.ipv4))) {
    next_ = 0;  // there are addresses now that were not worth a question before
    resolvers_.clear();
    ask_next();
  }
  changed();
}

void Resolution::tell(Node& node) {
  const NodeIndex index = node.index;  // telling may let more nodes join
  Picks picked = picks(stack_of(index));
  for (Pick& pick : picked) pick.way = way_to_(pick.address);
  std::erase_if(picked, [&](const Pick& pick) { return drop_unfit(node, pick); });
  RaceStep::Awaited awaited = awaited_;
  if (steered_ != kNoNode && !picked.empty()) awaited.service = false;  // the path has waited for them
  awaited.ipv4_preferred = awaited != RaceStep::Awaited{} && reach_().ipv4_preferred;
  c_.race.pending(index, awaited);
  sync(node, picked);
  if (!picked.empty() || awaits())
    return c_.race.children_changed(c_.now(), index, awaits() ? kGathered : kAllGathered);
  c_.race.expansion_failed(c_.now(), index, error_ ? *error_ : unresolved(node));
}

bool Resolution::drop_unfit(Node& node, const Pick& pick) {
  const Address& address = pick.address;
  const char* rule = unfit(c_.plan, address);
  if (rule == nullptr && pick.way < 0) rule = "the path does not lead to it";
  if (rule == nullptr) return false;
  if (!std::ranges::contains(node.dropped, address)) {
    node.dropped.push_back(address);
    c_.race.drop(c_.now(), node.index, rule, to_text(address));
  }
  return true;
}

bool Resolution::found() const noexcept {
  return !services_.empty() ||
         std::ranges::any_of(plain_, [&](const Known& k) { return unfit(c_.plan, k.address) == nullptr; });
}

std::string Resolution::said(const Pick& pick, const Outlook& outlook) const {
  const std::string before = outlook.text(c_.loop.now());
  std::string text = pick.source.empty() ? "" : "by " + pick.source;
  if (!text.empty() && !before.empty()) text += "; ";
  return text + before;
}

// Children get the rank that they would have if everything had been known from the start (RACE-46, RACE-135, RACE-159).
void Resolution::sync(Node& node, const Picks& picked) {
  node.children.reserve(picked.size());
  const bool unrivalled = picked.size() == 1 && !awaits() && !c_.race.traced();  // history could change nothing
  Candidate leaf = c_.race.tree()[node.index].candidate;
  Endpoint remote = *leaf.remote;
  remote.host = name_->host;
  remote.service.clear();
  for (std::size_t i = 0; i < picked.size() && !c_.race.over(); ++i) {
    const Pick& pick = picked[i];
    const auto place = static_cast<std::int64_t>(i);
    const auto known = std::ranges::find(node.children, pick.address, &Child::address);
    if (known != node.children.end()) {
      c_.race.rerank(c_.now(), known->index, place + known->behind);
      continue;
    }
    if (std::ranges::contains(node.dropped, pick.address)) continue;
    remote.port = pick.address.port;
    remote.address = pick.address;
    leaf.remote = remote;
    leaf.path = pick.way;
    const Outlook outlook = unrivalled ? Outlook() : c_.history.outlook(leaf);
    leaf.expected = outlook.expected > Duration{} ? outlook.expected : path_.smoothed_rtt * leaf.rtts;
    leaf.failed_before = outlook.failed_before;
    leaf.last_resort = pick.translated;
    const NodeIndex added = c_.race.add(c_.now(), node.index, Branch::endpoint, leaf, place + outlook.rank,
                                        c_.race.traced() ? said(pick, outlook) : std::string());
    if (added == kNoNode)
      node.dropped.push_back(pick.address);
    else
      node.children.push_back({pick.address, added, outlook.rank});
  }
  std::erase_if(node.children, [&](const auto& child) {
    if (std::ranges::contains(picked, child.address, &Pick::address)) return false;
    c_.race.withdraw(c_.now(), child.index);
    return true;
  });
}

// ---- which endpoints a stack gets, best first

Resolution::Picks Resolution::picks(const ComposedStack& stack) {
  Picks out;
  for (const Service& service : services_) {
    if (!best_alpn(service, stack)) continue;
    add_sorted(out, addresses_of(service), service.port != 0 ? service.port : name_->port);
  }
  if (plain_fits(stack)) add_sorted(out, plain_, name_->port);
  return out;
}

Resolution::Addresses Resolution::addresses_of(const Service& service) const {
  if (!service.target.empty()) return service.addresses;
  Addresses all = plain_;
  for (const Known& hint : service.addresses) {
    const bool known =
        std::ranges::any_of(plain_, [&](const Known& k) { return k.address.family == hint.address.family; });
    if (!known) all.push_back(hint);
  }
  return all;
}

// The place of the protocol in the application's list, 0 where there is none; none: the service speaks nothing that the
// application speaks over this stack (RACE-153).
std::optional<std::size_t> Resolution::best_alpn(const Service& service, const ComposedStack& stack) const {
  const bool datagrams = secures_datagrams(stack);
  const auto offers = [&](const std::string& id) {
    const bool is_default = std::ranges::contains(service.alpn, std::string()) && id == "http/1.1";
    return over_datagrams(id) == datagrams && (is_default || std::ranges::contains(service.alpn, id));
  };
  const auto& security = c_.plan.wishes.security;
  if (security && !security->alpn.empty()) {
    const auto found = std::ranges::find_if(security->alpn, offers);
    if (found == security->alpn.end()) return std::nullopt;
    return static_cast<std::size_t>(found - security->alpn.begin());
  }
  const bool any = offers("http/1.1") ||
                   std::ranges::any_of(service.alpn, [&](const auto& id) { return !id.empty() && offers(id); });
  return any ? std::optional<std::size_t>(0) : std::nullopt;
}

// Endpoints that no service names go last (RACE-149), where the default protocol is spoken.
bool Resolution::plain_fits(const ComposedStack& stack) const {
  if (services_.empty()) return true;
  if (secures_datagrams(stack)) return false;
  return std::ranges::any_of(services_, [](const Service& s) { return std::ranges::contains(s.alpn, std::string()); });
}

void Resolution::add_sorted(Picks& out, const Addresses& addresses, std::uint16_t port) {
  const auto pick = [&](const Known& known) {
    Address address = known.address;
    address.port = port;
    if (!std::ranges::contains(out, address, &Pick::address))
      out.push_back({address, known.source, bool(known.original)});
  };
  out.reserve(out.size() + addresses.size());
  if (as_given_ || addresses.size() == 1) {
    for (const Known& known : addresses) pick(known);
    return;
  }
  // What stands for an IPv4 address is ordered as that address (RACE-138, RACE-167).
  const auto meant = [](const Known& known) -> const Address& {
    return known.original ? known.original : known.address;
  };
  std::vector<Destination> destinations;
  for (const Known& known : addresses) {
    Destination& d = destinations.emplace_back();
    d.address = meant(known);
    d.source = source_of(known.address);
  }
  AddressSelection(c_.plan.prefix_policies()).sort(destinations);
  for (const Destination& d : destinations) {
    for (const Known& known : addresses) {  // several prefixes may show the same IPv4 address
      if (meant(known) == d.address) pick(known);
    }
  }
}

std::optional<SourceAddress> Resolution::source_of(const Address& destination) {
  const auto asked = std::ranges::find(sources_, destination, [](const auto& s) { return s.first; });
  if (asked != sources_.end()) return asked->second;
  std::optional<SourceAddress> source;
  if (const Address address = routed_source(c_.loop, path_, destination)) {
    source.emplace();
    source->address = address;
    if (destination.family == Address::Family::ipv4) source->prefix_length = 32;
    const bool ours = address.ip == path_.local.ip;
    source->deprecated = ours && path_.deprecated;
    source->temporary = ours && path_.temporary;
  }
  sources_.emplace_back(destination, source);
  return source;
}

// ---- which stack goes first

void Resolution::order_stacks() {
  if (steered_ == kNoNode || c_.race.over()) return;
  const CandidateTree& tree = c_.race.tree();
  bool moved = false;
  for (const NodeIndex child : std::vector(tree[steered_].children)) {
    constexpr std::int64_t kUnspoken = std::int64_t{1} << 40;
    const std::int64_t stack = tree[child].candidate.stack * kStackRanks;
    std::int64_t rank = services_.empty() ? stack : kUnspoken + stack;
    for (std::size_t i = 0; i < services_.size() && rank >= kUnspoken; ++i) {
      const auto place = best_alpn(services_[i], stack_of(child));
      if (place) rank = (static_cast<std::int64_t>(i) << 24) + (static_cast<std::int64_t>(*place) << 12) + stack;
    }
    rank += c_.history.outlook(tree[child].candidate).rank;
    if (c_.race.rerank(c_.now(), child, rank)) moved = true;
  }
  if (!moved && steered_waits_ == awaited_.service) return;
  steered_waits_ = awaited_.service;
  c_.race.pending(steered_, {.service = awaited_.service});
  c_.race.children_changed(c_.now(), steered_);
}

// One sentence about the name, of the families that were of use.
Error Resolution::unresolved(const Node& node) const {
  const auto& wishes = c_.plan.wishes;
  if (!services_.empty())
    return {Reason::unresolved, 0, "core",
            "no service of " + name_->host + " speaks what the application speaks over " + stack_of(node.index).text};
  const auto only = wishes.family != Address::Family::none ? wishes.family : wishes.local.address.family;
  const std::string family = only == Address::Family::ipv6 ? "IPv6 " : only == Address::Family::ipv4 ? "IPv4 " : "";
  const Error* const v6 = ipv6_error_ && only != Address::Family::ipv4 ? &*ipv6_error_ : nullptr;
  const Error* const v4 = ipv4_error_ && only != Address::Family::ipv6 ? &*ipv4_error_ : nullptr;
  const Error* const first = v6 != nullptr ? v6 : v4;
  Error whole{Reason::unresolved, 0, "core", {}};
  if (first != nullptr) whole = *first;
  whole.detail = "no " + family + "address was found for " + name_->host;
  if (v6 != nullptr && v4 != nullptr && v6->detail != v4->detail)
    whole.detail += ": IPv6: " + v6->detail + "; IPv4: " + v4->detail;
  else if (first != nullptr)
    whole.detail += ": " + first->detail;
  return whole;
}

}  // namespace trellis
