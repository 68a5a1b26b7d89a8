// Multicast on a real kernel: groups that are sent to, joined and left, with several senders and interfaces.
#include <gmock/gmock.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <fstream>
#include <iterator>

#include "../stacks/world.h"
#include "../support/process.h"
#include "netlab.h"
#include "trellis/address_text.h"

namespace trellis::netlab {
namespace {

using test::Process;
using testing::HasSubstr;
using testing::UnorderedElementsAre;
using tests::Reader;
using tests::slice;

constexpr std::uint16_t kPort = 7000;
constexpr const char *kGroup4 = "239.1.2.3", *kGroup6 = "ff15::1234";

Address at(const std::string& text, std::uint16_t port = 0) { return *parse_address(text, port); }

/// Who listens to a group in the host `server`, and all that comes.
struct Audience {
  Listener listener;
  bool listening = false;
  std::optional<Error> failed;
  struct Member {
    explicit Member(Connection c) : connection(std::move(c)), reader(connection) {}
    Connection connection;
    Reader reader;
  };
  std::vector<std::unique_ptr<Member>> members;
  std::vector<std::string> heard() const {
    std::vector<std::string> all;
    for (const auto& member : members)
      all.insert(all.end(), member->reader.messages.begin(), member->reader.messages.end());
    return all;
  }
};

class Multicast : public testing::Test {
 protected:
  void SetUp() override {
    if (const std::string why = Lab::why_not(); !why.empty()) GTEST_SKIP() << why;
    lab = std::make_unique<ClientServer>(std::vector<LinkOptions>{{}, {}});
    lab->client.ip("addr add 10.77.0.9/24 dev net0");
    lab->client.ip("addr add 2001:db8:77:0::9/64 dev net0 nodad", "-6");
    world = std::make_unique<tests::World>();
  }
  void listen(Audience& audience, Preconnection preconnection) {
    const Inside inside(lab->server);
    audience.listener = preconnection.listen(
        *world->loop,
        {.listening = [&](const Address&) { audience.listening = true; },
         .received =
             [&](Connection c) { audience.members.push_back(std::make_unique<Audience::Member>(std::move(c))); },
         .failed = [&](const Error& e) { audience.failed = e; }});
    ASSERT_TRUE(world->run_until([&] { return audience.listening || audience.failed; }));
  }
  Preconnection to_join(const std::string& group, const std::string& interface = "net0",
                        const std::string& source = {}) {
    const Address only = source.empty() ? Address{} : at(source);
    return world->preconnection("udp").local({.port = kPort, .address = at(group)}, only).interface_name(interface);
  }
  /// A Connection from the client to the group.
  Connection send_to(const std::string& group, const std::string& from = "10.77.0.1",
                     std::optional<std::uint8_t> hop_limit = {}) {
    Preconnection preconnection = world->preconnection("udp");
    preconnection.local(Endpoint{.address = at(from)});
    return initiate(preconnection, {.port = kPort, .hop_limit = hop_limit, .address = at(group)});
  }
  Connection initiate(Preconnection& preconnection, const Endpoint& remote) {
    const Inside inside(lab->client);
    std::optional<Result<void>> how;
    Connection made =
        preconnection.remote(remote).initiate(*world->loop, [&](Result<void> result) { how = std::move(result); });
    EXPECT_TRUE(world->run_until([&] { return how.has_value(); }));
    EXPECT_TRUE(how && *how) << how->error().detail;
    return made;
  }
  static void say(Connection& connection, std::string_view words) { connection.send(slice(connection, words)); }
  bool heard(const Audience& audience, std::size_t messages) {
    return world->run_until([&] { return audience.heard().size() >= messages; });
  }
  /// The groups that a host has joined, as its kernel tells them.
  static bool joined(const Host& host, const std::string& as_told, const char* file = "igmp") {
    const Inside inside(host);
    std::ifstream in(std::string("/proc/thread-self/net/") + file);
    return std::string(std::istreambuf_iterator<char>(in), {}).contains(as_told);
  }

