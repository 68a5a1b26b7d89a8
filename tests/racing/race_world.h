// race_world.h: a race in virtual time without stacks: what each candidate and each name lookup will do is written
// down, and the engine and a real racing policy run against it.
#pragma once
#include <algorithm>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "core/option_values.h"
#include "core/race_engine.h"
#include "core/registry.h"

namespace trellis::tests {

using std::chrono::milliseconds;

/// What a candidate does after it was started.
struct Outcome {
  Duration ready = Duration::max();  // max(): never
  Duration failed = Duration::max();
  Duration answered = Duration::max();
  unsigned rtts_left = 1;
  bool at_once = false;  // fails inside the start
};

inline Address address(bool ipv6, std::uint8_t n) {
  Address a{.family = ipv6 ? Address::Family::ipv6 : Address::Family::ipv4, .port = 443};
  a.ip[ipv6 ? 15 : 3] = n;
  return a;
}

/// The settings and policies of a race.
struct Racing {
  explicit Racing(Registry& registry, std::string name = "staggered", std::vector<OptionText> given = {}) {
    policy = registry.racing(name).value();
    options = OptionValues::check("racing policy " + name, policy->options(), given).value();
  }
  const RacingPolicy* policy;
  OptionValues options;
};

class RaceWorld : public RaceActions {
 public:
  RaceWorld(const Racing& path, const Racing& protocol, const Racing& endpoint, RaceLimits limits = {})
      : racing_{{path.policy, &path.options},
                {protocol.policy, &protocol.options},
                {endpoint.policy, &endpoint.options}},
        race(Candidate{.remote = Endpoint{.host = "example.net", .port = 443}}, limits, racing_, *this) {
    race.keep_trace(true);
  }
  explicit RaceWorld(const Racing& all, RaceLimits limits = {}) : RaceWorld(all, all, all, limits) {}

  // What the world is like.
  int paths = 1, stacks = 1;
  std::string_view gathered = kGathered;  // whether more of them may come
  std::function<Outcome(const Candidate&)> outcome = [](const Candidate&) { return Outcome{}; };
  struct Answer {
    Duration after{};
    std::vector<Address> addresses = {};
    bool ipv6 = false, ipv4 = false;  // which questions this settles
    bool translated = false;          // by NAT64, from IPv4 addresses
  };
  std::vector<Answer> answers;                                 // of every lookup
  bool ipv4_preferred = false;                                 // of every lookup
  Duration expected{};                                         // of every address, as history has it
  std::function<Duration()> late = [] { return Duration{}; };  // how much later than asked for the alarm comes

  // What happened.
  struct Start {
    Duration at;
    std::string node;
    Candidate candidate;
  };
  std::vector<Start> starts;
  std::string winner;
  std::optional<Error> error;
  Duration ended{};
  int canceled = 0, ends = 0;

  void run(Duration limit = std::chrono::hours(1)) {
    race.begin(now_);
    while (!events_.empty() && events_.begin()->first <= kBegin + limit) {
      const auto next = events_.begin();
      now_ = next->first;
      const auto happen = std::move(next->second);
      events_.erase(next);
      happen();
    }
  }
  void at(Duration after, std::function<void()> happen) { events_.emplace(now_ + after, std::move(happen)); }
  Duration since() const { return now_ - kBegin; }
  TimePoint now() const { return now_; }

