// policy.h: a policy file (policies/policy.xsd) as checked values. Whether its plugins, settings and stacks exist and
// fit is found out when the stacks are composed; the values carry file and line for that.
//
// The reader is strict: unknown elements, attributes and words are refused with "file:line: message".
#pragma once
#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/applies_to.h"
#include "core/destination_order.h"
#include "core/option_values.h"
#include "core/path_rules.h"
#include "core/plugin_rules.h"
#include "core/stack_spec.h"
#include "trellis/clock.h"
#include "trellis/property.h"
#include "trellis/result.h"

namespace trellis {

inline constexpr std::size_t kPolicyBytesMax = 1 << 20;
inline constexpr int kPolicyStacksMax = 256;  // all pairs of them are compared
inline constexpr int kPolicyResolversMax = 8;
inline constexpr int kPolicyPathsMax = 16;    // <also> in <paths>
inline constexpr int kPolicyEntriesMax = 64;  // of other lists: options, rules, <allow>, <same-security>, …

/// <limits>: what one Connection may use.
struct PolicyLimits {
  Duration connect_timeout = std::chrono::seconds(15);  ///< from Initiate to failure
  std::uint32_t candidates = 16;                        ///< leaves of the candidate tree
  std::uint32_t attempts_at_once = 8;
  std::uint32_t send_buffer = 1 << 20;     ///< bytes
  std::uint32_t receive_buffer = 1 << 20;  ///< bytes
};

/// A plugin that the policy names, with settings.
struct PluginUse {
  std::string name;
  std::vector<OptionText> options;
  std::string where;  ///< "file:line"
};

/// <same-security>: stacks whose security protocols the policy holds for equal, although they differ.
struct SameSecurity {
  std::string reason;               ///< for whoever reads the policy
  std::vector<std::string> stacks;  ///< names
  std::string where;                ///< "file:line"
};

/// <state>: what Connections remember, and where.
struct PolicyState {
  enum class Partition : std::uint8_t { application, policy };
  std::optional<PluginUse> store;                    ///< a plugin; none: the framework's default
  Partition partition = Partition::application;      ///< shared by one application, or by all under this policy
  std::array<std::optional<Duration>, 4> keep = {};  ///< at most, by StateKind; none: the framework's default
};

struct Policy {
  std::string file;
  std::string fingerprint;  ///< of the text: state does not outlive what it was made under
  std::string where;        ///< "file:line" of <policy>
  std::string name;
  std::string summary;
  AppliesTo applies_to;  ///< empty: used where no policy with rules applies
  PluginRules plugins;
  /// Face::none: the policy does not say; the stacks decide.
  Requirements requirements{.face = Face::none, .require = {}, .prohibit = {}, .prefer = {}, .avoid = {}};
  std::vector<StackSpec> stacks;  ///< best first; at least one
  std::vector<SameSecurity> same_security;
  std::array<std::optional<PluginUse>, 3> racing;  ///< by Branch; none: the framework's default
  bool early_on_one_path = false;                  ///< early data go out by the first path only that can take them
  PolicyLimits limits;
  std::vector<PluginUse> path_providers;  ///< <paths>, <also>; empty: routing decides
  std::vector<PathRule> path_rules;       ///< in their order
  std::vector<PluginUse> resolvers;       ///< asked in this order; none: the framework's default
  std::vector<PrefixPolicy> prefixes;     ///< how addresses are ordered (RFC 6724); none: the default table
  PolicyState state;
};

Result<Policy> load_policy(const std::string& path);

/// `file` is for messages, and relative search directories are taken from where it lies.
Result<Policy> parse_policy(std::string_view xml, const std::string& file);

}  // namespace trellis
