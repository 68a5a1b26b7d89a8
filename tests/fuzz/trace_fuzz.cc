// Bytes that claim to be a trace of a race: they are refused with one line that names the file, or read, written again
// without a change, and replayed to an end with whatever racing policies they name.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "core/registry.h"
#include "core/text.h"
#include "tool/replay.h"
#include "tool/trace.h"

namespace {

using namespace trellis;

void require(bool holds) {
  if (!holds) std::abort();
}

/// Races as a plain list: what may be named without a plugin file.
struct InOrder final : RacingPolicy {
  std::string_view name() const noexcept override { return "staggered"; }
  std::unique_ptr<Race> begin(Branch, const Options&) const noexcept override {
    struct One final : Race {
      RacePlan decide(RaceEvent, ChildId, const RaceView& view) noexcept override {
        RacePlan plan;
        for (const Child& child : view.children) {
          if (child.state == Child::State::started || child.state == Child::State::answered) return plan;
          if (child.state != Child::State::waiting) continue;
          plan.start.push_back(child.id);
          plan.wake = view.now + std::chrono::milliseconds(250);
          return plan;
        }
        return plan;
      }
    };
    return std::make_unique<One>();
  }
};

Registry& registry() {
  static Registry* const made = [] {
    auto* const all = new Registry;
    require(all->link("fuzz", [](Registrar& to) { to.add(std::make_unique<InOrder>()); }).has_value());
    return all;
  }();
  return *made;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto report = tool::parse_trace({reinterpret_cast<const char*>(data), size}, "t.sqlog");
  if (!report) {
    require(report.error().detail.starts_with("t.sqlog") && is_printable(report.error().detail));
    return 0;
  }
  const std::string written = tool::to_trace(*report);
  const auto again = tool::parse_trace(written, "t.sqlog");
  require(again.has_value() && tool::to_trace(*again) == written);
  const auto replayed = tool::replay(*report, registry());
  require(replayed || is_printable(replayed.error().detail));
  return 0;
}
