// plugin_loader.h: from a file to what its plugin offers, refusing in this order:
//   1. file or directory that somebody else can write     2. no ELF of this machine with a descriptor
//   3. other ABI or toolchain                             4. not allowed by the policy, or another file than pinned
//   5. (registry.h: only what something names gets further)
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
/// The names in it, sorted.
std::vector<Provided> provided_by(const PluginKinds& kinds);

/// What a file came to without running any code of it: steps 1 to 4.
struct PluginInspection {
  std::string file;               ///< as found
  PluginDescriptor descriptor{};  ///< valid when described
  PluginInfo info;                ///< valid when described
  bool described = false;         ///< the descriptor was read and understood
  std::string refusal;            ///< one line; empty: nothing speaks against opening it
};
PluginInspection inspect_plugin(const std::string& file, std::span<const PluginRules> rules);

/// What inspection asks of the file once more, because time has passed, then the dynamic linker and registration.
Result<PluginKinds> load_plugin(const PluginInspection& plugin, std::span<const PluginRules> rules);

/// Runs a registration and collects what it adds. Errors: "found X, expected Y: what to do", without a file.
Result<PluginKinds> collect_kinds(const std::function<void(Registrar&)>& body);

}  // namespace trellis
