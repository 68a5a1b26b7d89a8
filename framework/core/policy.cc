// policy.cc: one small function for each element of a policy.
#include "core/policy.h"

#include <algorithm>
#include <filesystem>
#include <format>

#include "core/digest.h"
#include "core/text.h"
#include "core/text_file.h"
#include "core/trait_words.h"
#include "core/xml.h"

namespace trellis {
namespace {

constexpr std::string_view kNamespace = "urn:trellis:policy:1";

// The same numbers stand in policies/policy.xsd.
constexpr std::uint32_t kTimeoutMax = 3'600'000;
constexpr std::uint32_t kCandidatesMax = 256;
constexpr std::uint32_t kAttemptsMax = 64;
constexpr std::uint32_t kBufferLeast = 4096;
constexpr std::uint32_t kBufferMax = 1 << 30;

void read_option(const XmlElement& element, std::vector<OptionText>& out) {
  element.attributes({"name", "value"});
  element.no_children();
  OptionText option{element.word("name"), {}, element.where()};
  if (!element.has("value")) element.fault("found <option> without attribute \"value\", expected it");
  option.value = element.value("value");
  if (std::ranges::contains(out, option.name, &OptionText::name)) {
    element.fault(std::format("found option {} twice, expected it once", in_quotes(option.name)));
  }
  out.push_back(std::move(option));
}

XmlElement::Child options_into(std::vector<OptionText>& out) {
  return {"option", [&out](const XmlElement& option) { read_option(option, out); }, kPolicyEntriesMax};
}

void read_endpoint(const XmlElement& element, std::vector<EndpointRule>& out) {
  element.attributes({"host", "address", "port"});
  element.no_children();
  EndpointRule rule;
  if (!element.has("host") && !element.has("address") && !element.has("port")) {
    element.fault("found <endpoint> that says nothing, expected \"host\", \"address\" or \"port\"");
  }
  if (element.has("host") && element.has("address")) {
    element.fault("found <endpoint> with \"host\" and \"address\", expected one: a name is not resolved for rules");
  }
  if (element.has("host")) {
    rule.host = element.text("host");
    if (rule.host.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789-_.*") != std::string::npos ||
        parse_prefix(rule.host)) {
      element.fault_in("host", std::format("found host={}, expected a name in lower case, with * for any letters; an "
                                           "address goes into address=\"…\"",
                                           in_quotes(rule.host)));
    }
  }
  if (element.has("address")) {
    const auto prefix = parse_prefix(element.text("address"));
    if (!prefix) element.fault_in("address", prefix.error().detail);
    rule.addresses = prefix.value_or(AddressPrefix{});
  }
  rule.port = static_cast<std::uint16_t>(element.number("port", 1, UINT16_MAX, 0));
  out.push_back(std::move(rule));
}

void read_applies_to(const XmlElement& element, AppliesTo& out) {
  element.attributes({});
  const auto pattern_into = [](const char* name, std::vector<std::string>& list) {
    return [name, &list](const XmlElement& child) {
      child.attributes({name});
      child.no_children();
      list.push_back(child.text(name));
    };
  };
  element.children({
      {"endpoint", [&](const XmlElement& child) { read_endpoint(child, out.endpoints); }, kPolicyEntriesMax},
      {"application", pattern_into("name", out.applications), kPolicyEntriesMax},
      {"path", pattern_into("interface", out.interfaces), kPolicyEntriesMax},
      {"pvd", pattern_into("name", out.provisioning_domains), kPolicyEntriesMax},
  });
  if (out.empty()) element.fault("found <applies-to> without a rule, expected one, or no <applies-to>");
}

void read_search(const XmlElement& element, const std::filesystem::path& base, PluginRules& out) {
  element.attributes({"directory"});
  element.no_children();
  const std::string directory = element.text("directory");
  if (!directory.empty()) out.search.push_back((base / directory).lexically_normal());
}

bool is_sha256(std::string_view text) {
  return text.size() == 64 && text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

void read_allow(const XmlElement& element, PluginRules& out) {
  element.attributes({"plugin", "sha256"});
  element.no_children();
  AllowRule rule;
  rule.plugin = element.text("plugin");
  if (rule.plugin != "*") rule.plugin = element.word("plugin");
  if (element.has("sha256")) {
    rule.sha256 = element.text("sha256");
    if (!is_sha256(rule.sha256)) {
      element.fault_in("sha256", std::format("found sha256={}, expected 64 hexadecimal digits as sha256sum prints them",
                                             in_quotes(rule.sha256)));
    }
    if (rule.plugin == "*") element.fault("found a pin for plugin=\"*\", expected one plugin: one hash fits one file");
  }
  out.allow.push_back(std::move(rule));
}

void read_plugins(const XmlElement& element, const std::filesystem::path& base, PluginRules& out) {
  element.attributes({});
  element.children({{"search", [&](const XmlElement& child) { read_search(child, base, out); }, kPolicyEntriesMax},
                    {"allow", [&](const XmlElement& child) { read_allow(child, out); }, kPolicyEntriesMax}});
}

void read_requirements(const XmlElement& element, Requirements& out) {
  static constexpr std::string_view kTruth[] = {"false", "true"};
  element.attributes({"face", "safely-replayable"});
  if (element.has("safely-replayable")) out.replayable = element.word("safely-replayable", kTruth) == "true";
  if (element.has("face")) out.face = face_of(element.word("face", face_words())).value_or(Face::none);
  FeatureSet seen;
  const auto into = [&](FeatureSet& set) {
    return [&](const XmlElement& child) {
      child.attributes({"feature"});
      child.no_children();
      const auto feature = feature_of(child.word("feature", feature_words()));
      if (!feature) return;
      if (seen.has(*feature)) {
        child.fault(std::format("found feature \"{}\" twice, expected it once", to_string(*feature)));
      }
      seen = seen | FeatureSet{*feature};
      set = set | FeatureSet{*feature};
    };
  };
  element.children({{"require", into(out.require)},
                    {"prohibit", into(out.prohibit)},
                    {"prefer", into(out.prefer)},
                    {"avoid", into(out.avoid)}});
}

void read_layer(const XmlElement& element, StackSpec& out) {
  element.attributes({"protocol", "framer"});
  LayerSpec layer{.kind = LayerSpec::Kind::protocol, .name = {}, .where = element.where()};
  if (element.has("protocol") == element.has("framer")) {
    element.fault("found <layer> with both or neither of \"protocol\" and \"framer\", expected one of them");
  }
  if (element.has("framer")) layer.kind = LayerSpec::Kind::framer;
  layer.name = element.word(element.has("framer") ? "framer" : "protocol");
  element.children({options_into(layer.options)});
  out.layers.push_back(std::move(layer));
}

void read_stack(const XmlElement& element, std::vector<StackSpec>& out) {
  element.attributes({"name"});
  StackSpec stack{.name = element.word("name"), .layers = {}, .where = element.where()};
  element.children({{"layer", [&](const XmlElement& layer) { read_layer(layer, stack); }, kLayersMax}});
  if (stack.layers.empty()) element.fault("found <stack> without a <layer>, expected at least one");
  if (std::ranges::contains(out, stack.name, &StackSpec::name)) {
    element.fault(std::format("found stack {} twice, expected another name", in_quotes(stack.name)));
  }
  out.push_back(std::move(stack));
}

void read_stacks(const XmlElement& element, std::vector<StackSpec>& out) {
  element.attributes({});
  element.children({{"stack", [&](const XmlElement& stack) { read_stack(stack, out); }, kPolicyStacksMax}});
  if (out.empty()) element.fault("found <stacks> without a <stack>, expected at least one");
}

void read_limits(const XmlElement& element, PolicyLimits& out) {
  element.attributes(
      {"connect-timeout-ms", "candidates", "attempts-at-once", "send-buffer-bytes", "receive-buffer-bytes"});
  element.no_children();
  const auto timeout = static_cast<std::uint32_t>(out.connect_timeout / std::chrono::milliseconds(1));
  out.connect_timeout = std::chrono::milliseconds(element.number("connect-timeout-ms", 1, kTimeoutMax, timeout));
  out.candidates = element.number("candidates", 1, kCandidatesMax, out.candidates);
  out.attempts_at_once = element.number("attempts-at-once", 1, kAttemptsMax, out.attempts_at_once);
  out.send_buffer = element.number("send-buffer-bytes", kBufferLeast, kBufferMax, out.send_buffer);
  out.receive_buffer = element.number("receive-buffer-bytes", kBufferLeast, kBufferMax, out.receive_buffer);
}

void read_resolver(const XmlElement& element, std::vector<PluginUse>& out) {
  element.attributes({"name"});
  PluginUse use{element.word("name"), {}, element.where()};
  element.children({options_into(use.options)});
  if (std::ranges::contains(out, use.name, &PluginUse::name)) {
    element.fault(std::format("found resolver {} twice, expected it once", in_quotes(use.name)));
  }
  out.push_back(std::move(use));
}

void read_prefix(const XmlElement& element, std::vector<PrefixPolicy>& out) {
  element.attributes({"address", "precedence", "label"});
  element.no_children();
  const auto prefix = parse_prefix(element.text("address"));
  if (!prefix) return element.fault_in("address", prefix.error().detail);
  for (const char* name : {"precedence", "label"}) {
    if (!element.has(name))
      return element.fault(std::format("found <prefix> without attribute \"{}\", expected it", name));
  }
  out.push_back(prefix_policy(*prefix, static_cast<std::uint8_t>(element.number("precedence", 0, 255, 0)),
                              static_cast<std::uint8_t>(element.number("label", 0, 255, 0))));
}

void read_names(const XmlElement& element, Policy& out) {
  element.attributes({});
  element.children({
      {"resolver", [&](const XmlElement& child) { read_resolver(child, out.resolvers); }, kPolicyResolversMax},
      {"prefix", [&](const XmlElement& child) { read_prefix(child, out.prefixes); }, kPolicyEntriesMax},
  });
}

constexpr std::string_view kKinds[] = {"session-ticket", "address-token", "performance", "support"};  // StateKind
constexpr std::string_view kPartitions[] = {"application", "policy"};
constexpr std::uint32_t kKeepMost = 7 * 24 * 3600;  // seconds

void read_keep(const XmlElement& element, PolicyState& out) {
  element.attributes({"kind", "seconds"});
  element.no_children();
  const std::string word = element.word("kind", kKinds);
  if (!element.has("seconds")) element.fault("found <keep> without attribute \"seconds\", expected it");
  const auto seconds = element.number("seconds", 0, kKeepMost, 0);
  const auto kind = std::ranges::find(kKinds, word);
  if (kind == std::ranges::end(kKinds)) return;
  auto& place = out.keep[static_cast<std::size_t>(kind - std::ranges::begin(kKinds))];
  if (place) element.fault(std::format("found <keep kind=\"{}\"> twice, expected it once", word));
  place = std::chrono::seconds(seconds);
}

void read_state(const XmlElement& element, PolicyState& out) {
  element.attributes({"store", "partition"});
  PluginUse use{{}, {}, element.where()};
  if (element.has("store")) use.name = element.word("store");
  if (element.has("partition") && element.word("partition", kPartitions) == "policy")
    out.partition = PolicyState::Partition::policy;
  element.children({options_into(use.options),
                    {"keep", [&](const XmlElement& child) { read_keep(child, out); }, int(std::size(kKinds))}});
  if (use.name.empty() && !use.options.empty())
    element.fault("found <option> in <state> without \"store\", expected the store that they are for");
  if (!use.name.empty()) out.store = std::move(use);
}

constexpr std::string_view kInterfaceTypes[] = {"unknown", "wired", "wifi", "cellular", "loopback", "tunnel"};
constexpr std::string_view kTruths[] = {"true", "false"};

void read_path_rule(const XmlElement& element, Preference preference, std::vector<PathRule>& out) {
  element.attributes({"interface", "type", "pvd", "metered", "temporary"});
  element.no_children();
  PathRule rule{.preference = preference};
  if (element.has("interface")) rule.interface_name = element.text("interface");
  if (element.has("pvd")) rule.provisioning_domain = element.text("pvd");
  if (element.has("type")) {
    const auto word = std::ranges::find(kInterfaceTypes, element.word("type", kInterfaceTypes));
    rule.type = static_cast<InterfaceType>(word - std::ranges::begin(kInterfaceTypes));
  }
  if (element.has("metered")) rule.metered = element.word("metered", kTruths) == "true";
  if (element.has("temporary")) rule.temporary = element.word("temporary", kTruths) == "true";
  if (rule.interface_name.empty() && rule.provisioning_domain.empty() && !rule.type && !rule.metered && !rule.temporary)
    element.fault("found a rule about paths that says nothing, expected interface, type, pvd, metered or temporary");
  out.push_back(std::move(rule));
}

void read_more_paths(const XmlElement& element, Policy& out) {
  element.attributes({"provider"});
  PluginUse use{element.word("provider"), {}, element.where()};
  element.children({options_into(use.options)});
  out.path_providers.push_back(std::move(use));
}

void read_paths(const XmlElement& element, Policy& out) {
  element.attributes({"provider"});
  out.path_providers.push_back({element.word("provider"), {}, element.where()});
  std::vector<OptionText> options;
  const auto rules = [&out](std::string_view name, Preference preference) {
    return XmlElement::Child{
        name, [&out, preference](const XmlElement& rule) { read_path_rule(rule, preference, out.path_rules); },
        kPolicyEntriesMax};
  };
  element.children({options_into(options),
                    {"also", [&](const XmlElement& also) { read_more_paths(also, out); }, kPolicyPathsMax},
                    rules("require", Preference::require),
                    rules("prefer", Preference::prefer),
                    rules("avoid", Preference::avoid),
                    rules("prohibit", Preference::prohibit)});
  out.path_providers.front().options = std::move(options);
  if (out.path_rules.size() > kPathRulesMost)
    element.fault(
        std::format("found {} rules about paths, expected at most {}", out.path_rules.size(), kPathRulesMost));
}

constexpr std::string_view kBranches[] = {"path", "protocol", "endpoint"};  // in the order of Branch

void read_branch(const XmlElement& element, Policy& out) {
  element.attributes({"on", "policy"});
  const std::string on = element.word("on", kBranches);
  PluginUse use{element.word("policy"), {}, element.where()};
  element.children({options_into(use.options)});
  const auto branch = std::ranges::find(kBranches, on);
  if (branch == std::ranges::end(kBranches)) return;
  auto& place = out.racing[static_cast<std::size_t>(branch - std::ranges::begin(kBranches))];
  if (place) element.fault(std::format("found <branch on=\"{}\"> twice, expected it once", on));
  place = std::move(use);
}

constexpr std::string_view kEarlyData[] = {"every-path", "one-path"};

void read_racing(const XmlElement& element, Policy& out) {
  element.attributes({"early-data"});
  if (element.has("early-data")) out.early_on_one_path = element.word("early-data", kEarlyData) == "one-path";
  element.children({{"branch", [&](const XmlElement& branch) { read_branch(branch, out); }}});
}

void read_same_security(const XmlElement& element, Policy& out) {
  element.attributes({"reason"});
  SameSecurity same{element.text("reason"), {}, element.where()};
  element.children({{"stack",
                     [&](const XmlElement& stack) {
                       stack.attributes({"name"});
                       stack.no_children();
                       const std::string name = stack.word("name");
                       if (std::ranges::contains(same.stacks, name)) {
                         stack.fault(std::format("found stack {} twice, expected it once", in_quotes(name)));
                       }
                       same.stacks.push_back(name);
                     },
                     kPolicyStacksMax}});
  if (same.stacks.size() < 2)
    element.fault("found <same-security> with less than two <stack>, expected those that are equal");
  out.same_security.push_back(std::move(same));
}

void read_equivalence(const XmlElement& element, Policy& out) {
  element.attributes({});
  element.children(
      {{"same-security", [&](const XmlElement& same) { read_same_security(same, out); }, kPolicyEntriesMax}});
}

void read_policy(const XmlElement& element, Policy& out) {
  element.attributes({"xmlns", "name", "summary", "xmlns:xsi", "xsi:schemaLocation"});  // the last two are for editors
  if (const std::string space = element.text("xmlns"); !space.empty() && space != kNamespace) {
    element.fault_in("xmlns", std::format("found xmlns={}, expected \"{}\"", in_quotes(space), kNamespace));
  }
  out.where = element.where();
  out.name = element.word("name");
  out.summary = element.value("summary");
  std::error_code error;
  const std::filesystem::path base = std::filesystem::absolute(out.file, error).parent_path();
  element.children({
      {"applies-to", [&](const XmlElement& child) { read_applies_to(child, out.applies_to); }, 1},
      {"plugins", [&](const XmlElement& child) { read_plugins(child, base, out.plugins); }, 1},
      {"requirements", [&](const XmlElement& child) { read_requirements(child, out.requirements); }, 1},
      {"paths", [&](const XmlElement& child) { read_paths(child, out); }, 1},
      {"names", [&](const XmlElement& child) { read_names(child, out); }, 1},
      {"stacks", [&](const XmlElement& child) { read_stacks(child, out.stacks); }, 1},
      {"equivalence", [&](const XmlElement& child) { read_equivalence(child, out); }, 1},
      {"racing", [&](const XmlElement& child) { read_racing(child, out); }, 1},
      {"limits", [&](const XmlElement& child) { read_limits(child, out.limits); }, 1},
      {"state", [&](const XmlElement& child) { read_state(child, out.state); }, 1},
  });
  if (out.stacks.empty()) element.fault("found <policy> without <stacks>, expected the stacks that may be used");
}

}  // namespace

Result<Policy> parse_policy(std::string_view xml, const std::string& file) {
  if (xml.size() > kPolicyBytesMax) return std::unexpected(too_large(file, "policy", kPolicyBytesMax));
  Policy policy;
  policy.file = file;
  policy.fingerprint = sha256(xml);
  policy.plugins.policy = file;
  XmlFile reader(file, "policy");
  read_xml(reader, xml, "policy", [&](const XmlElement& root) { read_policy(root, policy); });
  if (reader.error()) return std::unexpected(*reader.error());
  return policy;
}

Result<Policy> load_policy(const std::string& path) {
  auto text = read_text_file(path, "policy", kPolicyBytesMax);
  if (!text) return fail(std::move(text));
  return parse_policy(*text, path);
}

}  // namespace trellis
