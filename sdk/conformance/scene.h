// scene.h: what the probes (tap.h, watched_layer.h) share with the world that they run in: how they shall behave, what
// they saw, and the first rule of the contract that was broken.
#pragma once
#include <list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "conformance/conformance.h"
#include "loop/fault_plan.h"
#include "loop/virtual_world.h"
#include "trellis/buffer.h"

namespace trellis::conformance {

class Tap;

/// One of the two hosts.
enum class Side : std::uint8_t { client, server };
constexpr std::string_view to_string(Side side) noexcept { return side == Side::client ? "client" : "server"; }
constexpr Side other(Side side) noexcept { return side == Side::client ? Side::server : Side::client; }

/// A hook as messages say it: "it speaks before it is ready".
constexpr std::string_view to_string(Hook hook) noexcept {
  switch (hook) {
    case Hook::speaks_first: return "speaks before it is ready";
    case Hook::speaks_last: return "speaks after the application";
    case Hook::delivers: return "delivers messages of its own making";
    case Hook::passes_through: return "passes through";
    case Hook::prepends: return "prepends another framer";
  }
  return "";
}

/// Where a tap is, seen from the subject.
enum class Place : std::uint8_t { above, below };

/// How the taps of one place behave. May be changed while they run.
struct TapPlan {
  bool recut = false;             ///< cuts and joins chunks at random, as far as the face allows
  bool share = false;             ///< keeps a second slice of each chunk, so that nobody may edit it
  bool measure = false;           ///< hands chunks down in blocks of its own, with exactly the room that was claimed
  bool hold = false;              ///< takes nothing and grants nothing
  std::size_t window = SIZE_MAX;  ///< bytes of credit that it lets the subject have at most
  Duration late{};                ///< gives credit back so much later
  double damage = 0;              ///< probability that a chunk on its way up is damaged
};

/// The probes' common knowledge.
class Scene {
 public:
  Scene(VirtualWorld& world, FaultPlan& faults, bool verbose) : world_(world), faults_(faults), verbose_(verbose) {}

  TapPlan& plan(Place place, Side side) { return plans_[static_cast<int>(place)][static_cast<int>(side)]; }
  void both(Place place, const TapPlan& plan) {
    this->plan(place, Side::client) = this->plan(place, Side::server) = plan;
  }

  /// A rule was broken; `rule` is the id of the check that it belongs to. The first one counts.
  void broken(std::string_view rule, std::string text);
  const std::optional<std::string>& verdict() const { return verdict_; }  ///< the first broken rule; nothing: none
  /// More was pushed than there was credit for. Forgiven when a layer of that side ends at the same time: its last
  /// words are delivered whatever the demand, and it may say goodbye.
  void overshot(Side side, std::string text);
  /// A layer of that side closes or has failed.
  void layer_ends(Side side);
  /// Rules that can be judged only when a run is over.
  void judge_end();
  /// A line of the timeline, printed when the run is a verbose one.
  void say(std::string_view who, std::string_view text);
  bool verbose() const { return verbose_; }
  /// What a layer logged last, for messages.
  std::string last_words;

  /// A framer has used one of its hooks.
  void uses(Hook hook) noexcept { hooks_ |= 1u << static_cast<unsigned>(hook); }
  bool used(Hook hook) const noexcept { return (hooks_ & 1u << static_cast<unsigned>(hook)) != 0; }

  /// Second slices that taps keep: nobody may change their bytes.
  void keep(std::string_view who, Slice second);

  /// Blocks of taps that measure.
  struct Measured {
    const std::byte* data;  // the payload
    std::uint32_t size;
    std::uint32_t headroom, tailroom;
  };
  std::list<Measured> measured;
  std::vector<Tap*> taps;
  std::uint64_t taps_made = 0;
  std::uint32_t head_used = 0, tail_used = 0;  ///< by the subject, at most
  std::uint64_t in_place = 0;                  ///< chunks that it widened in place

  VirtualWorld& world() { return world_; }
  FaultPlan& faults() { return faults_; }

 private:
  void check_kept();
  struct Kept {
    std::string_view who;
    Slice slice;
    std::uint64_t digest;
  };
  VirtualWorld& world_;
  FaultPlan& faults_;
  bool verbose_;
  unsigned hooks_ = 0;  // a bit for each Hook
  TapPlan plans_[2][2];
  std::optional<std::string> verdict_;
  struct Overshot {
    std::uint64_t turn;
    std::string text;
  };
  std::optional<Overshot> overshot_[2];   // the first of each side
  std::optional<std::uint64_t> ends_[2];  // the turn in which the first layer of a side ended
  std::vector<Kept> kept_;
};

/// Leads the probes, which belong to a framework that outlives many worlds, to the world that is running.
struct SceneHolder {
  Scene* scene = nullptr;
};

}  // namespace trellis::conformance
