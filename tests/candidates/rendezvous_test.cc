// Rendezvous: two hosts, each behind a NAT of its own, who connect to each other; in virtual time and on a real loop.
#include "core/ice_message.h"
#include "nat_world.h"
#include "stacks/virtual_pair.h"

namespace trellis::tests {
namespace {

using testing::HasSubstr;

/// One of two who meet.
struct Side {
  explicit Side(SimHost& of) : host(of) {}
  SimHost& host;
  Resolving resolving;
  std::optional<Result<Resolved>> resolved;
  Rendezvous rendezvous;
  std::unique_ptr<Talker> talker;
  std::optional<Error> failure;
  bool over() const { return talker != nullptr || failure; }
  RendezvousEvents events() {
    return {.done =
                [this](Connection c) {
                  talker = std::make_unique<Talker>(std::move(c));
                  talker->listen_to_all();
                },
            .failed = [this](const Error& why) { failure = why; }};
  }
  std::vector<Endpoint> candidates() const {
    std::vector<Endpoint> all;
    for (const LocalCandidate& c : (*resolved)->local) all.push_back({.address = c.address});
    return all;
  }
};

/// Two hosts behind NATs that let nobody in who was not sent to before, and a STUN server outside.
struct TwoNats : testing::Test {
  TwoNats() {
    network.link(here.host.add_interface("eth0", {"10.0.0.2"}), nat_here.add_interface("lan", {"10.0.0.1"}),
                 {.delay = 2ms});
    network.link(there.host.add_interface("eth0", {"10.0.1.2"}), nat_there.add_interface("lan", {"10.0.1.1"}),
                 {.delay = 2ms});
    SimInterface& outside_here = nat_here.add_interface("wan", {"198.51.100.1"});
    SimInterface& outside_there = nat_there.add_interface("wan", {"203.0.113.1"});
    to_here = &network.link(outside_here, router.add_interface("one", {"198.51.100.254"}), {.delay = 10ms});
    network.link(outside_there, router.add_interface("two", {"203.0.113.254"}), {.delay = 10ms});
    network.link(router.add_interface("three", {"192.0.2.1"}), server.add_interface("eth0", {"192.0.2.7"}),
                 {.delay = 5ms});
    nat_here.add_nat(outside_here);
    nat_there.add_nat(outside_there);
    mock = std::make_unique<MockStun>(server.loop(), at("192.0.2.7", 3478));
    framework = framework_with(kUdpOnPaths, [&](Registrar& registrar) {
      registrar.add(std::make_unique<SimPaths>(network));
      registrar.add(std::make_unique<SimResolver>());
    });
  }
  ~TwoNats() override {
    for (Side* side : {&here, &there}) {
      side->rendezvous = {};
      side->talker = {};
      side->resolving = {};
      side->resolved.reset();
      framework->core().forget(side->host.loop());
    }
  }
  Preconnection preconnection() {
    Preconnection made(*framework);
    made.stun_server({.endpoint = {.host = "192.0.2.7"}});
    return made;
  }
  /// Both know what to tell the other.
  void resolve() {
    for (Side* side : {&here, &there})
      side->resolving = preconnection().resolve(
          side->host.loop(), [side](Result<Resolved> result) { side->resolved = std::move(result); });
    ASSERT_TRUE(world.run_until([&] { return here.resolved && there.resolved; }, 60s));
    for (Side* side : {&here, &there}) {
      ASSERT_TRUE(*side->resolved) << (*side->resolved)->trouble.size();
      ASSERT_EQ((*side->resolved)->local.size(), 2u) << "a host and a reflexive one";
    }
  }
  RendezvousOptions with(const Side& own, const Side& peer, bool controlling) {
    return {.own = (*own.resolved)->credentials, .peer = (*peer.resolved)->credentials, .controlling = controlling};
  }
  void begin(Side& own, const RendezvousOptions& how, std::vector<Endpoint> remotes) {
    begin(own, RendezvousOptions{.own = how.own, .peer = how.peer, .controlling = how.controlling}, std::move(remotes),
          preconnection());
  }
  void begin(Side& own, RendezvousOptions how, std::vector<Endpoint> remotes, Preconnection from) {
    from.add_local((*own.resolved)->local).add_remote(std::move(remotes));
    own.rendezvous = from.rendezvous(own.host.loop(), std::move(how), own.events());
    EXPECT_FALSE(own.over()) << "nothing is told inside the call";
  }
  void meet(bool here_controls = true, bool there_controls = false) {
    begin(here, with(here, there, here_controls), there.candidates());
    begin(there, with(there, here, there_controls), here.candidates());
    ASSERT_TRUE(world.run_until([&] { return here.over() && there.over(); }, 60s));
  }
  /// Both ways, and nothing but what was sent.
  void converse() {
    ASSERT_TRUE(here.talker && there.talker)
        << (here.failure ? here.failure->detail : "") << "; " << (there.failure ? there.failure->detail : "");
    here.talker->read();
    there.talker->read();
    world.run_for(2s);  // late checks
    here.talker->send("ping");
    there.talker->send("pong");
    world.run_for(2s);
    EXPECT_EQ(there.talker->reader->all, "ping");
    EXPECT_EQ(here.talker->reader->all, "pong");
  }
  std::string failure(Side& side) {
    EXPECT_TRUE(world.run_until([&] { return side.over(); }, 60s));
    return side.failure ? side.failure->detail : "it has met somebody";
  }

