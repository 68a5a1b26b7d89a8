// `trellis new-plugin` and `trellis check`: what a plugin's author meets first.
#include "folder.h"

namespace trellis::tests {
namespace {

constexpr const char* kBuild =
    "cmake -S {} -B {}/build -DCMAKE_PREFIX_PATH=" TRELLIS_BUILD_DIR " && cmake --build {}/build";

std::string with_name(std::string text, const std::string& name) {
  for (std::size_t at; (at = text.find("{}")) != std::string::npos;) text.replace(at, 2, name);
  return text;
}

// A name with hyphens, so that all its forms differ: a word, an identifier, a type.
TEST(NewPlugin, BuildsOutOfTheTreeAndPassesAtOnce) {
  const Folder folder;
  auto made = folder.run("trellis new-plugin protocol my-first");
  ASSERT_EQ(made.status, 0) << made.output;
  EXPECT_NE(made.output.find("cmake --build my-first/build"), std::string::npos) << made.output;
  EXPECT_NE(read_file(folder.path() / "my-first/my_first_instance.h").find("class MyFirstInstance"), std::string::npos);
  for (const auto& entry : std::filesystem::directory_iterator(folder.path() / "my-first")) {
    EXPECT_EQ(read_file(entry.path()).find("xample"), std::string::npos)
        << entry.path() << " still has the template's name";
  }
  // Where groups share files, what is built and installed is their group's too; a plugin must not be.
  const auto built = folder.run("umask 002\n" + with_name(kBuild, "my-first"));
  ASSERT_EQ(built.status, 0) << built.output;
  const auto installed = folder.run("umask 002\ncmake --install my-first/build --prefix \"$PWD/my-first/there\"");
  ASSERT_EQ(installed.status, 0) << installed.output;
  for (const char* directory : {"my-first/build/plugins", "my-first/there/lib/trellis/plugins"}) {
    const auto listed = folder.run(std::string("trellis plugins --directory ") + directory);
    EXPECT_NE(listed.output.find("protocol:my-first"), std::string::npos) << directory << ": " << listed.output;
    EXPECT_EQ(listed.output.find("my-first.so: found"), std::string::npos) << directory << ": " << listed.output;
  }
  const auto tested = folder.run("ctest --test-dir my-first/build --output-on-failure");
  EXPECT_EQ(tested.status, 0) << tested.output;
  EXPECT_NE(tested.output.find("100% tests passed, 0 tests failed out of 1"), std::string::npos) << tested.output;
  const auto checked = folder.run("trellis check my-first/build/plugins/my-first.so --below tcp --seeds 5");
  EXPECT_EQ(checked.status, 0) << checked.output;
  EXPECT_NE(checked.output.find("badge: my-first/tcp conforms"), std::string::npos) << checked.output;
}

TEST(NewPlugin, SaysWhatIsWrong) {
  const Folder folder;
  const std::pair<const char*, const char*> cases[] = {
      {"protocol", "expected a kind, a name"},
      {"protocoll ping", "did you mean \"protocol\""},
      {"protocol Ping", "lower case"},
      {"protocol ping-", "lower case"},
      {"protocol ping a b", "expected a kind, a name"},
  };
  for (const auto& [words, expected] : cases) {
    const auto ran = folder.run(std::string("trellis new-plugin ") + words);
    EXPECT_EQ(ran.status, 1) << words;
    EXPECT_NE(ran.output.find(expected), std::string::npos) << words << ": " << ran.output;
  }
  EXPECT_EQ(folder.run("trellis new-plugin protocol ping somewhere/else").status, 0);
  const auto again = folder.run("trellis new-plugin protocol ping somewhere/else");
  EXPECT_EQ(again.status, 1);
  EXPECT_NE(again.output.find("not empty"), std::string::npos) << again.output;
}

TEST(Check, ListsItsChecks) {
  const Folder folder;
  const auto listed = folder.run("trellis check --list");
  EXPECT_EQ(listed.status, 0);
  EXPECT_NE(listed.output.find("T7  destroyed at every turn"), std::string::npos) << listed.output;
}

TEST(Check, ShippedPluginsPassByFile) {
  const Folder folder;
  const auto tcp = folder.run("trellis check " TRELLIS_BUILD_DIR "/plugins/tcp.so --seeds 3");
  EXPECT_EQ(tcp.status, 0) << tcp.output;
  const auto line = folder.run("trellis check " TRELLIS_BUILD_DIR "/plugins/line.so --text --seed 7 --check X");
  EXPECT_EQ(line.status, 0) << line.output;
}

// What a library does is not the plugin's, even where it becomes a part of the plugin's file.
TEST(Check, TellsAPluginsOwnCallsFromThoseOfItsLibraries) {
  const Folder folder;
  const auto built = folder.run(R"(trellis new-plugin protocol dated
echo 'extern "C" long now() { return __builtin_labs(time(nullptr)); }' > now.cc
"$CXX" $CXXFLAGS -include ctime -fPIC -c now.cc && ar rc libnow.a now.o
sed -i "s|dated_instance.cc)|dated_instance.cc LIBRARIES $PWD/libnow.a)|" dated/CMakeLists.txt
echo 'extern "C" long now(); long began = now();' >> dated/plugin.cc
)" + with_name(kBuild, "dated") +
                                " --target dated\nnm -D --undefined-only dated/build/plugins/dated.so | grep -w time");
  ASSERT_EQ(built.status, 0) << built.output;
  const auto checked = folder.run("trellis check dated/build/plugins/dated.so --below tcp --check D");
  EXPECT_EQ(checked.status, 0) << checked.output;
  const auto own = folder.run(R"(echo '#include <ctime>
std::time_t now_too = std::time(nullptr);' >> dated/plugin.cc
cmake --build dated/build --target dated)");
  ASSERT_EQ(own.status, 0) << own.output;
  const auto refused = folder.run("trellis check dated/build/plugins/dated.so --below tcp --check D6");
  EXPECT_EQ(refused.status, 5) << refused.output;
  EXPECT_NE(refused.output.find("found a call to time:"), std::string::npos) << refused.output;
}

TEST(Check, SaysWhatIsWrong) {
  const Folder folder;
  const std::string plugins = TRELLIS_BUILD_DIR "/plugins/";
  struct Case {
    std::string words;
    int status;
    const char* expected;
  };
  const Case cases[] = {
      {"", 1, "expected the file of one plugin"},
      {plugins + "tcp.so --check Q9", 1, "there is no check 'Q9'"},
      {plugins + "tcp.so --layer udp", 1, "it has: tcp"},
      {plugins + "tcp.so --seeds many", 1, "many"},
      {plugins + "system.so", 1, "no protocol and no framer"},
      {"no-such-file.so", 5, "no-such-file.so"},
      {plugins + "http-connect.so --below udp --seeds 1", 5, "cannot be composed"},
  };
  for (const Case& one : cases) {
    const auto ran = folder.run("trellis check " + one.words);
    EXPECT_EQ(ran.status, one.status) << one.words << ": " << ran.output;
    EXPECT_NE(ran.output.find(one.expected), std::string::npos) << one.words << ": " << ran.output;
  }
}

}  // namespace
}  // namespace trellis::tests
