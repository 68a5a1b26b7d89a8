#include "replay.h"

#include <format>

#include "core/option_values.h"
#include "core/plugin_path.h"
#include "core/race_engine.h"
#include "race_json.h"
#include "trace.h"

namespace trellis::tool {

namespace {

using Kind = RaceStep::Kind;

// What the world did is applied at the place in the trace where it happened: some of it inside the engine's own calls,
// when a start failed at once or candidates were known already.
class Replay final : public RaceActions {
 public:
  Replay(const RaceReport& recorded, const RaceLimits& limits, const BranchRacing (&racing)[3])
      : recorded_(recorded), engine_(candidate(recorded.nodes.front()), limits, racing, *this) {
    engine_.tree()[kRoot].number = root_number(recorded.nodes.front().id).value_or(1);
    engine_.keep_trace(true);
  }

  Replayed run() {
    while (going()) apply();
    Replayed result;
    for (std::size_t i = 0; i < compared_; ++i) ++(recorded_.steps[i].fact ? result.facts : result.decisions);
    if (compared_ < recorded_.steps.size() || made().size() > compared_) result.difference = difference();
    return result;
  }

  void start_leaf(NodeIndex) noexcept override { inside(); }
  void cancel_leaf(NodeIndex) noexcept override {}
  void expand(NodeIndex) noexcept override { inside(); }
  void abandon(NodeIndex) noexcept override {}
  void wake_at(TimePoint) noexcept override {}  // the recorded race was woken when it was woken
  void won(NodeIndex) noexcept override {}
  void lost(const Error&) noexcept override {}

 private:
  const std::vector<RaceStep>& made() const { return engine_.trace(); }
  const RaceStep& next() const { return recorded_.steps[made().size()]; }

  void inside() {
    ++nested_;
    while (going() && next().nested == nested_) apply();
    --nested_;
  }

  // Whether all was the same so far and something is left that the world does.
  bool going() {
    while (compared_ < std::min(made().size(), recorded_.steps.size()) && same(compared_)) ++compared_;
    if (stuck_ || compared_ < made().size() || compared_ == recorded_.steps.size()) return false;
    const RaceStep& step = next();
    return step.fact || step.kind == Kind::dropped;  // whether a candidate is dropped is the engine's decision
  }

  bool same(std::size_t i) const {
    const RaceStep &then = recorded_.steps[i], &now = made()[i];
    return then.at == now.at && then.kind == now.kind && then.fact == now.fact && then.node == now.node &&
           then.nested == now.nested && recorded_.nodes[then.node].id == engine_.tree().name(now.node) &&
           then.why == now.why && then.until == now.until && then.rtts_left == now.rtts_left &&
           then.awaited == now.awaited && then.rank == now.rank &&
           (then.error ? now.error && then.error->reason == now.error->reason : !now.error);
  }

  static Candidate candidate(const RaceNode& node) {
    Candidate made{.remote = node.remote,
                   .expected = node.expected,
                   .rtts = node.rtts,
                   .failed_before = node.failed_before,
                   .last_resort = node.last_resort};
    if (!node.attempt) return made;
    made.path = made.stack = 0;
    return made;
  }

  void apply() {
    const std::size_t before = made().size();
    const RaceStep& step = next();
    now_ = step.at;
    if (step.node < engine_.tree().size() || step.kind == Kind::added) tell(step);
    stuck_ = made().size() == before;  // nothing came of it: then the candidate was running, now it is not
  }

  void tell(const RaceStep& step) {
    const RaceNode& node = recorded_.nodes[step.node];
    switch (step.kind) {
      case Kind::started:
        if (made().empty()) engine_.begin(now_);
        return;
      case Kind::added: return add(node.parent, candidate(node), step.rank);
      case Kind::moved: return rerank(step);
      case Kind::dropped:
        if (step.fact) return engine_.drop(now_, step.node, step.why, step.detail);
        return add(step.node, {.remote = Endpoint{.address = {.family = Address::Family::ipv6}}, .path = 0, .stack = 0},
                   INT64_MAX);  // it was worth less than all others
      case Kind::changed:
        engine_.pending(step.node, step.awaited);
        return engine_.children_changed(now_, step.node, step.why);
      case Kind::woke: return engine_.wake(now_);
      case Kind::answered: return engine_.leaf_answered(now_, step.node, step.rtts_left);
      case Kind::ready: return engine_.leaf_ready(now_, step.node);
      case Kind::failed:
        if (node.attempt) return engine_.leaf_failed(now_, step.node, *step.error);
        if (step.why == kWentAway) return engine_.node_failed(now_, step.node, *step.error);
        return engine_.expansion_failed(now_, step.node, *step.error);
      case Kind::canceled:
        if (step.node == kRoot) return engine_.cancel(now_, step.why.c_str());
        return engine_.withdraw(now_, step.node);
      case Kind::waiting:
      case Kind::ignored: return;
    }
  }

