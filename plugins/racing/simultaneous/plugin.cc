// simultaneous: all candidates at once (RFC 9623 section 4.3.1). Costs the network an attempt for each, so it is never
// the default.
#include "trellis/plugin.h"
#include "trellis/racing.h"

namespace {

using namespace trellis;

class SimultaneousRace final : public Race {
  RacePlan decide(RaceEvent, ChildId, const RaceView& view) noexcept override {
    RacePlan plan;
    for (const Child& c : view.children) {
      if (c.state == Child::State::waiting) plan.start.push_back(c.id);
    }
    return plan;
  }
};

class Simultaneous final : public RacingPolicy {
  std::string_view name() const noexcept override { return "simultaneous"; }
  std::unique_ptr<Race> begin(Branch, const Options&) const noexcept override {
    return std::make_unique<SimultaneousRace>();
  }
};

}  // namespace

TRELLIS_PLUGIN(.name = "simultaneous", .version = "0.1.0", .license = "Apache-2.0", .provides = "racing:simultaneous",
               .summary = "All candidates at once", .maturity = trellis::Maturity::beta) {
  registrar.add(std::make_unique<Simultaneous>());
}
