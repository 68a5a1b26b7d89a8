// elf_descriptor.cc: four reads of a file: ELF header, section table, section names, the descriptor.
#include "core/elf_descriptor.h"

#include <elf.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <format>
#include <iterator>
#include <optional>
#include <tuple>

#include "core/layer_names.h"
#include "core/nearest.h"
#include "core/text.h"

namespace trellis {
namespace {

constexpr std::string_view kSection = ".trellis_plugin";

// A shared object has some forty sections with names of ten letters; these bound what a forged header makes us read.
constexpr std::size_t kSectionsMax = 4096;
constexpr std::size_t kNameBytesMax = 1 << 18;

constexpr std::string_view kRebuild = "build the plugin for this machine";
constexpr std::string_view kDamaged = "it is cut short or forged, build or copy it again";

struct Machine {
  unsigned number;
  std::string_view name;
};
constexpr Machine kMachines[] = {
    {EM_X86_64, "x86-64"}, {EM_AARCH64, "AArch64"}, {EM_RISCV, "RISC-V"},        {EM_PPC64, "PowerPC64"},
    {EM_S390, "S/390"},    {EM_386, "x86"},         {EM_LOONGARCH, "LoongArch"}, {EM_ARM, "ARM"},
};

#if defined(__x86_64__)
constexpr unsigned kMachine = EM_X86_64;
#elif defined(__aarch64__)
constexpr unsigned kMachine = EM_AARCH64;
#elif defined(__riscv)
constexpr unsigned kMachine = EM_RISCV;
#elif defined(__powerpc64__)
constexpr unsigned kMachine = EM_PPC64;
#elif defined(__s390x__)
constexpr unsigned kMachine = EM_S390;
#elif defined(__loongarch__)
constexpr unsigned kMachine = EM_LOONGARCH;
#else
#error "Add this machine's ELF number here and to kMachines"
#endif
static_assert(sizeof(void*) == 8, "the loader reads ELF64");

constexpr unsigned char kEndian = std::endian::native == std::endian::little ? ELFDATA2LSB : ELFDATA2MSB;

std::string machine_name(unsigned number) {
  const auto* const known = std::ranges::find(kMachines, number, &Machine::number);
  return known == std::end(kMachines) ? std::format("number {}", number) : std::string(known->name);
}

std::unexpected<Error> refuse(std::string_view found, std::string_view expected, std::string_view remedy) {
  return fail(Reason::configuration, std::format("found {}, expected {}: {}", found, expected, remedy), 0,
              kLoaderLayer);
}

template <class T>
bool read_value(const ByteSource& file, std::uint64_t offset, T& out) {
  return file.read(offset, std::as_writable_bytes(std::span(&out, 1)));
}

Result<Elf64_Ehdr> read_header(const ByteSource& file) {
  if (file.size() == 0) return refuse("an empty file", "an ELF shared object", "build or copy it again");
  Elf64_Ehdr header{};
  const bool whole = read_value(file, 0, header);
  if (!whole) std::ignore = file.read(0, std::as_writable_bytes(std::span(header.e_ident).first<SELFMAG>()));
  if (std::memcmp(header.e_ident, ELFMAG, SELFMAG) != 0) {
    return refuse("a file that is not ELF", "an ELF shared object", "only plugins may be named *.so here");
  }
  if (!whole) return refuse("half an ELF header", "a whole one", kDamaged);
  if (header.e_ident[EI_CLASS] != ELFCLASS64) return refuse("an ELF file that is not of 64 bits", "ELF64", kRebuild);
  if (header.e_ident[EI_DATA] != kEndian)
    return refuse("an ELF file of the other byte order", "this machine's", kRebuild);
  if (header.e_machine != kMachine) {
    return refuse("a file for machine " + machine_name(header.e_machine), machine_name(kMachine), kRebuild);
  }
  if (header.e_type != ET_DYN) {
    return refuse(std::format("an ELF file of type {}", header.e_type), "a shared object (type 3)",
                  "link the plugin with -shared");
  }
  return header;
}

Result<std::vector<Elf64_Shdr>> read_sections(const ByteSource& file, const Elf64_Ehdr& header) {
  if (header.e_shnum == 0)
    return refuse("no section table", "one with " + std::string(kSection), "do not strip it off");
  if (header.e_shentsize != sizeof(Elf64_Shdr) || header.e_shnum > kSectionsMax) {
    return refuse(std::format("{} sections of {} bytes", header.e_shnum, header.e_shentsize),
                  std::format("at most {} of {}", kSectionsMax, sizeof(Elf64_Shdr)), kDamaged);
  }
  std::vector<Elf64_Shdr> sections(header.e_shnum);
  if (!file.read(header.e_shoff, std::as_writable_bytes(std::span(sections)))) {
    return refuse("a section table beyond the end of the file", "it inside", kDamaged);
  }
  return sections;
}

Result<std::string> read_names(const ByteSource& file, const Elf64_Ehdr& header, std::span<const Elf64_Shdr> sections) {
  if (header.e_shstrndx >= sections.size()) {
    return refuse(std::format("section names in section {} of {}", header.e_shstrndx, sections.size()),
                  "a section that exists", kDamaged);
  }
  const Elf64_Shdr& section = sections[header.e_shstrndx];
  if (section.sh_type != SHT_STRTAB || section.sh_size > kNameBytesMax) {
    return refuse(std::format("{} bytes of section names in a section of type {}", section.sh_size, section.sh_type),
                  std::format("at most {} in a string table (type 3)", kNameBytesMax), kDamaged);
  }
  std::string names(section.sh_size, '\0');
  if (!file.read(section.sh_offset, std::as_writable_bytes(std::span(names)))) {
    return refuse("section names beyond the end of the file", "them inside", kDamaged);
  }
  return names;
}

const Elf64_Shdr* find_section(std::span<const Elf64_Shdr> sections, const std::string& names) {
  for (const Elf64_Shdr& section : sections) {
    // The end of the names need not be a zero; std::string has one behind it.
    if (section.sh_name < names.size() && kSection == names.c_str() + section.sh_name) return &section;
  }
  return nullptr;
}

/// A text of the descriptor up to its zero; nothing when there is none, or garbage.
template <std::size_t N>
std::optional<std::string> text_of(const char (&field)[N]) {
  const char* const end = std::find(field, field + N, '\0');
  if (end == field + N || !is_printable({field, end})) return std::nullopt;
  return std::string(field, end);
}

std::unexpected<Error> bad_text(std::string_view field) {
  return refuse(std::format("a {} that is not a text", field), "printable characters with a zero at the end", kDamaged);
}

constexpr std::string_view kKinds[] = {"protocol", "framer", "resolver", "paths", "racing", "store"};

Result<Provided> read_provided(std::string_view word) {
  const std::size_t colon = word.find(':');
  const std::string_view kind = word.substr(0, colon);
  const auto* const known = std::ranges::find(kKinds, kind);
  if (known == std::end(kKinds)) {
    return fail(Reason::configuration,
                std::format("found {} in what it provides, {}", in_quotes(word), expected_one_of(kind, kKinds)), 0,
                kLoaderLayer);
  }
  const std::string_view name = colon == std::string_view::npos ? std::string_view() : word.substr(colon + 1);
  if (!is_kebab_case(name)) {
    return refuse(in_quotes(word) + " in what it provides", "\"KIND:name\" with a name in lower case and hyphens",
                  "correct its TRELLIS_PLUGIN");
  }
  return Provided{static_cast<PluginKind>(known - std::begin(kKinds)), std::string(name)};
}

Result<std::vector<Provided>> read_provides(std::string_view text) {
  std::vector<Provided> list;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find(' '), text.size());
    const std::string_view word = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (word.empty()) continue;
    auto provided = read_provided(word);
    if (!provided) return fail(std::move(provided));
    if (std::ranges::contains(list, *provided)) {
      return refuse(to_string(*provided) + " twice in what it provides", "it once", "correct its TRELLIS_PLUGIN");
    }
    list.push_back(std::move(*provided));
  }
  if (list.empty()) return refuse("nothing in what it provides", "at least one", "correct its TRELLIS_PLUGIN");
  return list;
}

}  // namespace

