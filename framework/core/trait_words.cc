// trait_words.cc: one table for each enumeration; its order is that of the enumeration.
#include "core/trait_words.h"

#include <algorithm>
#include <iterator>

namespace trellis {
namespace {

constexpr std::string_view kFaces[] = {"datagram", "bytestream", "message"};

constexpr std::string_view kFeatures[] = {
    "reliability",
    "ordering",
    "boundaries",
    "full-integrity-check",
    "congestion-control",
    "flow-control",
    "confidentiality",
    "peer-authentication",
    "forward-secrecy",
    "multistreaming",
    "per-message-reliability",
    "per-message-order",
    "partial-delivery",
    "zero-rtt",
    "path-migration",
    "multipath",
    "keepalive",
    "half-close",
    "soft-errors",
    "duplicate-protection",
    "stream-abort",
};
static_assert(std::size(kFeatures) == static_cast<std::size_t>(Feature::stream_abort) + 1);

}  // namespace

std::string_view to_string(Face face) noexcept {
  return face == Face::none ? std::string_view("none") : kFaces[static_cast<std::size_t>(face) - 1];
}

std::string_view to_string(Feature feature) noexcept { return kFeatures[static_cast<std::size_t>(feature)]; }

std::string to_string(FeatureSet features) {
  std::string words;
  for (std::size_t i = 0; i < std::size(kFeatures); ++i) {
    if (!features.has(static_cast<Feature>(i))) continue;
    if (!words.empty()) words += ", ";
    words += kFeatures[i];
  }
  return words.empty() ? "none" : words;
}

std::optional<Face> face_of(std::string_view word) noexcept {
  const auto* const found = std::ranges::find(kFaces, word);
  if (found == std::end(kFaces)) return std::nullopt;
  return static_cast<Face>(found - std::begin(kFaces) + 1);
}

std::optional<Feature> feature_of(std::string_view word) noexcept {
  const auto* const found = std::ranges::find(kFeatures, word);
  if (found == std::end(kFeatures)) return std::nullopt;
  return static_cast<Feature>(found - std::begin(kFeatures));
}

std::span<const std::string_view> face_words() noexcept { return kFaces; }
std::span<const std::string_view> feature_words() noexcept { return kFeatures; }

}  // namespace trellis
