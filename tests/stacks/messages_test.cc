// What messages ask for and what is told of them: properties of RFC 9622 section 9.1.3 on the way down, metadata on the
// way up. Datagrams go over the kernel's loopback, where plain sockets see their headers.
#include <netinet/in.h>
#include <netinet/ip.h>
#include <sys/socket.h>

#include "../support/raw_socket.h"
#include "virtual_pair.h"

namespace trellis::tests {
namespace {

using test::RawSocket;

Address loopback_at(std::uint16_t port, bool ipv6 = false) {
  Address address{.family = ipv6 ? Address::Family::ipv6 : Address::Family::ipv4, .port = port};
  if (ipv6)
    address.ip[15] = 1;
  else
    address.ip = {127, 0, 0, 1};
  return address;
}

Endpoint at(const Address& address) { return {.host = {}, .port = address.port, .address = address}; }

/// What became of a message, and what it was that could not be sent.
struct Outcome {
  std::optional<Fate> fate;
  std::string why;
  Connection::Sent hear() {
    return [this](Fate told, const Error* error) {
      fate = told;
      if (error != nullptr) why = error->detail;
    };
  }
};

struct Messages : testing::Test {
  World world;

  static void traffic_class(const RawSocket& socket, int value, bool ipv6 = false) {
    ASSERT_EQ(setsockopt(socket.descriptor(), ipv6 ? IPPROTO_IPV6 : IPPROTO_IP, ipv6 ? IPV6_TCLASS : IP_TOS, &value,
                         sizeof value),
              0);
  }
  static RawSocket observer(bool ipv6 = false) {
    RawSocket socket = RawSocket::udp(ipv6);
    const int on = 1;
    EXPECT_EQ(setsockopt(socket.descriptor(), ipv6 ? IPPROTO_IPV6 : IPPROTO_IP, ipv6 ? IPV6_RECVTCLASS : IP_RECVTOS,
                         &on, sizeof on),
              0);
    return socket;
  }
  /// The traffic class of the next datagram; below 0: it has none.
  static int observed(const RawSocket& socket) {
    char byte[64];
    alignas(cmsghdr) char control[64];
    iovec place{byte, sizeof byte};
    msghdr message{};
    message.msg_iov = &place;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    if (recvmsg(socket.descriptor(), &message, 0) < 0) return -1;
    const cmsghdr* const note = CMSG_FIRSTHDR(&message);
    if (note == nullptr) return -1;
    if (note->cmsg_level == IPPROTO_IP) return *reinterpret_cast<const unsigned char*>(CMSG_DATA(note));
    int value = 0;
    std::memcpy(&value, CMSG_DATA(note), sizeof value);
    return value;
  }
  static void send_to(const RawSocket& from, const Address& to) {
    sockaddr_in v4{
        .sin_family = AF_INET, .sin_port = htons(to.port), .sin_addr = {htonl(INADDR_LOOPBACK)}, .sin_zero = {}};
    sockaddr_in6 v6{};
    v6.sin6_family = AF_INET6;
    v6.sin6_port = htons(to.port);
    v6.sin6_addr = in6addr_loopback;
    const bool ipv6 = to.family == Address::Family::ipv6;
    const auto* const address = ipv6 ? reinterpret_cast<sockaddr*>(&v6) : reinterpret_cast<sockaddr*>(&v4);
    ASSERT_EQ(sendto(from.descriptor(), "x", 1, 0, address, ipv6 ? sizeof v6 : sizeof v4), 1);
  }
  /// A Connection over UDP to a plain socket.
  Connection to(const RawSocket& socket, bool ipv6 = false) {
    const int before = world.dialled;
    Connection c = world.preconnection("udp")
                       .remote(at(loopback_at(socket.port(), ipv6)))
                       .initiate(*world.loop, [this](Result<void> how) {
                         ++world.dialled;
                         EXPECT_TRUE(how) << how.error().detail;
                       });
    EXPECT_TRUE(world.run_until([&] { return world.dialled > before; }));
    return c;
  }
  std::optional<Message> next(Connection& c) {
    std::optional<Message> got;
    c.receive(1, 65536, [&](Result<Message> message) {
      if (message) got = std::move(*message);
    });
    EXPECT_TRUE(world.run_until([&] { return got.has_value(); }));
    return got;
  }
  /// Of a plain socket, after what was sent has gone out.
  std::string next(RawSocket& socket) {
    world.spin(5);
    return socket.receive();
  }
  /// Why nothing could be initiated or listened for; "": it could.
  std::string initiated(Preconnection preconnection) {
    std::optional<Result<void>> how;
    const Connection c = preconnection.initiate(*world.loop, [&](Result<void> told) { how = std::move(told); });
    EXPECT_TRUE(world.run_until([&] { return how.has_value(); }));
    return *how ? "" : how->error().detail;
  }
  std::string listened(Preconnection preconnection) {
    std::optional<std::string> how;
    const Listener l = preconnection.listen(*world.loop, {.listening = [&](const Address&) { how = ""; },
                                                          .received = {},
                                                          .failed = [&](const Error& why) { how = why.detail; }});
    EXPECT_TRUE(world.run_until([&] { return how.has_value(); }));
    return *how;
  }
};

// ---- safelyReplayable

// IMPL-54, API-183: what may deliver a message twice is a candidate only if all messages may be.
TEST_F(Messages, UdpIsForReplayableMessages) {
  const RawSocket peer = RawSocket::udp();
  const auto over = [&](const char* stack) {
    return Preconnection(*world.framework).stack(stack).remote(at(loopback_at(peer.port())));
  };
  EXPECT_TRUE(initiated(over("udp")).contains("udp: may deliver a message twice")) << initiated(over("udp"));
  EXPECT_TRUE(initiated(over("udp").set("safelyReplayable", false)).contains("twice"));
  EXPECT_EQ(initiated(over("udp").set("safelyreplayable", true)), "");
  const auto here = [&](const char* stack) {
    return Preconnection(*world.framework).stack(stack).local(at(loopback_at(0)));
  };
  EXPECT_TRUE(listened(here("udp")).contains("udp: may deliver a message twice"));
  EXPECT_EQ(listened(here("udp").set("safelyReplayable", true)), "");
  EXPECT_EQ(listened(here("tcp")), "") << "it protects from duplicates by itself";
  EXPECT_EQ(listened(here("sctp/udp")), "") << "and so does this one, over UDP";
}

// API-295: the profile for unreliable datagrams says that messages are replayable; an application may know better.
TEST_F(Messages, TheDatagramProfileSaysThatTheyAre) {
  FrameworkOptions options;
  options.policies = {TRELLIS_SOURCE_DIR "/policies/datagram.xml"};
  options.plugin_directories = {TRELLIS_BUILD_DIR "/plugins"};
  const auto framework = Framework::create(std::move(options)).value();
  const RawSocket peer = RawSocket::udp();
  std::optional<Result<void>> how;
  const auto initiate = [&](Preconnection& p) {
    how.reset();
    Connection c =
        p.remote(at(loopback_at(peer.port()))).initiate(*world.loop, [&](Result<void> told) { how = std::move(told); });
    EXPECT_TRUE(world.run_until([&] { return how.has_value(); }));
    return c;
  };
  {
    Preconnection as_it_is(*framework);
    const Connection c = initiate(as_it_is);
    ASSERT_TRUE(*how) << how->error().detail;
    EXPECT_EQ(c.stack(), "udp");
    EXPECT_TRUE(std::get<bool>(c.get("safelyReplayable").value()));
    EXPECT_FALSE(std::get<bool>(c.get("reliability").value()));
    Preconnection strict(*framework);
    strict.set("safelyReplayable", false);
    const Connection none = initiate(strict);
    ASSERT_FALSE(*how);
    EXPECT_TRUE(how->error().detail.contains("may deliver a message twice")) << how->error().detail;
  }
  framework->core().forget(*world.loop);
}

// API-170, IMPL-54: over UDP a message that must not come twice is not sent; one that says nothing is as its
// Connection.
TEST_F(Messages, WhatMustNotComeTwiceIsNotSentOverUdp) {
  RawSocket peer = RawSocket::udp();
  Outcome early, refused, sent;
  Connection c = world.preconnection("udp").remote(at(loopback_at(peer.port()))).initiate(*world.loop, {});
  c.send(Message{.data = slice(c, "before it is ready"), .properties = {.replayable = false}}, early.hear());
  ASSERT_TRUE(world.run_until([&] { return early.fate.has_value(); }));
  EXPECT_EQ(early.fate, Fate::failed);
  c.send(Message{.data = slice(c, "afterwards"), .properties = {.replayable = false}}, refused.hear());
  c.send(Message{.data = slice(c, "no matter"), .properties = {.priority = 1}}, sent.hear());
  EXPECT_EQ(next(peer), "no matter");
  ASSERT_TRUE(world.run_until([&] { return refused.fate && sent.fate; }));
  EXPECT_EQ(refused.fate, Fate::failed);
  EXPECT_EQ(refused.why, "safelyReplayable cannot be false: the stack may deliver a message twice");
  EXPECT_EQ(sent.fate, Fate::sent);

  std::vector<std::string> soft;
  c.on_notice([&](Notice, const Error& why) { soft.push_back(why.detail); });
  ASSERT_TRUE(c.set("safelyReplayable", false));  // of this Connection, from now on
  c.send(slice(c, "nor this"));
  c.send(Message{.data = slice(c, "but this"), .properties = {.replayable = true}});
  EXPECT_EQ(next(peer), "but this");
  ASSERT_TRUE(world.run_until([&] { return soft.size() == 1; }));
  EXPECT_EQ(soft[0], refused.why);
}

// IMPL-54: what a Listener replies is judged as what is initiated.
TEST_F(Messages, RepliesOverUdpMustBeReplayableToo) {
  Listener listener = world.listen("udp");
  auto [client, server] = world.pair("udp", listener);
  Outcome refused;
  server.send(Message{.data = slice(server, "no"), .properties = {.replayable = false}}, refused.hear());
  server.send(slice(server, "yes"));
  const auto got = next(client);
  ASSERT_TRUE(got);
  EXPECT_EQ(text(got->data), "yes");
  EXPECT_EQ(refused.fate, Fate::failed);
}

// ---- metadata

// API-280, API-177: the ECN field of a datagram is told with it.
TEST_F(Messages, TheEcnFieldIsTold) {
  for (const bool ipv6 : {false, true}) {
    SCOPED_TRACE(ipv6);
    Listener listener = world.listen("udp", ipv6 ? "::1" : "127.0.0.1");
    RawSocket peer = RawSocket::udp(ipv6);
    Connection out = to(peer, ipv6);
    out.send(slice(out, "who is there"));
    ASSERT_EQ(next(peer), "who is there");
    for (int ecn = 0; ecn < 4; ++ecn) {
      traffic_class(peer, (34 << 2) | ecn, ipv6);
      peer.answer("me");
      const auto answer = next(out);
      ASSERT_TRUE(answer);
      EXPECT_EQ(answer->ecn, ecn) << "initiated";
    }
    const std::size_t before = world.accepted.size();
    for (int ecn = 0; ecn < 4; ++ecn) {  // and of those that come to a Listener
      traffic_class(peer, (34 << 2) | ecn, ipv6);
      send_to(peer, listener.local());
      ASSERT_TRUE(world.run_until([&] { return world.accepted.size() > before; }));
      const auto asked = next(*world.accepted.back());
      ASSERT_TRUE(asked);
      EXPECT_EQ(asked->ecn, ecn) << "listened for";
    }
  }
}

// API-82: who sent a message, and to which address of ours.
TEST_F(Messages, EndpointsAreTold) {
  for (const char* stack : {"tcp", "length-prefix/tcp", "udp"}) {
    SCOPED_TRACE(stack);
    Listener listener = world.listen(stack);
    auto [client, server] = world.pair(stack, listener);
    client.send(slice(client, "question"));
    const auto question = next(server);
    ASSERT_TRUE(question);
    EXPECT_EQ(question->remote, client.local());
    EXPECT_EQ(question->local, listener.local());
    std::optional<Message> answer;
    client.receive(100, 100, [&](Result<Message> message) {  // of a bytestream it comes when nothing more can
      if (message) answer = std::move(*message);
    });
    server.send(slice(server, "answer"));
    server.close();
    ASSERT_TRUE(world.run_until([&] { return answer.has_value(); }));
    EXPECT_EQ(text(answer->data), "answer");
    EXPECT_EQ(answer->remote, listener.local());
    EXPECT_EQ(answer->local, question->remote);
  }
}

// ---- capacity profiles

// API-174, IMPL-58, API-281: each datagram has the code point of its own profile, else that of its Connection.
TEST_F(Messages, DatagramsHaveTheirOwnCodePoint) {
  for (const bool ipv6 : {false, true}) {
    SCOPED_TRACE(ipv6);
    const RawSocket peer = observer(ipv6);
    Connection c = to(peer, ipv6);
    const auto send = [&](std::optional<CapacityProfile> profile) {
      c.send(Message{.data = slice(c, "x"), .properties = {.capacity_profile = profile}});
      world.spin(2);
      return observed(peer) >> 2;
    };
    EXPECT_EQ(send({}), 0);
    EXPECT_EQ(send(CapacityProfile::scavenger), 1);
    EXPECT_EQ(send({}), 0) << "of that one message only";
    ASSERT_TRUE(c.set("connCapacityProfile", std::string("Capacity-Seeking")));
    EXPECT_EQ(send({}), 10);
    EXPECT_EQ(std::get<std::string>(c.get("msgCapacityProfile").value()), "Capacity-Seeking");
    EXPECT_EQ(send(CapacityProfile::low_latency_interactive), 34);
    EXPECT_EQ(send(CapacityProfile::best_effort), 0);
    ASSERT_TRUE(c.set("msgCapacityProfile", std::string("constant-rate streaming")));
    EXPECT_EQ(send({}), 26) << "the default of its messages";
    EXPECT_EQ(send(CapacityProfile::of_connection), 10);
    EXPECT_EQ(std::get<std::string>(c.get("connCapacityProfile").value()), "Capacity-Seeking");
  }
}

// API-174, API-281: the peers of a Listener share its socket, not their code points.
TEST_F(Messages, PeersOfAListenerHaveTheirOwnCodePoints) {
  Listener listener = world.listen("udp");
  const RawSocket one = observer(), other = observer();
  const auto call = [&](const RawSocket& from) -> Connection& {
    const std::size_t before = world.accepted.size();
    send_to(from, listener.local());
    EXPECT_TRUE(world.run_until([&] { return world.accepted.size() > before; }));
    return *world.accepted.back();
  };
  Connection& first = call(one);
  Connection& second = call(other);
  ASSERT_TRUE(first.set("connCapacityProfile", std::string("Scavenger")));
  first.send(slice(first, "x"));
  second.send(slice(second, "x"));
  first.send(Message{.data = slice(first, "x"), .properties = {.capacity_profile = CapacityProfile::capacity_seeking}});
  world.spin(2);
  EXPECT_EQ(observed(one) >> 2, 1);
  EXPECT_EQ(observed(one) >> 2, 10);
  EXPECT_EQ(observed(other) >> 2, 0);
}

// ---- checksums

// API-275, API-172, IMPL-56: coverage is a minimum; what has none at all takes only messages that ask for none.
TEST_F(Messages, CoverageIsAMinimum) {
  RawSocket peer = RawSocket::udp();
  Connection covered = to(peer);
  covered.send(Message{.data = slice(covered, "covered more than asked for"), .properties = {.checksum_length = 4}});
  EXPECT_EQ(next(peer), "covered more than asked for");

  const auto bare = [&] { return world.preconnection("udp(checksum=false)").remote(at(loopback_at(peer.port()))); };
  const std::string why = initiated(bare().require(Feature::full_integrity_check));  // fullChecksumSend
  EXPECT_TRUE(why.contains("lacks what is required: full-integrity-check")) << why;

  const int before = world.dialled;
  Connection c = bare().initiate(*world.loop, [&](Result<void>) { ++world.dialled; });
  std::vector<std::string> soft;
  c.on_notice([&](Notice, const Error& error) { soft.push_back(error.detail); });
  c.send(slice(c, "before it is ready"));
  ASSERT_TRUE(world.run_until([&] { return world.dialled > before && soft.size() == 1; }));
  EXPECT_FALSE(std::get<bool>(c.get("fullChecksumSend").value()));
  Outcome usual, part, full, none;
  c.send(Message{.data = slice(c, "full coverage is the default")}, usual.hear());
  c.send(Message{.data = slice(c, "some"), .properties = {.checksum_length = 4}}, part.hear());
  c.send(Message{.data = slice(c, "all"), .properties = {.checksum_length = UINT32_MAX}}, full.hear());
  c.send(Message{.data = slice(c, "unprotected"), .properties = {.checksum_length = 0}}, none.hear());
  EXPECT_EQ(next(peer), "unprotected");
  ASSERT_TRUE(world.run_until([&] { return usual.fate && part.fate && full.fate && none.fate; }));
  EXPECT_EQ(usual.fate, Fate::failed);
  EXPECT_EQ(part.fate, Fate::failed);
  EXPECT_EQ(full.fate, Fate::failed);
  EXPECT_TRUE(full.why.contains("fullChecksumSend")) << full.why;
  EXPECT_EQ(none.fate, Fate::sent);
  c.send(slice(c, "nor this"));  // nobody waits for its fate
  ASSERT_TRUE(world.run_until([&] { return soft.size() == 2; }));
  ASSERT_TRUE(c.set("msgChecksumLen", std::uint64_t{0}));
  c.send(slice(c, "all of them may be unprotected"));
  EXPECT_EQ(next(peer), "all of them may be unprotected");
}

// ---- defaults

struct MessageDefaults : testing::Test {
  VirtualPair pair;
  template <class T>
  static T value(const Connection& c, std::string_view name) {
    return std::get<T>(c.get(name).value());
  }
};

// API-13: said on a Preconnection, on a Connection, for one message; the last one counts.
TEST_F(MessageDefaults, AreSaidBeforeAndChangedLater) {
  pair.listen("length-prefix/tcp");
  Talker& t = *pair.talkers.emplace_back(std::make_unique<Talker>());
  Preconnection p = pair.to_server("length-prefix/tcp");
  p.set("msgPriority", std::uint64_t{7}).set("MSGORDERED", false).set("msgLifetime", Duration(10s));
  t.connection = p.initiate(pair.client.loop(), t.on_ready());
  ASSERT_TRUE(pair.until([&] { return t.ready.has_value(); }));
  EXPECT_EQ(value<std::uint64_t>(t.connection, "msgPriority"), 7u);
  EXPECT_FALSE(value<bool>(t.connection, "msgOrdered"));
  EXPECT_EQ(value<Duration>(t.connection, "msgLifetime"), Duration(10s));
  EXPECT_TRUE(value<bool>(t.connection, "msgReliable")) << "as the stack does it";
  EXPECT_EQ(value<std::uint64_t>(t.connection, "msgChecksumLen"), UINT64_MAX) << "Full Coverage";
  EXPECT_FALSE(value<bool>(t.connection, "noFragmentation"));
  EXPECT_EQ(value<std::string>(t.connection, "msgCapacityProfile"), "Default");
  ASSERT_TRUE(t.connection.set("msgPriority", std::uint64_t{8}));
  EXPECT_EQ(value<std::uint64_t>(t.connection, "msgPriority"), 8u);
  for (const char* name : {"msgPriority", "msgOrdered", "msgLifetime", "msgCapacityProfile"}) {
    const auto wrong = t.connection.set(name, 1.5);
    ASSERT_FALSE(wrong) << name;
    EXPECT_EQ(wrong.error().reason, Reason::invalid_argument);
  }
  std::optional<Result<void>> how;
  const Connection none = pair.to_server("tcp")
                              .set("msgPriority", std::string("high"))
                              .initiate(pair.client.loop(), [&](Result<void> told) { how = std::move(told); });
  ASSERT_TRUE(pair.until([&] { return how.has_value(); }));
  ASSERT_FALSE(*how);
  EXPECT_EQ(how->error().detail, "msgPriority must be a number");
}

// API-81, API-13: a message is as it was when it was sent. It has waited for the Connection.
TEST_F(MessageDefaults, ChangesAreForWhatIsSentLater) {
  pair.listen("length-prefix/tcp");
  Talker& t = pair.dial("length-prefix/tcp");
  Outcome before, after, own;
  MessageWishes wishes{.lifetime = Duration::max()};
  t.connection.send(Message{.data = slice(t.connection, "before")}, before.hear());
  ASSERT_TRUE(t.connection.set("msgLifetime", Duration(1ns)));
  t.connection.send(Message{.data = slice(t.connection, "after")}, after.hear());
  t.connection.send(Message{.data = slice(t.connection, "its own"), .properties = wishes}, own.hear());
  wishes.lifetime = 1ns;
  ASSERT_TRUE(pair.until([&] { return before.fate && after.fate && own.fate; }));
  EXPECT_EQ(before.fate, Fate::sent);
  EXPECT_EQ(after.fate, Fate::expired);
  EXPECT_EQ(own.fate, Fate::sent);
  ASSERT_TRUE(pair.until([&] { return !pair.peers.empty() && pair.peers[0]->reader->messages.size() == 2; }));
  EXPECT_EQ(pair.peers[0]->reader->messages, (std::vector<std::string>{"before", "its own"}));
}

// API-210: neither the group nor clones get what was set on one of them.
TEST_F(MessageDefaults, StayWithTheirConnection) {
  pair.listen("mux/tcp");
  Talker& t = *pair.talkers.emplace_back(std::make_unique<Talker>());
  t.connection =
      pair.to_server("mux/tcp").set("msgPriority", std::uint64_t{7}).initiate(pair.client.loop(), t.on_ready());
  ASSERT_TRUE(pair.until([&] { return t.ready.has_value(); }));
  Talker& before = pair.clone(t);
  ASSERT_TRUE(t.connection.set("msgPriority", std::uint64_t{8}));
  Talker& after = pair.clone(t, {.properties = {{"msgLifetime", Duration(5s)}}});
  ASSERT_TRUE(pair.until([&] { return before.ready && after.ready; }));
  EXPECT_EQ(value<std::uint64_t>(t.connection, "msgPriority"), 8u);
  EXPECT_EQ(value<std::uint64_t>(before.connection, "msgPriority"), 7u) << "what the Preconnection says is for all";
  EXPECT_EQ(value<std::uint64_t>(after.connection, "msgPriority"), 7u);
  EXPECT_EQ(value<Duration>(after.connection, "msgLifetime"), Duration(5s));
  EXPECT_EQ(value<Duration>(t.connection, "msgLifetime"), Duration::max());
}

// API-165, IMPL-58: streams of one transport have one code point, whatever their messages say.
TEST_F(MessageDefaults, MessagesOfStreamsDoNotChangeTheirTransport) {
  pair.listen("mux/tcp");
  Talker& t = pair.dial_ready("mux/tcp");
  Talker& clone = pair.clone(t);
  ASSERT_TRUE(pair.until([&] { return clone.ready.has_value(); }));
  ASSERT_TRUE(clone.connection.set("msgCapacityProfile", std::string("Scavenger")));
  clone.send("in the background");
  t.connection.send(Message{.data = slice(t.connection, "at once"),
                            .properties = {.capacity_profile = CapacityProfile::low_latency_interactive}});
  ASSERT_TRUE(pair.until([&] { return pair.peers.size() == 2 && pair.peers[1]->reader->all.size() > 0; }));
  for (const Talker* one : {&t, &clone})
    EXPECT_EQ(value<std::string>(one->connection, "connCapacityProfile"), "Default");
}

}  // namespace
}  // namespace trellis::tests