  void start_leaf(NodeIndex leaf) noexcept override {
    const Candidate& c = race.tree()[leaf].candidate;
    starts.push_back({since(), race.tree().name(leaf), c});
    const Outcome o = outcome(c);
    if (o.at_once) return race.leaf_failed(now_, leaf, {Reason::unreachable, 0, "test", "no route"});
    running_[leaf] = true;
    if (o.answered != Duration::max())
      at(o.answered, [this, leaf, o] {
        if (running_[leaf]) race.leaf_answered(now_, leaf, o.rtts_left);
      });
    if (o.failed != Duration::max()) at(o.failed, [this, leaf] { end(leaf, true); });
    if (o.ready != Duration::max()) at(o.ready, [this, leaf] { end(leaf, false); });
  }
  void cancel_leaf(NodeIndex leaf) noexcept override {
    running_[leaf] = false;
    ++canceled;
  }
  void expand(NodeIndex node) noexcept override {
    Candidate child = race.tree()[node].candidate;
    if (child.path < 0) return expand_numbered(node, Branch::path, paths, &Candidate::path);
    if (child.stack < 0) return expand_numbered(node, Branch::protocol, stacks, &Candidate::stack);
    race.pending(node, {.ipv6 = true, .ipv4 = true, .ipv4_preferred = ipv4_preferred});
    auto waits = std::make_shared<std::pair<bool, bool>>(true, true);
    for (const Answer& answer : answers) {
      at(answer.after, [this, node, answer, waits] {
        for (std::size_t i = 0; i < answer.addresses.size(); ++i) {
          Candidate leaf = race.tree()[node].candidate;
          leaf.remote = Endpoint{.host = leaf.remote->host, .address = answer.addresses[i]};
          leaf.last_resort = answer.translated;
          leaf.expected = expected;
          const bool ipv6 = leaf.remote->address.family == Address::Family::ipv6;
          race.add(now_, node, Branch::endpoint, leaf, static_cast<std::int64_t>(i) + (ipv6 ? 0 : 1000));
        }
        if (answer.ipv6) waits->first = false;
        if (answer.ipv4) waits->second = false;
        const bool more = waits->first || waits->second;
        race.pending(node, {.ipv6 = waits->first, .ipv4 = waits->second, .ipv4_preferred = more && ipv4_preferred});
        if (!waits->first && !waits->second && race.tree()[node].children.empty()) {
          race.expansion_failed(now_, node, {Reason::unresolved, 0, "test", "no addresses"});
        } else {
          race.children_changed(now_, node);
        }
      });
    }
  }
  void abandon(NodeIndex) noexcept override {}
  void wake_at(TimePoint when) noexcept override {
    const int mine = ++alarm_;
    if (when == TimePoint::max()) return;
    events_.emplace(when + late(), [this, mine] {
      if (mine == alarm_) race.wake(now_);
    });
  }
  void won(NodeIndex leaf) noexcept override {
    winner = race.tree().name(leaf);
    ended = since();
    ++ends;
  }
  void lost(const Error& e) noexcept override {
    error = e;
    ended = since();
    ++ends;
  }

  std::string started() const {  // "6@0 4@250 …": families and milliseconds
    std::string all;
    for (const Start& s : starts) {
      const bool ipv6 = s.candidate.remote->address.family == Address::Family::ipv6;
      all += (all.empty() ? "" : " ") + std::string(ipv6 ? "6" : "4") + "@" +
             std::to_string(std::chrono::duration_cast<milliseconds>(s.at).count());
    }
    return all;
  }

 private:
  static constexpr TimePoint kBegin{std::chrono::seconds(1)};
  BranchRacing racing_[3];

 public:
  RaceEngine race;

 private:
  void expand_numbered(NodeIndex node, Branch branch, int count, int Candidate::* field) {
    for (int i = 0; i < count; ++i) {
      Candidate child = race.tree()[node].candidate;
      child.*field = i;
      race.add(now_, node, branch, child, i);
    }
    race.children_changed(now_, node, gathered);
  }
  void end(NodeIndex leaf, bool failed) {
    if (!std::exchange(running_[leaf], false)) return;
    if (failed)
      race.leaf_failed(now_, leaf, {Reason::unreachable, 0, "test", "refused by " + race.tree().name(leaf)});
    else
      race.leaf_ready(now_, leaf);
  }
  TimePoint now_ = kBegin;
  std::multimap<TimePoint, std::function<void()>> events_;
  std::map<NodeIndex, bool> running_;
  int alarm_ = 0;
};

}  // namespace trellis::tests
