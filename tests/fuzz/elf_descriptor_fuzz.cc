// Bytes that claim to be a plugin's file: reading its descriptor ends with a verdict and a sound description.
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <span>

#include "core/elf_descriptor.h"
#include "core/text.h"

namespace {

class Memory final : public trellis::ByteSource {
 public:
  explicit Memory(std::span<const std::uint8_t> bytes) : bytes_(bytes) {}
  std::uint64_t size() const noexcept override { return bytes_.size(); }
  bool read(std::uint64_t offset, std::span<std::byte> out) const noexcept override {
    if (offset > bytes_.size() || bytes_.size() - offset < out.size()) return false;
    if (!out.empty()) std::memcpy(out.data(), bytes_.data() + offset, out.size());
    return true;
  }

 private:
  std::span<const std::uint8_t> bytes_;
};

void require(bool holds) {
  if (!holds) std::abort();
}

template <class T>
bool verdict(const trellis::Result<T>& result) {
  if (!result) require(trellis::is_printable(result.error().detail));
  return result.has_value();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const Memory file({data, size});
  const auto descriptor = trellis::read_descriptor(file);
  if (!verdict(descriptor)) return 0;
  verdict(trellis::check_abi(*descriptor));
  const auto info = trellis::read_info(*descriptor);
  if (!verdict(info)) return 0;
  require(trellis::is_kebab_case(info->name) && !info->provides.empty());
  require(trellis::is_printable(info->version) && trellis::is_printable(info->license));
  require(trellis::is_printable(info->summary));
  for (const trellis::Provided& provided : info->provides) require(trellis::is_kebab_case(provided.name));
  return 0;
}
