// The command trellis-netlab, as somebody at a shell sees it; and what remains when it is killed.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <csignal>
#include <filesystem>
#include <format>
#include <fstream>
#include <thread>

#include "../support/process.h"
#include "netlab.h"

namespace trellis::netlab {
namespace {

using test::Process;
using testing::HasSubstr;

std::vector<std::string> netlab(std::vector<std::string> words) {
  words.insert(words.begin(), test::program("trellis-netlab"));
  return words;
}

class NetlabCommand : public testing::Test {
 protected:
  void SetUp() override {
    if (const std::string why = Lab::why_not(); !why.empty()) GTEST_SKIP() << why;
  }
};

TEST_F(NetlabCommand, RunsAClientAndAServer) {
  const std::string tool = test::program("trellis");
  Process process(
      netlab({"--path", "delay=5ms", "--server", tool + " listen --echo --stack tcp --address $LAB_SERVER 7000", "--",
              "sh", "-c", "echo hello | " + tool + " connect --stack tcp $LAB_SERVER:7000"}));
  EXPECT_EQ(process.wait(), 0) << process.error();
  EXPECT_THAT(process.output(), HasSubstr("hello\n"));
}

TEST_F(NetlabCommand, PassesTheExitCodeOn) {
  Process process(netlab({"sh", "-c", "exit 7"}));
  EXPECT_EQ(process.wait(), 7) << process.error();
}

TEST_F(NetlabCommand, ChangesPathsInTime) {
  // The interface is there at first; the command ends when it is down.
  Process process(
      netlab({"--path", "", "--path", "delay=1ms/delay=2ms,loss=1%", "--at", "0.2", "1 down", "--", "sh", "-c",
              "ip link show net1 | grep -q ',UP' && echo up; "
              "while ip link show net1 | grep -q ',UP'; do sleep 0.05; done"}));
  EXPECT_EQ(process.wait(), 0) << process.error();
  EXPECT_EQ(process.output(), "up\n");
}

TEST(NetlabUsage, NamesWhatIsWrong) {
  const std::pair<std::vector<std::string>, const char*> wrong[] = {
      {{}, "no command is given"},
      {{"--path"}, "option --path needs a value"},
      {{"--path", "speed=1", "true"}, "'speed=1' is not understood"},
      {{"--path", "delay=1ms/loss=2", "true"}, "'loss=2' is not understood"},
      {{"--bath", "true"}, "unknown option --bath"},
      {{"--at", "1", "0", "true"}, "'0' is no change"},
      {{"--at", "x", "0 down", "true"}, "'x' is no number of seconds"},
      {{"--at", "1", "7 down", "true"}, "'7' is no number of a path"},
      {{"--at", "1", "1 down", "true"}, "there is no path 1"},
      {{"--at", "1", "0 dawn", "true"}, "'dawn' is not understood"},
      {{"--path", "", "--path", "", "--path", "", "--path", "", "--path", "", "true"}, "4 paths at most"},
  };
  for (const auto& [words, sentence] : wrong) {
    Process process(netlab(words));
    EXPECT_EQ(process.wait(), 2);
    EXPECT_THAT(process.error(), HasSubstr(sentence));
  }
}

// The processes whose network namespace is this one.
std::vector<std::string> processes_in(ino_t space) {
  std::vector<std::string> found;
  for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
    struct stat status{};
    if (stat((entry.path() / "ns/net").c_str(), &status) == 0 && status.st_ino == space)
      found.push_back(entry.path().filename());
  }
  return found;
}

TEST_F(NetlabCommand, LeavesNothingWhenItIsKilled) {
  Process process(netlab({"--server", "sleep 1000 & sleep 1000; true", "--", "true"}));
  // It waits for a socket of the server, whose processes are its only children.
  std::string child;
  for (int i = 0; i < 500 && child.empty(); ++i) {
    std::ifstream(std::format("/proc/{0}/task/{0}/children", process.pid())) >> child;
    std::string name;
    if (!child.empty()) std::ifstream("/proc/" + child + "/comm") >> name;
    if (name != "unshare") child.clear();
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  ASSERT_FALSE(child.empty()) << process.error();
  struct stat status{};
  ASSERT_EQ(stat(("/proc/" + child + "/ns/net").c_str(), &status), 0);
  ASSERT_FALSE(processes_in(status.st_ino).empty());
  process.signal(SIGKILL);
  EXPECT_EQ(process.wait(), 128 + SIGKILL);
  for (int i = 0; i < 500 && !processes_in(status.st_ino).empty(); ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  EXPECT_TRUE(processes_in(status.st_ino).empty());
}

// A user who is not root, with a /dev/net/tun of these permissions that only it sees.
std::vector<std::string> as_nobody(const std::string& tun, std::vector<std::string> words) {
  std::vector<std::string> whole{"unshare",
                                 "--mount",
                                 "sh",
                                 "-c",
                                 "mount -t tmpfs none /dev/net && mknod -m " + tun +
                                     " /dev/net/tun c 10 200 && "
                                     "exec setpriv --reuid=65534 --regid=65534 --clear-groups \"$@\"",
                                 "sh"};
  whole.insert(whole.end(), words.begin(), words.end());
  return whole;
}

class Unprivileged : public testing::Test {
 protected:
  void SetUp() override {
    if (geteuid() != 0) GTEST_SKIP() << "the other tests run as this user already";
    Process process(as_nobody("666", netlab({"--help"})));
    if (process.wait() != 0) GTEST_SKIP() << "another user cannot be made here: " << process.error();
  }
};

// It works, or one sentence says what the kernel keeps from this user. Plugins are not used: in the user's namespace
// their files seem to be somebody else's, and are refused.
TEST_F(Unprivileged, MakesALabWhereTheKernelAllowsIt) {
  Process command(as_nobody("666", netlab({"--path", "", "--path", "", "sh", "-c", "id -u && ip -o link show net1"})));
  const int code = command.wait();
  if (code == 1 && command.error().contains("trellis-netlab: the kernel")) GTEST_SKIP() << command.error();
  EXPECT_EQ(code, 0) << command.error();
  EXPECT_TRUE(command.output().starts_with("0\n")) << "it is root in its own namespaces";
  EXPECT_THAT(command.output(), HasSubstr("net1"));
  // And packets flow.
  Process tests(as_nobody("666", {test::program("netlab_tests"),
                                  "--gtest_filter=NetworkLab.RoundTrips*:NetworkLab.TheServerHasOneAddress*"}));
  EXPECT_EQ(tests.wait(), 0) << tests.output() << tests.error();
  EXPECT_THAT(tests.output(), HasSubstr("[  PASSED  ] 2 tests."));
}

TEST_F(Unprivileged, SaysWhatIsMissing) {
  Process process(as_nobody("600", netlab({"true"})));
  EXPECT_EQ(process.wait(), 1);
  EXPECT_THAT(process.error(),
              testing::AnyOf(HasSubstr("trellis-netlab: /dev/net/tun: Permission denied"),
                             HasSubstr("trellis-netlab: the kernel lets this user make no namespaces")));
}

}  // namespace
}  // namespace trellis::netlab
