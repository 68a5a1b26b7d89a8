// Damaged files: whatever bytes a plugin's file holds, reading its descriptor ends with a verdict.
#include <random>

#include "core/text.h"
#include "zoo_directory.h"

namespace trellis {
namespace {

/// Reads as the loader does; what is accepted must be sound.
bool accepted(const std::string& bytes) {
  const MemorySource source(bytes);
  const auto descriptor = read_descriptor(source);
  if (!descriptor) {
    EXPECT_TRUE(is_printable(descriptor.error().detail)) << descriptor.error().detail;
    return false;
  }
  if (!check_abi(*descriptor)) return false;
  const auto info = read_info(*descriptor);
  if (!info) {
    EXPECT_TRUE(is_printable(info.error().detail)) << info.error().detail;
    return false;
  }
  EXPECT_TRUE(is_kebab_case(info->name));
  EXPECT_TRUE(is_printable(info->version) && is_printable(info->license) && is_printable(info->summary));
  EXPECT_FALSE(info->provides.empty());
  for (const Provided& provided : info->provides) EXPECT_TRUE(is_kebab_case(provided.name));
  return true;
}

using Damage = ZooDirectory;

TEST_F(Damage, AnyBitOfTheHeadersFlipped) {
  const std::string good = animal("good");
  const Layout at = layout_of(good);
  ASSERT_TRUE(accepted(good));
  const std::pair<std::size_t, std::size_t> places[] = {
      // offset, size
      {0, sizeof(Elf64_Ehdr)},
      {at.sections, at.section_count * sizeof(Elf64_Shdr)},
      {at.names, at.names_size},
      {at.descriptor, sizeof(PluginDescriptor)},
  };
  int refused = 0;
  for (const auto& [offset, size] : places) {
    std::string bytes = good;
    for (std::size_t bit = 0; bit < size * 8; ++bit) {
      char& byte = bytes[offset + bit / 8];
      byte = static_cast<char>(byte ^ (1 << bit % 8));
      refused += accepted(bytes) ? 0 : 1;
      byte = static_cast<char>(byte ^ (1 << bit % 8));
    }
  }
  EXPECT_GT(refused, 1000);
}

TEST_F(Damage, ManyBitsFlippedAtRandom) {
  const std::string good = animal("good");
  const Layout at = layout_of(good);
  std::mt19937 random(20240611);
  const auto below = [&random](std::size_t end) { return random() % end; };
  int refused = 0;
  for (int i = 0; i < 20000; ++i) {
    std::string bytes = good;
    for (std::size_t flips = 1 + below(16); flips > 0; --flips) {
      const std::size_t place = below(3);
      const std::size_t offset = place == 0   ? below(sizeof(Elf64_Ehdr))
                                 : place == 1 ? at.sections + below(at.section_count * sizeof(Elf64_Shdr))
                                              : at.descriptor + below(sizeof(PluginDescriptor));
      bytes[offset] = static_cast<char>(bytes[offset] ^ (1 << below(8)));
    }
    refused += accepted(bytes) ? 0 : 1;
  }
  EXPECT_GT(refused, 10000);
}

TEST_F(Damage, CutShortAnywhere) {
  const std::string good = animal("stripped");  // section table at the very end
  for (std::size_t size = 0; size < good.size(); size += size < 256 ? 1 : 97) {
    EXPECT_FALSE(accepted(good.substr(0, size))) << size;
  }
}

TEST_F(Damage, FilesOnDiskGiveOneLineEach) {
  const std::string good = animal("good");
  std::mt19937 random(7);
  for (int i = 0; i < 50; ++i) {
    std::string bytes = good;
    for (int flips = 0; flips < 8; ++flips) {
      char& byte = bytes[random() % sizeof(Elf64_Ehdr)];
      byte = static_cast<char>(byte ^ (1 << random() % 8));
    }
    put(std::to_string(i) + ".so", bytes);
  }
  const Registry registry({directory_});
  const auto files = registry.files();
  ASSERT_EQ(files.size(), 50u);
  for (const PluginEntry& entry : files) {
    EXPECT_EQ(entry.refusal.find('\n'), std::string::npos);
    EXPECT_TRUE(entry.refusal.empty() || entry.refusal.starts_with(entry.file + ": found ")) << entry.refusal;
  }
}

}  // namespace
}  // namespace trellis
