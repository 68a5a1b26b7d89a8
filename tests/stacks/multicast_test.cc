// Multicast groups in a simulated network, and what is refused before anything is opened.
#include <gmock/gmock.h>

#include "trellis/address_text.h"
#include "virtual_pair.h"

namespace trellis::tests {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

Address literal(std::string_view text, std::uint16_t port = 0) { return *parse_address(text, port); }

struct Groups : VirtualPair, testing::Test {
  void join(Endpoint local, const std::function<void(Preconnection&)>& more = {}) {
    listening = false;
    listen_error.reset();
    Preconnection preconnection(*framework);
    preconnection.stack("udp").set(kSafelyReplayable.name, true).local(std::move(local));
    if (more) more(preconnection);
    listener = preconnection.listen(server.loop(), {.listening = [this](const Address&) { listening = true; },
                                                    .received = [this](Connection c) { take(std::move(c)); },
                                                    .failed = [this](const Error& e) { listen_error = e; }});
    EXPECT_TRUE(world.run_until([&] { return listening || listen_error; }, 1s));
  }
  /// Why a Connection does not come about; "": it does.
  std::string call(const std::function<void(Preconnection&)>& wishes) {
    Preconnection preconnection(*framework);
    preconnection.stack("udp").set(kSafelyReplayable.name, true);
    wishes(preconnection);
    Talker& t = *talkers.emplace_back(std::make_unique<Talker>());
    t.connection = preconnection.initiate(client.loop(), t.on_ready());
    EXPECT_TRUE(world.run_until([&] { return t.ready.has_value(); }, 60s));
    return *t.ready ? "" : t.ready->error().detail;
  }
  static Endpoint group(std::string_view text = "239.1.2.3") { return {.port = 7000, .address = literal(text)}; }
};

// API-42, API-43, API-45, API-51, API-52: as on a real kernel (netlab), in virtual time.
TEST_F(Groups, WhatIsSentToAGroupReachesWhoHasJoined) {
  std::vector<int> hops;
  link.forth().tap = [&](SimPacket& packet) {
    hops.push_back(packet.hops);
    return Verdict::pass;
  };
  join(group());
  ASSERT_FALSE(listen_error) << listen_error->detail;
  EXPECT_EQ(to_text(listener.local()), "239.1.2.3:7000");
  for (const std::optional<std::uint8_t> limit : {std::optional<std::uint8_t>(), std::optional<std::uint8_t>(9)}) {
    Endpoint remote = group();
    remote.hop_limit = limit;
    ASSERT_EQ(call([&](Preconnection& p) { p.remote(remote); }), "");
    talkers.back()->send("hello");
  }
  ASSERT_TRUE(until([&] { return peers.size() == 2 && !peers.back()->reader->messages.empty(); }));
  EXPECT_THAT(hops, ElementsAre(1, 9));
  EXPECT_EQ(peers.front()->connection.group_size(), 2u);
  EXPECT_EQ(to_text(peers.front()->connection.local()), "239.1.2.3:7000");
  EXPECT_EQ(peers.front()->connection.interface_name(), "eth0");
  EXPECT_EQ(peers.front()->connection.remote(), talkers.front()->connection.local());
}

// API-44: of two addresses of the sender one is the source.
TEST_F(Groups, OfOneSourceNobodyElseIsHeard) {
  client.interface("eth0").add_address("10.0.0.9");
  join(group(), [](Preconnection& p) { p.local(group(), literal("10.0.0.9")); });
  ASSERT_FALSE(listen_error) << listen_error->detail;
  for (const char* from : {"10.0.0.1", "10.0.0.9"}) {
    ASSERT_EQ(call([&](Preconnection& p) { p.remote(group()).local({.host = from}); }), "");
    talkers.back()->send(from);
  }
  ASSERT_TRUE(until([&] { return !peers.empty() && !peers.back()->reader->messages.empty(); }));
  world.run_for(1s);
  ASSERT_EQ(peers.size(), 1u);
  EXPECT_THAT(peers.back()->reader->messages, ElementsAre("10.0.0.9"));
}

// API-42
TEST_F(Groups, AMessageWaitsUntilTheConnectionIsReady) {
  join(group());
  Talker& t = *talkers.emplace_back(std::make_unique<Talker>());
  t.connection = Preconnection(*framework)
                     .stack("udp")
                     .set(kSafelyReplayable.name, true)
                     .remote(group())
                     .initiate(client.loop(), t.on_ready());
  t.send("before it is ready");
  ASSERT_TRUE(until([&] { return !peers.empty() && !peers.back()->reader->messages.empty(); }));
  EXPECT_THAT(peers.back()->reader->messages, ElementsAre("before it is ready"));
}

// IMPL-139, IMPL-141: no active open at a local group.
TEST_F(Groups, InitiateWithALocalGroupFailsAtOnce) {
  const TimePoint before = world.now();
  EXPECT_THAT(call([](Preconnection& p) { p.local(group()).remote({.host = "10.0.0.2", .port = 7000}); }),
              HasSubstr("found the multicast group 239.1.2.3 as the local endpoint of an active open"));
  EXPECT_EQ(talkers.back()->ready->error().reason, Reason::unsupported);
  EXPECT_LT(world.now() - before, 1ms);
}

// API-42, API-44, API-45: what makes no sense is said when something is to be opened, and what would.
TEST_F(Groups, WhatMakesNoSenseIsRefused) {
  const Endpoint host{.host = "10.0.0.2", .port = 7000};
  Endpoint far = host;
  far.hop_limit = 3;
  EXPECT_THAT(call([&](Preconnection& p) { p.remote(far); }),
              HasSubstr("found the hop limit of a multicast group at the remote endpoint '10.0.0.2', expected a "
                        "multicast address there"));
  EXPECT_THAT(call([&](Preconnection& p) { p.remote(group()).add_remote({host}); }),
              HasSubstr("found a multicast group among several remote endpoints, expected it alone"));
  EXPECT_THAT(call([&](Preconnection& p) { p.remote({.host = "239.1.2.3"}); }), HasSubstr("has no port"));
  for (const char* stack : {"tcp", "tls/tcp", "quic/udp", "length-prefix/tcp"}) {
    EXPECT_THAT(call([&](Preconnection& p) { p.remote(group()).stack(stack); }),
                HasSubstr(std::string(stack) + ": cannot be used with a multicast group: expected udp"));
  }
  // API-128, IMPL-138: a group has a direction of its own.
  EXPECT_THAT(call([&](Preconnection& p) { p.remote(group()).set(kDirection.name, std::string(kDirectionWords[2])); }),
              HasSubstr("found the direction Unidirectional Receive for the multicast group 239.1.2.3, expected "
                        "Unidirectional Send here"));
  const auto with_source = [](const Endpoint& local, std::string_view source) {
    return [=](Preconnection& p) { p.local(local, literal(source)); };
  };
  EXPECT_THAT(call([&](Preconnection& p) { p.remote(host).local({.host = "10.0.0.1"}, literal("10.0.0.9")); }),
              HasSubstr("found the source of a multicast group at the local endpoint '10.0.0.1'"));
  const auto refused = [&](const Endpoint& local, const std::function<void(Preconnection&)>& more = {}) {
    join(local, more);
    return listen_error ? listen_error->detail : "";
  };
  EXPECT_THAT(refused(host, with_source(host, "10.0.0.9")),
              HasSubstr("found the source of a multicast group at the local endpoint '10.0.0.2'"));
  EXPECT_THAT(refused(group(), with_source(group(), "2001:db8::1")),
              HasSubstr("found 2001:db8::1 as the source of the multicast group 239.1.2.3, expected the address of a "
                        "host, of the same family"));
  EXPECT_THAT(refused(group(), with_source(group(), "239.9.9.9")), HasSubstr("found 239.9.9.9 as the source"));
  EXPECT_THAT(refused(group(), [](Preconnection& p) { p.remote({.host = "source.example"}); }),
              HasSubstr("found the remote endpoint 'source.example' beside the multicast group 239.1.2.3, expected an "
                        "address"));
  EXPECT_THAT(refused({.address = literal("239.1.2.3")}),
              HasSubstr("the multicast group 239.1.2.3 has no port to listen at"));
  EXPECT_THAT(refused(group(), [](Preconnection& p) { p.stack("tcp"); }),
              HasSubstr("tcp: cannot be used with a multicast group"));
  EXPECT_THAT(refused(group(), [](Preconnection& p) { p.interface_name("nosuch0"); }), HasSubstr("nosuch0"));
}

/// One who takes part in a rendezvous of groups.
struct Member {
  Rendezvous rendezvous;
  Connection sends;
  Listener hears;
  std::optional<Error> failed;
  std::string heard;
};

Task<void> hear(Member& member) {
  auto from = co_await member.hears.accept_async();
  if (!from) co_return;
  auto message = co_await from->receive_async();
  if (message) member.heard = text(message->data);
}

struct GroupsMeet : Groups {
  void meet(Member& member, Loop& loop, const std::function<void(Preconnection&)>& wishes) {
    Preconnection preconnection(*framework);
    preconnection.stack("udp").set(kSafelyReplayable.name, true);
    wishes(preconnection);
    const auto met = [&member](Connection sends, Listener hears) {
      member.sends = std::move(sends);
      member.hears = std::move(hears);
      spawn(hear(member));
    };
    member.rendezvous = preconnection.rendezvous(
        loop, {}, {.group_done = met, .failed = [&member](const Error& why) { member.failed = why; }});
    EXPECT_TRUE(until([&] { return member.sends || member.failed; }));
  }
  std::string refused(const std::function<void(Preconnection&)>& wishes) {
    Member member;
    meet(member, client.loop(), wishes);
    return member.failed ? member.failed->detail : "";
  }
};

// API-53, API-57: each of two joins a group and sends to the other's.
TEST_F(GroupsMeet, OneConnectionSendsAndAListenerReceives) {
  Member here, there;
  meet(here, client.loop(), [](Preconnection& p) { p.local(group()).remote(group("239.1.2.4")); });
  meet(there, server.loop(), [](Preconnection& p) { p.local(group("239.1.2.4")).remote(group()); });
  ASSERT_TRUE(here.sends && there.sends);
  EXPECT_EQ(to_text(here.hears.local()), "239.1.2.3:7000");
  here.sends.send(slice(here.sends, "to there"));
  there.sends.send(slice(there.sends, "to here"));
  EXPECT_TRUE(until([&] { return !here.heard.empty() && !there.heard.empty(); }));
  EXPECT_EQ(here.heard, "to here");
  EXPECT_EQ(there.heard, "to there");
}

// API-53: to a group of one source nobody else may send.
TEST_F(GroupsMeet, ASingleSourceIsAnEstablishmentError) {
  EXPECT_THAT(
      refused([](Preconnection& p) { p.local(group(), literal("10.0.0.9")).remote(group("239.1.2.4")); }),
      HasSubstr("found 10.0.0.9 as the only source of the multicast group 239.1.2.3 of a rendezvous, expected a "
                "group that everybody may send to"));
  EXPECT_THAT(refused([](Preconnection& p) { p.local(group()).remote({.host = "10.0.0.2", .port = 7000}); }),
              HasSubstr("found the multicast group 239.1.2.3 as the local endpoint of a rendezvous, expected one group "
                        "at each side alone"));
  EXPECT_THAT(refused([](Preconnection& p) { p.remote(group()); }), HasSubstr("as the remote endpoint"));
  EXPECT_THAT(refused([](Preconnection& p) { p.local(group()).remote(group("239.1.2.4")).interface_name("nosuch0"); }),
              HasSubstr("nosuch0"));
}

}  // namespace
}  // namespace trellis::tests
