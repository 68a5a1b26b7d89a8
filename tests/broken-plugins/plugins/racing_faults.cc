// Racing policies that do what none may do.
#include "trellis/plugin.h"
#include "trellis/racing.h"

namespace {

using namespace trellis;

using Decide = RacePlan (*)(RaceEvent, const RaceView&);

struct Faulty final : RacingPolicy {
  Faulty(std::string_view name, Decide decide) : own_name(name), script(decide) {}
  std::string_view name() const noexcept override { return own_name; }
  std::unique_ptr<Race> begin(Branch, const Options&) const noexcept override {
    struct Scripted final : Race {
      explicit Scripted(Decide how) : script(how) {}
      RacePlan decide(RaceEvent event, ChildId, const RaceView& view) noexcept override { return script(event, view); }
      Decide script;
    };
    if (script == nullptr) return nullptr;
    return std::make_unique<Scripted>(script);
  }
  std::string_view own_name;
  Decide script;
};

struct NeverBegins final : RacingPolicy {
  std::string_view name() const noexcept override { return "stuck-at-once"; }
  std::unique_ptr<Race> begin(Branch, const Options& options) const noexcept override {
    const Options* volatile given = &options;
    while (given != nullptr) {
    }
    return nullptr;
  }
};

RacePlan impossible(RaceEvent, const RaceView&) { return {.start = {1, 4'000'000'000}, .cancel = {}, .wake = {}}; }
RacePlan never(RaceEvent, const RaceView& view) {
  return {.start = {}, .cancel = {}, .wake = view.now + std::chrono::hours(1)};
}
RacePlan endless(RaceEvent, const RaceView& view) { return {.start = {}, .cancel = {}, .wake = view.now}; }
RacePlan stuck(RaceEvent, const RaceView& view) {
  for (volatile bool stays = !view.children.empty(); stays;) {
  }
  return {};
}
RacePlan huge(RaceEvent, const RaceView&) {
  RacePlan plan;
  plan.start.assign(1'000'000, 1);
  return plan;
}

}  // namespace

TRELLIS_PLUGIN(.name = "racing-faults", .version = "1.0.0", .license = "MIT",
               .provides =
                   "racing:impossible racing:never racing:endless racing:stuck racing:stuck-at-once "
                   "racing:huge racing:no-race",
               .summary = "What no racing policy may do", .maturity = trellis::Maturity::experimental) {
  registrar.add(std::make_unique<Faulty>("impossible", impossible));
  registrar.add(std::make_unique<Faulty>("never", never));
  registrar.add(std::make_unique<Faulty>("endless", endless));
  registrar.add(std::make_unique<Faulty>("stuck", stuck));
  registrar.add(std::make_unique<NeverBegins>());
  registrar.add(std::make_unique<Faulty>("huge", huge));
  registrar.add(std::make_unique<Faulty>("no-race", nullptr));
}
