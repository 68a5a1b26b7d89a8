// preconnection.cc: the application's objects as thin handles on the engine's.
#include "trellis/preconnection.h"

#include <algorithm>

#include "core/endpoint_resolution.h"
#include "core/framework_core.h"
#include "core/initiation.h"
#include "core/listener_core.h"
#include "core/message_wishes.h"
#include "core/multicast.h"
#include "core/multicast_rendezvous.h"
#include "core/path_rules.h"
#include "core/proxies.h"
#include "core/remote_endpoints.h"
#include "core/rendezvous_core.h"
#include "core/selection_properties.h"
#include "core/service_endpoint.h"
#include "core/text.h"
#include "trellis/address_text.h"
#include "trellis/endpoint_text.h"

namespace trellis {
namespace {

constexpr std::string_view kRelayed = "relayed ";

}  // namespace

Preconnection& Preconnection::remote(Endpoint endpoint) {
  wishes_.remote = std::move(endpoint);
  wishes_.more_remotes.clear();
  plan_.reset();
  return *this;
}
Preconnection& Preconnection::add_remote(std::vector<Endpoint> endpoints) {
  for (Endpoint& endpoint : endpoints) {
    const auto same = [&](const Endpoint& other) {
      return same_peer(endpoint, other) && endpoint.address == other.address && endpoint.service == other.service &&
             endpoint.protocol == other.protocol;
    };
    if (!names_somebody(wishes_.remote))
      wishes_.remote = std::move(endpoint);
    else if (!same(wishes_.remote) && std::ranges::none_of(wishes_.more_remotes, same))
      wishes_.more_remotes.push_back(std::move(endpoint));
  }
  plan_.reset();
  return *this;
}
Preconnection& Preconnection::local(Endpoint endpoint) {
  if (!endpoint.address && !endpoint.host.empty()) {
    endpoint.address = parse_address(endpoint.host, endpoint.port).value_or(Address{});
  }
  if (endpoint.address && endpoint.port == 0) endpoint.port = endpoint.address.port;
  wishes_.local = std::move(endpoint);
  wishes_.source = {};
  wishes_.held.reset();
  wishes_.candidates.clear();
  plan_.reset();
  return *this;
}
Preconnection& Preconnection::local(Endpoint group, const Address& source) {
  local(std::move(group));
  wishes_.source = source;
  return *this;
}
Preconnection& Preconnection::local(const LocalCandidate& candidate) {
  if (candidate.kind == CandidateKind::relayed)  // check_local() says what that means
    return local(Endpoint{.host = std::string(kRelayed) + to_text(candidate.address)});
  local(Endpoint{.port = candidate.base.port, .address = candidate.base});
  wishes_.held = candidate.held;
  wishes_.candidates = {candidate};
  return *this;
}
Preconnection& Preconnection::add_local(std::vector<LocalCandidate> candidates) {
  for (LocalCandidate& candidate : candidates) wishes_.candidates.push_back(std::move(candidate));
  plan_.reset();
  return *this;
}
Preconnection& Preconnection::stun_server(StunServer server) {
  wishes_.stun = std::move(server);
  plan_.reset();
  return *this;
}
Preconnection& Preconnection::interface_name(std::string name) {
  wishes_.interface_name = std::move(name);
  plan_.reset();
  return *this;
}
Preconnection& Preconnection::path(PathRule rule) {
  wishes_.paths.push_back(std::move(rule));
  plan_.reset();
  return *this;
}
Preconnection& Preconnection::family(Address::Family family) {
  wishes_.family = family;
  plan_.reset();
  return *this;
}
Preconnection& Preconnection::profile(std::string_view name) {
  wishes_.profile = name;
  plan_.reset();
  return *this;
}
Preconnection& Preconnection::context(std::string_view name) {
  wishes_.context = name;
  plan_.reset();
  return *this;
}
Preconnection& Preconnection::stack(std::string_view layers) {
  wishes_.stack = layers;
  plan_.reset();
  return *this;
}
Preconnection& Preconnection::face(Face face) {
  wishes_.face = face;
  plan_.reset();
  return *this;
}
Preconnection& Preconnection::require(Feature feature) {
  wishes_.require = wishes_.require | FeatureSet{feature};
  plan_.reset();
  return *this;
}
Preconnection& Preconnection::prohibit(Feature feature) {
  wishes_.prohibit = wishes_.prohibit | FeatureSet{feature};
  if (feature == Feature::multipath)  // migration counts as multipath (RFC 9623 section 7.2)
    wishes_.prohibit = wishes_.prohibit | FeatureSet{Feature::path_migration};
  plan_.reset();
  return *this;
}
Preconnection& Preconnection::prefer(Feature feature) {
  wishes_.prefer = wishes_.prefer | FeatureSet{feature};
  plan_.reset();
  return *this;
}
Preconnection& Preconnection::avoid(Feature feature) {
  wishes_.avoid = wishes_.avoid | FeatureSet{feature};
  plan_.reset();
  return *this;
}
Preconnection& Preconnection::security(std::shared_ptr<const Security> parameters) {
  wishes_.security = std::move(parameters);
  plan_.reset();
  return *this;
}
namespace {

constexpr std::string_view kUseTemporaryLocalAddress = "useTemporaryLocalAddress";

// RFC 9622 section 6.2.14. Disabled: one path, from beginning to end. Passive: one at a time; the peer may add some.
// Active: stacks with several go first. False: there is no such word.
bool set_multipath(Preconnection::Wishes& wishes, std::string_view word) {
  const FeatureSet multipath{Feature::multipath}, both{Feature::multipath, Feature::path_migration};
  if (word == "Disabled")
    wishes.prohibit = wishes.prohibit | both;
  else if (word == "Passive")
    wishes.prohibit = (wishes.prohibit - both) | multipath;
  else if (word == "Active")
    wishes.prohibit = wishes.prohibit - both, wishes.prefer = wishes.prefer | multipath;
  return word == "Disabled" || word == "Passive" || word == "Active";
}

// None: there is no such word. Within: none is preferred ("No Preference").
std::optional<std::optional<Preference>> preference_of(std::string_view word) {
  constexpr std::pair<std::string_view, Preference> kWords[] = {{"Require", Preference::require},
                                                                {"Prefer", Preference::prefer},
                                                                {"Avoid", Preference::avoid},
                                                                {"Prohibit", Preference::prohibit}};
  if (word == "No Preference") return std::optional<Preference>();
  const auto* const known = std::ranges::find(kWords, word, &std::pair<std::string_view, Preference>::first);
  if (known == std::ranges::end(kWords)) return std::nullopt;
  return known->second;
}

// RFC 9622 section 6.2: the later word counts. False: there is no such word.
bool set_preference(Preconnection::Wishes& wishes, Feature feature, std::string_view word) {
  const auto said = preference_of(word);
  if (!said) return false;
  const FeatureSet it{feature};
  for (const auto& [preference, wished] : {std::pair(Preference::require, &wishes.require),
                                           {Preference::prefer, &wishes.prefer},
                                           {Preference::avoid, &wishes.avoid},
                                           {Preference::prohibit, &wishes.prohibit}})
    *wished = *said == preference ? *wished | it : *wished - it;
  return true;
}

// RFC 9622 section 6.2.13: a wish about paths. False: there is no such word.
bool set_temporary(std::vector<PathRule>& paths, std::string_view word) {
  const auto said = preference_of(word);
  if (!said) return false;
  std::erase_if(paths, [](const PathRule& rule) {  // the later word counts
    return rule.temporary && rule.interface_name.empty() && !rule.type && rule.provisioning_domain.empty() &&
           !rule.metered;
  });
  if (*said) paths.push_back({.preference = **said, .temporary = true});
  return true;
}

// Where what is true or false is kept. Null: it is no such property.
bool* flag_of(Preconnection::Wishes& wishes, std::string_view property) {
  if (same_word(property, kIsolateSession.name)) return &wishes.isolated;
  if (same_word(property, kAdvertisesAltaddr.name)) return &wishes.advertises;
  return nullptr;
}

bool set_selection(Preconnection::Wishes& wishes, std::string_view property, const PropertyValue& value) {
  if (same_word(property, kDirection.name)) {
    const auto direction = direction_of(value);
    wishes.direction = direction.value_or(wishes.direction);
    return direction.has_value();
  }
  const auto* const word = std::get_if<std::string>(&value);
  if (word == nullptr) return false;
  if (same_word(property, kMultipath.name)) return set_multipath(wishes, *word);
  if (same_word(property, kUseTemporaryLocalAddress)) return set_temporary(wishes.paths, *word);
  const auto feature = selected_feature(property);
  return feature && set_preference(wishes, *feature, *word);
}

}  // namespace

Preconnection& Preconnection::set(std::string_view property, PropertyValue value) {
  plan_.reset();
  if (set_selection(wishes_, property, value)) return *this;
  const bool* const yes = std::get_if<bool>(&value);
  if (bool* const wish = flag_of(wishes_, property); wish != nullptr && yes != nullptr) {
    *wish = *yes;
    return *this;
  }
  if (set_message_property(wishes_.messages, property, value)) return *this;
  wishes_.properties.emplace_back(property, std::move(value));  // what no message property takes is said by plan()
  return *this;
}
Preconnection& Preconnection::on_race(RaceOver hear) {
  race_over_ = std::make_shared<RaceOver>(std::move(hear));
  plan_.reset();
  return *this;
}
Preconnection& Preconnection::connect_timeout(Duration timeout) {
  wishes_.connect_timeout = timeout;
  plan_.reset();
  return *this;
}

namespace {

Result<void> check_remotes(const Preconnection::Wishes& wishes) {
  const bool several = !wishes.more_remotes.empty();
  if (auto checked = check_remote(wishes.remote, several); !checked) return checked;
  if (wishes.more_remotes.size() >= kRemotesMost) return too_many_remotes(wishes.more_remotes.size() + 1);
  for (const Endpoint& remote : wishes.more_remotes) {
    if (auto checked = check_remote(remote, true); !checked) return checked;
  }
  return {};
}

Result<void> check_local(const Endpoint& local) {
  if (local.host.empty() || local.address) return {};
  if (local.host.starts_with(kRelayed)) {
    return fail(Reason::unsupported, "the local endpoint " + local.host.substr(kRelayed.size()) +
                                         " is a relayed one, and no stack speaks TURN: expected a host or "
                                         "server-reflexive candidate");
  }
  return fail(Reason::invalid_argument, "the local endpoint '" + local.host + "' is not an address");
}

Result<void> check_wishes(const Preconnection::Wishes& wishes) {
  if (auto checked = check_local(wishes.local); !checked) return checked;
  if (wishes.paths.size() > kPathRulesMost) {
    return fail(Reason::invalid_argument, "found " + std::to_string(wishes.paths.size()) +
                                              " wishes about paths, expected at most " +
                                              std::to_string(kPathRulesMost));
  }
  for (const auto& [name, value] : wishes.properties) {
    if (auto checked = check_text(name, value); !checked) return checked;
    for (const std::string_view flag : {kIsolateSession.name, kAdvertisesAltaddr.name}) {
      if (same_word(name, flag)) return fail(Reason::invalid_argument, std::string(flag) + " is true or false");
    }
    if (is_hint(name) && std::get_if<std::uint64_t>(&value) == nullptr)
      return fail(Reason::invalid_argument, name + " is a number of bits per second, or Unlimited");
    if (same_word(name, kDirection.name)) return fail(Reason::invalid_argument, kDirectionExpected);
    if (same_word(name, kMultipath.name))
      return fail(Reason::invalid_argument, "multipath is Disabled, Passive or Active");
    if (selected_feature(name) || same_word(name, kUseTemporaryLocalAddress))
      return fail(Reason::invalid_argument, name + " is Require, Prefer, No Preference, Avoid or Prohibit");
  }
  if (wishes.require.intersects(wishes.prohibit)) {
    return fail(Reason::invalid_argument, "the same feature is required and prohibited");
  }
  return {};
}

}  // namespace

// Made once and shared by all that is initiated, until something else is wished for or the policies are loaded anew.
Result<std::shared_ptr<const Plan>> Preconnection::plan() {
  FrameworkCore& framework = framework_->core();
  if (plan_ == nullptr || plan_->generation != framework.generation()) {
    auto checked = check_remotes(wishes_);
    if (checked) checked = check_groups_to_send(wishes_);
    if (checked) checked = check_wishes(wishes_);
    if (!checked) return fail(std::move(checked));
    auto made = framework.plan(wishes_);
    if (!made) return fail(std::move(made));
    made->report = race_over_;
    if (made->in_clear) made->in_clear->report = race_over_;
    plan_ = std::make_shared<const Plan>(std::move(*made));
  }
  return plan_;
}

Connection Preconnection::initiate(Executor& loop, Connection::Done ready, Message early) {
  FrameworkCore& framework = framework_->core();
  auto plan = this->plan();
  const bool partial = early.data.size() != 0 && !early.end && !early.final;
  if (plan && partial && (*plan)->face != Face::bytestream)  // RFC 9622 section 7.1
    plan = fail(Reason::invalid_argument, "found a part of a message for initiate(), expected a whole one");
  if (plan) return trellis::initiate(framework, loop, std::move(*plan), std::move(early), std::move(ready)).connection;
  Turn& turn = framework.turn(loop);
  auto& core = turn.make<ConnectionCore>(turn, Face::bytestream, ConnectionLimits{});
  Connection connection = core.handle();
  if (is_something(early)) core.send_early(std::move(early));
  core.ready_callback(std::move(ready));
  core.establish_failed(std::move(plan).error());
  return connection;
}

Listener Preconnection::listen(Executor& loop, ListenerEvents events) {
  FrameworkCore& framework = framework_->core();
  Turn& turn = framework.turn(loop);
  auto checked = check_wishes(wishes_);
  if (checked) checked = check_group_to_receive(wishes_);
  auto plan = checked ? framework.plan(wishes_) : Result<Plan>(std::unexpected(std::move(checked).error()));
  const bool usable = plan.has_value();
  if (usable) ListenerCore::choose_stacks(*plan);
  auto& core = turn.make<ListenerCore>(framework, turn, usable ? std::move(*plan) : Plan{}, std::move(events));
  if (usable)
    core.begin();
  else
    core.fail_later(std::move(plan).error());
  return core.handle();
}

Resolving Preconnection::resolve(Executor& loop, ResolveDone done) {
  FrameworkCore& framework = framework_->core();
  Result<void> checked = names_somebody(wishes_.remote) ? check_remotes(wishes_) : Result<void>();
  if (checked) checked = check_groups_to_send(wishes_);
  if (checked) checked = check_wishes(wishes_);
  auto plan = checked ? framework.plan(wishes_) : Result<Plan>(std::unexpected(std::move(checked).error()));
  auto resolution = std::make_unique<EndpointResolution>(framework, loop, std::move(plan), std::move(done));
  resolution->begin();
  return Resolving(std::move(resolution));
}

Rendezvous Preconnection::rendezvous(Executor& loop, RendezvousOptions how, RendezvousEvents events) {
  FrameworkCore& framework = framework_->core();
  Result<void> checked = check_remotes(wishes_);
  if (checked) checked = check_groups_to_meet(wishes_);
  if (checked) checked = check_wishes(wishes_);
  auto plan = checked ? framework.plan(wishes_) : Result<Plan>(std::unexpected(std::move(checked).error()));
  if (group_of(wishes_.local)) {
    auto core = std::make_unique<MulticastRendezvous>(framework, loop, std::move(plan), std::move(how.early),
                                                      std::move(events));
    core->begin();
    return Rendezvous(std::move(core));
  }
  auto core = std::make_unique<RendezvousCore>(framework, loop, std::move(plan), std::move(how), std::move(events));
  core->begin();
  return Rendezvous(std::move(core));
}

Listener::~Listener() {
  if (core_ != nullptr) core_->gone();
}
Address Listener::local() const { return core_->local(); }
std::string_view Listener::stack() const { return core_->stack(); }
void Listener::stop() { core_->stop(); }
void Listener::new_connection_limit(std::uint64_t n) { core_->limit(n); }
void Listener::accept(std::move_only_function<void(Result<Connection>)> hear) { core_->accept(std::move(hear)); }
void Listener::cancel_accept() { core_->cancel_accept(); }

Connection::~Connection() {
  if (core_ != nullptr) core_->gone();
}
Address SentContext::remote() const { return connection_ != nullptr ? connection_->sent_to() : Address{}; }
Address SentContext::local() const { return connection_ != nullptr ? connection_->sent_from() : Address{}; }
Slice Connection::allocate(std::uint32_t size) { return core_->allocate(size); }
bool Connection::send(Message message, Sent sent) { return core_->send(std::move(message), std::move(sent)); }
bool Connection::send(Slice data, bool end) { return core_->send(std::move(data), end); }
void Connection::send_when_writable(Slice data, bool end, Done done) {
  core_->send_when_writable(std::move(data), end, std::move(done));
}
void Connection::start_batch() { core_->batch(true); }
void Connection::end_batch() { core_->batch(false); }
void Connection::finish() { core_->finish(); }
void Connection::cancel_send_wait() { core_->cancel_send_wait(); }
void Connection::cancel_close() { core_->cancel_close(); }
bool Connection::writable() const { return core_->writable(); }
void Connection::on_writable(std::move_only_function<void()> hear) { core_->on_writable(std::move(hear)); }
void Connection::receive(std::size_t at_least, std::size_t at_most, Received hear) {
  core_->receive(at_least, at_most, std::move(hear));
}
void Connection::cancel_receive() { core_->cancel_receive(); }
void Connection::on_notice(Noticed hear) { core_->on_notice(std::move(hear)); }
void Connection::on_failed(std::move_only_function<void(const Error&)> hear) { core_->on_failed(std::move(hear)); }
void Connection::close(Done done) { core_->close(std::move(done)); }
void Connection::abort(std::uint64_t code) { core_->abort(code); }
Connection Connection::clone(Done ready, CloneOptions options) {
  return core_->clone(std::move(ready), std::move(options));
}
void Connection::on_received(Arrived hear) { core_->on_received(std::move(hear)); }
void Connection::close_group(Done done) { core_->close_group(std::move(done)); }
void Connection::abort_group(std::uint64_t code) { core_->abort_group(code); }
std::size_t Connection::group_size() const { return core_->group_size(); }
void Connection::grouped_connections(const std::function<void(const Connection&)>& visit) const {
  core_->visit_group(visit);
}
Result<void> Connection::add_remote(std::vector<Endpoint> endpoints) { return core_->add_remote(std::move(endpoints)); }
Result<void> Connection::add_local(std::vector<Endpoint> endpoints) { return core_->add_local(std::move(endpoints)); }
Result<void> Connection::remove_remote(std::vector<Endpoint> endpoints) {
  return core_->remove_remote(std::move(endpoints));
}
Result<void> Connection::remove_local(std::vector<Endpoint> endpoints) {
  return core_->remove_local(std::move(endpoints));
}
Result<PropertyValue> Connection::get(std::string_view name) const { return core_->get(name); }
Result<void> Connection::set(std::string_view name, const PropertyValue& value) { return core_->set(name, value); }
ConnectionState Connection::state() const { return core_->state(); }
Face Connection::face() const { return core_->face(); }
std::string_view Connection::node() const { return core_->node(); }
Executor& Connection::executor() const { return core_->turn().executor(); }
std::string_view Connection::stack() const { return core_->stack_name(); }
Address Connection::local() const { return core_->local(); }
Address Connection::remote() const { return core_->remote(); }
std::string_view Connection::interface_name() const { return core_->interface_name(); }

}  // namespace trellis
