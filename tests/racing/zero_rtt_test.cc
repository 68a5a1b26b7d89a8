// Early data in races: who sends it, with which ticket, and that it arrives exactly once, in its place.
#include <gtest/gtest.h>

#include <deque>
#include <format>

#include "core/early_message.h"
#include "core/framework_core.h"
#include "loop/sim_paths.h"
#include "simulation/simulated_world.h"
#include "ticket_protocol.h"
#include "trellis/preconnection.h"

namespace trellis::tests {
namespace {

using namespace std::chrono_literals;
using simulation::SimulatedWorld;
using simulation::WorldFile;

constexpr Duration kRoundTrip = 20ms;

std::string text_of(const Slice& data) { return {reinterpret_cast<const char*>(data.bytes().data()), data.size()}; }

/// What one Connection of the server heard.
struct Peer {
  Connection connection;
  std::string all;    // received
  std::string early;  // of that, what came as early data
  TimePoint first{};  // when the first byte came
};

/// The client's side of one connection.
struct Caller {
  Connection connection;
  std::optional<Result<void>> ready;
  TimePoint ready_at{};
  std::vector<Notice> notices;
  std::size_t attempts = 0;
};

/// The paths of the world that is made later.
struct WorldsPaths final : PathProvider {
  std::string_view name() const noexcept override { return "simulated"; }
  Result<std::unique_ptr<Watch>> watch(Executor& executor, const Options& options,
                                       PathObserver& observer) noexcept override {
    return now->watch(executor, options, observer);
  }
  std::unique_ptr<SimPaths> now;
};

struct ZeroRtt : testing::Test {
  /// Loads the stacks and makes a world with these addresses, 10 ms away.
  void begin(const std::string& addresses, const std::string& racing = "staggered",
             const std::string& stack = R"(<layer protocol="tickets"/><layer protocol="tcp"/>)",
             const std::string& paths = "", const std::string& early_data = "every-path") {
    auto policy = parse_policy(
        std::format(R"(<policy xmlns="urn:trellis:policy:1" name="p"><names><resolver name="simulated"/></names>{})"
                    R"(<stacks><stack name="s">{}</stack></stacks><racing early-data="{}">)"
                    R"(<branch on="endpoint" policy="{}"/><branch on="path" policy="simultaneous"/></racing></policy>)",
                    paths, stack, early_data, racing),
        "p.xml");
    ASSERT_TRUE(policy) << policy.error().detail;
    FrameworkOptions options;
    options.plugin_directories = {TRELLIS_BUILD_DIR "/plugins"};
    auto core = std::make_unique<FrameworkCore>(std::move(options), std::vector<PluginRules>{});
    ASSERT_TRUE(core->registry.link("test", [this](Registrar& registrar) {
      registrar.add(std::make_unique<TicketKind>(tickets));
      auto resolver = std::make_unique<SimResolver>();
      resolver->serve([this](const Query& query) { return world->answers(query); });
      registrar.add(std::move(resolver));
      auto provider = std::make_unique<WorldsPaths>();
      world_paths = provider.get();
      registrar.add(std::move(provider));
    }));
    std::vector<Policy> policies{*policy};
    policies.push_back(*policy);
    policies.back().name = "other";
    const auto loaded = core->load(std::move(policies));
    ASSERT_TRUE(loaded) << loaded.error().detail;
    framework = std::make_unique<Framework>(std::move(core));
    const std::string xml =
        std::format(R"(<world xmlns="urn:trellis:world:1" name="w"><connect host="a.example"/><path interface="eth0" )"
                    R"(delay-ms="10"/>{}<host name="a.example">{}</host></world>)",
                    paths.empty() ? "" : R"(<path interface="eth1" delay-ms="10"/>)", addresses);
    auto parsed = simulation::parse_world(xml, "w.xml");
    ASSERT_TRUE(parsed) << parsed.error().detail;
    file = std::move(*parsed);
    world = std::make_unique<SimulatedWorld>(file, 1);
    world_paths->now = std::make_unique<SimPaths>(world->network());
    ListenerEvents events;
    events.received = [this](Connection connection) {
      Peer& peer = peers.emplace_back();
      peer.connection = std::move(connection);
      hear(peer);
    };
    events.failed = [](const Error& error) { ADD_FAILURE() << error.detail; };
    listener = Preconnection(*framework).local({.port = 443}).listen(world->server().loop(), std::move(events));
    world->time().run_for(1ms);
    world->begin();
  }
  ~ZeroRtt() override {
    callers.clear();
    peers.clear();
    listener = {};
    if (!framework) return;
    framework->core().forget(world->client().loop());
    framework->core().forget(world->server().loop());
  }
  void hear(Peer& peer) {
    peer.connection.receive(1, 65536, [this, &peer](Result<Message> message) {
      if (!message || message->final) return;
      if (peer.all.empty()) peer.first = world->time().now();
      peer.all += text_of(message->data);
      if (message->early) peer.early += text_of(message->data);
      hear(peer);
    });
  }
  Message message(const std::string& text, bool replayable) {
    Slice data = world->client().loop().pool().allocate(0, static_cast<std::uint32_t>(text.size()), 0);
    std::memcpy(data.edit().data(), text.data(), text.size());
    Message made{.data = std::move(data)};
    made.properties.replayable = replayable;
    made.end = false;
    return made;
  }
  Preconnection preconnection() {
    Preconnection made(*framework);
    made.remote({.host = "a.example", .port = 443});
    return made;
  }
  Caller& call(Message early, Preconnection to) {
    Caller& caller = callers.emplace_back();
    to.on_race([&caller](const RaceReport& report) {
      for (const RaceNode& node : report.nodes) caller.attempts += node.attempt && node.started_at != TimePoint{};
    });
    begun = world->time().now();
    caller.connection = to.initiate(
        world->client().loop(),
        [this, &caller](Result<void> how) {
          caller.ready = std::move(how);
          caller.ready_at = world->time().now();
        },
        std::move(early));
    caller.connection.on_notice([&caller](Notice notice, const Error&) { caller.notices.push_back(notice); });
    return caller;
  }
  Caller& call(Message early) { return call(std::move(early), preconnection()); }
  /// Connects once without early data, so that there are tickets, and forgets it.
  void earn(unsigned count) {
    tickets.given = count;
    call({.data = {}, .end = false}, preconnection().family(Address::Family::ipv6));
    settle();
    callers.clear();
    settle();
    peers.clear();
    tickets.given = 0;
    tickets.hellos.clear();
    framework->core().history.clear();  // which knows the peer, too, and would shorten delays
  }
  void settle() { world->time().run_for(3s); }
  std::string received() const {
    std::string all;
    for (const Peer& peer : peers) all += peer.all;
    return all;
  }

