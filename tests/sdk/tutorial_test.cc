// The tutorial of sdk/README.md: its commands run, its code is that of the sample, what it says the kit says is true.
#include <vector>

#include "folder.h"

namespace trellis::tests {
namespace {

/// The fenced blocks of one language.
std::vector<std::string> blocks(const std::string& text, const std::string& language) {
  std::vector<std::string> found;
  const std::string fence = "\n```" + language + "\n";
  for (std::size_t at = 0; (at = text.find(fence, at)) != std::string::npos;) {
    at += fence.size();
    const std::size_t end = text.find("\n```", at);
    found.push_back(text.substr(at, end - at + 1));
    at = end;
  }
  return found;
}

const std::string& readme() {
  static const std::string text = read_file(TRELLIS_SOURCE_DIR "/sdk/README.md");
  return text;
}

TEST(Tutorial, ItsCodeIsTheSamples) {
  std::string sample;
  for (const auto& entry : std::filesystem::directory_iterator(TRELLIS_SOURCE_DIR "/samples/ping-plugin")) {
    sample += read_file(entry.path());
  }
  const auto code = blocks(readme(), "cpp");
  ASSERT_GE(code.size(), 5u);
  for (const std::string& block : code) {
    EXPECT_NE(sample.find(block), std::string::npos) << "the sample does not have these lines:\n" << block;
  }
}

TEST(Tutorial, ItsCommandsWork) {
  const Folder folder;
  const auto commands = blocks(readme(), "sh");
  ASSERT_EQ(commands.size(), 4u);
  std::vector<std::string> outputs;
  for (const std::string& block : commands) {
    const auto ran = folder.run(block);
    ASSERT_EQ(ran.status, 0) << block << '\n' << ran.output;
    outputs.push_back(ran.output);
  }
  EXPECT_NE(outputs[1].find("badge: ping/udp conforms"), std::string::npos) << outputs[1];
  EXPECT_NE(outputs[2].find("B1  credit is overshot by one chunk at most                    FAILED"), std::string::npos)
      << outputs[2];
  EXPECT_NE(outputs[2].find("replay: trellis check ping/build/plugins/ping.so --below='udp' --check=B1 --seed="),
            std::string::npos)
      << outputs[2];
  EXPECT_NE(outputs[3].find("protocol:ping"), std::string::npos) << outputs[3];
}

}  // namespace
}  // namespace trellis::tests
