#include "core/gathering.h"

#include <algorithm>

#include "core/text.h"
#include "trellis/address_text.h"

namespace trellis {
namespace {

constexpr std::int64_t kIpv4Rank = 1 << 16;  // behind all IPv6 addresses; racing policies alternate families themselves

}  // namespace

// The addresses of the name as one path sees them: asked for once, given to every stack of the path.
struct Gathering::Resolution final : AnswerSink {
  Resolution(Gathering& owner, int on_path) : gathering(owner), path(on_path) {}
  void answer(Answer answer) noexcept override {
    for (const Endpoint& endpoint : answer.endpoints) {
      const char* rule = gathering.unfit(endpoint.address);
      if (rule == nullptr) endpoints.push_back(endpoint);
      for (const NodeIndex node : nodes) {
        if (rule == nullptr)
          add(node, endpoints.size() - 1);
        else
          gathering.race_.drop(gathering.now_(), node, rule, to_text(endpoint.address));
      }
    }
    changed();
  }
  void done(Answer::Kind kind, Result<void> how) noexcept override {
    if (kind == Answer::Kind::ipv6) awaited.ipv6 = false;
    if (kind == Answer::Kind::ipv4) awaited.ipv4 = false;
    if (!how && kind == Answer::Kind::ipv6) {
      ipv6_error = std::move(how).error();
    } else if (!how && kind == Answer::Kind::ipv4) {
      ipv4_error = std::move(how).error();
    }
    changed();
  }
  void join(NodeIndex node) {
    nodes.push_back(node);
    for (std::size_t i = 0; i < endpoints.size(); ++i) add(node, i);
    tell(node);
  }
  void add(NodeIndex node, std::size_t i) {
    Candidate leaf = gathering.race_.tree()[node].candidate;
    leaf.remote = endpoints[i];
    const bool ipv4 = leaf.remote.address.family == Address::Family::ipv4;
    gathering.add(node, Branch::endpoint, std::move(leaf), static_cast<std::int64_t>(i) + (ipv4 ? kIpv4Rank : 0));
  }
  void changed() {
    for (std::size_t i = 0; i < nodes.size() && !gathering.race_.over(); ++i) tell(nodes[i]);
  }
  void tell(NodeIndex node) {
    gathering.race_.pending(node, awaited);
    if (!endpoints.empty() || resolving()) return gathering.race_.children_changed(gathering.now_(), node);
    gathering.race_.expansion_failed(gathering.now_(), node, error ? *error : unresolved());
  }
  // One sentence about the name, of the families that were of use.
  Error unresolved() const {
    const auto& wishes = gathering.plan_.wishes;
    const auto only = wishes.family != Address::Family::none ? wishes.family : wishes.local.address.family;
    const std::string family = only == Address::Family::ipv6 ? "IPv6 " : only == Address::Family::ipv4 ? "IPv4 " : "";
    const Error* const v6 = ipv6_error && only != Address::Family::ipv4 ? &*ipv6_error : nullptr;
    const Error* const v4 = ipv4_error && only != Address::Family::ipv6 ? &*ipv4_error : nullptr;
    const Error* const first = v6 != nullptr ? v6 : v4;
    Error whole{Reason::unresolved, 0, "core", {}};
    if (first != nullptr) whole = *first;
    whole.detail = "no " + family + "address was found for " + wishes.remote.host;
    if (v6 != nullptr && v4 != nullptr && v6->detail != v4->detail)
      whole.detail += ": IPv6: " + v6->detail + "; IPv4: " + v4->detail;
    else if (first != nullptr)
      whole.detail += ": " + first->detail;
    return whole;
  }
  bool resolving() const noexcept { return awaited != RaceStep::Awaited{}; }

