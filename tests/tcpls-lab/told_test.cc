// What `trellis connect` shows of a session, on standard error, in a trace and as a picture: joins, losses and
// hand-overs, each with its time.
#include <sstream>

#include "tool/trace.h"
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
      lab->client.command({program, "connect", "-v", "--trace", files.path() + "/trace", "--timeline",
                           files.path() + "/picture.html", "--stack", stack(), ClientServer::address() + ":7000"}));
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

  const auto trace = tool::load_trace(files.path() + "/trace");
  ASSERT_TRUE(trace) << trace.error().detail;
  std::vector<std::string> events;
  for (const auto& event : trace->path_events) events.push_back((event.lost ? "bad: " : "good: ") + event.detail);
  using testing::HasSubstr;
  EXPECT_THAT(events, testing::IsSupersetOf({HasSubstr("bad: connection 0 was lost"),
                                             HasSubstr("good: connection 1 has joined"),
                                             HasSubstr("good: streams go on over connection 1")}));
  std::stringstream picture;
  picture << std::ifstream(files.path() + "/picture.html").rdbuf();
  for (const char* part : {"Its paths since", "class=\"event failed\"", "connection 1 has joined"})
    EXPECT_THAT(picture.str(), HasSubstr(part));
}

}  // namespace
}  // namespace trellis::netlab
