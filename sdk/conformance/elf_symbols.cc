#include "conformance/elf_symbols.h"

#include <elf.h>

#include <algorithm>
#include <cstring>
#include <fstream>
#include <iterator>
#include <ranges>
#include <span>
#include <string_view>

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

// The section in which the build notes what a plugin's own objects refer to: a name per line, after each object's.
constexpr std::string_view kReferences = ".trellis_references";

std::string string_at(std::span<const char> text, std::size_t offset) {
  const std::span rest = text.subspan(std::min(offset, text.size()));
  return {rest.begin(), std::ranges::find(rest, '\0')};
}

/// The bytes of a section by its name; nothing when there is none.
std::vector<char> read_named(std::span<const char> bytes, const Elf64_Ehdr& header,
                             std::span<const Elf64_Shdr> sections, std::string_view name) {
  if (header.e_shstrndx >= sections.size()) return {};
  const Elf64_Shdr& table = sections[header.e_shstrndx];
  const auto names = read<char>(bytes, table.sh_offset, table.sh_size);
  for (const Elf64_Shdr& section : sections) {
    if (string_at(names, section.sh_name) == name) return read<char>(bytes, section.sh_offset, section.sh_size);
  }
  return {};
}

std::vector<std::string> lines_of(std::span<const char> text) {
  std::vector<std::string> lines;
  for (const auto line : std::views::split(text, '\n')) lines.emplace_back(line.begin(), line.end());
  return lines;
}

void sort_in(const Elf64_Sym& symbol, std::string name, PluginSymbols& out) {
  const unsigned char binding = ELF64_ST_BIND(symbol.st_info);
  if (name.empty() || binding == STB_LOCAL) return;
  if (symbol.st_shndx == SHN_UNDEF) return out.wanted.push_back(std::move(name));
  if (binding == STB_GNU_UNIQUE) out.unique.push_back(name);
  out.exported.push_back(std::move(name));
}

}  // namespace

Result<PluginSymbols> read_symbols(const std::string& file) {
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
  PluginSymbols symbols;
  for (const Elf64_Sym& symbol : read<Elf64_Sym>(bytes, table->sh_offset, table->sh_size / sizeof(Elf64_Sym))) {
    if (symbol.st_name >= text.size()) return damaged(file, "has a symbol without a name");
    sort_in(symbol, string_at(text, symbol.st_name), symbols);
  }
  const auto references = read_named(bytes, header[0], sections, kReferences);
  symbols.own = references.empty() ? symbols.wanted : lines_of(references);
  return symbols;
}

}  // namespace trellis::conformance
