#include "core/discovery.h"

#include <algorithm>

#include "core/text.h"
#include "trellis/endpoint_text.h"

namespace trellis {
namespace {

constexpr std::size_t kHostsMost = 32;  // as many as a node has children (RACE-92)

}  // namespace

Discovery::Discovery(const Resolution::Context& context, const Path& path, int path_index, Endpoint service)
    : c_(context), path_(path), index_(path_index), service_(std::move(service)) {}
Discovery::~Discovery() = default;

// ---- asking

void Discovery::begin() {
  if (std::exchange(begun_, true)) return;
  if (c_.framework.known_host(service_) != nullptr) return hosts_.push_back({service_.host, service_.port, {}});
  auto opened = c_.framework.open_resolvers(c_.plan);
  if (!opened) {
    error_ = std::move(opened).error();
    return;
  }
  resolvers_ = std::move(*opened);
  if (std::ranges::none_of(resolvers_, [](const auto& use) { return use.resolver->has_services(use.options); }))
    error_ = {Reason::unresolved, 0, "core",
              "no resolver of the policy looks for services, expected one in <names>: dns"};
  ask_next();
}

// One after the other, until one of them knows the service.
void Discovery::ask_next() {
  lookup_.reset();
  awaits_ = false;
  while (next_ < resolvers_.size() && !awaits_) {
    const ResolverUse& use = resolvers_[next_++];
    if (!use.resolver->has_services(use.options)) continue;
    const Query query{service_.host, service_.service, service_.port, &path_, service_.instance, false, false};
    auto lookup = use.resolver->resolve(c_.loop, use.options, query, *this);
    if (!lookup) {
      error_ = std::move(lookup).error();
      continue;
    }
    lookup_ = std::move(*lookup);
    awaits_ = true;
  }
}

// ---- answers

void Discovery::answer(Answer answer) noexcept {
  if (answer.kind != Answer::Kind::service) return;
  const std::string& name = answer.target.empty() ? service_.host : answer.target;
  add({name, answer.port != 0 ? answer.port : service_.port, answer.source});
}

void Discovery::passed_over(std::string_view what) noexcept {
  c_.framework.tell_passed_over(resolvers_[next_ - 1].resolver->name(), what, c_.loop.now());
}

void Discovery::add(Host host) {
  const auto same = [&](const Host& h) { return h.port == host.port && same_word(h.name, host.name); };
  if (hosts_.size() == kHostsMost || std::ranges::any_of(hosts_, same)) return;
  hosts_.push_back(std::move(host));
  for (std::size_t i = 0; i < nodes_.size() && !c_.race.over(); ++i) tell(nodes_[i], hosts_.size() - 1);
}

void Discovery::done(Answer::Kind kind, Result<void> how) noexcept {
  if (kind != Answer::Kind::service) return;
  awaits_ = false;
  if (!how && hosts_.empty()) error_ = std::move(how).error();
  if (hosts_.empty() && !c_.race.over()) ask_next();
  if (!awaits_) over();
}

// RFC 2782: where there is no SRV record, the host itself is asked, at the port that is usual.
void Discovery::over() {
  awaits_ = false;
  if (hosts_.empty() && service_.instance.empty() && service_.port != 0) add({service_.host, service_.port, {}});
  for (std::size_t i = 0; i < nodes_.size() && !c_.race.over(); ++i) tell(nodes_[i], hosts_.size());
}

// ---- the tree

void Discovery::join(NodeIndex stack_node) {
  begin();
  nodes_.push_back(stack_node);
  if (!awaits_ && hosts_.empty()) return over();
  tell(stack_node, 0);
}

void Discovery::tell(NodeIndex node, std::size_t from) {
  c_.race.pending(node, {.ipv4 = awaits_});  // the first one begins at once: nothing better is waited for
  for (std::size_t i = from; i < hosts_.size(); ++i) {
    Candidate child = c_.race.tree()[node].candidate;
    child.remote = Endpoint{.host = hosts_[i].name, .port = hosts_[i].port};
    c_.race.add(c_.now(), node, Branch::endpoint, child, static_cast<std::int64_t>(i),
                hosts_[i].source.empty() ? std::string() : "by " + hosts_[i].source);
  }
  if (!hosts_.empty() || awaits_) return c_.race.children_changed(c_.now(), node);
  c_.race.expansion_failed(c_.now(), node, nobody());
}

Error Discovery::nobody() const {
  Error error{Reason::unresolved, 0, "core", "nobody offers " + to_text(service_)};
  if (error_) error.detail += ": " + error_->detail;
  return error;
}

}  // namespace trellis
