// explain.cc: `trellis explain`: what would be tried under a policy, in which order, and why, without trying it.

#include <algorithm>
#include <format>
#include <iostream>
#include <tuple>

#include "commands.h"
#include "core/plugin_path.h"
#include "core/text.h"
#include "core/trait_words.h"
#include "race_json.h"
#include "rehearsal.h"
#include "transport.h"
#include "trellis/endpoint_text.h"

namespace trellis::tool {

namespace {

Arguments explain_arguments() {
  Arguments arguments("explain", "POLICY HOST:PORT",
                      "Says what would be raced under a policy to reach a peer: its stacks, which of them may stand in "
                      "for which, and the candidates in the order in which they are started when none of them answers. "
                      "Names are looked up; no connection is opened.");
  arguments.value("interface", "IF", "use this interface only")
      .flag("ipv4", "4", "IPv4 only", "family")
      .flag("ipv6", "6", "IPv6 only", "family")
      .flag("json", "", "print one JSON object");
  Transport::declare_resolve(arguments);
  Transport::declare_state(arguments);
  arguments.footer(
      "Exits with 0 when there is something to try, 1 for a wrong command line, 2 when there is nothing to try, 5 when "
      "the policy or a plugin is refused; what can be said of the policy's stacks is said before that.");
  return arguments;
}

// ---- the policy's stacks

struct Judged {
  const StackSpec* spec;
  std::shared_ptr<const ComposedStack> stack;  // null: it does not fit together
  std::string out;                             // why it cannot be used; empty: it can
};

struct Pair {
  std::size_t a, b;    // indices into the stacks that fit together
  std::string differ;  // empty: equivalent
};

struct Stacks {
  Stacks(Registry& registry, Policy policy) {
    profile.policy = std::move(policy);
    std::ignore = read_same_security(profile);  // what is wrong with it is said when the policy is loaded
    for (const StackSpec& spec : profile.policy.stacks) {
      auto composed = compose(registry, spec, profile.policy.requirements.face);
      Judged& one = judged.emplace_back(&spec, composed ? *composed : nullptr, "");
      if (!composed) {
        one.out = composed.error().detail;
        continue;
      }
      profile.stacks.push_back(*composed);
      declared.push_back(profile.declared_equal[judged.size() - 1]);
      auto fits = satisfies((*composed)->traits, profile.policy.requirements);
      if (fits) fits = carries((*composed)->traits, profile.policy.requirements);
      if (!fits) one.out = fits.error().detail;
    }
    for (std::size_t a = 0; a < profile.stacks.size(); ++a) {
      for (std::size_t b = a + 1; b < profile.stacks.size(); ++b) {
        const auto same = equivalent(profile.stacks[a]->traits, profile.stacks[b]->traits, profile.policy.requirements,
                                     (declared[a] & declared[b]) != 0);
        pairs.push_back({a, b, same ? "" : same.error().detail});
      }
    }
  }
  const Pair& pair(std::size_t a, std::size_t b) const {
    return *std::ranges::find_if(pairs, [&](const Pair& p) { return p.a == std::min(a, b) && p.b == std::max(a, b); });
  }
  Profile profile;
  std::vector<std::uint64_t> declared;  // Profile::declared_equal of those that fit together
  std::vector<Judged> judged;
  std::vector<Pair> pairs;
};

std::string security_text(const SecurityProfile& security) {
  if (security.family.empty()) return "none";
  const std::string who = security.identity.empty() ? "" : ", " + security.identity;
  return std::format("{} from version {:#06x}{}", security.family, security.version_floor, who);
}

void print_policy(const Policy& policy) {
  std::cout << "policy      " << policy.name << " (" << printable(policy.file) << ")";
  if (!policy.summary.empty()) std::cout << ": " << printable(policy.summary);
  const Requirements& r = policy.requirements;
  std::cout << "\nasks for    " << (r.face == Face::none ? "any face" : to_string(r.face));
  for (const auto& [word, set] :
       {std::pair{"requires", r.require}, {"prohibits", r.prohibit}, {"prefers", r.prefer}, {"avoids", r.avoid}}) {
    if (!set.empty()) std::cout << "; " << word << " " << to_string(set);
  }
  if (r.replayable) std::cout << "; messages may arrive twice";
  std::cout << "\n\nstacks, best first\n";
}

void print_stacks(const Stacks& stacks) {
  print_policy(stacks.profile.policy);
  std::size_t width = 0;
  for (const Judged& one : stacks.judged) width = std::max(width, one.spec->name.size());
  for (const Judged& one : stacks.judged) {
    std::cout << std::format("  {:<3}  {:<{}}  {}", one.out.empty() ? "in" : "out", one.spec->name, width,
                             stack_text(*one.spec));
    if (one.stack) {
      std::cout << std::format("; round trips {}, security {}", one.stack->traits.handshake_rtts,
                               security_text(one.stack->traits.security));
    }
    std::cout << (one.out.empty() ? "" : ": " + one.out) << '\n';
  }
  const StackList& all = stacks.profile.stacks;
  std::cout << "\nequivalence (= may stand in for each other, x may not)\n";
  for (std::size_t a = 0; a < all.size(); ++a) {
    std::cout << std::format("  {:<{}} ", all[a]->name, width);
    for (std::size_t b = 0; b < all.size(); ++b)
      std::cout << ' ' << (a == b ? '.' : stacks.pair(a, b).differ.empty() ? '=' : 'x');
    std::cout << '\n';
  }
  for (const Pair& pair : stacks.pairs) {
    if (!pair.differ.empty())
      std::cout << "  x  " << all[pair.a]->name << " and " << all[pair.b]->name << ": " << pair.differ << '\n';
  }
}

json::object stacks_json(const Stacks& stacks) {
  json::object all;
  all["policy"] = stacks.profile.policy.name;
  all["file"] = printable(stacks.profile.policy.file);
  json::array judged, pairs;
  for (const Judged& one : stacks.judged) {
    json::object object;
    object["name"] = one.spec->name;
    object["layers"] = stack_text(*one.spec);
    object["in"] = one.out.empty();
    if (!one.out.empty()) object["because"] = printable(one.out);
    if (one.stack) {
      object["features"] = to_string(one.stack->traits.have);
      object["security"] = security_text(one.stack->traits.security);
      object["round_trips"] = one.stack->traits.handshake_rtts;
    }
    judged.emplace_back(object);
  }
  for (const Pair& pair : stacks.pairs) {
    json::object object;
    object["a"] = stacks.profile.stacks[pair.a]->name;
    object["b"] = stacks.profile.stacks[pair.b]->name;
    object["equivalent"] = pair.differ.empty();
    if (!pair.differ.empty()) object["because"] = printable(pair.differ);
    pairs.emplace_back(object);
  }
  all["stacks"] = judged;
  all["equivalence"] = pairs;
  return all;
}

// ---- the race

/// Who said that there is such a candidate: "by 192.0.2.53:53".
std::string said(const RaceReport& race, std::uint32_t node) {
  const auto added = std::ranges::find_if(race.steps, [&](const RaceStep& step) {
    return step.kind == RaceStep::Kind::added && step.node == node && !step.detail.empty();
  });
  return added == race.steps.end() ? "" : "  " + added->detail;
}

void print_tree(const RaceReport& race, std::uint32_t node, int depth) {
  std::cout << std::string(static_cast<std::size_t>(2 + 2 * depth), ' ') << race.nodes[node].id << ' '
            << printable(race.nodes[node].text() + said(race, node)) << '\n';
  for (std::uint32_t i = 1; i < race.nodes.size(); ++i) {
    if (race.nodes[i].parent == node) print_tree(race, i, depth + 1);
  }
}

void print_race(const RaceReport& race) {
  std::cout << "\nracing\n";
  for (const auto branch : {Branch::path, Branch::protocol, Branch::endpoint}) {
    const RaceReport::Racing& racing = race.racing[static_cast<std::size_t>(branch)];
    std::cout << std::format("  {:<9} {}", to_string(branch), racing.policy);
    for (const auto& [name, value] : racing.settings) std::cout << ' ' << name << '=' << value;
    std::cout << '\n';
  }
  std::cout << std::format("  at most {} candidates, {} at once; {:.0f} ms to connect\n", race.limits.leaves,
                           race.limits.attempts_at_once, milliseconds(race.ended_at - race.begun_at));
  std::cout << "\ntree\n";
  print_tree(race, 0, 0);
  std::cout << "\ncandidates, in the order in which they are started when none of them answers\n";
  std::vector<const RaceNode*> order;
  for (const RaceNode& node : race.nodes) {
    if (node.attempt || node.state == Child::State::waiting) order.push_back(&node);
  }
  std::ranges::stable_sort(order, {}, [](const RaceNode* node) {
    return node->started_at == TimePoint{} ? TimePoint::max() : node->started_at;
  });
  for (const RaceNode* node : order) {
    const bool started = node->started_at != TimePoint{};
    std::cout << (started ? std::format("  in   {:>7.0f} ms  ", milliseconds(node->started_at - race.begun_at))
                          : "  in        never  ")
              << node->id << ' ' << printable(node->text()) << ": " << (started ? node->started_why : node->ended_why)
              << (node->history.empty() ? "" : "; ") << node->history << '\n';
  }
  for (const RaceStep& step : race.steps) {
    if (step.kind == RaceStep::Kind::dropped)
      std::cout << "  out               below " << race.nodes[step.node].id << " " << printable(step.detail) << ": "
                << step.why << '\n';
  }
}

Result<RaceReport> rehearse(Framework& framework, Loop& loop, const Transport& transport, Endpoint remote) {
  Preconnection::Wishes wishes;
  wishes.profile = framework.profiles().front();  // whatever its rules say: it was asked for by name
  wishes.remote = std::move(remote);
  wishes.interface_name = transport.interface_name;
  wishes.family = transport.family;
  auto plan = framework.core().plan(wishes);
  if (!plan) return fail(std::move(plan));
  return Rehearsal(framework.core(), loop, std::move(*plan)).run();
}

struct ExplainWanted {
  Transport transport;
  Endpoint remote;
};

Result<ExplainWanted> understand_explain(const Arguments& arguments) {
  auto transport = Transport::from(arguments, false);
  if (!transport) return fail(std::move(transport));
  if (const std::size_t count = arguments.operands().size(); count != 2) {
    return fail(Reason::invalid_argument,
                "expected a policy file and HOST:PORT, found " + std::to_string(count) + " operands");
  }
  auto remote = parse_remote(arguments.operands()[1]);
  if (!remote) return fail(std::move(remote));
  transport->policy = arguments.operands()[0];
  return ExplainWanted{std::move(*transport), std::move(*remote)};
}

}  // namespace

int explain(std::span<char* const> words) {
  Arguments arguments = explain_arguments();
  if (const auto over = read_command_line(arguments, words)) return *over;
  const bool json = arguments.has("json");
  const Report report("explain", json);
  const auto wanted = understand_explain(arguments);
  if (!wanted) return report.usage(wanted.error());

  auto policy = load_policy(wanted->transport.policy);
  if (!policy) return report.error(policy.error(), kRefused);
  const std::vector<PluginRules> rules{policy->plugins};
  Registry registry(plugin_directories(rules, {}), rules);
  const Stacks stacks(registry, std::move(*policy));
  json::object all = stacks_json(stacks);
  if (!json) print_stacks(stacks);

  const auto loop = make_loop();
  const auto framework = wanted->transport.load(report);
  Result<RaceReport> race =
      framework ? rehearse(**framework, *loop, wanted->transport, wanted->remote) : std::unexpected(framework.error());
  if (race && !json) print_race(*race);
  if (race) all["race"] = to_json(*race);
  if (json) std::cout << to_lines(all) << '\n';
  std::cout.flush();
  if (!std::cout) return report.error({Reason::exhausted, 0, "stdout", "cannot write standard output"}, kBroken);
  if (!race) return report.error(race.error(), framework ? kNotConnected : kRefused);
  return race->failure ? report.error(*race->failure, kNotConnected) : kDone;
}

}  // namespace trellis::tool