  std::unique_ptr<ClientServer> lab;
  std::unique_ptr<tests::World> world;
};

bool flag(const Connection& connection, std::string_view name) { return std::get<bool>(connection.get(name).value()); }

struct Ends {
  const char *group, *first, *second;
};
class MulticastBothFamilies : public Multicast, public testing::WithParamInterface<Ends> {};

// API-43, API-52, IMPL-138, IMPL-140, IMPL-143, IMPL-144, IMPL-147
TEST_P(MulticastBothFamilies, EachSenderIsAConnectionOfOneGroup) {
  const auto [group, first, second] = GetParam();
  Audience audience;
  listen(audience, to_join(group));
  ASSERT_FALSE(audience.failed) << audience.failed->detail;
  EXPECT_EQ(to_text(audience.listener.local()), to_text(at(group, kPort)));
  Connection one = send_to(group, first), other = send_to(group, second);
  say(one, "one");
  ASSERT_TRUE(heard(audience, 1));
  ASSERT_EQ(audience.members.size(), 1u) << "a Connection comes with what its sender sends";
  say(other, "other");
  say(one, "and one more");
  ASSERT_TRUE(heard(audience, 3));
  ASSERT_EQ(audience.members.size(), 2u);
  EXPECT_THAT(audience.members[0]->reader.messages, testing::ElementsAre("one", "and one more"));
  EXPECT_THAT(audience.members[1]->reader.messages, testing::ElementsAre("other"));
  EXPECT_EQ(audience.members[0]->connection.remote(), one.local());
  EXPECT_EQ(audience.members[1]->connection.remote(), other.local());
  for (const auto& member : audience.members) {
    EXPECT_EQ(to_text(member->connection.local()), to_text(at(group, kPort)));
    EXPECT_EQ(member->connection.group_size(), 2u);
    EXPECT_EQ(member->connection.interface_name(), "net0");
    EXPECT_FALSE(flag(member->connection, "canSend"));
    EXPECT_TRUE(flag(member->connection, "canReceive"));
  }
}

// API-44, IMPL-143: of several senders only the source is heard, however it was said.
TEST_P(MulticastBothFamilies, OfOneSourceNobodyElseIsHeard) {
  const auto [group, first, second] = GetParam();
  Audience by_source, by_remote;
  listen(by_source, to_join(group, "net0", second));
  listen(by_remote, to_join(group).remote({.address = at(second)}));
  ASSERT_FALSE(by_source.failed) << by_source.failed->detail;
  ASSERT_FALSE(by_remote.failed) << by_remote.failed->detail;
  Connection stranger = send_to(group, first), source = send_to(group, second);
  say(stranger, "not for them");
  say(source, "from the source");
  for (Audience* audience : {&by_source, &by_remote}) {
    ASSERT_TRUE(heard(*audience, 1));
    EXPECT_THAT(audience->heard(), UnorderedElementsAre("from the source"));
  }
}

// API-42, API-45, API-51
TEST_P(MulticastBothFamilies, WhoInitiatesOnlySendsAndDoesNotJoin) {
  const auto [group, first, second] = GetParam();
  Connection connection = send_to(group, first, 7);
  EXPECT_TRUE(flag(connection, "canSend"));
  EXPECT_FALSE(flag(connection, "canReceive"));
  EXPECT_EQ(to_text(connection.remote()), to_text(at(group, kPort)));
  {
    const Inside inside(lab->client);
    EXPECT_EQ(connection.interface_name(), "net0");
  }
  EXPECT_FALSE(joined(lab->client, "030201EF"));
  EXPECT_FALSE(joined(lab->client, "ff150000000000000000000000001234", "igmp6"));
  for (int i = 0; i < 2; ++i) {
    std::optional<Result<Message>> got;
    connection.receive(1, 100, [&](Result<Message> message) { got = std::move(message); });
    ASSERT_TRUE(world->run_until([&] { return got.has_value(); }));
    ASSERT_FALSE(*got);
    EXPECT_EQ(got->error().reason, Reason::unsupported);
    EXPECT_THAT(got->error().detail, HasSubstr("only sends"));
  }
  EXPECT_EQ(connection.state(), ConnectionState::established);
}

INSTANTIATE_TEST_SUITE_P(Netlab, MulticastBothFamilies,
                         testing::Values(Ends{kGroup4, "10.77.0.1", "10.77.0.9"},
                                         Ends{kGroup6, "2001:db8:77:0::1", "2001:db8:77:0::9"}),
                         [](const auto& info) { return info.index == 0 ? "ipv4" : "ipv6"; });

/// A member of the group that sees with which TTL a datagram comes.
class RawMember {
 public:
  RawMember(const Host& host, const char* group, const char* own_address) {
    const Inside inside(host);
    descriptor_ = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    const int one = 1;
    setsockopt(descriptor_, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    setsockopt(descriptor_, IPPROTO_IP, IP_RECVTTL, &one, sizeof one);
    sockaddr_in own{};
    own.sin_family = AF_INET;
    own.sin_port = htons(kPort);
    std::memcpy(&own.sin_addr, at(group).ip.data(), 4);
    EXPECT_EQ(::bind(descriptor_, reinterpret_cast<sockaddr*>(&own), sizeof own), 0);
    ip_mreq request{};
    request.imr_multiaddr = own.sin_addr;
    std::memcpy(&request.imr_interface, at(own_address).ip.data(), 4);
    EXPECT_EQ(setsockopt(descriptor_, IPPROTO_IP, IP_ADD_MEMBERSHIP, &request, sizeof request), 0);
  }
  ~RawMember() { ::close(descriptor_); }
  RawMember(const RawMember&) = delete;
  RawMember& operator=(const RawMember&) = delete;
  /// -1: nothing has come.
  int hop_limit() const {
    char data[64], control[64];
    iovec place{data, sizeof data};
    msghdr message{};
    message.msg_iov = &place;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    if (recvmsg(descriptor_, &message, MSG_DONTWAIT) < 0) return -1;
    int hops = -1;
    for (cmsghdr* c = CMSG_FIRSTHDR(&message); c != nullptr; c = CMSG_NXTHDR(&message, c))
      if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_TTL) std::memcpy(&hops, CMSG_DATA(c), sizeof hops);
    return hops;
  }

