#include "core/establishment.h"

#include <algorithm>

#include "trellis/address_text.h"

namespace trellis {
namespace {

constexpr std::int64_t kIpv4Rank = 1 << 16;  // behind all IPv6 addresses; racing policies alternate families themselves

RaceLimits limits_of(const Plan& plan) {
  RaceLimits limits;
  limits.attempts_at_once = plan.attempts_at_once;
  limits.tree.leaves = plan.candidates;
  return limits;
}

Candidate whole(const Preconnection::Wishes& wishes) {
  Candidate root;
  root.remote = wishes.remote;
  if (!root.remote.address) root.remote.address = parse_address(root.remote.host, root.remote.port).value_or(Address{});
  if (root.remote.address && root.remote.address.port == 0) root.remote.address.port = root.remote.port;
  return root;
}

}  // namespace

// One leaf that is being tried.
struct Establishment::Attempt final : StackOwner {
  Attempt(Establishment& owner, NodeIndex node, Stack& made) : establishment(owner), leaf(node), stack(made) {}
  void on_up(Batch&, bool) noexcept override {}  // nobody receives yet: what came waits in the link
  void on_credit() noexcept override {}
  void stack_ready() noexcept override { establishment.race_.leaf_ready(establishment.now(), leaf); }
  void stack_failed(Error error) noexcept override {
    Establishment& e = establishment;
    const NodeIndex node = leaf;
    e.cancel_leaf(node);  // this is gone now
    e.race_.leaf_failed(e.now(), node, std::move(error));
  }
  void stack_closed() noexcept override {
    stack_failed({Reason::reset, 0, "core", "the peer closed the connection before it was established"});
  }
  void stack_noticed(Notice, Error) noexcept override {}

  Establishment& establishment;
  NodeIndex leaf;
  Stack& stack;
};

// The addresses of the name as one path sees them: asked for once, given to every stack of the path.
struct Establishment::Resolution final : AnswerSink {
  Resolution(Establishment& owner, int on_path) : establishment(owner), path(on_path) {}
  void answer(Answer answer) noexcept override {
    for (Endpoint& endpoint : answer.endpoints) {
      if (!establishment.fits(endpoint.address)) continue;
      endpoints.push_back(std::move(endpoint));
      for (const NodeIndex node : nodes) add(node, endpoints.size() - 1);
    }
    changed();
  }
  void done(Answer::Kind kind, Result<void> how) noexcept override {
    if (kind == Answer::Kind::ipv6) ipv6_pending = false;
    if (kind == Answer::Kind::ipv4) ipv4_pending = false;
    if (!how) error = std::make_unique<Error>(std::move(how).error());
    changed();
  }
  void join(NodeIndex node) {
    nodes.push_back(node);
    for (std::size_t i = 0; i < endpoints.size(); ++i) add(node, i);
    tell(node);
  }
  void add(NodeIndex node, std::size_t i) {
    Candidate leaf = establishment.race_.tree()[node].candidate;
    leaf.remote = endpoints[i];
    const bool ipv4 = leaf.remote.address.family == Address::Family::ipv4;
    establishment.race_.add(establishment.now(), node, Branch::endpoint, std::move(leaf),
                            static_cast<std::int64_t>(i) + (ipv4 ? kIpv4Rank : 0));
  }
  void changed() {
    for (std::size_t i = 0; i < nodes.size() && !establishment.race_.over(); ++i) tell(nodes[i]);
  }
  void tell(NodeIndex node) {
    RaceEngine& race = establishment.race_;
    race.pending(node, ipv6_pending, ipv4_pending, false);
    if (endpoints.empty() && !ipv6_pending && !ipv4_pending) {
      race.expansion_failed(establishment.now(), node,
                            error ? *error
                                  : Error{Reason::unresolved, 0, "core",
                                          "no usable address was found for " + establishment.plan_.wishes.remote.host});
    } else {
      race.children_changed(establishment.now(), node);
    }
  }