  Gathering& gathering;
  int path;
  std::vector<Endpoint> endpoints;
  std::vector<NodeIndex> nodes;
  std::unique_ptr<Resolver::Lookup> lookup;
  std::unique_ptr<Error> error;  // nothing could be asked
  std::optional<Error> ipv6_error, ipv4_error;
  RaceStep::Awaited awaited{.ipv6 = true, .ipv4 = true};
};

Gathering::Gathering(FrameworkCore& framework, Executor& loop, const Plan& plan, RaceEngine& race,
                     std::function<TimePoint()> now)
    : framework_(framework),
      loop_(loop),
      plan_(plan),
      race_(race),
      now_(std::move(now)),
      history_(framework, plan, loop, paths_) {
  Path any{.id = 1, .interface_name = plan_.wishes.interface_name};
  any.local = plan_.wishes.local.address;
  paths_.push_back(std::move(any));
}
Gathering::~Gathering() = default;

Candidate Gathering::root(const Preconnection::Wishes& wishes) {
  Candidate root;
  root.remote = wishes.remote;
  if (!root.remote.address) root.remote.address = parse_address(root.remote.host, root.remote.port).value_or(Address{});
  if (root.remote.address && root.remote.address.port == 0) root.remote.address.port = root.remote.port;
  return root;
}

const char* Gathering::unfit(const Address& address) const noexcept {
  const auto wanted = plan_.wishes.family;
  if (wanted != Address::Family::none && address.family != wanted) return "another address family than was asked for";
  const Address& local = plan_.wishes.local.address;
  if (local && local.family != address.family) return "another address family than the local address has";
  return nullptr;
}

std::optional<Error> Gathering::misfit() const {
  const Address& remote = race_.tree()[kRoot].candidate.remote.address;
  const char* rule = remote ? unfit(remote) : nullptr;
  if (rule == nullptr) return std::nullopt;
  return Error{Reason::invalid_argument, 0, "core", to_text(remote) + " has " + rule};
}

void Gathering::stop() noexcept {
  for (const auto& resolution : resolutions_) resolution->lookup.reset();
}

bool Gathering::resolving() const noexcept {
  return std::ranges::any_of(resolutions_, [](const auto& r) { return r->lookup && r->resolving(); });
}

void Gathering::expand(NodeIndex node) {
  const Candidate& candidate = race_.tree()[node].candidate;
  if (candidate.path < 0) return expand_paths(node);
  if (candidate.stack < 0) return expand_stacks(node);
  resolve(node);
}

// Earlier races have a say in what is tried first and how long it may take, never in what is tried.
void Gathering::add(NodeIndex parent, Branch branch, Candidate candidate, std::int64_t rank) {
  const Outlook outlook = history_.outlook(candidate);
  candidate.expected = outlook.expected;
  candidate.failed_before = outlook.failed_before;
  race_.add(now_(), parent, branch, std::move(candidate), rank + outlook.rank,
            race_.traced() ? outlook.text(loop_.now()) : std::string());
}

void Gathering::expand_paths(NodeIndex node) {
  for (std::size_t i = 0; i < paths_.size(); ++i) {
    Candidate child = race_.tree()[node].candidate;
    child.path = static_cast<int>(i);
    add(node, Branch::path, std::move(child), static_cast<std::int64_t>(i));
  }
  race_.children_changed(now_(), node);
}

void Gathering::expand_stacks(NodeIndex node) {
  for (std::size_t i = 0; i < plan_.stacks.size(); ++i) {
    Candidate child = race_.tree()[node].candidate;
    child.stack = static_cast<int>(i);
    child.rtts = static_cast<std::uint8_t>(plan_.stacks[i]->traits.handshake_rtts);
    add(node, Branch::protocol, std::move(child), static_cast<std::int64_t>(i));
  }
  for (const std::string& which : plan_.unfit) race_.drop(now_(), node, "not what is required", which);
  race_.children_changed(now_(), node);
}

void Gathering::resolve(NodeIndex node) {
  const int path = race_.tree()[node].candidate.path;
  for (const auto& known : resolutions_) {
    if (known->path == path) return known->join(node);
  }
  Resolution& resolution = *resolutions_.emplace_back(std::make_unique<Resolution>(*this, path));
  resolution.nodes.push_back(node);
  if (const KnownHost* known = framework_.known_host(plan_.wishes.remote)) {
    resolution.awaited = {};
    Answer given{.kind = Answer::Kind::ipv6, .endpoints = {}, .alpn = {}};
    for (Address address : known->addresses) {
      address.port = plan_.wishes.remote.port;
      given.endpoints.push_back({plan_.wishes.remote.host, address.port, address});
    }
    return resolution.answer(std::move(given));
  }
  race_.pending(node, resolution.awaited);
  if (auto asked = ask(resolution); !asked) {
    resolution.awaited = {};
    resolution.error = std::make_unique<Error>(std::move(asked).error());
    resolution.changed();
  }
}

Result<void> Gathering::ask(Resolution& resolution) {
  auto resolver = framework_.resolver(plan_, resolver_options_);
  if (!resolver) return fail(std::move(resolver));
  const Path& path = paths_[static_cast<std::size_t>(resolution.path)];
  const Query query{plan_.wishes.remote.host, {}, plan_.wishes.remote.port, &path};
  auto lookup = (*resolver)->resolve(loop_, resolver_options_, query, resolution);
  if (!lookup) return fail(std::move(lookup));
  resolution.lookup = std::move(*lookup);
  return {};
}

}  // namespace trellis
