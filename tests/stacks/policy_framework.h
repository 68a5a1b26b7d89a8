// policy_framework.h: a framework with the plugins of this build and one policy, and what a test adds to it.
#pragma once
#include <gtest/gtest.h>

#include <functional>

#include "core/framework_core.h"

namespace trellis::tests {

/// `add`: registers what the policy calls "simulated"; empty: there is no such plugin.
inline std::unique_ptr<Framework> framework_with(const std::string& policy,
                                                 const std::function<void(Registrar&)>& add = {},
                                                 FrameworkOptions options = {}) {
  options.plugin_directories = {TRELLIS_BUILD_DIR "/plugins"};
  auto core = std::make_unique<FrameworkCore>(std::move(options), std::vector<PluginRules>{});
  if (add) {
    EXPECT_TRUE(core->registry.link("simulated", add));
  }
  auto parsed = parse_policy(policy, "test.xml");
  EXPECT_TRUE(parsed) << parsed.error().detail;
  if (auto loaded = core->load({*parsed}); !loaded) ADD_FAILURE() << loaded.error().detail;
  return std::make_unique<Framework>(std::move(core));
}

}  // namespace trellis::tests