  Establishment& establishment;
  int path;
  std::vector<Endpoint> endpoints;
  std::vector<NodeIndex> nodes;
  std::unique_ptr<Resolver::Lookup> lookup;
  std::unique_ptr<Error> error;
  bool ipv6_pending = true, ipv4_pending = true;
};

Establishment::Establishment(FrameworkCore& framework, Turn& turn, Plan plan, ConnectionCore& connection)
    : framework_(framework),
      turn_(turn),
      plan_(std::move(plan)),
      connection_(&connection),
      race_(whole(plan_.wishes), limits_of(plan_), plan_.racing, *this) {
  Path any{.id = 1, .interface_name = plan_.wishes.interface_name};
  any.local = plan_.wishes.local.address;
  paths_.push_back(std::move(any));
  race_.keep_trace(plan_.report != nullptr);
}
Establishment::~Establishment() = default;

void Establishment::begin() noexcept {
  begun_at_ = now();
  deadline_ = begun_at_ + plan_.connect_timeout;
  const Address& remote = race_.tree()[kRoot].candidate.remote.address;
  if (remote && !fits(remote)) {
    failure_ = std::make_unique<Error>(
        Error{Reason::invalid_argument, 0, "core",
              to_text(remote) + " has another address family than was asked for or than the local address has"});
    return turn_.advance(*this);
  }
  race_.begin(begun_at_);
  if (connection_ != nullptr) arm_next();
}

void Establishment::advance() noexcept {
  if (failure_ && connection_ != nullptr) fail(*failure_);
}

bool Establishment::fits(const Address& address) const noexcept {
  const auto wanted = plan_.wishes.family;
  if (wanted != Address::Family::none && address.family != wanted) return false;
  const Address& local = plan_.wishes.local.address;
  return !local || local.family == address.family;
}

// ---- gathering: paths, then stacks, then addresses (RFC 9623 section 4.1.2)

void Establishment::expand(NodeIndex node) noexcept {
  const Candidate& candidate = race_.tree()[node].candidate;
  if (candidate.path < 0) return expand_paths(node);
  if (candidate.stack < 0) return expand_stacks(node);
  resolve(node);
}

void Establishment::expand_paths(NodeIndex node) {
  for (std::size_t i = 0; i < paths_.size(); ++i) {
    Candidate child = race_.tree()[node].candidate;
    child.path = static_cast<int>(i);
    race_.add(now(), node, Branch::path, std::move(child), static_cast<std::int64_t>(i));
  }
  race_.children_changed(now(), node);
}

void Establishment::expand_stacks(NodeIndex node) {
  for (std::size_t i = 0; i < plan_.stacks.size(); ++i) {
    Candidate child = race_.tree()[node].candidate;
    child.stack = static_cast<int>(i);
    child.rtts = static_cast<std::uint8_t>(plan_.stacks[i]->traits.handshake_rtts);
    race_.add(now(), node, Branch::protocol, std::move(child), static_cast<std::int64_t>(i));
  }
  race_.children_changed(now(), node);
}

void Establishment::resolve(NodeIndex node) {
  const int path = race_.tree()[node].candidate.path;
  for (const auto& known : resolutions_) {
    if (known->path == path) return known->join(node);
  }
  Resolution& resolution = *resolutions_.emplace_back(std::make_unique<Resolution>(*this, path));
  resolution.nodes.push_back(node);
  race_.pending(node, true, true, false);
  auto resolver = framework_.resolver(plan_);
  Result<std::unique_ptr<Resolver::Lookup>> lookup;
  if (resolver) {
    const Query query{plan_.wishes.remote.host, {}, plan_.wishes.remote.port, &paths_[static_cast<std::size_t>(path)]};
    lookup = (*resolver)->resolve(turn_.executor(), plan_.resolver_options, query, resolution);
  } else {
    lookup = trellis::fail(std::move(resolver));
  }
  if (lookup) {
    resolution.lookup = std::move(*lookup);
    return;
  }
  failure_ = std::make_unique<Error>(std::move(lookup).error());  // not inside initiate()
  turn_.advance(*this);
}

// ---- attempts

Route Establishment::route_to(const Candidate& candidate) const {
  const Address& remote = candidate.remote.address;
  Route route;
  route.path = paths_[static_cast<std::size_t>(candidate.path)];
  route.local = plan_.wishes.local.address;
  if (!route.local && plan_.wishes.local.port != 0) route.local.family = remote.family;
  route.local.port = plan_.wishes.local.port;
  route.remote = remote;
  return route;
}

void Establishment::start_leaf(NodeIndex leaf) noexcept {
  const Candidate& candidate = race_.tree()[leaf].candidate;
  Stack& stack =
      turn_.make<Stack>(turn_, plan_.stacks[static_cast<std::size_t>(candidate.stack)], plan_.wishes.security);
  Attempt& attempt = *attempts_.emplace_back(std::make_unique<Attempt>(*this, leaf, stack));
  stack.give_to(attempt);
  if (auto made = stack.make_layers(0); !made) return attempt.stack_failed(std::move(made).error());
  stack.open(candidate.remote, route_to(candidate), false);
}

void Establishment::cancel_leaf(NodeIndex leaf) noexcept {
  const auto found = std::ranges::find(attempts_, leaf, [](const auto& a) { return a->leaf; });
  if (found == attempts_.end()) return;
  (*found)->stack.leave();
  attempts_.erase(found);
}

Result<void> Establishment::apply_properties(Stack& stack) const noexcept {
  for (const auto& [name, value] : plan_.wishes.properties) {
    if (auto set = stack.set(name, value, stack.depth() - 1); !set) return set;
  }
  return {};
}

// ---- time

void Establishment::wake_at(TimePoint when) noexcept {
  wake_ = when;
  if (connection_ != nullptr && !race_.over()) arm_next();
}
void Establishment::arm_next() noexcept { arm(turn_.executor(), std::min(wake_, deadline_)); }

void Establishment::on_alarm() noexcept {
  if (connection_ == nullptr) return;
  if (now() < deadline_) {
    wake_ = TimePoint::max();
    race_.wake(now());
    if (connection_ != nullptr) arm_next();
    return;
  }
  Error late = too_late();
  race_.cancel(now(), "the time to connect is over");
  failure_ = std::make_unique<Error>(std::move(late));
  turn_.advance(*this);
}

Error Establishment::too_late() const {
  const auto limit = std::chrono::duration_cast<std::chrono::milliseconds>(plan_.connect_timeout).count();
  const std::string within = " within " + std::to_string(limit) + " ms";
  if (attempts_.empty())
    return {Reason::timed_out, 0, "core", "no address of " + plan_.wishes.remote.host + " was found" + within};
  const Candidate& c = race_.tree()[attempts_.front()->leaf].candidate;
  return explained({Reason::timed_out, 0, "core",
                    plan_.stacks[static_cast<std::size_t>(c.stack)]->text + " to " + to_text(c.remote.address) +
                        " was not established" + within});
}

// ---- the end

void Establishment::won(NodeIndex leaf) noexcept {
  const auto found = std::ranges::find(attempts_, leaf, [](const auto& a) { return a->leaf; });
  Stack& winner = (*found)->stack;
  if (auto applied = apply_properties(winner); !applied) {
    failure_ = std::make_unique<Error>(std::move(applied).error());
    cancel_leaf(leaf);
    return turn_.advance(*this);
  }
  ConnectionCore& connection = *std::exchange(connection_, nullptr);
  const std::string name = race_.tree().name(leaf);
  connection.bind(winner, name);
  attempts_.erase(found);
  connection_ = &connection;
  finish(name, nullptr);
}

void Establishment::lost(const Error& error) noexcept {
  failure_ = std::make_unique<Error>(explained(error));
  turn_.advance(*this);
}

// The first failure decides; that there were more of them is said too.
Error Establishment::explained(const Error& error) const {
  Error whole = error;
  std::size_t failures = 0;
  const Error* last = nullptr;
  for (NodeIndex i = 0; i < race_.tree().size(); ++i) {
    const CandidateNode& node = race_.tree()[i];
    if (!node.candidate.concrete() || !node.failure) continue;
    ++failures;
    last = &*node.failure;
  }
  if (failures > 1 && last->detail != whole.detail)
    whole.detail += "; " + std::to_string(failures) + " attempts failed, the last one with: " + last->detail;
  return whole;
}

void Establishment::fail(Error error) noexcept { finish({}, &error); }

void Establishment::finish(std::string winner, const Error* failure) noexcept {
  ConnectionCore* connection = std::exchange(connection_, nullptr);
  if (connection != nullptr) {
    if (plan_.report) {
      connection_ = connection;
      report(std::move(winner), failure);
      connection_ = nullptr;
    }
    if (failure != nullptr) connection->establish_failed(*failure);
  }
  race_.cancel(now(), "given up");
  for (const auto& attempt : attempts_) attempt->stack.leave();
  attempts_.clear();
  for (const auto& resolution : resolutions_) resolution->lookup.reset();
  disarm();
  turn_.retire(*this);
}

void Establishment::cancel() noexcept {
  connection_ = nullptr;
  finish({}, nullptr);
}

void Establishment::report(std::string winner, const Error* failure) {
  auto made = std::make_unique<RaceReport>();
  const Endpoint& remote = plan_.wishes.remote;
  made->remote = remote.host.empty() ? to_text(remote.address) : remote.host + ":" + std::to_string(remote.port);
  made->begun_at = begun_at_;
  made->ended_at = now();
  made->winner = std::move(winner);
  if (failure != nullptr) made->failure = *failure;
  for (NodeIndex i = 0; i < race_.tree().size(); ++i) {
    const CandidateNode& n = race_.tree()[i];
    RaceNode node;
    node.id = race_.tree().name(i);
    node.remote = n.candidate.remote;
    if (n.candidate.stack >= 0) node.stack = plan_.stacks[static_cast<std::size_t>(n.candidate.stack)]->text;
    if (n.candidate.path >= 0) node.path = paths_[static_cast<std::size_t>(n.candidate.path)].interface_name;
    node.branch = n.branch;
    node.state = n.state;
    node.started_at = n.started_at;
    node.ended_at = n.ended_at;
    node.failure = n.failure;
    made->nodes.push_back(std::move(node));
  }
  made->steps = std::move(race_.trace());
  connection_->race_over(std::move(made), plan_.report);
}

}  // namespace trellis
