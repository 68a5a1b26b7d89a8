// Group M: bottom layers that claim multicast (RFC 9622 section 6.1.1): who has joined a group hears what is sent to
// it, and nothing else.
#include <format>

#include "conformance/conversation.h"
#include "trellis/address_text.h"

namespace trellis::conformance {
namespace {

constexpr std::uint16_t kGroupPort = 7000;

std::string needs_multicast(const Facts& facts) {
  return facts.bottom && facts.layer.multicast ? "" : "it does not claim multicast";
}

Address literal(std::string_view text) { return *parse_address(text, kGroupPort); }

/// A host that has joined a group, and what it has heard.
class Member {
 public:
  Member(World& world, Preconnection group) {
    ListenerEvents events;
    events.listening = [this](const Address&) { joined_ = true; };
    events.received = [this](Connection sender) {
      senders.push_back(std::move(sender));
      listen(senders.size() - 1);
    };
    listener_ = group.listen(world.host(Side::server).loop(), std::move(events));
    world.run_until([this] { return joined_; }, std::chrono::seconds(10));
  }
  std::vector<Connection> senders;
  std::string heard;  // each message in brackets

 private:
  void listen(std::size_t which) {
    senders[which].receive(kWholeMessage, SIZE_MAX, [this, which](Result<Message> message) {
      if (!message || message->final) return;
      const auto bytes = message->data.bytes();
      heard += std::format("[{}]", std::string_view(reinterpret_cast<const char*>(bytes.data()), bytes.size()));
      listen(which);
    });
  }
  Listener listener_;
  bool joined_ = false;
};

/// Sends a message to a group, from an address of the client.
Connection say(World& world, const Address& group, const Address& from, std::string_view words) {
  Preconnection to = world.preconnection(Side::client);
  to.remote({.port = kGroupPort, .address = group}).local(Endpoint{.address = from});
  Connection connection = to.initiate(world.host(Side::client).loop(), {});
  Slice data = connection.allocate(static_cast<std::uint32_t>(words.size()));
  std::ranges::transform(words, data.edit().begin(), [](char c) { return static_cast<std::byte>(c); });
  connection.send(std::move(data), true);
  world.run_for(std::chrono::milliseconds(200));
  return connection;
}

Address own(std::string_view text) { return *parse_address(text, 0); }

void expect_heard(Trial& t, World& world, Member& member, std::string_view expected) {
  if (member.heard == expected || world.broken()) return;
  t.fail(std::format("expected who has joined the group to hear \"{}\" and nothing else; found: it heard \"{}\"",
                     expected, member.heard));
}

// API-42, API-43, API-52
void members_hear(Trial& t) {
  for (const bool ipv6 : {false, true}) {
    if (!t.wants(ipv6 ? "ipv6" : "ipv4")) continue;
    World world(t);
    const Address group = literal(ipv6 ? "ff05::1:3" : "239.1.2.3"), other = literal(ipv6 ? "ff05::9" : "239.1.2.9");
    const Address from = own(ipv6 ? "2001:db8::1" : "10.0.0.1");
    Member member(world, world.preconnection(Side::server).local(Endpoint{.port = kGroupPort, .address = group}));
    const Connection first = say(world, group, from, "one");
    const Connection stray = say(world, other, from, "for somebody else");
    const Connection second = say(world, group, from, "two");
    expect_heard(t, world, member, "[one][two]");
    if (t.failed() || member.senders.empty()) continue;
    const Connection& heard = member.senders.front();
    if (heard.local().ip != group.ip) t.fail("local() of what a group's sender sends is not the group");
    if (heard.remote() != first.local())
      t.fail("remote() of what a group's sender sends is not the sender: " + to_text(heard.remote()));
  }
}

// API-44
void one_source_alone(Trial& t) {
  if (!t.wants("source")) return;
  World world(t);
  world.host(Side::client).interface("eth0").add_address("10.0.0.9");
  const Endpoint group{.port = kGroupPort, .address = literal("239.1.2.3")};
  Member member(world, world.preconnection(Side::server).local(group, own("10.0.0.9")));
  const Connection other = say(world, group.address, own("10.0.0.1"), "not heard");
  const Connection source = say(world, group.address, own("10.0.0.9"), "heard");
  expect_heard(t, world, member, "[heard]");
}

constexpr Check kMulticastChecks[] = {
    {.id = "M1",
     .title = "who has joined a multicast group hears what is sent to it, and to no other",
     .run = members_hear,
     .unfit = needs_multicast},
    {.id = "M2",
     .title = "of a group with one source nobody else is heard",
     .run = one_source_alone,
     .unfit = needs_multicast},
};

}  // namespace

std::span<const Check> multicast_checks() { return kMulticastChecks; }

}  // namespace trellis::conformance
