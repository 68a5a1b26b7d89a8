#include "conformance/scene.h"

#include <cstdio>
#include <format>

namespace trellis::conformance {
namespace {

constexpr std::size_t kKeptMost = 64;
constexpr std::uint64_t kTurnsOfAnEnd = 4;  // of both hosts

std::uint64_t digest(std::span<const std::byte> bytes) {
  std::uint64_t hash = bytes.size();
  for (const std::byte byte : bytes) hash = (hash ^ std::to_integer<std::uint64_t>(byte)) * 0x100000001b3u;
  return hash;
}

}  // namespace

void Scene::broken(std::string_view rule, std::string text) {
  say("rule", std::format("{} is broken: {}", rule, text));
  if (!verdict_) verdict_ = std::format("rule {}: {}", rule, text);
}

void Scene::overshot(Side side, std::string text) {
  auto& first = overshot_[static_cast<int>(side)];
  if (!first) first = {world_.turns(), std::move(text)};
}

void Scene::layer_ends(Side side) {
  auto& first = ends_[static_cast<int>(side)];
  if (!first) first = world_.turns();
}

void Scene::judge_end() {
  check_kept();
  kept_.clear();
  for (int side = 0; side < 2; ++side) {
    const bool forgiven = ends_[side] && overshot_[side] && overshot_[side]->turn + kTurnsOfAnEnd >= *ends_[side];
    if (overshot_[side] && !forgiven) broken("B1", overshot_[side]->text);
  }
}

void Scene::say(std::string_view who, std::string_view text) {
  if (!verbose_) return;
  const double at = std::chrono::duration<double>(world_.elapsed()).count();
  std::printf("  +%.6f %-8.*s %.*s\n", at, static_cast<int>(who.size()), who.data(), static_cast<int>(text.size()),
              text.data());
}

void Scene::keep(std::string_view who, Slice second) {
  if (kept_.size() == kKeptMost) {
    check_kept();
    kept_.erase(kept_.begin(), kept_.begin() + kKeptMost / 2);
  }
  const std::uint64_t content = digest(second.bytes());
  kept_.push_back({who, std::move(second), content});
}

void Scene::check_kept() {
  for (const Kept& kept : kept_) {
    if (digest(kept.slice.bytes()) == kept.digest) continue;
    return broken("C5", std::format("the {} changed bytes of a chunk of {} bytes although another slice shares them: "
                                    "copy when Slice::editable() is false",
                                    kept.who, kept.slice.size()));
  }
}

}  // namespace trellis::conformance
