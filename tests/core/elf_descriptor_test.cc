// The reader of descriptors over files made by hand; tests/broken-plugins has real and damaged ones.
#include "core/elf_descriptor.h"

#include <elf.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <bit>
#include <cstring>

namespace trellis {
namespace {

constexpr PluginDescriptor kDescriptor = describe({.name = "made-by-hand",
                                                   .version = "1.0.0",
                                                   .license = "MIT",
                                                   .provides = "  store:a racing:b  paths:c resolver:d ",
                                                   .summary = "Exists in memory only",
                                                   .maturity = Maturity::stable});

/// This machine's number, from the program that runs.
Elf64_Half machine() {
  Elf64_Ehdr header{};
  const int program = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
  EXPECT_EQ(pread(program, &header, sizeof header, 0), static_cast<ssize_t>(sizeof header));
  close(program);
  return header.e_machine;
}

/// The smallest file with a descriptor: header, descriptor, names, three section headers.
struct MadeByHand {
  Elf64_Ehdr header{};
  std::string descriptor{reinterpret_cast<const char*>(&kDescriptor), sizeof kDescriptor};
  std::string names{"\0.trellis_plugin\0.shstrtab\0", 27};
  Elf64_Shdr sections[3]{};

  MadeByHand() {
    std::memcpy(header.e_ident, ELFMAG, SELFMAG);
    header.e_ident[EI_CLASS] = ELFCLASS64;
    header.e_ident[EI_DATA] = std::endian::native == std::endian::little ? ELFDATA2LSB : ELFDATA2MSB;
    header.e_type = ET_DYN;
    header.e_machine = machine();
    header.e_shentsize = sizeof(Elf64_Shdr);
    header.e_shnum = 3;
    header.e_shstrndx = 2;
    sections[1].sh_type = SHT_PROGBITS;
    sections[1].sh_name = 1;
    sections[2].sh_type = SHT_STRTAB;
    sections[2].sh_name = 17;
    place();
  }
  void place() {
    sections[1].sh_offset = sizeof header;
    sections[1].sh_size = descriptor.size();
    sections[2].sh_offset = sections[1].sh_offset + descriptor.size();
    sections[2].sh_size = names.size();
    header.e_shoff = sections[2].sh_offset + names.size();
  }
  std::string bytes() const {
    return std::string(reinterpret_cast<const char*>(&header), sizeof header) + descriptor + names +
           std::string(reinterpret_cast<const char*>(sections), sizeof sections);
  }
};

class Memory final : public ByteSource {
 public:
  explicit Memory(std::string bytes) : bytes_(std::move(bytes)) {}
  std::uint64_t size() const noexcept override { return bytes_.size(); }
  bool read(std::uint64_t offset, std::span<std::byte> out) const noexcept override {
    if (offset > bytes_.size() || bytes_.size() - offset < out.size()) return false;
    std::memcpy(out.data(), bytes_.data() + offset, out.size());
    taken += out.size();
    return true;
  }
  mutable std::size_t taken = 0;