  VirtualWorld world;
  SimNetwork network{world};
  SimHost& nat_here = network.add_host("nat-here", {.forwards = true});
  SimHost& nat_there = network.add_host("nat-there", {.forwards = true});
  SimHost& router = network.add_host("router", {.forwards = true});
  SimHost& server = network.add_host("server");
  SimLink* to_here = nullptr;
  std::unique_ptr<MockStun> mock;
  std::unique_ptr<Framework> framework;
  Side here{network.add_host("here")}, there{network.add_host("there")};
};

// API-57, API-87, API-106: holes are punched through both NATs; the pairs of private addresses lead nowhere.
TEST_F(TwoNats, MeetInTheMiddle) {
  resolve();
  meet();
  ASSERT_TRUE(here.talker && there.talker);
  EXPECT_EQ(here.talker->connection.state(), ConnectionState::established);
  EXPECT_EQ(to_text(here.talker->connection.remote()).substr(0, 12), "203.0.113.1:");
  EXPECT_EQ(to_text(there.talker->connection.remote()).substr(0, 13), "198.51.100.1:");
  EXPECT_EQ(here.talker->connection.local(), (*here.resolved)->local[0].base) << "from the port that was kept";
  EXPECT_EQ(here.talker->connection.stack(), "udp");
  converse();
}

// API-106: whoever begins first goes on until the other one is there.
TEST_F(TwoNats, OneBeginsLater) {
  resolve();
  begin(here, with(here, there, false), there.candidates());
  world.run_for(5s);
  EXPECT_FALSE(here.over());
  begin(there, with(there, here, true), here.candidates());
  ASSERT_TRUE(world.run_until([&] { return here.over() && there.over(); }, 20s));
  converse();
}

// API-106: any check, and any answer, may be lost.
struct LostPackets : TwoNats, testing::WithParamInterface<int> {};
TEST_P(LostPackets, AreSentAgain) {
  resolve();
  int passed = 0;
  to_here->back().tap = [&](SimPacket&) { return passed++ == GetParam() ? Verdict::drop : Verdict::pass; };
  meet();
  to_here->back().tap = {};
  EXPECT_GT(passed, GetParam());
  converse();
}
INSTANTIATE_TEST_SUITE_P(Rendezvous, LostPackets, testing::Range(0, 3));

// API-57: both mean to choose, or neither does: they settle it (RFC 8445 section 7.3.1.1).
TEST_F(TwoNats, BothControl) {
  resolve();
  meet(true, true);
  converse();
}
TEST_F(TwoNats, NeitherControls) {
  resolve();
  meet(false, false);
  converse();
}

// API-57: whoever does not know the password is nobody; the error says what was probably wrong.
TEST_F(TwoNats, WrongPassword) {
  resolve();
  RendezvousOptions wrong = with(here, there, true);
  wrong.peer.password.front() = wrong.peer.password.front() == 'x' ? 'y' : 'x';
  begin(here, wrong, there.candidates());
  begin(there, with(there, here, false), here.candidates());
  EXPECT_THAT(failure(here), testing::AllOf(HasSubstr("no rendezvous with"), HasSubstr("within 15000 ms"),
                                            HasSubstr("are ufrag and password those of the peer?")));
  EXPECT_EQ(here.failure->reason, Reason::timed_out);
  EXPECT_NE(failure(there), "it has met somebody");
}

// API-57, API-106: nobody is there: each pair, and what became of it.
TEST_F(TwoNats, NobodyThere) {
  resolve();
  begin(here, with(here, there, true), {{.address = at("203.0.113.1", 9)}, {.address = at("192.0.2.99", 9)}});
  const TimePoint begun = world.now();
  EXPECT_THAT(failure(here), testing::AllOf(HasSubstr("to 203.0.113.1:9: "), HasSubstr("to 192.0.2.99:9: "),
                                            HasSubstr("checks were not answered")));
  EXPECT_EQ(world.now() - begun, 15s) << "the connect timeout";
}

/// Answers every check as nobody who knows the password would.
struct Impostor final : SocketEvents {
  Impostor(Executor& loop, const Address& at) : executor(loop) {
    socket = loop.sockets()
                 .open({.kind = SocketSpec::Kind::datagram, .role = SocketSpec::Role::unconnected, .local = at})
                 .value();
    EXPECT_TRUE(socket->watch(*this, Ready::readable));
  }
  void on_ready(Socket&, Ready) noexcept override {
    Batch in;
    if (!socket->receive(in, 1 << 20)) return;
    while (!in.empty()) {
      const Chunk chunk = in.pop();
      const auto check = read_stun(chunk.data.bytes());
      EXPECT_TRUE(check);
      ++checks;
      StunWriter plain(StunClass::success, StunMethod::binding, check->id);
      plain.add(StunType::xor_mapped_address, chunk.info->remote).add_fingerprint();
      const IceSession other({"other", "anotherpasswordanotherpassword"}, {});
      for (const auto& bytes :
           {IceSession::Bytes(plain.bytes().begin(), plain.bytes().end()), other.success(*check, chunk.info->remote),
            other.refusal(*check, kRoleConflict, "Role Conflict"), other.refusal(*check, kBadRequest, "Bad Request"),
            IceSession::Bytes(7)}) {
        Chunk out{.data = executor.pool().allocate(0, static_cast<std::uint32_t>(bytes.size()), 0),
                  .end_of_message = true};
        out.info = new_message();
        std::ranges::copy(bytes, out.data.edit().begin());
        out.info->remote = chunk.info->remote;
        Batch batch;
        batch.add(std::move(out));
        EXPECT_TRUE(socket->send(batch));
      }
    }
  }
  Executor& executor;
  std::unique_ptr<Socket> socket;
  int checks = 0;
};

// API-106: what is not signed by the peer decides nothing, and keeps nobody from meeting the peer.
TEST_F(TwoNats, Impostors) {
  resolve();
  Impostor impostor(server.loop(), at("192.0.2.7", 9));
  begin(here, with(here, there, true), {{.address = at("192.0.2.7", 9)}});
  world.run_for(10s);
  EXPECT_FALSE(here.over());
  EXPECT_GT(impostor.checks, 3);
  ASSERT_TRUE(here.rendezvous.add_remote(there.candidates()));
  begin(there, with(there, here, false), here.candidates());
  ASSERT_TRUE(world.run_until([&] { return here.over() && there.over(); }, 5s));
  converse();
}

// API-108: candidates that become known later.
TEST_F(TwoNats, LaterCandidates) {
  resolve();
  begin(here, with(here, there, true), {{.address = at("192.0.2.99", 9)}});
  begin(there, with(there, here, false), {{.address = at("192.0.2.98", 9)}});
  world.run_for(3s);
  EXPECT_FALSE(here.over());
  ASSERT_TRUE(here.rendezvous.add_remote(there.candidates()));
  ASSERT_TRUE(here.rendezvous.add_remote(there.candidates())) << "known ones are ignored";
  EXPECT_THAT(here.rendezvous.add_remote({{.host = "peer.example", .port = 9}}).error().detail,
              HasSubstr("expected an address"));
  ASSERT_TRUE(there.rendezvous.add_remote(here.candidates()));
  ASSERT_TRUE(world.run_until([&] { return here.over() && there.over(); }, 10s));
  converse();
}

// API-106: a peer whose address nobody has told is found by its checks (RFC 8445 section 7.3.1.3).
TEST_F(TwoNats, PeerReflexive) {
  resolve();
  Side open(server);  // behind no NAT
  open.resolving = Preconnection(*framework).resolve(server.loop(), [&](Result<Resolved> result) {
    open.resolved = std::move(result);
  });
  ASSERT_TRUE(world.run_until([&] { return open.resolved.has_value(); }, 1s));
  ASSERT_TRUE(*open.resolved);
  begin(open, with(open, there, true), {{.address = at("192.0.2.99", 9)}});
  begin(there, with(there, open, false), open.candidates());
  EXPECT_TRUE(world.run_until([&] { return open.over() && there.over(); }, 10s));
  EXPECT_FALSE(open.failure || there.failure);
  const Address found = open.talker ? open.talker->connection.remote() : Address{};
  EXPECT_EQ(to_text(found).substr(0, 12), "203.0.113.1:");
  open.rendezvous = {};
  open.talker = {};
  open.resolving = {};
  open.resolved.reset();
  framework->core().forget(server.loop());
}

// API-87: without checks it is there when the first message is.
TEST_F(TwoNats, FirstMessage) {
  resolve();
  const auto meet_plainly = [&](Side& own, const Side& peer, std::string_view early) {
    Preconnection from(*framework);
    from.local((*own.resolved)->local[0]).add_remote({{.address = (*peer.resolved)->local[1].address}});
    RendezvousOptions how;
    if (!early.empty()) {
      how.early.data = own.host.loop().pool().allocate(0, static_cast<std::uint32_t>(early.size()), 0);
      std::ranges::copy(std::as_bytes(std::span(early)), how.early.data.edit().begin());
      how.early.end = true;
    }
    own.rendezvous = from.rendezvous(own.host.loop(), std::move(how), own.events());
  };
  meet_plainly(here, there, "hello");
  world.run_for(1s);
  EXPECT_FALSE(here.over()) << "nobody has said anything";
  meet_plainly(there, here, "hi");
  ASSERT_TRUE(world.run_until([&] { return here.over(); }, 5s));
  ASSERT_TRUE(here.talker) << here.failure->detail;
  here.talker->read();
  here.talker->send("again");
  ASSERT_TRUE(world.run_until([&] { return there.over(); }, 5s));
  ASSERT_TRUE(there.talker) << there.failure->detail;
  there.talker->read();
  world.run_for(1s);
  EXPECT_EQ(here.talker->reader->all, "hi");
  EXPECT_EQ(there.talker->reader->all, "again");
}
TEST_F(TwoNats, NoFirstMessage) {
  resolve();
  Preconnection from(*framework);
  from.local((*here.resolved)->local[0]).add_remote({{.address = (*there.resolved)->local[1].address}});
  here.rendezvous = from.connect_timeout(3s).rendezvous(here.host.loop(), {}, here.events());
  EXPECT_THAT(failure(here), HasSubstr("within 3000 ms: no message came"));
}

// API-99, API-57: one error for what cannot be.
TEST_F(TwoNats, WhatCannotBe) {
  resolve();
  const auto error = [&](Preconnection from, RendezvousOptions how) {
    here.failure.reset();
    here.rendezvous = from.rendezvous(here.host.loop(), std::move(how), here.events());
    return failure(here);
  };
  const auto both = [&] {
    return Preconnection(*framework).add_local((*here.resolved)->local).add_remote(there.candidates());
  };
  EXPECT_THAT(error(Preconnection(*framework).add_remote(there.candidates()), with(here, there, true)),
              HasSubstr("no local candidate was given"));
  EXPECT_THAT(error(Preconnection(*framework).add_local((*here.resolved)->local), with(here, there, true)),
              HasSubstr("no remote endpoint was given"));
  EXPECT_THAT(error(both(), {}), HasSubstr("told apart by checks: expected credentials"));
  RendezvousOptions how = with(here, there, true);
  how.own.password = "short";
  EXPECT_THAT(error(both(), std::move(how)), HasSubstr("found our password of 5 characters, expected 22 to 256"));
  EXPECT_THAT(error(both().stack("tcp"), with(here, there, true)), HasSubstr("a rendezvous goes over udp"));
  EXPECT_THAT(error(both().add_remote({{.host = "peer.example", .port = 9}}), with(here, there, true)),
              HasSubstr("expected an address: resolve() finds those"));
}

// Destroying the handle ends it silently.
TEST_F(TwoNats, Canceled) {
  resolve();
  begin(here, with(here, there, true), there.candidates());
  world.run_for(120ms);
  here.rendezvous = {};
  world.run_for(60s);
  EXPECT_FALSE(here.over());
}

// ---- a real loop

// API-57, API-106: on loopback, without any NAT.
TEST(RealRendezvous, OnLoopback) {
  const auto loop = make_loop();
  auto framework = Framework::create({.plugin_directories = {TRELLIS_BUILD_DIR "/plugins"}}).value();
  const auto until = [&](const std::function<bool()>& done) {
    while (!done()) loop->run_once(true);
  };
  std::optional<Result<Resolved>> resolved[2];
  Resolving resolving[2];
  for (int i = 0; i < 2; ++i)
    resolving[i] =
        Preconnection(*framework).local({.host = "127.0.0.1"}).resolve(*loop, [&, i](Result<Resolved> result) {
          resolved[i] = std::move(result);
        });
  until([&] { return resolved[0] && resolved[1]; });
  Connection met[2];
  std::optional<Error> failed[2];
  Rendezvous rendezvous[2];
  for (int i = 0; i < 2; ++i) {
    ASSERT_TRUE(*resolved[i]) << resolved[i]->error().detail;
    ASSERT_FALSE((*resolved[i])->local.empty());
    rendezvous[i] =
        Preconnection(*framework)
            .stack("udp")
            .set("safelyReplayable", true)
            .add_local((*resolved[i])->local)
            .add_remote({{.address = (*resolved[1 - i])->local[0].address}})
            .rendezvous(
                *loop,
                {.own = (*resolved[i])->credentials, .peer = (*resolved[1 - i])->credentials, .controlling = i == 0},
                {.done = [&, i](Connection c) { met[i] = std::move(c); },
                 .failed = [&, i](const Error& why) { failed[i] = why; }});
  }
  until([&] { return (met[0] || failed[0]) && (met[1] || failed[1]); });
  for (int i = 0; i < 2; ++i) ASSERT_FALSE(failed[i]) << failed[i]->detail;
  Reader reader(met[1]);
  met[0].send(slice(met[0], "across"));
  until([&] { return reader.all == "across"; });
  EXPECT_EQ(met[0].remote(), met[1].local());
}

}  // namespace
}  // namespace trellis::tests