  Tickets tickets;
  WorldsPaths* world_paths = nullptr;
  WorldFile file;
  std::unique_ptr<SimulatedWorld> world;
  std::unique_ptr<Framework> framework;
  Listener listener;
  std::deque<Peer> peers;
  std::deque<Caller> callers;
  TimePoint begun{};
};

const char* const kOne = R"(<address ip="2001:db8::1"/>)";
const char* const kTwo = R"(<address ip="2001:db8::1"/><address ip="192.0.2.1"/>)";

// RACE-104, RACE-105, API-117, API-178, API-268, IMPL-65: what is marked as safely replayable travels in the first
// flight, before the handshake is over.
TEST_F(ZeroRtt, ReplayableDataArriveEarly) {
  begin(kOne);
  earn(1);
  Caller& caller = call(message("ping", true));
  caller.connection.send(message(" pong", false));
  settle();
  ASSERT_TRUE(caller.ready && *caller.ready);
  ASSERT_EQ(peers.size(), 1u);
  EXPECT_EQ(peers[0].early, "ping");
  EXPECT_EQ(peers[0].all, "ping pong");
  EXPECT_LT(peers[0].first, caller.ready_at) << "one and a half round trips, and not two and a half";
  EXPECT_LE(peers[0].first - begun, kRoundTrip * 3 / 2 + 1ms);
  EXPECT_EQ(caller.notices, std::vector{Notice::early_accepted});
}

// RACE-105
TEST_F(ZeroRtt, WhatIsNotMarkedIsSentOnceAfterTheHandshake) {
  begin(kOne);
  earn(1);
  Caller& caller = call(message("ping", false));
  caller.connection.send(message(" pong", false));
  settle();
  ASSERT_EQ(tickets.hellos.size(), 1u);
  EXPECT_EQ(tickets.hellos[0].ticket, "ticket 1") << "the session is resumed all the same";
  EXPECT_EQ(tickets.hellos[0].wire, "");
  EXPECT_EQ(peers.at(0).all, "ping pong");
  EXPECT_EQ(peers.at(0).early, "");
  EXPECT_GT(peers[0].first, caller.ready_at);
}

// RACE-101, RACE-102, RACE-103: asking returns at once; what is sent meanwhile waits, in its order.
TEST_F(ZeroRtt, WithoutATicketEverythingWaitsForTheHandshake) {
  begin(kOne);
  Caller& caller = call(message("ping", true));
  EXPECT_FALSE(caller.ready);
  EXPECT_EQ(caller.connection.state(), ConnectionState::establishing);
  EXPECT_FALSE(caller.connection.get("anything")) << "nothing to ask before a leaf is chosen";
  caller.connection.send(message(" pong", true));
  settle();
  EXPECT_EQ(tickets.hellos.at(0).ticket, "");
  EXPECT_EQ(peers.at(0).all, "ping pong");
  EXPECT_EQ(peers.at(0).early, "");
}

// RACE-17, RACE-106, RACE-110, RACE-111, IMPL-65, IMPL-66
TEST_F(ZeroRtt, EachLeafHasItsOwnTicketAndItsOwnCopy) {
  begin(kTwo, "simultaneous");
  earn(2);
  Caller& caller = call(message("ping", true));
  caller.connection.send(message(" pong", false));
  settle();
  ASSERT_EQ(tickets.hellos.size(), 2u);
  EXPECT_NE(tickets.hellos[0].ticket, tickets.hellos[1].ticket);
  EXPECT_NE(tickets.hellos[0].ticket, "");
  EXPECT_NE(tickets.hellos[1].ticket, "");
  EXPECT_EQ(tickets.hellos[0].wire.size(), 4u);
  EXPECT_EQ(tickets.hellos[1].wire.size(), 4u);
  EXPECT_NE(tickets.hellos[0].wire, tickets.hellos[1].wire) << "encrypted with different keys";
  ASSERT_TRUE(caller.ready && *caller.ready);
  std::size_t whole = 0, early_only = 0;
  for (const Peer& peer : peers) {
    whole += peer.all == "ping pong";
    early_only += peer.all == "ping" && peer.early == "ping";
  }
  EXPECT_EQ(whole, 1u) << "one leaf carries the application's data";
  EXPECT_LE(early_only, 1u) << "a replay on the loser is what was allowed";
}

// RACE-109
TEST_F(ZeroRtt, OneTicketIsUsedOnOneLeafOnly) {
  begin(kTwo, "simultaneous");
  earn(1);
  Caller& caller = call(message("ping", true));
  settle();
  ASSERT_EQ(tickets.hellos.size(), 2u);
  EXPECT_EQ(tickets.hellos[0].ticket.empty() + tickets.hellos[1].ticket.empty(), 1) << "the other: a full handshake";
  EXPECT_TRUE(caller.ready && *caller.ready);
  EXPECT_EQ(framework->core().state.size(), 0u);
}

// RACE-107, RACE-109: the leaf without a ticket wins; the data go over it once, after its handshake.
TEST_F(ZeroRtt, TheWinnerWithoutATicketSendsTheDataOnce) {
  begin(R"(<address ip="2001:db8::1" delay-ms="200"/><address ip="192.0.2.1"/>)", "simultaneous");
  earn(1);
  tickets.given = 0;
  Caller& caller = call(message("ping", true));
  caller.connection.send(message(" pong", false));
  settle();
  EXPECT_EQ(caller.connection.remote().family, Address::Family::ipv4);
  EXPECT_EQ(received(), "ping pong");
}

// RACE-107: refused early data are sent again before later messages; nothing is lost or doubled.
TEST_F(ZeroRtt, RefusedDataAreSentAgainInOrder) {
  begin(kOne);
  earn(1);
  tickets.refuse = true;
  Caller& caller = call(message("ping", true));
  caller.connection.send(message(" pong", false));
  settle();
  EXPECT_EQ(tickets.hellos.at(0).wire.size(), 4u) << "it was sent early";
  EXPECT_EQ(peers.at(0).all, "ping pong");
  EXPECT_EQ(peers.at(0).early, "");
  EXPECT_EQ(caller.notices, std::vector{Notice::early_refused});
}

// RACE-107, IMPL-65: what did not fit goes out before later messages.
TEST_F(ZeroRtt, WhatDoesNotFitFollowsFirst) {
  begin(kOne);
  earn(1);
  tickets.early_most = 3;
  call(message("abcdef", true)).connection.send(message("ghi", false));
  settle();
  EXPECT_EQ(peers.at(0).early, "abc");
  EXPECT_EQ(peers.at(0).all, "abcdefghi");
}
TEST_F(ZeroRtt, WhatDoesNotFitFollowsARefusal) {
  begin(kOne);
  earn(1);
  tickets.early_most = 3;
  tickets.refuse = true;
  call(message("abcdef", true)).connection.send(message("ghi", false));
  settle();
  EXPECT_EQ(peers.at(0).all, "abcdefghi");
}

// QUIC-7: nothing depends on TCP fast open.
// RACE-105, RACE-107: a stack that cannot send early data sends them when it is ready.
TEST_F(ZeroRtt, AStackWithoutEarlyDataSendsThemWhenReady) {
  begin(kTwo, "staggered", R"(<layer protocol="tcp"/>)");
  call(message("ping", true)).connection.send(message(" pong", false));
  settle();
  EXPECT_EQ(received(), "ping pong");
}

// RACE-106, RACE-108: the tcp plugin's fast open, twice to the same address: the second SYN carries the data.
TEST_F(ZeroRtt, FastOpenCarriesThemInTheSyn) {
  begin(kOne, "staggered", R"(<layer protocol="tcp"><option name="fast-open" value="true"/></layer>)");
  call(message("first", true));
  settle();
  EXPECT_EQ(received(), "first");
  Caller& caller = call(message("ping", true));
  caller.connection.send(message(" pong", false));
  settle();
  ASSERT_EQ(peers.size(), 2u);
  EXPECT_EQ(peers[1].all, "ping pong");
  EXPECT_LE(peers[1].first - begun, kRoundTrip / 2 + 1ms) << "half a round trip";
}

// RACE-113, RACE-121
TEST_F(ZeroRtt, ResumedSessionsKeepTheAttemptDelay) {
  begin(R"(<address ip="2001:db8::1"><block does="drop" from-ms="1000"/></address><address ip="192.0.2.1"/>)");
  earn(4);  // within the first second
  Caller& caller = call(message("ping", true));
  settle();
  ASSERT_TRUE(caller.ready && *caller.ready);
  EXPECT_EQ(caller.attempts, 2u);
  EXPECT_GE(caller.ready_at - begun, 250ms + 2 * kRoundTrip);
  EXPECT_LE(caller.ready_at - begun, 250ms + 2 * kRoundTrip + 1ms);
  EXPECT_EQ(received(), "ping");
}

// RACE-84, RACE-81, RACE-82: tcp is connected after 200 ms, its peer is alive: the candidate is given the time that the
// remaining handshake takes, and it is ready only after that.
TEST_F(ZeroRtt, AFinishedHandshakeExtendsTheDelay) {
  begin(R"(<address ip="2001:db8::1" delay-ms="90"/><address ip="192.0.2.1"/>)");
  Caller& caller = call({.data = {}, .end = false});
  settle();
  EXPECT_EQ(caller.attempts, 1u);
  EXPECT_GE(caller.ready_at - begun, 400ms);
}

// RACE-82, RACE-85: somebody answers for tcp and swallows the rest: the next candidate wins.
TEST_F(ZeroRtt, AMiddleboxThatSwallowsTheHandshakeLoses) {
  begin(R"(<address ip="2001:db8::1"><block does="swallow"/></address><address ip="192.0.2.1"/>)");
  Caller& caller = call({.data = {}, .end = false});
  settle();
  ASSERT_TRUE(caller.ready && *caller.ready);
  EXPECT_EQ(caller.attempts, 2u);
  EXPECT_EQ(caller.connection.remote().family, Address::Family::ipv4);
}

// Tickets of one profile, of one set of security parameters and of one endpoint are not shown elsewhere.
TEST_F(ZeroRtt, StateIsPartitioned) {
  begin(kOne);
  tickets.given = 1;
  const auto ticket_of = [&](Preconnection to) {
    tickets.hellos.clear();
    call({.data = {}, .end = false}, std::move(to));
    settle();
    return tickets.hellos.at(0).ticket;
  };
  const auto secured = [&](std::uint64_t id) {
    auto parameters = new_opportunistic_security_parameters();  // the stack of these tests secures nothing
    parameters->id = id;
    return preconnection().security(std::move(parameters));
  };
  EXPECT_EQ(ticket_of(preconnection()), "");
  EXPECT_NE(ticket_of(preconnection()), "");
  EXPECT_EQ(ticket_of(preconnection().profile("other")), "");
  EXPECT_EQ(ticket_of(secured(1)), "");
  EXPECT_EQ(ticket_of(secured(2)), "");
  EXPECT_NE(ticket_of(secured(1)), "");
  Preconnection literal = preconnection();
  EXPECT_EQ(ticket_of(literal.remote({.host = "2001:db8::1", .port = 443})), "");
}

// ---- the parts

TEST(StateMemory, IsBoundedExpiresAndGivesOnce) {
  StateMemory memory;
  const auto value = [](int n) { return StateValue{static_cast<std::byte>(n)}; };
  const StateKey key{StateKind::session_ticket, "p", "n", "e", "tls", ""};
  const TimePoint now{1s};
  for (int n = 0; n < 20; ++n) memory.put(key, value(n), now + 10s);
  EXPECT_EQ(memory.size(), StateMemory::kPerKeyMost);
  EXPECT_EQ(memory.peek(key, now), value(19)) << "the newest";
  EXPECT_EQ(memory.take(key, now), value(19));
  EXPECT_EQ(memory.take(key, now), value(18));
  EXPECT_EQ(memory.take(key, now + 10s), StateValue{}) << "expired";
  EXPECT_EQ(memory.size(), 0u);
  StateKey other = key;
  other.partition = "p1";
  other.network = "";
  memory.put(other, value(1), now + 1s);
  other = key;
  other.partition = "p";
  other.network = "1";
  EXPECT_EQ(memory.peek(other, now), StateValue{}) << "no two keys come to one";
  for (int n = 0; n < 5000; ++n) {
    other.endpoint = std::to_string(n);
    memory.put(other, value(1), now + 1s);
  }
  EXPECT_EQ(memory.size(), StateMemory::kEntriesMost);
  memory.put(key, StateValue(StateMemory::kValueMost + 1), now + 1s);
  EXPECT_EQ(memory.take(key, now), StateValue{});
}

TEST(StateMemory, PartitionsCompareWhatDecidesTrust) {
  Security a, b;
  EXPECT_EQ(state_partition("p", &a), state_partition("p", &b));
  EXPECT_NE(state_partition("p", &a), state_partition("q", &a));
  EXPECT_NE(state_partition("p", &a), state_partition("p", nullptr));
  b.pinned.push_back({std::byte{1}});
  EXPECT_NE(state_partition("p", &a), state_partition("p", &b));
  b.verify = [](const PeerIdentity&, Security::Answer) { return nullptr; };
  EXPECT_FALSE(state_partition("p", &b)) << "a check that cannot be compared: nothing is shared";
}

struct ZeroRttOverPaths : ZeroRtt, testing::WithParamInterface<std::pair<const char*, int>> {};

// RACE-112: tickets stay on their path, and a policy can keep early data from telling that two paths belong together.
TEST_P(ZeroRttOverPaths, GoOutByAsManyAsThePolicySays) {
  const auto [early_data, copies] = GetParam();
  begin(kOne, "staggered", R"(<layer protocol="tickets"/><layer protocol="tcp"/>)", R"(<paths provider="simulated"/>)",
        early_data);
  tickets.given = 1;
  for (const char* interface : {"eth0", "eth1"})
    call({.data = {}, .end = false}, preconnection().interface_name(interface));
  settle();
  callers.clear();
  settle();
  peers.clear();
  tickets.hellos.clear();
  Caller& caller = call(message("ping", true));
  settle();
  ASSERT_TRUE(caller.ready && *caller.ready);
  EXPECT_EQ(caller.attempts, 2u);
  ASSERT_EQ(tickets.hellos.size(), 2u);
  EXPECT_NE(tickets.hellos[0].ticket, tickets.hellos[1].ticket) << "each path its own";
  EXPECT_EQ(std::ranges::count_if(tickets.hellos, [](const auto& hello) { return !hello.wire.empty(); }), copies);
  EXPECT_EQ(peers.size(), 2u);
  EXPECT_TRUE(std::ranges::any_of(peers, [](const Peer& peer) { return peer.all == "ping"; }));
}
INSTANTIATE_TEST_SUITE_P(Paths, ZeroRttOverPaths,
                         testing::Values(std::pair("every-path", 2), std::pair("one-path", 1)));

// The winner's copy speaks for the message, whatever losers say, and whenever it says so.
TEST(EarlyCopy, OnlyTheWinnersCopySpeaks) {
  struct Heard final : MessageInfo {
    std::vector<Fate> fates;
  };
  Heard heard;
  heard.references = 1;
  heard.tell = [](MessageInfo* info, Fate fate, const Error*) noexcept {
    static_cast<Heard*>(info)->fates.push_back(fate);
  };
  heard.release = [](MessageInfo*) noexcept {};
  {
    const MessageRef original(&heard);
    MessageRef loser = EarlyCopy::make(original);
    MessageRef winner = EarlyCopy::make(original);
    const MessageRef in_the_stack = winner;
    const Error why{Reason::reset};
    loser->report(Fate::failed, &why);
    loser = {};
    EXPECT_TRUE(heard.fates.empty());
    EarlyCopy::bind(winner);
    winner = {};
    EXPECT_TRUE(heard.fates.empty()) << "the stack still has it";
  }
  EXPECT_EQ(heard.fates, std::vector{Fate::sent});
}

}  // namespace
}  // namespace trellis::tests
