// plugin_path.h: where plugins are looked for.
#pragma once
#include <span>
#include <string>
#include <vector>

#include "core/plugin_rules.h"

namespace trellis {

/// In this order, without doubles: the policies' directories, the application's, TRELLIS_PLUGIN_PATH (separated by
/// colons; ignored in set-uid programs), then beside the program: ../plugins (build tree), ../lib/trellis/plugins.
std::vector<std::string> plugin_directories(std::span<const PluginRules> policies,
                                            std::span<const std::string> application = {});

}  // namespace trellis
