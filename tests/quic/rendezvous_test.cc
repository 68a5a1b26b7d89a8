// A rendezvous over quic/udp: the side that controls is the client, the other one lets it in.
#include "quic_pair.h"

namespace trellis::tests {
namespace {

struct QuicRendezvous : testing::Test {
  QuicRendezvous() {
    for (Side* side : {&one, &other}) {
      side->resolving =
          preconnection().local({.host = side->address}).resolve(*side->loop, [side](Result<Resolved> result) {
            side->resolved = std::move(result);
          });
    }
    EXPECT_TRUE(pair.until([&] { return one.resolved && other.resolved; }));
  }
  ~QuicRendezvous() override {
    for (Side* side : {&one, &other}) {
      side->rendezvous = {};
      side->talker = {};
      side->resolving = {};
      side->resolved.reset();
    }
  }
  struct Side {
    Side(VirtualLoop& of, std::string from) : loop(&of), address(std::move(from)) {}
    VirtualLoop* loop;
    std::string address;
    Resolving resolving;
    std::optional<Result<Resolved>> resolved;
    Rendezvous rendezvous;
    std::unique_ptr<Talker> talker;
    std::optional<Error> failure;
  };
  Preconnection preconnection() { return Preconnection(*pair.framework).stack(quic()); }
  void begin(Side& own, const Side& peer, bool controlling) {
    ASSERT_TRUE(*own.resolved) << own.resolved->error().detail;
    own.rendezvous = preconnection()
                         .add_local((*own.resolved)->local)
                         .add_remote({{.address = (*peer.resolved)->local.front().address}})
                         .rendezvous(*own.loop,
                                     {.own = (*own.resolved)->credentials,
                                      .peer = (*peer.resolved)->credentials,
                                      .controlling = controlling},
                                     {.done =
                                          [&own](Connection c) {
                                            own.talker = std::make_unique<Talker>(std::move(c));
                                            own.talker->listen_to_all();
                                            own.talker->read();
                                          },
                                      .failed = [&own](const Error& why) { own.failure = why; }});
  }
  void converse() {
    one.talker->send("ping");
    ASSERT_TRUE(pair.until([&] { return other.talker || other.failure; }));
    ASSERT_TRUE(other.talker) << other.failure->detail;
    EXPECT_TRUE(pair.until([&] { return other.talker->reader->all == "ping"; }));
    other.talker->send("pong");
    EXPECT_TRUE(pair.until([&] { return one.talker->reader->all == "pong"; }));
    EXPECT_EQ(other.talker->connection.remote(), one.talker->connection.local());
  }

  VirtualPair pair;
  Side one{pair.client.loop(), "10.0.0.1"}, other{pair.server.loop(), "10.0.0.2"};
};

// API-57, API-87, API-106: on the pair that was chosen a secure connection is made; its stream is the Connection.
TEST_F(QuicRendezvous, TheControllingSideIsTheClient) {
  begin(one, other, true);
  begin(other, one, false);
  ASSERT_TRUE(pair.until([&] { return one.talker || one.failure; }));
  ASSERT_TRUE(one.talker) << one.failure->detail;
  EXPECT_EQ(one.talker->connection.stack(), "quic/udp");
  EXPECT_EQ(one.talker->connection.local(), (*one.resolved)->local.front().base);
  converse();
}

// API-106: the other one begins first.
TEST_F(QuicRendezvous, TheServerBeginsFirst) {
  begin(other, one, false);
  pair.world.run_for(2s);
  begin(one, other, true);
  ASSERT_TRUE(pair.until([&] { return one.talker || one.failure; }));
  ASSERT_TRUE(one.talker) << one.failure->detail;
  converse();
}

// API-57: without credentials nobody knows who begins.
TEST_F(QuicRendezvous, NeedsChecks) {
  one.rendezvous = preconnection()
                       .add_local((*one.resolved)->local)
                       .add_remote({{.address = (*other.resolved)->local.front().address}})
                       .rendezvous(*one.loop, {}, {.failed = [&](const Error& why) { one.failure = why; }});
  ASSERT_TRUE(pair.until([&] { return one.failure.has_value(); }));
  EXPECT_THAT(one.failure->detail, testing::HasSubstr("is settled by checks: expected credentials"));
}

}  // namespace
}  // namespace trellis::tests
