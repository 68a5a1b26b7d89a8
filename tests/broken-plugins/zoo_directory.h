// zoo_directory.h: a private directory for the plugins of one test, and the means to damage them.
#pragma once
#include <elf.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstddef>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <span>
#include <string>
#include <vector>

#include "core/elf_descriptor.h"
#include "core/registry.h"

namespace trellis {

inline std::string read_bytes(const std::string& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

/// Bytes in memory, for readers that would take a file.
class MemorySource final : public ByteSource {
 public:
  explicit MemorySource(std::string_view bytes) : bytes_(bytes) {}
  std::uint64_t size() const noexcept override { return bytes_.size(); }
  bool read(std::uint64_t offset, std::span<std::byte> out) const noexcept override {
    if (offset > bytes_.size() || bytes_.size() - offset < out.size()) return false;
    if (!out.empty()) std::memcpy(out.data(), bytes_.data() + offset, out.size());
    return true;
  }

 private:
  std::string_view bytes_;
};

/// Where things lie in a sound plugin, found without the reader under test.
struct Layout {
  std::size_t sections, section_count, names, names_size, descriptor_header, descriptor;
};
inline Layout layout_of(const std::string& bytes) {
  Elf64_Ehdr header;
  std::memcpy(&header, bytes.data(), sizeof header);
  const auto section = [&](std::size_t i) {
    Elf64_Shdr s;
    std::memcpy(&s, bytes.data() + header.e_shoff + i * sizeof s, sizeof s);
    return s;
  };
  const Elf64_Shdr names = section(header.e_shstrndx);
  Layout layout{header.e_shoff, header.e_shnum, names.sh_offset, names.sh_size, 0, 0};
  for (std::size_t i = 0; i < header.e_shnum; ++i) {
    if (std::strcmp(bytes.data() + names.sh_offset + section(i).sh_name, ".trellis_plugin") != 0) continue;
    layout.descriptor_header = header.e_shoff + i * sizeof(Elf64_Shdr);
    layout.descriptor = section(i).sh_offset;
  }
  return layout;
}

class ZooDirectory : public testing::Test {
 protected:
  ZooDirectory() {
    std::string name = testing::TempDir() + "trellis-zoo-" + std::string(6, 'X');
    umask(022);  // directories that a group may write are refused
    directory_ = mkdtemp(name.data());
  }
  ~ZooDirectory() override {
    chmod(directory_.c_str(), 0700);
    std::filesystem::remove_all(directory_);
  }

  std::string path(const std::string& file) const { return directory_ + "/" + file; }
  static std::string animal(const std::string& name) { return read_bytes(std::string(ZOO) + "/" + name + ".so"); }
  std::string put(const std::string& file, const std::string& bytes, mode_t mode = 0644) const {
    std::ofstream(path(file), std::ios::binary).write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
    chmod(path(file).c_str(), mode);
    return path(file);
  }
  std::string copy(const std::string& name) const { return put(name + ".so", animal(name)); }

  /// A sound plugin with bytes of its descriptor changed.
  std::string with_descriptor(std::size_t offset, std::string_view bytes) const {
    std::string plugin = animal("good");
    return plugin.replace(layout_of(plugin).descriptor + offset, bytes.size(), bytes);
  }
  std::string with_number(std::size_t offset, std::uint32_t value) const {
    return with_descriptor(offset, std::string_view(reinterpret_cast<const char*>(&value), sizeof value));
  }
  template <class T>
  static std::string with(std::string plugin, std::size_t offset, T value) {
    return plugin.replace(offset, sizeof value, reinterpret_cast<const char*>(&value), sizeof value);
  }

  std::string shortened(std::string text) const {  // the directory's name differs from run to run
    for (std::size_t at; (at = text.find(directory_)) != std::string::npos;) text.replace(at, directory_.size(), "DIR");
    return text;
  }
  /// The refusal of the only file in the directory, found without opening anything.
  std::string refusal_of_scan(std::vector<PluginRules> rules = {}) const {
    const Registry registry({directory_}, std::move(rules));
    const auto files = registry.files();
    if (files.size() != 1) return std::to_string(files.size()) + " files";
    EXPECT_FALSE(files[0].opened);
    EXPECT_EQ(files[0].refusal.find('\n'), std::string::npos);
    return shortened(files[0].refusal);
  }
  /// The refusal of the only file when the protocol is asked for.
  std::string refusal_of_open(const std::string& protocol, std::vector<PluginRules> rules = {}) const {
    Registry registry({directory_}, std::move(rules));
    EXPECT_EQ(registry.files().front().refusal, "");
    const auto found = registry.protocol(protocol);
    if (found) return "opened";
    const std::string refusal = registry.files().front().refusal;
    EXPECT_EQ(found.error().reason, Reason::configuration);
    EXPECT_EQ(found.error().detail, "found protocol \"" + protocol + "\", whose plugin was refused: " + refusal);
    EXPECT_EQ(refusal.find('\n'), std::string::npos);
    EXPECT_FALSE(registry.protocol(protocol)) << "a refused plugin stays refused";
    return shortened(refusal);
  }

  std::string directory_;
};

}  // namespace trellis
