// Rules about paths and Listeners: who came by a path that may not be used is not let in, whichever protocol listens.
#include <gmock/gmock.h>

#include "phone.h"

namespace trellis::tests {
namespace {

using testing::HasSubstr;

/// The phone listens, the server calls it at one of its addresses.
struct ListeningPhone : Phone {
  using Phone::Phone;
  ~ListeningPhone() override { own.reset(); }
  /// "" or why it does not listen.
  std::string serve(Preconnection preconnection, const char* with = "tcp") {
    std::optional<std::string> began;
    stack = with;
    own = preconnection.stack(stack)
              .set(kSafelyReplayable.name, true)
              .local({.host = {}, .port = 7000})
              .listen(client.loop(), {.listening = [&](const Address&) { began = ""; },
                                      .received = [this](Connection c) { callers.push_back(std::move(c)); },
                                      .failed = [&](const Error& e) { began = e.detail; }});
    EXPECT_TRUE(world.run_until([&] { return began.has_value(); }, 1s));
    return *began;
  }
  /// Whether the phone took the call.
  bool call(const std::string& address) {
    callers.clear();
    std::optional<Result<void>> called;
    Preconnection caller(*framework);
    caller.stack(stack).set(kSafelyReplayable.name, true).remote({.host = address, .port = 7000});
    Connection calling = caller.initiate(server.loop(), [&](Result<void> result) { called = std::move(result); });
    EXPECT_TRUE(world.run_until([&] { return called.has_value(); }, 60s));
    if (stack == "udp") calling.send(slice(calling, "here I am"));  // a datagram is all that the phone sees of a caller
    world.run_for(200ms);
    const bool taken = !callers.empty();
    callers.clear();
    return taken;
  }
  std::optional<Listener> own;
  std::vector<Connection> callers;
  std::string stack;
};
struct ListeningWithoutWifi : ListeningPhone {
  ListeningWithoutWifi() : ListeningPhone(R"(<prohibit interface="wlan0"/>)") {}
};

// RACE-1, RACE-36, API-123: a rule of the application holds for those who come in as well.
TEST_F(ListeningPhone, TheApplicationsRulesSayWhoMayComeIn) {
  Preconnection no_mobile(*framework);
  no_mobile.path({.preference = Preference::prohibit, .interface_name = "wwan0"});
  ASSERT_EQ(serve(no_mobile), "");
  EXPECT_TRUE(call("10.1.0.2"));
  EXPECT_FALSE(call("10.2.0.2"));
  EXPECT_TRUE(call("10.1.0.2")) << "and the Listener goes on";
}

// RACE-36, API-123: datagrams come in by a path as connections do.
TEST_F(ListeningPhone, TheApplicationsRulesHoldForDatagrams) {
  Preconnection no_mobile(*framework);
  no_mobile.path({.preference = Preference::prohibit, .interface_name = "wwan0"});
  ASSERT_EQ(serve(no_mobile, "udp"), "");
  EXPECT_TRUE(call("10.1.0.2"));
  EXPECT_FALSE(call("10.2.0.2"));
  EXPECT_TRUE(call("10.1.0.2")) << "and the Listener goes on";
}
TEST_F(ListeningWithoutWifi, ThePolicysRulesHoldForDatagrams) {
  ASSERT_EQ(serve(Preconnection(*framework), "udp"), "");
  EXPECT_FALSE(call("10.1.0.2"));
  EXPECT_TRUE(call("10.2.0.2"));
}

TEST_F(ListeningPhone, WithoutRulesEverybodyComesIn) {
  ASSERT_EQ(serve(Preconnection(*framework)), "");
  EXPECT_TRUE(call("10.1.0.2"));
  EXPECT_TRUE(call("10.2.0.2"));
}

// API-252: the policy of the system constrains what the application may have.
TEST_F(ListeningWithoutWifi, ThePolicysRulesHoldToo) {
  ASSERT_EQ(serve(Preconnection(*framework)), "");
  EXPECT_FALSE(call("10.1.0.2"));
  EXPECT_TRUE(call("10.2.0.2"));
}

// IMPL-43: a Listener follows the paths that it may use.
TEST_F(ListeningPhone, AnAddressThatComesLaterIsJudged) {
  Preconnection wifi_only(*framework);
  wifi_only.path({.preference = Preference::require, .interface_name = "wlan0"});
  ASSERT_EQ(serve(wifi_only), "");
  client.interface("wlan0").add_address("10.1.0.9");
  client.interface("wwan0").add_address("10.2.0.9");
  world.run_for(1s);
  EXPECT_TRUE(call("10.1.0.9"));
  EXPECT_FALSE(call("10.2.0.9"));
}

// A Listener that nobody could reach does not begin, and says why.
TEST_F(ListeningPhone, WhereNoPathMayBeUsedItSaysWhy) {
  Preconnection wired(*framework);
  wired.path({.preference = Preference::require, .interface_name = "eth0"});
  const std::string why = serve(wired);
  EXPECT_THAT(why, HasSubstr("no path may be listened on: "));
  EXPECT_THAT(why, HasSubstr("wlan0: the application requires interface=eth0"));
}

/// A group at the phone, to which the router sends by both of its links to it.
struct PhoneInGroup : ListeningPhone {
  using ListeningPhone::ListeningPhone;
  ~PhoneInGroup() override { framework->core().forget(router.loop()); }
  /// By which interfaces the phone receives what is sent to the group, in the order of sending.
  std::vector<std::string> heard_by(Preconnection preconnection) {
    stack = "udp";
    std::optional<std::string> began;
    own = preconnection.stack(stack)
              .set(kSafelyReplayable.name, true)
              .local({.port = 7000, .address = ip("239.1.2.3")})
              .listen(client.loop(), {.listening = [&](const Address&) { began = ""; },
                                      .received = [this](Connection c) { callers.push_back(std::move(c)); },
                                      .failed = [&](const Error& e) { began = e.detail; }});
    EXPECT_TRUE(world.run_until([&] { return began.has_value(); }, 1s));
    if (!began->empty()) return {*began};
    std::vector<std::string> all;
    for (const char* from : {"10.1.0.1", "10.2.0.1"}) {
      callers.clear();
      std::optional<Result<void>> called;
      Preconnection sender(*framework);
      sender.stack(stack).set(kSafelyReplayable.name, true).local({.host = from});
      Connection calling =
          sender.remote({.port = 7000, .address = ip("239.1.2.3")}).initiate(router.loop(), [&](Result<void> result) {
            called = std::move(result);
          });
      EXPECT_TRUE(world.run_until([&] { return called.has_value(); }, 60s));
      EXPECT_TRUE(*called) << called->error().detail;
      calling.send(slice(calling, "to whom it concerns"));
      world.run_for(200ms);
      for (const Connection& caller : callers) all.emplace_back(caller.interface_name());
    }
    callers.clear();
    return all;
  }
};

// API-51, API-52: on which interface a group is joined, and by which one it is sent to, among the paths of a policy.
TEST_F(PhoneInGroup, TheApplicationSaysOnWhichInterface) {
  Preconnection mobile_only(*framework);
  EXPECT_THAT(heard_by(mobile_only.interface_name("wwan0")), testing::ElementsAre("wwan0"));
  Preconnection wifi_only(*framework);
  EXPECT_THAT(heard_by(wifi_only.interface_name("wlan0")), testing::ElementsAre("wlan0"));
}
// API-52, API-123
TEST_F(PhoneInGroup, RulesAboutPathsChooseTheInterface) {
  Preconnection no_wifi(*framework);
  no_wifi.path({.preference = Preference::prohibit, .interface_name = "wlan0"});
  EXPECT_THAT(heard_by(no_wifi), testing::ElementsAre("wwan0"));
}

// API-50: an interface that is asked for and prohibited is an error when listening begins.
TEST_F(ListeningPhone, AnInterfaceThatIsBoundAndProhibitedIsAnError) {
  Preconnection both(*framework);
  both.interface_name("wlan0").path({.preference = Preference::prohibit, .interface_name = "wlan0"});
  EXPECT_THAT(serve(both), HasSubstr("wlan0: the application prohibits interface=wlan0"));
}

TEST_F(ListeningWithoutWifi, AnAddressThatMayNotBeUsedIsNotListenedAt) {
  Preconnection at_wifi(*framework);
  at_wifi.interface_name("wlan0");
  EXPECT_THAT(serve(at_wifi), HasSubstr("wlan0: the policy prohibits interface=wlan0"));
}

}  // namespace
}  // namespace trellis::tests