 private:
  std::string bytes_;
};

std::string verdict(const MadeByHand& file) {
  const auto descriptor = read_descriptor(Memory(file.bytes()));
  return descriptor ? "accepted" : descriptor.error().detail;
}

TEST(ElfDescriptor, SmallestFile) {
  const MadeByHand file;
  const auto descriptor = read_descriptor(Memory(file.bytes()));
  ASSERT_TRUE(descriptor) << descriptor.error().detail;
  EXPECT_TRUE(check_abi(*descriptor));
  const auto info = read_info(*descriptor);
  ASSERT_TRUE(info) << info.error().detail;
  EXPECT_EQ(info->name, "made-by-hand");
  EXPECT_EQ(info->maturity, Maturity::stable);
  const std::vector<Provided> provides = {
      {PluginKind::store, "a"}, {PluginKind::racing, "b"}, {PluginKind::paths, "c"}, {PluginKind::resolver, "d"}};
  EXPECT_EQ(info->provides, provides);
}

TEST(ElfDescriptor, ReadsOnlyWhatItNeeds) {
  MadeByHand file;
  const std::size_t small = file.bytes().size();
  const Memory large(file.bytes() + std::string(1 << 20, 'x'));
  ASSERT_TRUE(read_descriptor(large));
  EXPECT_LE(large.taken, small + 16);
}

TEST(ElfDescriptor, FieldsAppendedByLaterHeaders) {
  MadeByHand file;
  const std::uint32_t size = sizeof(PluginDescriptor) + 8;
  file.descriptor.append(8, 'x');
  file.descriptor.replace(offsetof(PluginDescriptor, size), sizeof size, reinterpret_cast<const char*>(&size),
                          sizeof size);
  file.place();
  EXPECT_EQ(verdict(file), "accepted");
}

TEST(ElfDescriptor, NamesOfSections) {
  const std::string missing =
      "found no section .trellis_plugin, expected the one that TRELLIS_PLUGIN makes: this is no plugin, or it was "
      "stripped of it";
  MadeByHand file;
  file.names[1] = ',';
  EXPECT_EQ(verdict(file), missing);
  file = MadeByHand();
  file.names[16] = 's';  // ".trellis_plugins.shstrtab"
  EXPECT_EQ(verdict(file), missing);
  file = MadeByHand();
  file.sections[1].sh_name = 0xffffffff;
  EXPECT_EQ(verdict(file), missing);
  file = MadeByHand();
  file.sections[1].sh_type = SHT_NOBITS;
  EXPECT_EQ(verdict(file), missing);
  file = MadeByHand();
  file.names = {"\0.shstrtab\0.trellis_plugin", 26};  // its last name has no end
  file.sections[1].sh_name = 11;
  file.sections[2].sh_name = 1;
  file.place();
  EXPECT_EQ(verdict(file), "accepted");
  file.names = {"\0.shstrtab\0.trellis_plugi", 25};
  file.place();
  EXPECT_EQ(verdict(file), missing);
  file = MadeByHand();
  file.sections[2].sh_type = SHT_PROGBITS;
  EXPECT_EQ(
      verdict(file),
      "found 27 bytes of section names in a section of type 1, expected at most 262144 in a string table (type 3): it "
      "is cut short or forged, build or copy it again");
  file = MadeByHand();
  file.names.clear();
  file.place();
  EXPECT_EQ(verdict(file), missing);
}

TEST(ElfDescriptor, OtherProgramsAreNoPlugins) {
  const int descriptor = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
  ASSERT_GE(descriptor, 0);
  struct stat status{};
  ASSERT_EQ(fstat(descriptor, &status), 0);
  const FileSource file(descriptor, static_cast<std::uint64_t>(status.st_size));
  EXPECT_FALSE(read_descriptor(file));
  std::byte bytes[4];
  EXPECT_TRUE(file.read(0, bytes));
  EXPECT_EQ(std::memcmp(bytes, ELFMAG, SELFMAG), 0);
  EXPECT_TRUE(file.read(file.size() - 4, bytes));
  EXPECT_FALSE(file.read(file.size() - 3, bytes));
  EXPECT_FALSE(file.read(file.size() + 1, {}));
  EXPECT_FALSE(file.read(~std::uint64_t{0}, bytes));
  const FileSource shrunk(descriptor, file.size() + 4096);
  EXPECT_FALSE(shrunk.read(file.size(), bytes)) << "shorter than it was when its size was taken";
  close(descriptor);
}

TEST(ElfDescriptor, Words) {
  EXPECT_EQ(to_string(PluginKind::protocol), "protocol");
  EXPECT_EQ(to_string(PluginKind::store), "store");
  EXPECT_EQ(to_string(Provided{PluginKind::paths, "x"}), "paths:x");
  EXPECT_EQ(to_string(Maturity::experimental), "experimental");
  EXPECT_EQ(to_string(Maturity::stable), "stable");
}

}  // namespace
}  // namespace trellis
