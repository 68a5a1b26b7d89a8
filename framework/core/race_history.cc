#include "core/race_history.h"

#include <algorithm>

#include "core/framework_core.h"
#include "core/path_rules.h"
#include "core/state_keeper.h"

namespace trellis {
namespace {

using std::chrono::milliseconds;

constexpr std::int64_t kLast = 1 << 20;    // behind every other rank
constexpr std::int64_t kSlower = 1 << 12;  // behind those of its family (RFC 8305 section 4: between rules 8 and 9)
constexpr Duration kMuchSlower = milliseconds(20);
constexpr Duration kSilence = milliseconds(50);   // in which a sibling overtook: less says nothing
constexpr Duration kNoTime = milliseconds(1);     // a failure within it costs nothing the next time either
constexpr std::size_t kSubnetsLeast = 2;          // where nothing came through, before the network is blamed
constexpr std::uint8_t kSubnetBits[] = {24, 48};  // IPv4, IPv6

std::uint8_t host_bits(const Address& address) { return address.family == Address::Family::ipv4 ? 32 : 128; }
std::uint8_t subnet_bits(const Address& address) { return kSubnetBits[address.family == Address::Family::ipv6]; }

Outlook good(const Experience& e, const char* rule = "") {
  return {.expected = e.ready, .rank = 0, .failed_before = false, .rule = rule, .experience = e};
}
Outlook last(const Experience& e, const char* rule) {
  return {.expected = {}, .rank = kLast, .failed_before = true, .rule = rule, .experience = e};
}

// One path, one stack or one address is not much, but many of them that got nowhere are.
Outlook network_outlook(const Judgement& network, const char* rule) {
  if (network.latest != nullptr && network.bad >= kSubnetsLeast) return last(*network.latest, rule);
  return {};
}

bool gave_up(const CandidateNode& leaf) {
  return leaf.state == Child::State::canceled && leaf.started_at != TimePoint{};
}

// Whether a sibling that started so much later has overtaken it, or time has, although it should have said more by
// then: canceled is not failed (fairness to who was merely slower).
bool was_silent(const CandidateNode& leaf, TimePoint overtaken) {
  const bool answered = leaf.answered_at != TimePoint{};
  const TimePoint sign = answered ? leaf.answered_at : leaf.started_at;
  const Duration needs = answered ? 4 * leaf.rtts_left * (leaf.answered_at - leaf.started_at) : Duration{};
  return overtaken - sign >= kSilence + needs;
}

// What says something about the way there, and not about us or about who is trusted.
bool tells(Reason reason) {
  return reason == Reason::unreachable || reason == Reason::timed_out || reason == Reason::reset ||
         reason == Reason::protocol_violation || reason == Reason::unsupported;
}

Duration measured_rtt(const CandidateNode& leaf) {
  if (leaf.answered_at != TimePoint{}) return leaf.answered_at - leaf.started_at;
  const bool measured = leaf.state == Child::State::ready && leaf.candidate.rtts > 0;
  return measured ? (leaf.ended_at - leaf.started_at) / leaf.candidate.rtts : Duration{};
}

void note(FrameworkCore& framework, const StateRules& state, Executor& loop, const HistoryPlace& place,
          std::uint8_t bits, const Attempted& attempt, TimePoint now, const History::Bookmark* found = nullptr) {
  const Duration keep = state.keep_of(StateKind::performance);
  StateKeeper* keeper = state.store.get();
  const bool store = keeper != nullptr && keeper->usable();
  const Experiences known = framework.history.learn(place, bits, attempt, now, keep, store, found);
  if (known.empty()) return;
  StateKey key{StateKind::performance,      std::string(place.partition), std::string(place.network),
               std::string(place.endpoint), std::string(place.stack),     std::string(kRaceDetail)};
  keeper->put(std::move(key), encode(known, loop.wall_clock(), now), keep, loop);
}

}  // namespace

std::string Outlook::text(TimePoint now) const {
  if (!known()) return {};
  const std::string what = "history: " + to_text(experience, now);
  return *rule == '\0' ? what : what + "; " + rule;
}

RaceHistory::RaceHistory(FrameworkCore& framework, const Plan& plan, Executor& loop, const Ways& ways)
    : framework_(framework), plan_(plan), loop_(loop), ways_(ways) {}

bool RaceHistory::used() const noexcept {
  return !plan_.wishes.isolated && plan_.state->keep_of(StateKind::performance) > Duration{};
}

HistoryPlace RaceHistory::place(int path, int stack, std::string_view endpoint) const {
  return {plan_.state->partition, domain_of(ways_[static_cast<std::size_t>(path)].paths.front()), endpoint,
          plan_.stacks[static_cast<std::size_t>(stack)]->name};
}

RaceHistory::Known* RaceHistory::looked_up(int path, int stack) {
  const auto found = std::ranges::find_if(known_, [&](const Known& k) { return k.path == path && k.stack == stack; });
  return found != known_.end() ? &*found : nullptr;
}

RaceHistory::Known& RaceHistory::known(int path, int stack) {
  if (Known* const before = looked_up(path, stack)) return *before;
  Known& k = known_.emplace_back(path, stack);
  const Duration keep = plan_.state->keep_of(StateKind::performance);
  k.here = framework_.history.find(place(path, stack, plan_.peer), loop_.now(), keep, &k.found);
  return k;
}

const Experiences& RaceHistory::of_network(Known& known) {
  if (!known.network) {
    const Duration keep = plan_.state->keep_of(StateKind::performance);
    known.network = framework_.history.find(place(known.path, known.stack, kWholeNetwork), loop_.now(), keep);
  }
  return *known.network;
}

Outlook RaceHistory::outlook(const Candidate& candidate) {
  if (framework_.history.empty() || !used()) return {};
  if (candidate.stack < 0) return of_path(candidate.path);
  if (!candidate.concrete()) return of_stack(candidate.path, candidate.stack);
  const Address& address = candidate.remote->address;
  Known& k = known(candidate.path, candidate.stack);
  const Judgement family = judge(k.here, address.family);
  if (const Experience* own = find_experience(k.here, address, host_bits(address))) {
    if (own->bad()) return last(*own, "tried last");
    Outlook fine = good(*own);
    if (family.best == nullptr || own->ready <= std::max(2 * family.best->ready, family.best->ready + kMuchSlower))
      return fine;
    fine.rank = kSlower;
    fine.rule = "slower than others of its family";
    return fine;
  }
  if (family.latest != nullptr) return last(*family.latest, "no address of its family was of use: tried last");
  if (family.best != nullptr) return {};  // its siblings are fine: what others did on this network says less
  if (const Experience* near = find_experience(of_network(k), address, subnet_bits(address)); near && near->good())
    return good(*near, "of others in its subnet");
  return network_outlook(judge(of_network(k), address.family),
                         "no address of its family is of use on this network: tried last");
}

Outlook RaceHistory::of_stack(int path, int stack) {
  Known& k = known(path, stack);
  const Judgement here = judge(k.here, Address::Family::none);
  if (here.best != nullptr) return good(*here.best);
  if (here.latest != nullptr) return last(*here.latest, "got nowhere there: tried last");
  return network_outlook(judge(of_network(k), Address::Family::none), "gets nowhere on this network: tried last");
}

Outlook RaceHistory::of_path(int path) {
  Outlook best;
  bool all_failed = !plan_.stacks.empty();
  for (std::size_t i = 0; i < plan_.stacks.size(); ++i) {
    const Outlook one = of_stack(path, static_cast<int>(i));
    all_failed = all_failed && one.failed_before;
    if (one.failed_before || one.expected == Duration{}) continue;
    if (!best.known() || one.expected < best.expected) best = one;
  }
  if (!all_failed) return best;
  best = of_stack(path, 0);
  best.rule = "no stack got anywhere on this path: tried last";
  return best;
}

PathQuality RaceHistory::quality(const Path& path) const {
  PathQuality known{.rtt = path.smoothed_rtt};
  if (framework_.history.empty() || !used()) return known;
  const Duration keep = plan_.state->keep_of(StateKind::performance);
  Duration shortest{};
  for (const auto& stack : plan_.stacks) {
    const HistoryPlace there{plan_.state->partition, domain_of(path), kWholeNetwork, stack->name};
    for (const Experience& e : framework_.history.find(there, loop_.now(), keep)) {
      if (e.rtt > Duration{} && (shortest == Duration{} || e.rtt < shortest)) shortest = e.rtt;
      known.throughput = std::max(known.throughput, e.throughput);
    }
  }
  if (shortest > Duration{}) known.rtt = shortest;
  return known;
}

void RaceHistory::learn(const CandidateTree& tree, TimePoint now, bool late) {
  if (!used()) return;
  TimePoint overtaken = late ? now : TimePoint{};  // when the winner was started; zero: nobody has won
  for (NodeIndex i = 0; i < tree.size(); ++i) {
    const CandidateNode& leaf = tree[i];
    if (leaf.candidate.concrete() && leaf.state == Child::State::ready) overtaken = leaf.started_at;
  }
  for (NodeIndex i = 0; i < tree.size(); ++i) {
    const CandidateNode& leaf = tree[i];
    if (!leaf.candidate.concrete() || ways_[static_cast<std::size_t>(leaf.candidate.path)].gone) continue;
    Attempted attempt{
        .remote = leaf.candidate.remote->address, .ran = leaf.ended_at - leaf.started_at, .rtt = measured_rtt(leaf)};
    if (leaf.state == Child::State::ready) {
      tell(leaf, attempt, now);
    } else if (leaf.state == Child::State::failed && leaf.failure) {
      attempt.how = Attempted::How::failed;
      attempt.reason = leaf.failure->reason;
      if (tells(attempt.reason) && attempt.ran >= kNoTime) tell(leaf, attempt, now);
    } else if (gave_up(leaf) && was_silent(leaf, overtaken)) {
      attempt.how = Attempted::How::silent;
      tell(leaf, attempt, now);
    } else if (gave_up(leaf) && attempt.rtt > Duration{}) {
      attempt.how = Attempted::How::answered;
      tell(leaf, attempt, now);
    }
  }
}

void RaceHistory::tell(const CandidateNode& leaf, const Attempted& attempt, TimePoint now) {
  const Candidate& c = leaf.candidate;
  const Known* const known = looked_up(c.path, c.stack);
  note(framework_, *plan_.state, loop_, place(c.path, c.stack, plan_.peer), host_bits(attempt.remote), attempt, now,
       known != nullptr ? &known->found : nullptr);
  // A refusal is the host's; only what vanishes on the way speaks of the network.
  const bool vanished = attempt.how == Attempted::How::silent || attempt.reason == Reason::timed_out;
  if (attempt.how == Attempted::How::failed && !vanished) return;
  note(framework_, *plan_.state, loop_, place(c.path, c.stack, kWholeNetwork), subnet_bits(attempt.remote), attempt,
       now);
}

ConnectionHistory::ConnectionHistory(FrameworkCore& framework, std::shared_ptr<const Plan> plan, Executor& loop,
                                     const Candidate& candidate, const Path& path)
    : framework_(framework),
      plan_(std::move(plan)),
      loop_(loop),
      network_(domain_of(path)),
      remote_(candidate.remote->address),
      stack_(static_cast<std::size_t>(candidate.stack)) {}

void ConnectionHistory::tell() const {
  const Attempted got{.how = Attempted::How::answered, .remote = remote_, .throughput = throughput.best()};
  if (got.throughput == 0) return;
  HistoryPlace place{plan_->state->partition, network_, plan_->peer, plan_->stacks[stack_]->name};
  note(framework_, *plan_->state, loop_, place, host_bits(remote_), got, loop_.now());
  place.endpoint = kWholeNetwork;
  note(framework_, *plan_->state, loop_, place, subnet_bits(remote_), got, loop_.now());
}

}  // namespace trellis
