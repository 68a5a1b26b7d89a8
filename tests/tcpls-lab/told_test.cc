// What `trellis connect -v` shows of a session: joins, losses and hand-overs, each with its time.
#include "transfer_lab.h"

namespace trellis::netlab {
namespace {

struct Told : Transfer {};

// TCPLS-50, TCPLS-78
TEST_F(Told, JoinsLossesAndHandOvers) {
  const std::string program = test::program("trellis");
  Process server(lab->server.command({program, "listen", "--echo", "--stack", stack(), "7000"}));
  ASSERT_TRUE(server.wait_output("listening")) << server.error();
  Process client(
      lab->client.command({program, "connect", "-v", "--stack", stack(), ClientServer::address() + ":7000"}));
  ASSERT_TRUE(client.write("before "));
  ASSERT_TRUE(client.wait_output("before ")) << client.error();
  EXPECT_EQ(end_connections(lab->client, 7000), 1u);
  ASSERT_TRUE(client.write("behind"));
  ASSERT_TRUE(client.wait_output("behind")) << client.error();
  client.close_input();
  EXPECT_EQ(client.wait(), 0) << client.error();
  std::size_t at = 0;
  for (const char* part : {"connection 0 was lost", "connection 1 has joined", "streams go on over connection 1"}) {
    at = client.error().find(std::string("path layer=tcpls detail=") + part, at);
    ASSERT_NE(at, std::string::npos) << part << " is missing in " << client.error();
  }
  EXPECT_TRUE(client.error().contains(" ms="));
}

}  // namespace
}  // namespace trellis::netlab
