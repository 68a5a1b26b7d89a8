// failover: the next candidate only when the one before it has failed (RFC 9623 section 4.3.3): for branches of which
// one is strongly preferred, such as a proxy before a direct way.
#include <algorithm>

#include "trellis/plugin.h"
#include "trellis/racing.h"

namespace {

using namespace trellis;

class FailoverRace final : public Race {
  RacePlan decide(RaceEvent, ChildId, const RaceView& view) noexcept override {
    RacePlan plan;
    const auto busy = [](const Child& c) {
      return c.state == Child::State::started || c.state == Child::State::answered || c.state == Child::State::ready;
    };
    if (std::ranges::any_of(view.children, busy)) return plan;
    const auto next = std::ranges::find(view.children, Child::State::waiting, &Child::state);
    if (next != view.children.end()) plan.start.push_back(next->id);
    return plan;
  }
};

class Failover final : public RacingPolicy {
  std::string_view name() const noexcept override { return "failover"; }
  std::unique_ptr<Race> begin(Branch, const Options&) const noexcept override {
    return std::make_unique<FailoverRace>();
  }
};

}  // namespace

TRELLIS_PLUGIN(.name = "failover", .version = "0.1.0", .license = "Apache-2.0", .provides = "racing:failover",
               .summary = "The next candidate when the one before it has failed", .maturity = trellis::Maturity::beta) {
  registrar.add(std::make_unique<Failover>());
}
