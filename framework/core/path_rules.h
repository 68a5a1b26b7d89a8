// path_rules.h: what rules about paths (trellis/path_rule.h) come to for one path.
#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "trellis/path_rule.h"

namespace trellis {

inline constexpr std::size_t kPathRulesMost = 63;  // of a policy or an application; one bit each in Liking

/// How much rules like a path: larger is better.
using Liking = std::uint64_t;

/// The provisioning domain of a path; of an interface of which nothing is known, its name (RFC 7556 section 2.1).
const std::string& domain_of(const Path& path) noexcept;
bool fits(const PathRule& rule, const Path& path) noexcept;
/// Why the rules keep the path from being used; empty: they do not. `whose`: "the policy", "the application".
std::string refusal(std::span<const PathRule> rules, const Path& path, std::string_view whose);
Liking liking(std::span<const PathRule> rules, const Path& path) noexcept;

/// "wifi", as in policies.
std::string_view to_string(InterfaceType type) noexcept;

}  // namespace trellis