std::string_view to_string(PluginKind kind) noexcept { return kKinds[static_cast<std::size_t>(kind)]; }

std::string to_string(const Provided& provided) {
  return std::format("{}:{}", to_string(provided.kind), provided.name);
}

std::string_view to_string(Maturity maturity) noexcept {
  switch (maturity) {
    case Maturity::experimental: return "experimental";
    case Maturity::beta: return "beta";
    case Maturity::stable: return "stable";
  }
  return "unknown";
}

bool FileSource::read(std::uint64_t offset, std::span<std::byte> out) const noexcept {
  if (offset > size_ || size_ - offset < out.size()) return false;
  while (!out.empty()) {
    const ssize_t got = pread(descriptor_, out.data(), out.size(), static_cast<off_t>(offset));
    if (got <= 0) return false;  // an error, or the file became shorter meanwhile
    out = out.subspan(static_cast<std::size_t>(got));
    offset += static_cast<std::uint64_t>(got);
  }
  return true;
}

Result<PluginDescriptor> read_descriptor(const ByteSource& file) {
  auto header = read_header(file);
  if (!header) return fail(std::move(header));
  auto sections = read_sections(file, *header);
  if (!sections) return fail(std::move(sections));
  auto names = read_names(file, *header, *sections);
  if (!names) return fail(std::move(names));
  const Elf64_Shdr* const section = find_section(*sections, *names);
  if (section == nullptr || section->sh_type != SHT_PROGBITS) {
    return refuse("no section .trellis_plugin", "the one that TRELLIS_PLUGIN makes",
                  "this is no plugin, or it was stripped of it");
  }
  PluginDescriptor descriptor;
  if (section->sh_size < sizeof descriptor) {
    return refuse(std::format("a descriptor of {} bytes", section->sh_size),
                  std::format("at least {}", sizeof descriptor), kDamaged);
  }
  if (!read_value(file, section->sh_offset, descriptor)) {
    return refuse("a descriptor beyond the end of the file", "it inside", kDamaged);
  }
  if (std::memcmp(descriptor.magic, PluginDescriptor{}.magic, sizeof descriptor.magic) != 0) {
    return refuse("a descriptor that does not begin with \"TRELLIS\"", "one that TRELLIS_PLUGIN makes", kDamaged);
  }
  if (descriptor.size < sizeof descriptor || descriptor.size > section->sh_size) {
    return refuse(
        std::format("a descriptor that claims {} bytes in a section of {}", descriptor.size, section->sh_size),
        std::format("{} or more, inside the section", sizeof descriptor), kDamaged);
  }
  return descriptor;
}

