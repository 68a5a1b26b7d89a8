#include "conformance/elf_symbols.h"

#include <elf.h>

#include <algorithm>
#include <cstring>
#include <fstream>
#include <iterator>
#include <span>

namespace trellis::conformance {
namespace {

std::unexpected<Error> damaged(const std::string& file, const char* what) {
  return fail(Reason::configuration, file + ": " + what, 0, "conformance");
}

/// `count` objects at an offset; nothing when they do not lie inside.
template <class T>
std::vector<T> read(std::span<const char> bytes, std::size_t offset, std::size_t count) {
  if (offset > bytes.size() || count > (bytes.size() - offset) / sizeof(T)) return {};
  std::vector<T> values(count);
  std::memcpy(values.data(), bytes.data() + offset, count * sizeof(T));
  return values;
}

void sort_in(const Elf64_Sym& symbol, std::string name, DynamicSymbols& out) {
  const unsigned char binding = ELF64_ST_BIND(symbol.st_info);
  if (name.empty() || binding == STB_LOCAL) return;
  if (symbol.st_shndx == SHN_UNDEF) return out.wanted.push_back(std::move(name));
  if (binding == STB_GNU_UNIQUE) out.unique.push_back(name);
  out.exported.push_back(std::move(name));
}

}  // namespace

Result<DynamicSymbols> read_dynamic_symbols(const std::string& file) {
  std::ifstream in(file, std::ios::binary);
  const std::vector<char> bytes(std::istreambuf_iterator<char>(in), {});
  const auto header = read<Elf64_Ehdr>(bytes, 0, 1);
  if (header.empty() || std::memcmp(header[0].e_ident, ELFMAG, SELFMAG) != 0 ||
      header[0].e_ident[EI_CLASS] != ELFCLASS64) {
    return damaged(file, "is no ELF64 file");
  }
  const auto sections = read<Elf64_Shdr>(bytes, header[0].e_shoff, header[0].e_shnum);
  const auto table = std::ranges::find(sections, Elf64_Word{SHT_DYNSYM}, &Elf64_Shdr::sh_type);
  if (table == sections.end() || table->sh_link >= sections.size()) return damaged(file, "has no dynamic symbols");
  const Elf64_Shdr& names = sections[table->sh_link];
  const auto text = read<char>(bytes, names.sh_offset, names.sh_size);
  DynamicSymbols symbols;
  for (const Elf64_Sym& symbol : read<Elf64_Sym>(bytes, table->sh_offset, table->sh_size / sizeof(Elf64_Sym))) {
    if (symbol.st_name >= text.size()) return damaged(file, "has a symbol without a name");
    const std::span rest = std::span(text).subspan(symbol.st_name);
    sort_in(symbol, {rest.begin(), std::ranges::find(rest, '\0')}, symbols);
  }
  return symbols;
}

}  // namespace trellis::conformance