  void rerank(const RaceStep& step) {
    if (step.node != kRoot) engine_.rerank(now_, step.node, step.rank);
  }

  void add(NodeIndex parent, const Candidate& candidate, std::int64_t rank) {
    if (parent >= engine_.tree().size()) return;
    engine_.add(now_, parent, recorded_.nodes[parent].branch.value_or(Branch::endpoint), candidate, rank);
  }

  std::string describe(const RaceStep* step) const {
    if (step == nullptr) return "nothing";
    const std::string id = step->node < recorded_.nodes.size() ? recorded_.nodes[step->node].id : "another node";
    std::string text = id + " " + std::string(to_string(step->kind));
    if (step->kind == Kind::waiting)
      text += std::format(" until {:.3f} ms", milliseconds(step->until - recorded_.begun_at));
    const std::string more = step->text();
    return more.empty() ? text : text + " (" + more + ")";
  }

  std::string difference() const {
    const auto at = [&](const std::vector<RaceStep>& steps) {
      return compared_ < steps.size() ? &steps[compared_] : nullptr;
    };
    const RaceStep *then = at(recorded_.steps), *now = at(made());
    const TimePoint when = now != nullptr ? now->at : then != nullptr ? then->at : now_;
    return std::format("step {}, at {:.3f} ms: then {}, now {}", compared_ + 1, milliseconds(when - recorded_.begun_at),
                       describe(then), describe(now));
  }

  const RaceReport& recorded_;
  RaceEngine engine_;
  TimePoint now_{};
  std::size_t compared_ = 0;
  std::uint32_t nested_ = 0;
  bool stuck_ = false;
};

}  // namespace

Result<Replayed> replay(const RaceReport& recorded, Registry& registry) {
  OptionValues options[3];
  BranchRacing racing[3];
  for (std::size_t i = 0; i < std::size(racing); ++i) {
    const RaceReport::Racing& then = recorded.racing[i];
    const auto policy = registry.racing(then.policy);
    if (!policy) return std::unexpected(policy.error());
    std::vector<OptionText> given;
    given.reserve(then.settings.size());
    for (const auto& [name, value] : then.settings) given.push_back({name, value});
    auto values = OptionValues::check("racing policy " + then.policy, (*policy)->options(), given);
    if (!values) return fail(std::move(values));
    options[i] = std::move(*values);
    racing[i] = {*policy, &options[i]};
  }
  const RaceReport::Limits& limits = recorded.limits;
  Watchdog watchdog(kPluginPatience);
  return Replay(recorded,
                {.tree = {.children = limits.children, .nodes = limits.nodes, .leaves = limits.leaves},
                 .attempts_at_once = limits.attempts_at_once,
                 .watchdog = &watchdog},
                racing)
      .run();
}

int replay_command(const Arguments& arguments, const Report& report) {
  const auto recorded = load_trace(arguments.text("replay"));
  if (!recorded) return report.error(recorded.error(), kUsage);
  Registry registry(plugin_directories({}, {}), {});
  const auto result = replay(*recorded, registry);
  if (!result) return report.error(result.error(), kRefused);
  if (result->difference) {
    return report.error(
        {Reason::protocol_violation, 0, "core",
         "the decisions differ from those in " + arguments.text("replay") + " in " + *result->difference},
        kBroken);
  }
  report.event(stdout, "same",
               {{"decisions", static_cast<std::int64_t>(result->decisions)},
                {"facts", static_cast<std::int64_t>(result->facts)},
                {"winner", recorded->winner}});
  return kDone;
}

}  // namespace trellis::tool
