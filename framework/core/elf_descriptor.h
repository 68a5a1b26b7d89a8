// elf_descriptor.h: reads what a plugin says of itself out of its file, before any of its code can run.
//
// The file is hostile until proven otherwise: every offset and length in it is checked against its size, nothing is
// allocated by a number that it claims beyond small limits, and only the parts that are needed are read.
#pragma once
#include <compare>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "trellis/plugin.h"
#include "trellis/result.h"

namespace trellis {

/// What a plugin can register; the words of `provides` in this order: protocol framer resolver paths racing store.
enum class PluginKind : std::uint8_t { protocol, framer, resolver, paths, racing, store };
std::string_view to_string(PluginKind kind) noexcept;

/// One word of `provides`.
struct Provided {
  PluginKind kind;
  std::string name;  ///< kebab-case
  auto operator<=>(const Provided&) const = default;
};
std::string to_string(const Provided& provided);  // "protocol:tcp"

/// A descriptor that was checked, in comfortable types.
struct PluginInfo {
  std::string name, version, license, summary;
  std::vector<Provided> provides;  ///< in the order written; at least one
  Maturity maturity = Maturity::experimental;
};
std::string_view to_string(Maturity maturity) noexcept;

/// Bytes to read a descriptor from.
class ByteSource {
 public:
  virtual std::uint64_t size() const noexcept = 0;
  /// Fills `out` from `offset`; false when any byte of it lies outside or cannot be read.
  virtual bool read(std::uint64_t offset, std::span<std::byte> out) const noexcept = 0;

 protected:
  ~ByteSource() = default;
};

/// An open file as a ByteSource; does not own the descriptor.
class FileSource final : public ByteSource {
 public:
  FileSource(int descriptor, std::uint64_t size) : descriptor_(descriptor), size_(size) {}
  std::uint64_t size() const noexcept override { return size_; }
  bool read(std::uint64_t offset, std::span<std::byte> out) const noexcept override;

 private:
  int descriptor_;
  std::uint64_t size_;
};

/// Finds the section .trellis_plugin of an ELF64 shared object of this machine and takes the descriptor out of it.
/// Magic, size and position are checked, abi, toolchain and texts are not. Errors have the form
/// "found X, expected Y: what to do", without the name of the file.
Result<PluginDescriptor> read_descriptor(const ByteSource& file);

/// Whether the plugin was built with this contract and toolchain. Errors as above.
Result<void> check_abi(const PluginDescriptor& descriptor);

/// Checks the texts of a descriptor (ends, characters, names, `provides`). Errors as above.
Result<PluginInfo> read_info(const PluginDescriptor& descriptor);

}  // namespace trellis
