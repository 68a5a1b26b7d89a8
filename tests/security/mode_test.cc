// API-27, API-240: the three kinds of security parameters: required, opportunistic and disabled.
#include "security/secure_race.h"

namespace trellis::test {
namespace {

using testing::HasSubstr;

const std::string kSecrecy = "<requirements><require feature='confidentiality'/></requirements>";

class SecurityModes : public SecureRace {
 protected:
  /// Other parameters of the client; without anchors, so that the server of these tests cannot prove who it is.
  void mode(std::shared_ptr<Security> made) {
    made->id = new_security()->id;
    client_security = std::move(made);
  }
  std::string used() const { return std::string(client.stack()); }
};

TEST_F(SecurityModes, MadeByTheNamesOfTheRfc) {
  EXPECT_EQ(new_security_parameters()->mode, SecurityMode::required);
  EXPECT_EQ(new_disabled_security_parameters()->mode, SecurityMode::disabled);
  EXPECT_EQ(new_opportunistic_security_parameters()->mode, SecurityMode::opportunistic);
  EXPECT_EQ(Security{}.mode, SecurityMode::required);
}

// API-240, API-243: parameters ask for security, so no stack without it is used.
TEST_F(SecurityModes, ParametersAskForSecurity) {
  listen_in_clear();
  mode(new_security_parameters());
  race("<stack name='plain'><layer protocol='tcp'/></stack>");
  EXPECT_EQ(failure().reason, Reason::unsupported);
  EXPECT_THAT(failure().detail, HasSubstr("tcp: secures nothing, and there are security parameters that ask for it"));
  EXPECT_EQ(attempts, 0);
}

TEST_F(SecurityModes, ANamedStackInClearIsRefusedToo) {
  listen_in_clear();
  plain_stack = "tcp";
  dial();
  ASSERT_TRUE(world.run_until([&] { return client_ready.has_value(); }));
  EXPECT_EQ(failure().reason, Reason::unsupported);
  client_security = new_opportunistic_security_parameters();
  dial();
  ASSERT_TRUE(world.run_until([&] { return client_ready.has_value(); }));
  EXPECT_TRUE(*client_ready);
}

TEST_F(SecurityModes, DisabledTakesThePolicysStacksWithoutTheirSecurity) {
  listen_in_clear();
  mode(new_disabled_security_parameters());
  race(tls("tls") + tls("old", "<option name='server-name' value='other.example'/>"));
  ASSERT_TRUE(*client_ready) << failure().detail;
  EXPECT_EQ(used(), "tcp");
  EXPECT_EQ(attempts, 1) << "both come to the same stack";
}

TEST_F(SecurityModes, DisabledTakesStacksThatAreInClear) {
  listen_in_clear();
  mode(new_disabled_security_parameters());
  race("<stack name='plain'><layer protocol='tcp'/></stack>");
  ASSERT_TRUE(*client_ready) << failure().detail;
  EXPECT_EQ(used(), "tcp");
}

TEST_F(SecurityModes, WhatThePolicyRequiresIsNotDisabled) {
  listen_in_clear();
  mode(new_disabled_security_parameters());
  race(tls("tls"), kSecrecy);
  EXPECT_EQ(failure().reason, Reason::unsupported);
  EXPECT_THAT(failure().detail, HasSubstr("none of them may be used in clear"));
}

TEST_F(SecurityModes, OpportunisticIsSecuredWithWhomeverItMeets) {
  listen();
  mode(new_opportunistic_security_parameters());
  race(tls("tls"));
  ASSERT_TRUE(*client_ready) << failure().detail;
  EXPECT_EQ(used(), "tls/tcp");
  EXPECT_EQ(property(client, "tls.version"), "1.3");
  EXPECT_EQ(races, 1);
  EXPECT_EQ(noticed, "");
}

// RACE-94: the attempt in clear begins when no secured one is left, and the application is told.
TEST_F(SecurityModes, OpportunisticGoesOnInClearWhenNothingElseIsLeft) {
  listen_in_clear();
  mode(new_opportunistic_security_parameters());
  race(tls("one") + tls("two", expecting("peer.example")));
  ASSERT_TRUE(*client_ready) << failure().detail;
  EXPECT_EQ(used(), "tcp");
  EXPECT_EQ(races, 2);
  EXPECT_EQ(attempts, 3);
  ASSERT_TRUE(world.run_until([&] { return !noticed.empty(); }));
  EXPECT_THAT(noticed, HasSubstr("nothing secured could be established, going on in clear"));
  const std::string hello = std::exchange(heard, {});
  EXPECT_EQ(hello.substr(0, 3), std::string("\x16\x03\x01", 3)) << "it was not asked for TLS first";
  client.send(tests::slice(client, "so be it"));
  EXPECT_TRUE(world.run_until([&] { return heard.ends_with("so be it"); }));
}

TEST_F(SecurityModes, OpportunisticStaysWithinThePolicy) {
  listen_in_clear();
  mode(new_opportunistic_security_parameters());
  race(tls("tls"), kSecrecy);
  EXPECT_EQ(failure().reason, Reason::protocol_violation) << failure().detail;
  EXPECT_EQ(races, 1);
}

// The same peer without having been asked for opportunism.
TEST_F(SecurityModes, OnlyWhoAskedForItGoesOnInClear) {
  listen_in_clear();
  race(tls("tls"));
  EXPECT_EQ(failure().reason, Reason::protocol_violation) << failure().detail;
  EXPECT_EQ(races, 1);
}

}  // namespace
}  // namespace trellis::test
