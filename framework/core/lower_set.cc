#include "core/lower_set.h"

#include <algorithm>

#include "core/establishment.h"
#include "core/path_table.h"
#include "core/trunk.h"
#include "core/ways.h"

namespace trellis {
namespace {

// At another address of the same peer.
void aim(Plan& plan, const Address& address) {
  Endpoint remote = plan.wishes.remote;
  remote.address = address;
  if (remote.address.port == 0) remote.address.port = remote.port;
  plan.aim_at(std::move(remote));
}

}  // namespace

// ---- one lower

Stack& Lower::make_candidate(const std::shared_ptr<const ComposedStack>& composed,
                             const std::shared_ptr<const Security>& security) {
  Turn& turn = owner.trunk_.stack().turn();
  return turn.make<Stack>(turn, composed, security, 0u, static_cast<unsigned>(composed->multiplexer));
}

void Lower::bind(Stack& winner, std::string_view, MessageRef) noexcept {
  establishment = nullptr;
  growth.reset();
  stack = &winner;
  winner.give_to(*this);
  winner.top_link().above = wish.above;
  ready = tell = true;
  for (const auto& [name, value] : owner.properties_) std::ignore = winner.set(name, value, winner.depth() - 1);
  owner.join(*this);
  if (owner.growth_ && is_removed(owner.growth_->plan->wishes, winner.local())) removed = "local endpoint";
  owner.stirred();
}

void Lower::establish_failed(Error error) noexcept {
  establishment = nullptr;
  owner.lost(*this, error);
}

void Lower::stack_early() noexcept {
  owner.follow_route();
  owner.stirred();
}
void Lower::stack_ready() noexcept {
  ready = true;
  owner.follow_route();
  owner.stirred();
}
void Lower::stack_failed(Error error) noexcept { owner.lost(*this, error); }

void Lower::stack_closed() noexcept {
  closed = true;
  Stack& trunk = owner.trunk_.stack();
  if (!leaving && owner.user() != nullptr)
    return owner.lost(*this, {Reason::reset, 0, "core", "the connection below has ended"});
  if (!leaving && !trunk.graceful_) trunk.peer_closed_ = true;
  owner.stirred();
}

void Lower::stack_noticed(Notice notice, Error detail) noexcept {
  if (!leaving) owner.trunk_.stack_noticed(notice, std::move(detail));
}
void Lower::stack_answered(unsigned rtts_left) noexcept {
  if (!leaving && !owner.trunk_.ready()) owner.trunk_.stack_answered(rtts_left);
}

// ---- all of them

LowerSet::~LowerSet() = default;

LayerSlot& LowerSet::multiplexer() noexcept { return trunk_.multiplexer(); }
LowerUser* LowerSet::user() noexcept {
  LayerSlot& layer = multiplexer();
  return layer.active() ? layer.instance->lowers() : nullptr;
}
void LowerSet::stirred() noexcept { trunk_.stack().turn().advance(trunk_.stack()); }

void LowerSet::add_first(Stack& stack) {
  Lower& lower = *lowers_.emplace_back(std::make_unique<Lower>(*this));
  lower.stack = &stack;
  stack.give_to(lower);
  join(lower);
}

void LowerSet::adopt(Stack& stack, bool tell) {
  Lower& lower = *lowers_.emplace_back(std::make_unique<Lower>(*this));
  lower.stack = &stack;
  lower.ready = true;
  lower.tell = tell;
  stack.give_to(lower);
  join(lower);
  follow_route();
  stirred();
}

void LowerSet::join(Lower& lower) noexcept {
  EngineLink& link = lower.stack->top_link();
  LayerSlot& layer = multiplexer();
  const auto& layers = trunk_.stack().composed().layers;
  const auto place = static_cast<std::size_t>(trunk_.stack().composed().multiplexer);
  link.upper = &layer;
  link.segments = layers[place].traits.segments && layers[place - 1].traits.segments;
  layer.many->below.push_back(&link);
  lower.joined = true;
}

// Its layers are not the multiplexer's any more.
void LowerSet::cut(Lower& lower) noexcept {
  if (!std::exchange(lower.joined, false)) return;
  EngineLink& link = lower.stack->top_link();
  link.upper = nullptr;
  link.top = &lower;
  std::erase(multiplexer().many->below, &link);
}

// The addresses of the connection are those of the lower that answers for all.
void LowerSet::follow_route() noexcept {
  Stack* const answers = first();
  if (answers == nullptr) return;
  answers->local();
  trunk_.stack().route_ = answers->route_;
}

// Who uses one way at a time keeps the one that it has left for a while, for what is still on its way there.
void LowerSet::moved() noexcept {
  for (const auto& lower : lowers_) {
    if (lower->joined && !lower->gone) in_use_ = lower.get();
  }
  follow_route();
}

// The one in use, where there is one at a time; else the oldest.
Stack* LowerSet::first() noexcept {
  if (in_use_ != nullptr && in_use_->joined && !in_use_->gone) return in_use_->stack;
  for (const auto& lower : lowers_) {
    if (lower->joined && !lower->gone) return lower->stack;
  }
  return nullptr;
}

Lower* LowerSet::of(LowerPort port) noexcept {
  for (const auto& lower : lowers_) {
    const Link* const link = lower->joined ? &lower->stack->top_link() : &lower->wish;
    if (!lower->gone && !lower->leaving && port && link == &port.link()) return lower.get();
  }
  return nullptr;
}
Stack* LowerSet::find(LowerPort port) noexcept {
  const Lower* const lower = of(port);
  return lower != nullptr ? lower->stack : nullptr;
}

Result<void> LowerSet::set(std::string_view name, const PropertyValue& value) noexcept {
  Stack* const answers = first();
  if (answers == nullptr) return fail(Reason::unsupported);
  auto done = answers->set(name, value, answers->depth() - 1);
  if (!done) return done;
  for (const auto& lower : lowers_) {
    if (lower->joined && lower->stack != answers)
      std::ignore = lower->stack->set(name, value, lower->stack->depth() - 1);
  }
  const auto known = std::ranges::find(properties_, name, [](const auto& p) { return std::string_view(p.first); });
  if (known != properties_.end())
    known->second = value;
  else
    properties_.emplace_back(name, value);
  return done;
}

// ---- opening

bool LowerSet::carries() noexcept {
  if (lowers_.empty()) return true;  // at the host, or on what a listener shares
  const Lower& lower = *lowers_.front();
  const Stack* const stack = lower.stack;
  return lower.ready || (stack != nullptr && stack->level(stack->count_ - 1u).slot.early_open);
}
// Once the multiplexer has been opened it is for it to say what it needs.
bool LowerSet::ready() noexcept { return lowers_.empty() || user() != nullptr || lowers_.front()->ready; }

// That of the connection, with what the wish says: a path of its own is preferred, so that what is in use remains the
// way out where there is no other.
Result<std::shared_ptr<const Plan>> LowerSet::plan_for(const LowerWish& wish) {
  auto plan = std::make_shared<Plan>(*growth_->plan);
  if (wish.remote) aim(*plan, wish.remote);
  const PathTable* const table = trunk_.stack().path_table();
  const FeatureSet& prohibited = plan->wishes.prohibit;
  if (wish.path != 0 && prohibited.has(Feature::path_migration))
    return fail(Reason::prohibited, "the application prohibits other paths", 0, "core");
  if (wish.path != 0) {
    const std::vector<Path> none;
    const auto& known = table != nullptr ? table->paths() : none;
    const auto path = std::ranges::find(known, wish.path, &Path::id);
    if (path == known.end())
      return fail(Reason::unreachable, "there is no usable path " + std::to_string(wish.path), 0, "core");
    plan->wishes.interface_name = path->interface_name;
    plan->wishes.local.address = path->local;
    return plan;
  }
  if (wish.purpose == LowerWish::Purpose::replace) return plan;
  if (prohibited.has(Feature::multipath))
    return fail(Reason::prohibited, "the application prohibits multipath", 0, "core");
  if (!losers_.empty() && !wish.remote) {
    Loser loser = std::move(losers_.front());
    losers_.erase(losers_.begin());
    aim(*plan, loser.remote);
    if (!loser.interface_name.empty()) plan->wishes.interface_name = std::move(loser.interface_name);
    return plan;
  }
  for (const auto& lower : lowers_) {
    if (table == nullptr || !lower->joined || plan->wishes.paths.size() >= kPathRulesMost) continue;
    const Path& used = lower->stack->route_.path;
    plan->wishes.paths.push_back({.preference = Preference::avoid,
                                  .interface_name = used.interface_name,
                                  .provisioning_domain = used.provisioning_domain});
  }
  return plan;
}

Result<LowerPort> LowerSet::want(const LowerWish& wish) noexcept {
  if (!growth_)
    return fail(Reason::unsupported, "the peer has connected to us: further lowers are for it to add", 0, "core");
  if (!may_join())
    return fail(Reason::exhausted, "a connection has at most " + std::to_string(kMost) + " lowers", 0, "core");
  auto plan = plan_for(wish);
  if (!plan) return fail(std::move(plan));
  return LowerPort(begin(std::move(*plan)).wish);
}

// It is established in the next advance pass.
Lower& LowerSet::begin(std::shared_ptr<const Plan> plan) {
  Lower& lower = *lowers_.emplace_back(std::make_unique<Lower>(*this));
  lower.growth = std::make_shared<Growth>(growth_->framework, std::move(plan));
  lower.wish.schedule = &trunk_.stack().turn().schedule();
  lower.wish.face = trunk_.stack().composed().layers[0].traits.above;
  stirred();
  return lower;
}

void LowerSet::advance() noexcept {
  for (std::size_t i = 0; i < lowers_.size(); ++i) {  // by index: what is told may want more
    Lower& lower = *lowers_[i];
    if (lower.gone) continue;
    if (const char* const what = std::exchange(lower.removed, nullptr)) {
      lost(lower, {Reason::unreachable, 0, "core", std::string("the application has removed its ") + what});
      continue;
    }
    if (lower.growth && !std::exchange(lower.begun, true)) {
      const std::shared_ptr<Growth> growth = lower.growth;
      Turn& turn = trunk_.stack().turn();
      lower.establishment = &turn.make<Establishment>(growth->framework, turn, growth->plan, lower);
      lower.establishment->begin();
    }
    if (lower.tell && user() != nullptr) {
      lower.tell = false;
      user()->lower_ready(LowerPort(lower.stack->top_link()));
      trunk_.stack().turn().revisit(multiplexer());
    }
    if (lower.leaving && lower.closed) {
      lower.stack->leave();
      lower.gone = true;
    }
  }
  if (in_use_ != nullptr && in_use_->gone) in_use_ = nullptr;
  std::erase_if(lowers_, [](const auto& lower) {
    return lower->gone && !lower->wish.up.queued && !lower->wish.down.queued;  // else the turn is not done with it
  });
}

// In the pass that has opened the multiplexer, so that it knows them before it sends anything.
void LowerSet::tell_news() noexcept {
  if (growth_ && user() != nullptr && first() != nullptr && !std::exchange(paths_told_, true)) tell_paths();
}

void LowerSet::paths_changed() noexcept {
  paths_told_ = false;
  stirred();
}

void LowerSet::tell_paths() noexcept {
  if (growth_->plan->wishes.prohibit.has(Feature::path_migration)) return;
  const PathTable* const table = trunk_.stack().path_table();
  std::vector<Path> all = table != nullptr ? table->paths() : std::vector{first()->route_.path};
  std::erase_if(all, [&](const Path& path) { return is_removed(growth_->plan->wishes, path.local); });
  user()->paths(all);
  trunk_.stack().turn().revisit(multiplexer());
}

// ---- the end

void LowerSet::drop(LowerPort port, const CloseArgs& args) noexcept {
  Lower* const lower = of(port);
  if (lower == nullptr) return;
  stirred();
  if (!lower->joined) {
    if (lower->establishment != nullptr) std::exchange(lower->establishment, nullptr)->cancel();
    lower->growth.reset();
    lower->gone = true;
    return;
  }
  cut(*lower);
  follow_route();
  if (args.abort) {
    lower->gone = true;
    return lower->stack->abort(args.code);
  }
  lower->leaving = true;
  lower->stack->close();
}

// What came up before has been offered: the stack reports its end after that.
void LowerSet::lost(Lower& lower, const Error& error) noexcept {
  stirred();
  const bool never_joined = !lower.joined && !lower.leaving;
  LowerUser* const hears = lower.leaving ? nullptr : user();
  const LowerPort port(never_joined ? lower.wish : lower.stack->top_link());
  bool lives = lower.leaving || never_joined;
  if (hears != nullptr) {
    lives = hears->lower_failed(port, error);
    trunk_.stack().turn().revisit(multiplexer());
  } else if (multiplexer().is_closed) {  // it has said its goodbye on the others too
    lives = lives || std::ranges::count_if(lowers_, [](const auto& one) { return one->joined; }) > 1;
  }
  if (lower.establishment != nullptr) std::exchange(lower.establishment, nullptr)->cancel();
  if (lower.stack != nullptr) {
    cut(lower);
    lower.stack->leave();
  }
  lower.gone = true;
  follow_route();
  if (!lives) trunk_.stack().fail(trunk_.stack().first_, error);
}

bool LowerSet::close() noexcept {
  bool all = true;
  for (const auto& lower : lowers_) {
    if (lower->gone) continue;
    if (lower->stack == nullptr) {
      if (lower->establishment != nullptr) std::exchange(lower->establishment, nullptr)->cancel();
      lower->growth.reset();
      lower->gone = true;
      continue;
    }
    lower->stack->close();
    all = all && lower->closed;
  }
  return all;
}

// In this very call: what the multiplexer has just said goes down.
void LowerSet::abort(std::uint64_t code) noexcept {
  for (const auto& lower : lowers_) {
    if (lower->stack == nullptr || lower->gone) continue;
    lower->stack->aborting_ = true;
    lower->stack->abort_code_ = code;
    cut(*lower);
    lower->stack->say_abort();
    lower->gone = true;
  }
}

void LowerSet::leave() noexcept {
  growth_.reset();
  for (const auto& lower : lowers_) {
    if (lower->gone) continue;
    if (lower->establishment != nullptr) std::exchange(lower->establishment, nullptr)->cancel();
    lower->growth.reset();
    lower->gone = true;
    if (lower->stack == nullptr) continue;
    cut(*lower);
    lower->stack->leave();
  }
}

bool LowerSet::moving() noexcept {
  return std::ranges::any_of(lowers_, [](const auto& lower) {
    return lower->wish.up.queued || lower->wish.down.queued || (lower->joined && lower->stack->moving());
  });
}

}  // namespace trellis
