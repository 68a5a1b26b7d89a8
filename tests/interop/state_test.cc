// Sessions that go on in another process: two runs of `trellis connect` with one state file.
#include <gmock/gmock.h>

#include "tls_peers.h"

namespace trellis::test {
namespace {

using testing::HasSubstr;
using testing::Not;

struct StateFile : TlsPeers {};

// TLS tickets survive the process and are used once; our own server.
TEST_F(StateFile, TicketsAreUsedByTheNextProcess) {
  auto server = listen();
  const std::string port = port_of(server->address());
  const std::vector<std::string> words{"--state", directory.path() + "/state.sqlite", "-v"};
  const Outcome first = connect(port, "hello\n", {}, words);
  ASSERT_EQ(first.code, 0) << first.error;
  EXPECT_THAT(first.error, Not(HasSubstr("resumed=yes")));
  const Outcome second = connect(port, "hello\n", {}, words);
  ASSERT_EQ(second.code, 0) << second.error;
  EXPECT_THAT(second.error, HasSubstr("resumed=yes"));
  EXPECT_THAT(run({"state", "--state", directory.path() + "/state.sqlite"}).output, HasSubstr("session-ticket"));
  const Outcome without = connect(port, "hello\n", {}, {"--state", "none", "-v"});
  EXPECT_THAT(without.error, Not(HasSubstr("resumed=yes")));
}

}  // namespace
}  // namespace trellis::test
