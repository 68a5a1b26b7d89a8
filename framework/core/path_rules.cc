#include "core/path_rules.h"

#include <algorithm>

#include "core/applies_to.h"

namespace trellis {
namespace {

std::string text_of(const PathRule& rule) {
  std::string text;
  const auto say = [&](std::string_view word) { text += (text.empty() ? "" : " ") + std::string(word); };
  if (!rule.interface_name.empty()) say("interface=" + rule.interface_name);
  if (rule.type) say("type=" + std::string(to_string(*rule.type)));
  if (!rule.provisioning_domain.empty()) say("pvd=" + rule.provisioning_domain);
  if (rule.metered) say(*rule.metered ? "metered=true" : "metered=false");
  if (rule.temporary) say(*rule.temporary ? "temporary=true" : "temporary=false");
  return text;
}

}  // namespace

std::string_view to_string(InterfaceType type) noexcept {
  switch (type) {
    case InterfaceType::unknown: return "unknown";
    case InterfaceType::wired: return "wired";
    case InterfaceType::wifi: return "wifi";
    case InterfaceType::cellular: return "cellular";
    case InterfaceType::loopback: return "loopback";
    case InterfaceType::tunnel: return "tunnel";
  }
  return "";
}

const std::string& domain_of(const Path& path) noexcept {
  return path.provisioning_domain.empty() ? path.interface_name : path.provisioning_domain;
}

bool fits(const PathRule& rule, const Path& path) noexcept {
  return (rule.interface_name.empty() || matches(rule.interface_name, path.interface_name)) &&
         (!rule.type || *rule.type == path.type) &&
         (rule.provisioning_domain.empty() || matches(rule.provisioning_domain, domain_of(path))) &&
         (!rule.metered || *rule.metered == path.metered) && (!rule.temporary || *rule.temporary == path.temporary);
}

std::string refusal(std::span<const PathRule> rules, const Path& path, std::string_view whose) {
  std::string required;
  bool met = false;
  for (const PathRule& rule : rules) {
    if (rule.preference == Preference::prohibit && fits(rule, path))
      return std::string(whose) + " prohibits " + text_of(rule);
    if (rule.preference != Preference::require) continue;
    met = met || fits(rule, path);
    required += (required.empty() ? "" : " or ") + text_of(rule);
  }
  return met || required.empty() ? std::string() : std::string(whose) + " requires " + required;
}

Liking liking(std::span<const PathRule> rules, const Path& path) noexcept {
  Liking bits = 0;
  for (const PathRule& rule : rules) {
    if (rule.preference == Preference::require || rule.preference == Preference::prohibit) continue;
    bits = bits << 1 | Liking{fits(rule, path) == (rule.preference == Preference::prefer)};
  }
  return bits;
}

}  // namespace trellis
