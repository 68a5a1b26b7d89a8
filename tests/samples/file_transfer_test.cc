// samples/file-transfer over several stacks, and what it says when something is wrong.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>

#include "support/process.h"

namespace trellis::test {
namespace {

using testing::HasSubstr;

std::string content(const std::string& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

std::string secured(const std::string& layer) {
  const std::string pki = TRELLIS_SOURCE_DIR "/plugins/protocols/tls/test-pki";
  return layer + "(trust='" + pki + "/ca.pem',certificate='" + pki + "/server.pem',key='" + pki +
         "/server.key',server-name=peer.example)/tcp";
}

class FileTransfer : public testing::TestWithParam<std::string> {};

TEST_P(FileTransfer, TheFileArrives) {
  const std::string layer = GetParam().substr(0, GetParam().find('/'));
  if (!std::filesystem::exists(TRELLIS_BUILD_DIR "/plugins/" + layer + ".so")) GTEST_SKIP() << "not built";
  const std::string stack = layer == "tcp" ? "tcp" : secured(layer);
  const TemporaryDirectory directory;
  std::string bytes(3'000'001, 0);
  for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<char>(i * 13 + i / 977);
  const std::string from = directory.write("from", bytes);
  const std::string to = from + ".copy";
  Process receiver({program("file-transfer"), "receive", "--stack", stack, to, "127.0.0.1:0"}, kClosed);
  ASSERT_TRUE(receiver.wait_output("\n")) << receiver.error();
  const std::string said = receiver.output();
  const std::string address = said.substr(13, said.find('\n') - 13);
  Process sender({program("file-transfer"), "send", "--stack", stack, from, address}, kClosed);
  EXPECT_EQ(sender.wait(), 0) << sender.error();
  EXPECT_EQ(receiver.wait(), 0) << receiver.error();
  EXPECT_THAT(sender.output(), HasSubstr("3000001 bytes sent"));
  EXPECT_THAT(sender.error(), HasSubstr("100.0 %"));
  EXPECT_TRUE(content(to) == bytes);
}
INSTANTIATE_TEST_SUITE_P(Stacks, FileTransfer, testing::Values("tcp", "tls/tcp", "tcpls/tcp"));

TEST(FileTransferCommand, SaysWhatIsWrong) {
  Process nothing({program("file-transfer")}, kClosed);
  EXPECT_EQ(nothing.wait(), 1);
  EXPECT_THAT(nothing.error(), HasSubstr("usage:"));
  Process missing({program("file-transfer"), "send", "/nowhere/at/all", "127.0.0.1:9"}, kClosed);
  EXPECT_EQ(missing.wait(), 2);
  EXPECT_THAT(missing.error(), HasSubstr("cannot read /nowhere/at/all"));
}

}  // namespace
}  // namespace trellis::test