Result<void> check_abi(const PluginDescriptor& descriptor) {
  if (descriptor.abi != kAbi) {
    return refuse(std::format("ABI {}", descriptor.abi), std::to_string(kAbi),
                  "build the plugin with the headers of this framework");
  }
  const auto toolchain = text_of(descriptor.toolchain);
  if (!toolchain) return bad_text("toolchain");
  if (*toolchain != kToolchain) {
    return refuse("toolchain " + in_quotes(*toolchain), in_quotes(kToolchain),
                  "build the plugin with the same C++ standard library");
  }
  return {};
}

Result<PluginInfo> read_info(const PluginDescriptor& descriptor) {
  const auto name = text_of(descriptor.name);
  const auto version = text_of(descriptor.version);
  const auto license = text_of(descriptor.license);
  const auto provides = text_of(descriptor.provides);
  const auto summary = text_of(descriptor.summary);
  if (!name) return bad_text("name");
  if (!version) return bad_text("version");
  if (!license) return bad_text("license");
  if (!provides) return bad_text("list of what it provides");
  if (!summary) return bad_text("summary");
  if (!is_kebab_case(*name)) {
    return refuse("plugin name " + in_quotes(*name), "lower case and hyphens", "correct its TRELLIS_PLUGIN");
  }
  if (descriptor.maturity > static_cast<std::uint32_t>(Maturity::stable)) {
    return refuse(std::format("maturity {}", descriptor.maturity), "0, 1 or 2", kDamaged);
  }
  auto list = read_provides(*provides);
  if (!list) return fail(std::move(list));
  return PluginInfo{*name, *version, *license, *summary, std::move(*list), static_cast<Maturity>(descriptor.maturity)};
}

}  // namespace trellis
