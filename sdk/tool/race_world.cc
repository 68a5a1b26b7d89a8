#include "race_world.h"

#include <unistd.h>

#include <format>
#include <iostream>
#include <utility>

#include "json.h"
#include "race_json.h"
#include "simulation/race_statistics.h"

namespace trellis::tool {

namespace {

using simulation::Counts;
using simulation::RaceSimulation;
using simulation::RaceStatistics;

constexpr std::uint64_t kRuns = 1000;
constexpr std::uint64_t kRunsMost = 10'000'000;
constexpr std::uint64_t kSeed = 1;
constexpr std::uint64_t kProgressEvery = 1000;

struct RaceWanted {
  std::uint64_t seed = kSeed, runs = kRuns;
};

Result<RaceWanted> read_wanted(const Arguments& arguments) {
  RaceWanted wanted;
  if (arguments.has("seed")) {
    const auto seed = parse_count("seed", arguments.text("seed"));
    if (!seed) return std::unexpected(seed.error());
    wanted.seed = *seed;
  }
  if (arguments.has("runs")) {
    const auto runs = parse_count("runs", arguments.text("runs"));
    if (!runs) return std::unexpected(runs.error());
    if (*runs == 0 || *runs > kRunsMost) {
      return fail(Reason::invalid_argument,
                  std::format("--runs: found {}, expected a number from 1 to {}", *runs, kRunsMost));
    }
    wanted.runs = *runs;
  }
  return wanted;
}

Result<std::unique_ptr<RaceSimulation>> open(const Arguments& arguments) {
  if (arguments.operands().size() > 1) {
    return fail(Reason::invalid_argument, "expected one policy, found " + arguments.operands()[1] + " as well");
  }
  auto file = simulation::find_world(arguments.text("world"));
  if (!file) return fail(std::move(file));
  auto world = simulation::load_world(*file);
  if (!world) return fail(std::move(world));
  simulation::RaceSetting setting;
  if (!arguments.operands().empty()) setting.policy = arguments.operands().front();
  setting.world = std::move(*world);
  return RaceSimulation::open(std::move(setting));
}

/// On a terminal only, so that nothing is mixed into what is kept.
class Progress {
 public:
  explicit Progress(std::uint64_t runs) : runs_(runs), shown_(isatty(STDERR_FILENO) != 0 && runs > kProgressEvery) {}
  ~Progress() {
    if (shown_) std::fputs("\r\033[K", stderr);
  }
  void tell(std::uint64_t done) const {
    if (shown_ && done % kProgressEvery == 0) {
      std::fprintf(stderr, "\r%llu of %llu races", static_cast<unsigned long long>(done),
                   static_cast<unsigned long long>(runs_));
    }
  }

 private:
  std::uint64_t runs_;
  bool shown_;
};

std::string counts_text(const Counts& counts) {
  std::string text;
  for (const auto& [word, count] : counts) text += std::format("{}{} {}", text.empty() ? "" : ", ", word, count);
  return text.empty() ? "none" : text;
}

void print_text(const RaceSimulation& simulation, const RaceWanted& wanted, const RaceStatistics& all) {
  const auto runs = static_cast<double>(all.runs());
  std::cout << std::format("policy {} in world {}: {}\n{} races, seed {}\n\n", simulation.policy_name(),
                           simulation.world().name, simulation.world().summary, all.runs(), wanted.seed);
  std::cout << std::format("connected           {} ({:.1f} %)\n", all.connected(),
                           static_cast<double>(all.connected()) * 100 / runs);
  if (all.connected() > 0) {
    std::cout << std::format("time to connect     p50 {:.1f} ms, p95 {:.1f} ms, p99 {:.1f} ms, most {:.1f} ms\n",
                             milliseconds(all.quantile(0.5)), milliseconds(all.quantile(0.95)),
                             milliseconds(all.quantile(0.99)), milliseconds(all.quantile(1)));
  }
  std::cout << std::format("attempts            {:.2f} on average, {} at most\n",
                           static_cast<double>(all.attempts()) / runs, all.attempts_most());
  std::cout << std::format("wins by stack       {}\nwins by path        {}\nwins by family      {}\n",
                           counts_text(all.stacks()), counts_text(all.paths()), counts_text(all.families()));
  std::cout << std::format("failures            {}\n", counts_text(all.failures()));
}

json::object counts_json(const Counts& counts) {
  json::object object;
  for (const auto& [word, count] : counts) object[word] = count;
  return object;
}

void print_json(const RaceSimulation& simulation, const RaceWanted& wanted, const RaceStatistics& all) {
  json::object object;
  object["event"] = "races";
  object["policy"] = simulation.policy_name();
  object["world"] = simulation.world().name;
  object["seed"] = wanted.seed;
  object["runs"] = all.runs();
  object["connected"] = all.connected();
  json::object times;
  constexpr std::pair<const char*, double> kQuantiles[] = {{"p50", 0.5}, {"p95", 0.95}, {"p99", 0.99}, {"most", 1}};
  for (const auto& [name, share] : kQuantiles) {
    if (all.connected() > 0) times[name] = milliseconds(all.quantile(share));
  }
  object["time_to_connect_ms"] = times;
  json::object attempts;
  attempts["all"] = all.attempts();
  attempts["most"] = all.attempts_most();
  object["attempts"] = attempts;
  object["stacks"] = counts_json(all.stacks());
  object["paths"] = counts_json(all.paths());
  object["families"] = counts_json(all.families());
  object["failures"] = counts_json(all.failures());
  std::cout << to_line(object) << '\n';
}

}  // namespace

void declare_race_world(Arguments& arguments) {
  std::string world = "race in this simulated network: a file, or the name of a world that is shipped", before = ": ";
  for (const std::string& name : simulation::shipped_worlds()) world.append(std::exchange(before, ", ")).append(name);
  arguments.value("world", "WORLD", world, "what")
      .value("seed", "N", "what the world is made of (default: 1); the same seed gives the same output")
      .value("runs", "M", "how many races (default: 1000)");
}

int race_world(const Arguments& arguments, const Report& report) {
  const auto wanted = read_wanted(arguments);
  if (!wanted) return report.usage(wanted.error());
  const auto simulation = open(arguments);
  if (!simulation) {
    const Error& error = simulation.error();
    return error.reason == Reason::invalid_argument ? report.usage(error) : report.error(error, kRefused);
  }
  RaceStatistics all;
  {
    const Progress progress(wanted->runs);
    for (std::uint64_t n = 1; n <= wanted->runs; ++n) {
      const auto run = (*simulation)->run(wanted->seed, n);
      if (!run) return report.error(run.error(), kRefused);
      all.add(*run);
      progress.tell(n);
    }
  }
  if (arguments.has("json")) {
    print_json(**simulation, *wanted, all);
  } else {
    print_text(**simulation, *wanted, all);
  }
  std::cout.flush();
  return std::cout ? kDone : report.error({Reason::exhausted, 0, "stdout", "cannot write standard output"}, kBroken);
}

}  // namespace trellis::tool
