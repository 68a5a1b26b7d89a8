// path_rule.h: wishes about the ways out of this host, of applications and of policies (RFC 9622 section 6.2).
#pragma once
#include <cstdint>
#include <optional>
#include <string>

#include "trellis/path.h"

namespace trellis {

/// How much something is wanted (RFC 9622 section 6.2; what is not named is "No Preference").
enum class Preference : std::uint8_t {
  require,   ///< one of those that are required must fit, else the path is not used
  prefer,    ///< paths that fit go first
  avoid,     ///< paths that fit go last
  prohibit,  ///< paths that fit are not used
};

/// One wish about paths. All that is said in it must hold for a path to fit. Of several prefer and avoid, the first one
/// weighs more than all that follow.
struct PathRule {
  Preference preference = Preference::prefer;  ///< what a path that fits is
  std::string interface_name = {};             ///< "eth0"; * stands for any letters; empty: any (section 6.2.11)
  std::optional<InterfaceType> type = {};      ///< none: any (section 6.2.11)
  /// The provisioning domain, * as above; empty: any (section 6.2.12). An interface of which nothing else is known is
  /// one of its own with its name (RFC 7556 section 2.1).
  std::string provisioning_domain = {};
  std::optional<bool> metered = {};    ///< whether it costs by volume; none: either
  std::optional<bool> temporary = {};  ///< whether its local address is temporary; none: either (section 6.2.13)
};

}  // namespace trellis
