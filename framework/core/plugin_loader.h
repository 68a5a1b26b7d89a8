// plugin_loader.h: from a file to what its plugin offers, refusing in this order:
//   1. file or directory that somebody else can write     2. no ELF of this machine with a descriptor
//   3. other ABI or toolchain                             4. not allowed by the policy, or another file than pinned
//   5. (registry: only plugins that something names get further)
//   6. the dynamic linker refuses it                      7. it registers something else than it said
// A refusal is one line: "FILE: found X, expected Y: what to do".
//
// Loaded objects are never unloaded: their code may be on any stack, and their constants are referred to everywhere.
#pragma once
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "core/elf_descriptor.h"
#include "core/plugin_rules.h"
#include "trellis/framer.h"
#include "trellis/path.h"
#include "trellis/plugin.h"
#include "trellis/protocol.h"
#include "trellis/racing.h"
#include "trellis/resolver.h"
#include "trellis/state.h"

namespace trellis {

/// What one plugin registered.
struct PluginKinds {
  std::vector<std::unique_ptr<ProtocolKind>> protocols;
  std::vector<std::unique_ptr<FramerKind>> framers;
  std::vector<std::unique_ptr<Resolver>> resolvers;
  std::vector<std::unique_ptr<PathProvider>> paths;
  std::vector<std::unique_ptr<RacingPolicy>> racing;
  std::vector<std::unique_ptr<StateStore>> stores;
};

/// A file that passed the checks that need no code of it to run (1 to 3, and the allowed names of 4).
struct InspectedPlugin {
  std::string file;  ///< as found
  PluginDescriptor descriptor;
  PluginInfo info;
};

/// Steps 1 to 4 without the pin. `info` is filled as soon as it is known, also when the plugin is refused later.
Result<InspectedPlugin> inspect_plugin(const std::string& file, std::span<const PluginRules> rules, PluginInfo* info);

/// All steps again, since time has passed, then the pin, opening and registration.
Result<PluginKinds> load_plugin(const InspectedPlugin& plugin, std::span<const PluginRules> rules);

/// Step 7 alone, for plugins that are linked into the application. Errors: "found X, expected Y: what to do".
Result<PluginKinds> register_plugin(const std::function<void(Registrar&)>& body, std::span<const Provided> provides);

}  // namespace trellis
