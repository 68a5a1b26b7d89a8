// trait_words.h: faces and features as the words of policies and messages ("bytestream", "per-message-order").
#pragma once
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "trellis/traits.h"

namespace trellis {

std::string_view to_string(Face face) noexcept;
std::string_view to_string(Feature feature) noexcept;
/// All words in the set, separated by commas; "none" for the empty set.
std::string to_string(FeatureSet features);

std::optional<Face> face_of(std::string_view word) noexcept;  // never Face::none
std::optional<Feature> feature_of(std::string_view word) noexcept;
std::span<const std::string_view> face_words() noexcept;
std::span<const std::string_view> feature_words() noexcept;

}  // namespace trellis
