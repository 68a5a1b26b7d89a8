// Every fault of a plugin is refused with its sentence. The sentences are part of the interface: people read them.
#include <cstddef>
#include <format>

#include "zoo_directory.h"

namespace trellis {
namespace {

using Refusals = ZooDirectory;

TEST_F(Refusals, SoundPluginIsOpened) {
  copy("good");
  EXPECT_EQ(refusal_of_scan(), "");
  EXPECT_EQ(refusal_of_open("good"), "opened");
}

TEST_F(Refusals, StrippedPluginIsOpened) {
  copy("stripped");
  EXPECT_EQ(refusal_of_open("good"), "opened");
}

TEST_F(Refusals, ScanningRunsNothing) {
  copy("never_opened");
  EXPECT_EQ(refusal_of_scan(), "");
}

// 1. Who can write it

TEST_F(Refusals, GroupWritableFile) {
  put("p.so", animal("good"), 0664);
  EXPECT_EQ(refusal_of_scan(),
            "DIR/p.so: found a file that its group can write (mode 0664), expected one that only its owner can write: "
            "run \"chmod go-w DIR/p.so\" if you trust its content");
}

TEST_F(Refusals, WorldWritableFile) {
  put("p.so", animal("good"), 0646);
  EXPECT_EQ(refusal_of_scan(),
            "DIR/p.so: found a file that everybody can write (mode 0646), expected one that only its owner can write: "
            "run \"chmod go-w DIR/p.so\" if you trust its content");
}

TEST_F(Refusals, WorldWritableDirectory) {
  copy("good");
  chmod(directory_.c_str(), 0777);
  EXPECT_EQ(refusal_of_scan(),
            "DIR/good.so: found it in directory DIR that everybody can write (mode 0777), expected one that only its "
            "owner can write: run \"chmod go-w DIR\" if you trust its content");
}

TEST_F(Refusals, LinkIntoWorldWritableDirectory) {
  const std::string open = path("open");
  std::filesystem::create_directory(open);
  put("open/p.so", animal("good"));
  chmod(open.c_str(), 01777);
  std::filesystem::create_symlink("open/p.so", path("link.so"));
  EXPECT_EQ(refusal_of_scan(),
            "DIR/link.so: found it in directory DIR/open that everybody can write (mode 1777), expected one that only "
            "its owner can write: run \"chmod go-w DIR/open\" if you trust its content");
}

TEST_F(Refusals, FileOfSomebodyElse) {
  if (geteuid() != 0) GTEST_SKIP() << "only root can give a file away";
  const std::string file = copy("good");
  ASSERT_EQ(chown(file.c_str(), 12345, 0), 0);
  EXPECT_EQ(
      refusal_of_scan(),
      "DIR/good.so: found a file of user 12345, expected one of root: run \"chown 0 DIR/good.so\" if you trust its "
      "content");
}

TEST_F(Refusals, DirectoryOfSomebodyElse) {
  if (geteuid() != 0) GTEST_SKIP() << "only root can give a directory away";
  copy("good");
  ASSERT_EQ(chown(directory_.c_str(), 12345, 0), 0);
  EXPECT_EQ(refusal_of_scan(),
            "DIR/good.so: found it in directory DIR of user 12345, expected one of root: run \"chown 0 DIR\" if you "
            "trust its content");
}

TEST_F(Refusals, WhatIsNoFile) {
  std::filesystem::create_directory(path("p.so"));
  EXPECT_EQ(refusal_of_scan(), "DIR/p.so: found a directory, expected a plugin: only plugins may be named *.so here");
  std::filesystem::remove(path("p.so"));
  ASSERT_EQ(mkfifo(path("p.so").c_str(), 0600), 0);
  EXPECT_EQ(refusal_of_scan(),
            "DIR/p.so: found a device, pipe or socket, expected a plugin: only plugins may be named *.so here");
}

TEST_F(Refusals, LinkToNothing) {
  std::filesystem::create_symlink("gone.so", path("p.so"));
  EXPECT_EQ(refusal_of_scan(),
            "DIR/p.so: found nothing to open (No such file or directory), expected a plugin: check the path");
}

// 2. ELF

struct Case {
  const char* what;
  std::string bytes;
  std::string sentence;
};

#if defined(__aarch64__)
constexpr Elf64_Half kOtherMachine = EM_X86_64;
constexpr const char *kHere = "AArch64", *kThere = "x86-64";
#else
constexpr Elf64_Half kOtherMachine = EM_AARCH64;
constexpr const char *kHere = "x86-64", *kThere = "AArch64";
#endif

TEST_F(Refusals, WhatIsNoElfFileOfThisMachine) {
  const std::string good = animal("good");
  const Case cases[] = {
      {"empty", "", "found an empty file, expected an ELF shared object: build or copy it again"},
      {"text", "#!/bin/sh\n",
       "found a file that is not ELF, expected an ELF shared object: only plugins may be named "
       "*.so here"},
      {"short", good.substr(0, 40),
       "found half an ELF header, expected a whole one: it is cut short or forged, build or "
       "copy it again"},
      {"32 bits", with(good, EI_CLASS, char{ELFCLASS32}),
       "found an ELF file that is not of 64 bits, expected ELF64: build the plugin for this machine"},
      {"other byte order", with(good, EI_DATA, char{ELFDATA2MSB}),
       "found an ELF file of the other byte order, expected this machine's: build the plugin for this machine"},
      {"other machine", with(good, offsetof(Elf64_Ehdr, e_machine), kOtherMachine),
       std::format("found a file for machine {}, expected {}: build the plugin for this machine", kThere, kHere)},
      {"unknown machine", with(good, offsetof(Elf64_Ehdr, e_machine), Elf64_Half{0x7777}),
       std::format("found a file for machine number 30583, expected {}: build the plugin for this machine", kHere)},
      {"program", with(good, offsetof(Elf64_Ehdr, e_type), Elf64_Half{ET_EXEC}),
       "found an ELF file of type 2, expected a shared object (type 3): link the plugin with -shared"},
      {"no sections", with(good, offsetof(Elf64_Ehdr, e_shnum), Elf64_Half{0}),
       "found no section table, expected one with .trellis_plugin: do not strip it off"},
  };
  for (const Case& one : cases) {
    put("p.so", one.bytes);
    EXPECT_EQ(refusal_of_scan(), "DIR/p.so: " + one.sentence) << one.what;
  }
}

TEST_F(Refusals, ForgedSections) {
  const std::string good = animal("good");
  const Layout at = layout_of(good);
  const std::string remedy = ": it is cut short or forged, build or copy it again";
  const auto descriptor_header = [&](std::size_t field, std::uint64_t value) {
    return with(good, at.descriptor_header + field, value);
  };
  const std::size_t names_header =
      at.sections + (at.section_count - 1) * sizeof(Elf64_Shdr);  // linkers put the names last
  const std::pair<std::string, std::string> cases[] = {
      {good.substr(0, good.size() - 1),
       "found a section table beyond the end of the file, expected it inside" + remedy},
      {with(good, offsetof(Elf64_Ehdr, e_shoff), ~std::uint64_t{0} - 63),
       "found a section table beyond the end of the file, expected it inside" + remedy},
      {with(good, offsetof(Elf64_Ehdr, e_shentsize), Elf64_Half{1}),
       "found " + std::to_string(at.section_count) + " sections of 1 bytes, expected at most 4096 of 64" + remedy},
      {with(good, offsetof(Elf64_Ehdr, e_shnum), Elf64_Half{65000}),
       "found 65000 sections of 64 bytes, expected at most 4096 of 64" + remedy},
      {with(good, offsetof(Elf64_Ehdr, e_shstrndx), Elf64_Half{999}), "found section names in section 999 of " +
                                                                          std::to_string(at.section_count) +
                                                                          ", expected a section that exists" + remedy},
      {with(good, names_header + offsetof(Elf64_Shdr, sh_size), ~std::uint64_t{0}),
       "found 18446744073709551615 bytes of section names in a section of type 3, expected at most 262144 in a string "
       "table (type 3)" +
           remedy},
      {with(good, names_header + offsetof(Elf64_Shdr, sh_offset), ~std::uint64_t{0} - 1),
       "found section names beyond the end of the file, expected them inside" + remedy},
      {descriptor_header(offsetof(Elf64_Shdr, sh_size), 100),
       "found a descriptor of 100 bytes, expected at least 452" + remedy},
      {descriptor_header(offsetof(Elf64_Shdr, sh_offset), good.size() - 100),
       "found a descriptor beyond the end of the file, expected it inside" + remedy},
      {descriptor_header(offsetof(Elf64_Shdr, sh_offset), ~std::uint64_t{0} - 400),
       "found a descriptor beyond the end of the file, expected it inside" + remedy},
  };
  for (const auto& [bytes, sentence] : cases) {
    put("p.so", bytes);
    EXPECT_EQ(refusal_of_scan(), "DIR/p.so: " + sentence);
  }
}

TEST_F(Refusals, NoSection) {
  copy("no_section");
  EXPECT_EQ(
      refusal_of_scan(),
      "DIR/no_section.so: found no section .trellis_plugin, expected the one that TRELLIS_PLUGIN makes: this is no "
      "plugin, or it was stripped of it");
}

TEST_F(Refusals, ForgedDescriptor) {
  const std::string remedy = ": it is cut short or forged, build or copy it again";
  const std::string text = " that is not a text, expected printable characters with a zero at the end" + remedy;
  const std::pair<std::string, std::string> cases[] = {
      {with_descriptor(0, "TRELLOS"),
       "found a descriptor that does not begin with \"TRELLIS\", expected one that TRELLIS_PLUGIN makes" + remedy},
      {with_number(offsetof(PluginDescriptor, size), 451),
       "found a descriptor that claims 451 bytes in a section of 452, expected 452 or more, inside the section" +
           remedy},
      {with_number(offsetof(PluginDescriptor, size), 453),
       "found a descriptor that claims 453 bytes in a section of 452, expected 452 or more, inside the section" +
           remedy},
      {with_descriptor(offsetof(PluginDescriptor, toolchain), std::string(32, 'x')), "found a toolchain" + text},
      {with_descriptor(offsetof(PluginDescriptor, name), std::string(32, 'x')), "found a name" + text},
      {with_descriptor(offsetof(PluginDescriptor, version), std::string(16, '1')), "found a version" + text},
      {with_descriptor(offsetof(PluginDescriptor, license), "\n"), "found a license" + text},
      {with_descriptor(offsetof(PluginDescriptor, provides), std::string(192, 'x')),
       "found a list of what it provides" + text},
      {with_descriptor(offsetof(PluginDescriptor, summary), "\x1b[2J"), "found a summary" + text},
      {with_descriptor(offsetof(PluginDescriptor, summary), "\xff"), "found a summary" + text},
      {with_number(offsetof(PluginDescriptor, maturity), 3), "found maturity 3, expected 0, 1 or 2" + remedy},
  };
  for (const auto& [bytes, sentence] : cases) {
    put("p.so", bytes);
    EXPECT_EQ(refusal_of_scan(), "DIR/p.so: " + sentence);
  }
}

TEST_F(Refusals, NamesThatNobodyCanWrite) {
  const std::string remedy = ": correct its TRELLIS_PLUGIN";
  const auto provides = [&](std::string words) {
    words.resize(192);
    return with_descriptor(offsetof(PluginDescriptor, provides), words);
  };
  const std::pair<std::string, std::string> cases[] = {
      {with_descriptor(offsetof(PluginDescriptor, name), "Good"),
       "found plugin name \"Good\", expected lower case and hyphens" + remedy},
      {with_descriptor(offsetof(PluginDescriptor, name), std::string(5, '\0')),
       "found plugin name \"\", expected lower case and hyphens" + remedy},
      {provides(""), "found nothing in what it provides, expected at least one" + remedy},
      {provides("protokol:good"),
       "found \"protokol:good\" in what it provides, expected protocol, framer, resolver, paths, racing or store: did "
       "you "
       "mean \"protocol\"?"},
      {provides("protocol"),
       "found \"protocol\" in what it provides, expected \"KIND:name\" with a name in lower case and hyphens" + remedy},
      {provides("protocol:a_b"),
       "found \"protocol:a_b\" in what it provides, expected \"KIND:name\" with a name in lower case and hyphens" +
           remedy},
      {provides("protocol:a protocol:a"), "found protocol:a twice in what it provides, expected it once" + remedy},
  };
  for (const auto& [bytes, sentence] : cases) {
    put("p.so", bytes);
    EXPECT_EQ(refusal_of_scan(), "DIR/p.so: " + sentence);
  }
}

// 3. ABI and toolchain

TEST_F(Refusals, OtherAbi) {
  put("p.so", with_number(offsetof(PluginDescriptor, abi), kAbi + 1));
  EXPECT_EQ(refusal_of_scan(), "DIR/p.so: found ABI " + std::to_string(kAbi + 1) + ", expected " +
                                   std::to_string(kAbi) + ": build the plugin with the headers of this framework");
}

TEST_F(Refusals, OtherToolchain) {
  std::string other = "itanium/libc++";
  other.resize(32);
  put("p.so", with_descriptor(offsetof(PluginDescriptor, toolchain), other));
  EXPECT_EQ(refusal_of_scan(), std::string("DIR/p.so: found toolchain \"itanium/libc++\", expected \"") + kToolchain +
                                   "\": build the plugin with the same C++ standard library");
}

// 4. The policy

TEST_F(Refusals, NotAllowed) {
  copy("good");
  const PluginRules rules{"/p/strict.xml", {}, {{"tcp", ""}, {"udp", ""}}};
  EXPECT_EQ(refusal_of_scan({rules}),
            "DIR/good.so: found plugin \"good\", expected one that /p/strict.xml allows: add <allow plugin=\"good\"/> "
            "there if you want it");
}

TEST_F(Refusals, PinnedToAnotherFile) {
  copy("good");
  const PluginRules rules{"/p/pinned.xml", {}, {{"good", std::string(64, 'a')}, {"*", ""}}};
  const std::string refusal = refusal_of_scan({rules});
  const std::string begin = "DIR/good.so: found sha256 ";
  const std::string end =
      ", expected " + std::string(64, 'a') + " as /p/pinned.xml pins it: install the pinned file, or pin this one";
  ASSERT_EQ(refusal.size(), begin.size() + 64 + end.size()) << refusal;
  EXPECT_TRUE(refusal.starts_with(begin) && refusal.ends_with(end)) << refusal;
  // The hash found is the file's: with it as the pin, or as one of two, the plugin is opened.
  const std::string found = refusal.substr(begin.size(), 64);
  const PluginRules right{"/p/pinned.xml", {}, {{"good", std::string(64, 'a')}, {"good", found}}};
  EXPECT_EQ(refusal_of_open("good", {right}), "opened");
}

// 6. The dynamic linker

TEST_F(Refusals, UnresolvedSymbol) {
  copy("unresolved");
  EXPECT_EQ(
      refusal_of_open("unresolved"),
      "DIR/unresolved.so: found a shared object that cannot be loaded (undefined symbol: "
      "zoo_function_that_nobody_defines), expected one with all that it needs: install what is missing, or build it "
      "again");
}

TEST_F(Refusals, NoRegistrationFunction) {
  copy("no_register");
  EXPECT_EQ(
      refusal_of_open("no-register"),
      "DIR/no_register.so: found no function trellis_plugin_register, expected the one that TRELLIS_PLUGIN makes: do "
      "not strip or hide that symbol");
}

TEST_F(Refusals, ChangedSinceItWasListed) {
  copy("good");
  Registry registry({directory_});
  put("good.so", with_descriptor(offsetof(PluginDescriptor, version), "9.9.9"));
  const auto found = registry.protocol("good");
  ASSERT_FALSE(found);
  EXPECT_EQ(shortened(found.error().detail),
            "found protocol \"good\", whose plugin was refused: DIR/good.so: found another file than when plugins were "
            "listed, expected the same: start the application again");
}

TEST_F(Refusals, GoneSinceItWasListed) {
  const std::string file = copy("good");
  Registry registry({directory_});
  std::filesystem::remove(file);
  const auto found = registry.protocol("good");
  ASSERT_FALSE(found);
  EXPECT_EQ(shortened(found.error().detail),
            "found protocol \"good\", whose plugin was refused: DIR/good.so: found nothing to open (No such file or "
            "directory), expected a plugin: check the path");
}

// 7. Registration

TEST_F(Refusals, Registration) {
  const std::string correct = ": correct its registration";
  const std::string objection = ", expected no objection: remove the cause, or the plugin";
  struct Case {
    const char *animal, *protocol;
    std::string sentence;
  };
  const Case cases[] = {
      {"adds_undeclared", "declared",
       "found protocol:surprise registered, expected only what it says it provides, protocol:declared: name it in "
       ".provides of its TRELLIS_PLUGIN"},
      {"adds_nothing", "missing",
       "found protocol:missing not registered, expected all that it says it provides, protocol:missing framer:there: "
       "add "
       "it, or take it out of .provides of its TRELLIS_PLUGIN"},
      {"adds_twice", "twin", "found protocol:twin registered twice, expected once" + correct},
      {"adds_null", "null", "found a null pointer registered, expected an object" + correct},
      {"bad_kind_name", "fine", "found \"Not?Fine\" registered, expected a name in lower case and hyphens" + correct},
      {"refuses", "refuses",
       "found that the plugin refuses to register (the kernel module sctp is not loaded)" + objection},
      {"throws", "throws",
       "found that the plugin refuses to register (an exception left the registration function: no entropy)" +
           objection},
      {"throws_unguarded", "throws-unguarded",
       "found that the plugin refuses to register (an exception left the registration function: no manners)" +
           objection},
  };
  for (const auto& [name, protocol, sentence] : cases) {
    const std::string file = copy(name);
    EXPECT_EQ(refusal_of_open(protocol), std::string("DIR/") + name + ".so: " + sentence);
    std::filesystem::remove(file);
  }
}

TEST_F(Refusals, TakenNames) {
  put("1.so", animal("good"));
  put("2.so", animal("same_name"));
  put("3.so", animal("same_kind"));
  Registry registry({directory_});
  const auto files = registry.files();
  ASSERT_EQ(files.size(), 3u);
  EXPECT_EQ(files[0].refusal, "");
  EXPECT_EQ(
      shortened(files[1].refusal),
      "DIR/2.so: found plugin name \"good\", which DIR/1.so has, expected a name that is free: remove one of the two");
  EXPECT_EQ(
      shortened(files[2].refusal),
      "DIR/3.so: found protocol:good-framing, which plugin \"good\" of DIR/1.so has as framer:good-framing, expected "
      "a name that is free: remove one of the two");
  EXPECT_TRUE(registry.protocol("good"));
  EXPECT_FALSE(registry.protocol("same-name"));
}

}  // namespace
}  // namespace trellis