 private:
  int descriptor_;
};

// API-45: what was said is what travels; without, it goes no further than the link; 0 stays with members here.
TEST_F(Multicast, TheHopLimitIsThatOfTheEndpoint) {
  const RawMember member(lab->server, kGroup4, "10.77.0.2"), here(lab->client, kGroup4, "10.77.0.1");
  const auto arrives_with = [&](std::optional<std::uint8_t> limit) {
    Connection connection = send_to(kGroup4, "10.77.0.1", limit);
    say(connection, "counted");
    int hops = -1;
    EXPECT_TRUE(world->run_until([&] { return (hops = member.hop_limit()) >= 0; }));
    return hops;
  };
  EXPECT_EQ(arrives_with(7), 7);
  EXPECT_EQ(arrives_with(255), 255);
  EXPECT_EQ(arrives_with({}), 1);
  Connection at_home = send_to(kGroup4, "10.77.0.1", 0);
  say(at_home, "nobody else hears it");
  EXPECT_TRUE(world->run_until([&] { return here.hop_limit() == 0; }));
  EXPECT_EQ(arrives_with(3), 3) << "came after it, and first";
}

// API-51, API-52: interfaces are chosen by name, by an address of ours, or by the route.
TEST_F(Multicast, InterfacesAreChosen) {
  Audience on_net0, on_net1, routed;
  listen(on_net0, to_join(kGroup4, "net0"));
  listen(on_net1, to_join(kGroup4, "net1"));
  lab->server.ip("route add 239.0.0.0/8 dev net1");
  listen(routed, to_join(kGroup4, ""));
  for (const Audience* audience : {&on_net0, &on_net1, &routed})
    ASSERT_FALSE(audience->failed) << audience->failed->detail;
  Preconnection by_name = world->preconnection("udp");
  Connection named = initiate(by_name.interface_name("net1"), {.port = kPort, .address = at(kGroup4)});
  say(named, "by net1");
  Connection addressed = send_to(kGroup4, "10.77.0.9");
  say(addressed, "from 10.77.0.9");
  ASSERT_TRUE(heard(on_net0, 1) && heard(on_net1, 1) && heard(routed, 1));
  EXPECT_THAT(on_net0.heard(), UnorderedElementsAre("from 10.77.0.9"));
  EXPECT_THAT(on_net1.heard(), UnorderedElementsAre("by net1"));
  EXPECT_THAT(routed.heard(), UnorderedElementsAre("by net1"));
  EXPECT_EQ(routed.members[0]->connection.interface_name(), "net1") << "told, though nobody has named it";
}

// API-44, IMPL-143: a single source is received by the route to it.
TEST_F(Multicast, ASourceIsReceivedByTheRouteToIt) {
  lab->server.ip("route add 239.0.0.0/8 dev net1");
  Audience audience;
  listen(audience, to_join(kGroup4, "", "10.77.0.9"));
  ASSERT_FALSE(audience.failed) << audience.failed->detail;
  Connection source = send_to(kGroup4, "10.77.0.9");
  say(source, "here");
  ASSERT_TRUE(heard(audience, 1));
  EXPECT_EQ(audience.members[0]->connection.interface_name(), "net0");
}

// IMPL-143: address reuse is enabled.
TEST_F(Multicast, SeveralListenersOfAHostHearTheSame) {
  Audience one, other;
  listen(one, to_join(kGroup4));
  listen(other, to_join(kGroup4));
  Connection connection = send_to(kGroup4);
  say(connection, "for all");
  ASSERT_TRUE(heard(one, 1) && heard(other, 1));
  EXPECT_THAT(one.heard(), UnorderedElementsAre("for all"));
  EXPECT_THAT(other.heard(), UnorderedElementsAre("for all"));
}

// IMPL-146
TEST_F(Multicast, SendingToTheGroupsSenderFailsAtOnce) {
  Audience audience;
  listen(audience, to_join(kGroup4));
  Connection connection = send_to(kGroup4);
  say(connection, "hello");
  ASSERT_TRUE(heard(audience, 1));
  std::optional<Error> why;
  audience.members[0]->connection.send(Message{.data = slice(connection, "no way back")},
                                       [&](Fate fate, const Error* error) {
                                         EXPECT_EQ(fate, Fate::failed);
                                         if (error != nullptr) why = *error;
                                       });
  ASSERT_TRUE(world->run_until([&] { return why.has_value(); }));
  EXPECT_THAT(why->detail, HasSubstr("only receives"));
  say(connection, "still there");
  EXPECT_TRUE(heard(audience, 2));
}

// IMPL-147: the ECN bits of what was received can be read.
TEST_F(Multicast, EcnIsReadable) {
  Audience audience;
  listen(audience, to_join(kGroup4));
  std::uint8_t ecn = 0;
  {
    const Inside inside(lab->client);
    const int sender = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    const int ce = 3;
    setsockopt(sender, IPPROTO_IP, IP_TOS, &ce, sizeof ce);
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(kPort);
    std::memcpy(&to.sin_addr, at(kGroup4).ip.data(), 4);
    EXPECT_EQ(sendto(sender, "twice", 5, 0, reinterpret_cast<sockaddr*>(&to), sizeof to), 5);
    ASSERT_TRUE(heard(audience, 1));
    Connection& connection = audience.members[0]->connection;
    connection.cancel_receive();
    std::optional<Result<Message>> got;
    connection.receive(1, 100, [&](Result<Message> message) { got = std::move(message); });
    EXPECT_EQ(sendto(sender, "twice", 5, 0, reinterpret_cast<sockaddr*>(&to), sizeof to), 5);
    ::close(sender);
    ASSERT_TRUE(world->run_until([&] { return got.has_value(); }));
    ASSERT_TRUE(*got);
    ecn = (*got)->ecn;
  }
  EXPECT_EQ(ecn, 3);
}

// IMPL-142, IMPL-148, IMPL-149, IMPL-150: who closes leaves the group, when nobody of the Listener is left.
TEST_F(Multicast, TheGroupIsLeftAtTheEnd) {
  Audience audience;
  listen(audience, to_join(kGroup4));
  std::vector<Connection> senders;
  for (int i = 0; i < 3; ++i) {
    senders.push_back(send_to(kGroup4));
    say(senders.back(), "hello");
    ASSERT_TRUE(world->run_until([&] { return audience.members.size() == senders.size(); }));
  }
  EXPECT_TRUE(joined(lab->server, "030201EF"));
  std::optional<Error> aborted;
  Connection& first = audience.members[0]->connection;
  first.cancel_receive();
  first.on_failed([&](const Error& e) { aborted = e; });
  first.abort();
  ASSERT_TRUE(world->run_until([&] { return aborted.has_value(); }));
  EXPECT_EQ(first.state(), ConnectionState::closed);
  EXPECT_EQ(audience.members[1]->connection.state(), ConnectionState::established);
  audience.listener = {};
  world->spin();
  EXPECT_TRUE(joined(lab->server, "030201EF")) << "two still receive";
  std::optional<Result<void>> closed;
  audience.members[1]->connection.close_group([&](Result<void> how) { closed = std::move(how); });
  ASSERT_TRUE(world->run_until([&] { return closed.has_value(); }));
  EXPECT_TRUE(*closed);
  EXPECT_EQ(audience.members[2]->connection.state(), ConnectionState::closed);
  EXPECT_TRUE(world->run_until([&] { return !joined(lab->server, "030201EF"); }));
}

// IMPL-150
TEST_F(Multicast, AbortingTheGroupEndsAll) {
  Audience audience;
  listen(audience, to_join(kGroup4));
  Connection one = send_to(kGroup4), other = send_to(kGroup4, "10.77.0.9");
  say(one, "a");
  say(other, "b");
  ASSERT_TRUE(heard(audience, 2));
  audience.members[0]->connection.abort_group();
  for (const auto& member : audience.members) EXPECT_EQ(member->connection.state(), ConnectionState::closed);
}

// IMPL-145: a clone receives the same by a socket of its own.
TEST_F(Multicast, ACloneReceivesTheSame) {
  Audience audience;
  listen(audience, to_join(kGroup4));
  Connection one = send_to(kGroup4), other = send_to(kGroup4, "10.77.0.9");
  say(one, "first");
  ASSERT_TRUE(heard(audience, 1));
  std::optional<Result<void>> ready;
  Connection clone;
  {
    const Inside inside(lab->server);
    clone = audience.members[0]->connection.clone([&](Result<void> how) { ready = std::move(how); });
    ASSERT_TRUE(world->run_until([&] { return ready.has_value(); }));
  }
  ASSERT_TRUE(*ready) << ready->error().detail;
  EXPECT_FALSE(flag(clone, "canSend"));
  EXPECT_EQ(to_text(clone.local()), to_text(at(kGroup4, kPort)));
  EXPECT_EQ(clone.group_size(), 2u);
  Reader reader(clone);
  audience.listener = {};
  audience.members.clear();
  say(other, "of a stranger");
  say(one, "second");
  ASSERT_TRUE(world->run_until([&] { return !reader.messages.empty(); }));
  EXPECT_THAT(reader.messages, testing::ElementsAre("second"));
}

// IMPL-141, API-52: who cannot join says so, and where.
TEST_F(Multicast, FailingToJoinIsAnEstablishmentError) {
  Audience nowhere, unknown, far;
  listen(nowhere, to_join(kGroup4, ""));
  ASSERT_TRUE(nowhere.failed);
  EXPECT_EQ(nowhere.failed->reason, Reason::unreachable) << nowhere.failed->detail;
  EXPECT_THAT(nowhere.failed->detail,
              HasSubstr("join the multicast group 239.1.2.3:7000 on the interface that routing"));
  listen(unknown, to_join(kGroup4, "nosuch0"));
  ASSERT_TRUE(unknown.failed);
  EXPECT_THAT(unknown.failed->detail, HasSubstr("nosuch0"));
  listen(far, to_join(kGroup4, "", "192.0.2.1"));
  ASSERT_TRUE(far.failed);
  EXPECT_THAT(far.failed->detail, HasSubstr("with the source 192.0.2.1"));
}

// API-42, API-44: the command, with one source.
TEST_F(Multicast, TheCommandSendsAndReceives) {
  const std::string tool = test::program("trellis");
  Process listener(lab->server.command(
      {tool, "listen", "--stack", "udp", "--interface", "net0", "--group", "239.1.2.3@10.77.0.9", "7000"}));
  ASSERT_TRUE(listener.wait_error("address=239.1.2.3:7000")) << listener.error();
  for (const char* from : {"10.77.0.1", "10.77.0.9"}) {
    Process sender(lab->client.command(
        {tool, "connect", "--stack", "udp", "--local", from, "--hop-limit", "3", "239.1.2.3:7000"}));
    sender.write(std::string("hello from ") + from);
    sender.close_input();
    EXPECT_EQ(sender.wait(), 0) << sender.error();
  }
  ASSERT_TRUE(listener.wait_output("hello from")) << listener.error();
  EXPECT_EQ(listener.output(), "hello from 10.77.0.9");
  listener.signal(SIGTERM);
  EXPECT_EQ(listener.wait(), 0) << listener.error();
}

}  // namespace
}  // namespace trellis::netlab
