// Sessions that go on where an earlier one ended, through the framework: its memory hands out each ticket once.
#include "security/secure_pair.h"

namespace trellis::test {
namespace {

class Resumption : public SecurePair {
 protected:
  /// One connection from beginning to end; true: it resumed an earlier one.
  bool resumed(const std::string& options = {}) {
    meet(options);
    expect_conversation();
    const std::string client_says = property(client, "tls.resumed"), server_says = property(server, "tls.resumed");
    EXPECT_EQ(client_says, server_says);
    client.close({});
    tests::Reader at_server(server);
    EXPECT_TRUE(world.run_until([&] { return at_server.ended; }));
    return client_says == "true";
  }
  /// Another set of parameters that trusts the same.
  void new_parameters() {
    client_security = new_security();
    client_security->trusted = {pki.anchor()};
  }
};

// API-253
TEST_P(Resumption, TheSecondConnectionResumes) {
  EXPECT_FALSE(resumed());
  for (int i = 0; i < 4; ++i) EXPECT_TRUE(resumed()) << i;
}

// RACE-109, RACE-110: connections that begin at the same time have a ticket each, and none is used twice.
TEST_P(Resumption, NoTwoConnectionsShareATicket) {
  listen("tickets=2");
  EXPECT_FALSE(resumed());
  std::vector<Connection> clients;
  int ready = 0;
  for (int i = 0; i < 3; ++i) {
    clients.push_back(world.preconnection(stack({}))
                          .security(client_security)
                          .remote({.host = host, .port = listener->local().port, .address = listener->local()})
                          .initiate(*world.loop, [&](Result<void> how) {
                            EXPECT_TRUE(how) << how.error().detail;
                            ++ready;
                          }));
  }
  ASSERT_TRUE(world.run_until([&] { return ready == 3; }));
  int resumptions = 0;
  for (Connection& one : clients) resumptions += property(one, "tls.resumed") == "true" ? 1 : 0;
  EXPECT_EQ(resumptions, 2) << "there were two tickets";
}

TEST_P(Resumption, OtherParametersBeginAnew) {
  EXPECT_FALSE(resumed());
  new_parameters();
  EXPECT_FALSE(resumed());
}

TEST_P(Resumption, AnotherServerIsAskedInFull) {
  EXPECT_FALSE(resumed());
  listener.reset();
  EXPECT_FALSE(resumed());
}

// API-236: the server gives two tickets, and one is kept.
TEST_P(Resumption, AsManyTicketsAreKeptAsTheApplicationAllows) {
  client_security->max_cached_sessions = 1;
  EXPECT_FALSE(resumed());
  meet();
  EXPECT_EQ(property(client, "tls.resumed"), "true");
  const Connection first = std::move(client);
  meet("resumption=true");
  // The first has not been asked for its new tickets yet.
  EXPECT_EQ(property(client, "tls.resumed"), "false");
}

TEST_P(Resumption, NoTicketIsKeptWhereTheApplicationAllowsNone) {
  client_security->max_cached_sessions = 0;
  for (int i = 0; i < 2; ++i) EXPECT_FALSE(resumed()) << i;
}

INSTANTIATE_TEST_SUITE_P(Stacks, Resumption, kSecureStacks, stack_name);

}  // namespace
}  // namespace trellis::test
