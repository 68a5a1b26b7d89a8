// elf_symbols.h: the symbols of a plugin's file: what it exports and what it wants from others.
#pragma once
#include <string>
#include <vector>

#include "trellis/result.h"

namespace trellis::conformance {

/// The symbols that the dynamic linker sees, and whose code refers to them.
struct PluginSymbols {
  std::vector<std::string> exported;  ///< defined and visible
  std::vector<std::string> unique;    ///< of those, bound uniquely in the process (STB_GNU_UNIQUE)
  std::vector<std::string> wanted;    ///< undefined
  /// What the plugin's own code refers to, whatever libraries were linked into the file: what trellis_add_plugin has
  /// written down; the same as `wanted` where it has not.
  std::vector<std::string> own;
};

/// Reads them. Errors: the file cannot be read or is no ELF64 shared object.
Result<PluginSymbols> read_symbols(const std::string& file);

}  // namespace trellis::conformance
