// elf_symbols.h: the dynamic symbols of a shared object: what it exports and what it wants from others.
#pragma once
#include <string>
#include <vector>

#include "trellis/result.h"

namespace trellis::conformance {

/// The symbols that the dynamic linker sees.
struct DynamicSymbols {
  std::vector<std::string> exported;  ///< defined and visible
  std::vector<std::string> unique;    ///< of those, bound uniquely in the process (STB_GNU_UNIQUE)
  std::vector<std::string> wanted;    ///< undefined
};

/// Reads them. Errors: the file cannot be read or is no ELF64 shared object.
Result<DynamicSymbols> read_dynamic_symbols(const std::string& file);

}  // namespace trellis::conformance
