// What the registry knows of real files: listing, lazy opening, order of directories, and what starting costs.
#include <time.h>

#include <algorithm>
#include <thread>

#include "core/plugin_path.h"
#include "core/policy.h"
#include "zoo_directory.h"

namespace trellis {
namespace {

using Listing = ZooDirectory;

TEST_F(Listing, TellsWhatPluginsSayOfThemselves) {
  copy("good");
  put("notes.txt", "not a plugin");
  put("readme.so.txt", "not a plugin either");
  Registry registry({directory_});
  auto files = registry.files();
  ASSERT_EQ(files.size(), 1u);
  EXPECT_EQ(files[0].file, path("good.so"));
  EXPECT_TRUE(files[0].described);
  EXPECT_EQ(files[0].info.name, "good");
  EXPECT_EQ(files[0].info.version, "1.2.3");
  EXPECT_EQ(files[0].info.license, "MIT");
  EXPECT_EQ(files[0].info.summary, "Nothing is wrong with it");
  EXPECT_EQ(to_string(files[0].info.maturity), "beta");
  const std::vector<Provided> provides = {{PluginKind::protocol, "good"}, {PluginKind::framer, "good-framing"}};
  EXPECT_EQ(files[0].info.provides, provides);
  EXPECT_FALSE(files[0].opened);
  EXPECT_TRUE(files[0].settings.empty());
  EXPECT_EQ(registry.provider(PluginKind::framer, "good-framing"), "good");

  const auto kind = registry.protocol("good");
  ASSERT_TRUE(kind) << kind.error().detail;
  EXPECT_EQ((*kind)->name(), "good");
  files = registry.files();
  EXPECT_TRUE(files[0].opened);
  ASSERT_EQ(files[0].settings.size(), 2u);
  EXPECT_EQ(to_string(files[0].settings[0].of), "protocol:good");
  ASSERT_EQ(files[0].settings[0].options.size(), 1u);
  EXPECT_EQ(files[0].settings[0].options[0].name, "size");
  EXPECT_EQ(*registry.protocol("good"), *kind) << "opened once";
  EXPECT_TRUE(registry.framer("good-framing"));
}

TEST_F(Listing, FirstDirectoryWins) {
  std::filesystem::create_directory(path("a"));
  std::filesystem::create_directory(path("b"));
  put("b/good.so", animal("good"));
  put("a/good.so", animal("stripped"));
  const Registry registry({path("b"), path("missing"), path("a")});
  const auto files = registry.files();
  ASSERT_EQ(files.size(), 2u);
  EXPECT_EQ(files[0].refusal, "");
  EXPECT_EQ(
      shortened(files[1].refusal),
      "DIR/a/good.so: found plugin name \"good\", which DIR/b/good.so has, expected a name that is free: remove one "
      "of the two");
}

TEST_F(Listing, SeveralRegistriesShareAnOpenedFile) {
  copy("good");
  Registry first({directory_}), second({directory_});
  const auto a = first.protocol("good"), b = second.protocol("good");
  ASSERT_TRUE(a && b);
  EXPECT_NE(*a, *b);
  EXPECT_EQ((*a)->options().data(), (*b)->options().data()) << "one copy of the code";
}

TEST_F(Listing, ThreadsMayAskAtOnce) {
  copy("good");
  Registry registry({directory_});
  std::vector<const ProtocolKind*> found(8);
  {
    std::vector<std::jthread> threads;
    for (auto& slot : found) threads.emplace_back([&] { slot = registry.protocol("good").value_or(nullptr); });
  }
  EXPECT_NE(found[0], nullptr);
  EXPECT_EQ(std::ranges::count(found, found[0]), 8);
}

TEST_F(Listing, LinkedPluginWinsOverFiles) {
  copy("good");
  Registry registry({directory_});
  const auto linked = registry.link("mine", [](Registrar&) {});
  EXPECT_TRUE(linked) << "a plugin that adds nothing does no harm";
  ASSERT_TRUE(registry.protocol("good"));
  Registry other({directory_});
  class Framing final : public FramerKind {
   public:
    std::string_view name() const noexcept override { return "good"; }
    Result<std::unique_ptr<trellis::Framing>> configure(const Options&) const noexcept override { return nullptr; }
  };
  const auto body = [](Registrar& registrar) { registrar.add(std::make_unique<Framing>()); };
  ASSERT_TRUE(other.link("mine", body));
  EXPECT_EQ(shortened(other.files()[0].refusal),
            "DIR/good.so: found protocol:good, which plugin \"mine\" of the application has as framer:good, expected a "
            "name that is free: remove one of the two");
  EXPECT_TRUE(other.framer("good"));
  const auto late = registry.link("late", body);
  ASSERT_FALSE(late) << "the file is open already";
  EXPECT_EQ(
      shortened(late.error().detail),
      "plugin \"late\": found framer:good, which plugin \"good\" of DIR/good.so has as protocol:good, expected a name "
      "that is free: remove one of the two");
}

TEST_F(Listing, DirectoriesInTheirOrder) {
  const PluginRules rules{"p.xml", {path("policy")}, {}};
  const std::string application[] = {path("application"), path("policy") + "/"};
  const std::string before = getenv("TRELLIS_PLUGIN_PATH") == nullptr ? "" : getenv("TRELLIS_PLUGIN_PATH");
  setenv("TRELLIS_PLUGIN_PATH", (path("one") + "::" + path("two")).c_str(), 1);
  const auto directories = plugin_directories({&rules, 1}, application);
  setenv("TRELLIS_PLUGIN_PATH", before.c_str(), 1);
  ASSERT_EQ(directories.size(), 6u);
  EXPECT_EQ(shortened(directories[0]), "DIR/policy");
  EXPECT_EQ(shortened(directories[1]), "DIR/application");
  EXPECT_EQ(shortened(directories[2]), "DIR/one");
  EXPECT_EQ(shortened(directories[3]), "DIR/two");
  EXPECT_TRUE(directories[4].ends_with("/plugins"));
  EXPECT_TRUE(directories[5].ends_with("/lib/trellis/plugins"));
}

/// Processor time, so that other work on the machine does not count.
double milliseconds() {
  timespec now{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) * 1e3 + static_cast<double>(now.tv_nsec) / 1e6;
}

// Twenty plugins, the default policy, one plugin opened: what an application waits for at its start.
TEST_F(Listing, StartingIsCheap) {
  for (char c = 'a'; c < 'a' + 20; ++c) {
    std::string bytes = animal("good");
    const std::size_t at = layout_of(bytes).descriptor;
    bytes[at + offsetof(PluginDescriptor, name)] = c;
    std::string provides = std::string("protocol:good-") + c;
    provides.resize(192);
    bytes.replace(at + offsetof(PluginDescriptor, provides), provides.size(), provides);
    put(std::string(1, c) + ".so", bytes);
  }
  double least = 1e9;
  for (char c = 'a'; c < 'a' + 20; ++c) {
    const double begin = milliseconds();
    const auto policy = load_policy(std::string(TRELLIS_SOURCE_DIR) + "/policies/default.xml");
    Registry registry({directory_}, {policy->plugins});
    const auto kind = registry.protocol(std::string("good-") + c);  // each another file, so each is really opened
    least = std::min(least, milliseconds() - begin);
    ASSERT_FALSE(kind) << "registers other names than its changed descriptor says";
    EXPECT_EQ(std::ranges::count(registry.files(), "", &PluginEntry::refusal), 19);
  }
  RecordProperty("milliseconds", std::to_string(least));
  EXPECT_LE(least, 5.0);
}

}  // namespace
}  // namespace trellis
