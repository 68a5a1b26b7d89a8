#include "core/race_story.h"

#include "trellis/address_text.h"
#include "trellis/endpoint_text.h"

namespace trellis {
namespace {

RaceNode tell_node(const Plan& plan, const Ways& ways, const CandidateTree& tree, NodeIndex i) {
  const CandidateNode& n = tree[i];
  RaceNode node;
  node.id = tree.name(i);
  node.parent = i == kRoot ? kRoot : n.parent;
  node.remote = *n.candidate.remote;
  if (n.candidate.stack >= 0) node.stack = plan.stacks[static_cast<std::size_t>(n.candidate.stack)]->text;
  if (n.candidate.path >= 0) node.path = ways[static_cast<std::size_t>(n.candidate.path)].name;
  node.rank = n.rank;
  node.rtts = n.candidate.rtts;
  node.expected = n.candidate.expected;
  node.failed_before = n.candidate.failed_before;
  node.last_resort = n.candidate.last_resort;
  node.attempt = n.candidate.concrete();
  node.branch = n.branch;
  return node;
}

void end(RaceNode& node, Child::State state, const RaceStep& step) {
  node.state = state;
  node.ended_at = node.started_at == TimePoint{} ? TimePoint{} : step.at;
  node.ended_why = step.why;
}

void follow(RaceNode& node, const RaceStep& step) {
  switch (step.kind) {
    case RaceStep::Kind::started:
      node.state = Child::State::started;
      node.started_at = step.at;
      node.started_why = step.why;
      node.ended_why.clear();
      return;
    case RaceStep::Kind::added: node.history = step.detail; return;
    case RaceStep::Kind::answered: node.state = Child::State::answered; return;
    case RaceStep::Kind::ready: return end(node, Child::State::ready, step);
    case RaceStep::Kind::canceled: return end(node, Child::State::canceled, step);
    case RaceStep::Kind::failed: node.failure = step.error; return end(node, Child::State::failed, step);
    case RaceStep::Kind::ignored:
      if (node.state == Child::State::waiting) node.ended_why = step.why;
      return;
    default: return;
  }
}

}  // namespace

void follow_steps(RaceReport& report) {
  for (const RaceStep& step : report.steps) follow(report.nodes[step.node], step);
  for (RaceNode& node : report.nodes) {
    if (node.state == Child::State::waiting && node.ended_why.empty()) node.ended_why = "its turn did not come";
  }
}

std::unique_ptr<RaceReport> tell_race(const Plan& plan, const Ways& ways, RaceEngine& race) {
  auto report = std::make_unique<RaceReport>();
  report->remote = plan.targets.empty() ? to_text(plan.wishes.remote) : plan.target->host;
  report->profile = plan.profile->policy.name;
  for (std::size_t i = 0; i < std::size(plan.racing); ++i) {
    report->racing[i].policy = plan.racing[i].policy->name();
    for (auto& setting : plan.profile->racing[i].options.show())
      report->racing[i].settings.emplace_back(setting.name, std::move(setting.value));
  }
  const RaceLimits& limits = race.limits();
  report->limits = {static_cast<std::uint32_t>(limits.tree.children), static_cast<std::uint32_t>(limits.tree.nodes),
                    static_cast<std::uint32_t>(limits.tree.leaves),
                    static_cast<std::uint32_t>(limits.attempts_at_once)};
  for (NodeIndex i = 0; i < race.tree().size(); ++i) report->nodes.push_back(tell_node(plan, ways, race.tree(), i));
  report->steps = std::move(race.trace());
  follow_steps(*report);
  return report;
}

}  // namespace trellis
