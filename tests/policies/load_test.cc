// What is found out when the stacks of a policy are put together: each fault has its line and its sentence.
#include <algorithm>
#include <chrono>
#include <format>

#include "policy_world.h"

namespace trellis {
namespace {

struct LoadTest : PolicyWorld {
  std::string refusal(const std::string& body) {
    const auto loaded = load({{"p", body}});
    return loaded ? "loaded" : loaded.error().detail;
  }
  // <stacks> begins in line 2, its first stack in line 3.
  static std::string stacks(const std::vector<std::string>& list) {
    std::string all = "\n<stacks>\n";
    for (const std::string& one : list) all += one + "\n";
    return all + "</stacks>";
  }
  static std::string stack(const std::string& name, const std::string& layers) {
    return "<stack name='" + name + "'>" + layers + "</stack>";
  }
};

const std::string kTcpLayer = "<layer protocol='tcp'/>", kUdpLayer = "<layer protocol='udp'/>",
                  kTlsLayer = "<layer protocol='tls'/>", kQuicLayer = "<layer protocol='quic'/>";

TEST_F(LoadTest, UnknownPlugins) {
  const std::string unknown = refusal(stacks({stack("s", "\n<layer protocol='tpc'/>")}));
  EXPECT_TRUE(unknown.starts_with("p.xml:4: found protocol \"tpc\", which no plugin provides, expected ")) << unknown;
  EXPECT_TRUE(unknown.ends_with(": did you mean \"tcp\"?")) << unknown;
  EXPECT_EQ(refusal(stacks({stack("s", "\n<layer framer='length'/>")})),
            "p.xml:4: found framer \"length\", which no plugin provides, expected length-prefix or line");
  EXPECT_EQ(refusal(stacks({stack("s", kTcpLayer)}) + "\n<racing>\n<branch on='path' policy='stagered'/></racing>"),
            "p.xml:6: found racing \"stagered\", which no plugin provides, expected failover, simultaneous or "
            "staggered: did you mean \"staggered\"?");
  EXPECT_TRUE(refusal(stacks({stack("s", kTcpLayer)}) + "\n<names><resolver name='sytem'/></names>")
                  .starts_with("p.xml:5: found resolver \"sytem\", which no plugin provides, expected "));
}

// Whatever kind of plugin is meant.
TEST_F(LoadTest, UnknownPluginsAreAnsweredWithTheNearest) {
  const std::string tcp = stacks({stack("s", kTcpLayer)});
  const std::pair<std::string, std::string> cases[] = {
      {stacks({stack("s", "<layer protocol='qiuc'/>")}), "quic"},
      {stacks({stack("s", "<layer framer='lines'/>" + kTcpLayer)}), "line"},
      {tcp + "<racing><branch on='path' policy='fail-over'/></racing>", "failover"},
      {tcp + "<names><resolver name='sytem'/></names>", "system"},
      {"<paths provider='interfces'/>" + tcp, "interfaces"},
      {tcp + "<state store='sqlte'/>", "sqlite"},
  };
  for (const auto& [policy, meant] : cases) {
    const std::string told = refusal(policy);
    EXPECT_TRUE(told.ends_with(": did you mean \"" + meant + "\"?")) << told;
  }
}

TEST_F(LoadTest, UnknownOptions) {
  EXPECT_EQ(refusal(stacks({stack("s", "\n<layer protocol='tcp'>\n<option name='siz' value='1'/></layer>")})),
            "p.xml:5: protocol tcp: found option \"siz\", expected size or key-file: did you mean \"size\"?");
  EXPECT_EQ(refusal(stacks({stack("s", "<layer protocol='tcp'>\n<option name='size' value='ten'/></layer>")})),
            "p.xml:4: protocol tcp: found size=\"ten\", expected a whole number from 0 to 9");
  EXPECT_EQ(
      refusal(stacks({stack("s", kTcpLayer)}) +
              "<racing><branch on='path' policy='staggered'>\n<option name='delay' value='1'/></branch></racing>"),
      "p.xml:5: racing policy staggered: found option \"delay\", expected attempt-delay-ms");
}

TEST_F(LoadTest, FacesThatDoNotFit) {
  EXPECT_EQ(refusal(stacks({stack("s", kTlsLayer + "\n" + kUdpLayer)})),
            "p.xml:4: udp cannot offer tls the face bytestream");
  EXPECT_EQ(refusal("<requirements face='message'/>" + stacks({stack("s", kTcpLayer)})),
            "p.xml:3: tcp cannot offer the application the face message");
  EXPECT_EQ(refusal(stacks({stack("s", kTcpLayer + "\n" + kUdpLayer)})),
            "p.xml:4: tcp is a bottom layer and cannot stand on udp");
}

TEST_F(LoadTest, LayersThatNeedWhatIsNotBelow) {
  EXPECT_EQ(refusal(stacks({stack("s", kTlsLayer)})),
            "p.xml:3: tls needs a layer below it that offers the face bytestream: the stack ends with it");
  ASSERT_TRUE(core.registry.link("others", [](Registrar& to) {
    to.add(std::make_unique<FakeKind>("pipe", std::vector{LayerTraits{.above = Face::bytestream}}));
  }));
  EXPECT_EQ(refusal(stacks({stack("s", kTlsLayer + "<layer protocol='pipe'/>")})),
            "p.xml:3: tls needs reliability, ordering, which the layers below it do not provide");
}

// API-114, API-116
TEST_F(LoadTest, RequirementsThatContradict) {
  EXPECT_EQ(
      refusal("<requirements><require feature='confidentiality'/></requirements>" + stacks({stack("s", kTcpLayer)})),
      "p.xml:3: stack 's' does not do what the policy requires: lacks what is required: confidentiality");
  EXPECT_EQ(refusal("<requirements face='bytestream'><require feature='boundaries'/></requirements>" +
                    stacks({stack("s", kTcpLayer)})),
            "p.xml:3: stack 's' does not do what the policy requires: lacks what is required: boundaries");
  EXPECT_EQ(refusal("<requirements><prohibit feature='ordering'/></requirements>" + stacks({stack("s", kTcpLayer)})),
            "p.xml:3: stack 's' does not do what the policy requires: has what is prohibited and cannot be turned off: "
            "ordering");
}

// RACE-94, RACE-95, RACE-96, RACE-97
// IMPL-11, IMPL-169: neither a policy nor an application gets beyond what always holds.
TEST_F(LoadTest, StacksThatAreNotEquivalent) {
  const std::string tls = stack("tls", kTlsLayer + kTcpLayer), tcp = stack("tcp", kTcpLayer),
                    quic = stack("quic", kQuicLayer + kUdpLayer);
  const auto same = [](const std::string& a, const std::string& b) {
    return "<equivalence><same-security reason='because'><stack name='" + a + "'/><stack name='" + b +
           "'/></same-security></equivalence>";
  };
  EXPECT_EQ(refusal(stacks({tls, tcp})),
            "p.xml:4: stack 'tcp' cannot stand in for 'tls': one is secure and the other is not: never equivalent");
  EXPECT_EQ(refusal(stacks({tls, tcp}) + same("tls", "tcp")),
            "p.xml:4: stack 'tcp' cannot stand in for 'tls': one is secure and the other is not: never equivalent")
      << "whatever the policy says";
  EXPECT_EQ(
      refusal(stacks({quic, tls})),
      "p.xml:4: stack 'tls' cannot stand in for 'quic': security differs and the policy does not declare it equal");
  EXPECT_EQ(refusal(stacks({quic, tls}) + same("quic", "tls")), "loaded");
  EXPECT_EQ(refusal(stacks({quic, tls}) + same("quic", "tsl")),
            "p.xml:5: found stack 'tsl' in <same-security>, expected quic or tls: did you mean \"tls\"?");
  EXPECT_EQ(refusal(stacks({tcp, stack("udp", kUdpLayer)})),
            "p.xml:4: stack 'udp' cannot stand in for 'tcp': one offers the face bytestream, the other datagram");
}

TEST_F(LoadTest, BeingDeclaredEqualGoesNoFurther) {
  ASSERT_TRUE(core.registry.link("others", [](Registrar& to) {
    LayerTraits other = fakes::kTls;
    other.security = {"ipsec", 2, "psk"};
    to.add(std::make_unique<FakeKind>("other", std::vector{other}));
  }));
  const std::string three = stacks({stack("a", kTlsLayer + kTcpLayer), stack("b", kQuicLayer + kUdpLayer),
                                    stack("c", "<layer protocol='other'/>" + kTcpLayer)});
  const std::string ab = "<same-security reason='1'><stack name='a'/><stack name='b'/></same-security>",
                    bc = "<same-security reason='2'><stack name='b'/><stack name='c'/></same-security>",
                    ac = "<same-security reason='3'><stack name='a'/><stack name='c'/></same-security>";
  EXPECT_EQ(refusal(three + "<equivalence>" + ab + bc + "</equivalence>"),
            "p.xml:5: stack 'c' cannot stand in for 'a': security differs and the policy does not declare it equal");
  EXPECT_EQ(refusal(three + "<equivalence>" + ab + bc + ac + "</equivalence>"), "loaded");
}

// As many of everything as the reader lets pass, each pair declared equal in 64 ways.
TEST_F(LoadTest, LargestPolicy) {
  std::vector<std::string> list;
  std::string named;
  for (int i = 0; i < kPolicyStacksMax; ++i) {
    const std::string name = std::format("s{}", i);
    list.push_back(stack(name, i % 2 == 0 ? kTlsLayer + kTcpLayer : kQuicLayer + kUdpLayer));
    named += "<stack name='" + name + "'/>";
  }
  std::string declared;
  for (int i = 0; i < kPolicyEntriesMax; ++i) {
    declared += "<same-security reason='r'>" + named + "</same-security>";
  }
  EXPECT_EQ(refusal(stacks(list) + "<equivalence>" + declared + "</equivalence>"), "loaded");
}

TEST_F(LoadTest, AFaultChangesNothing) {
  ASSERT_TRUE(load({{"old", kTcp}}));
  const std::uint64_t generation = core.generation();
  ASSERT_FALSE(load({{"new", kTcp}, {"bad", "<stacks><stack name='s'><layer protocol='tls'/></stack></stacks>"}}));
  EXPECT_EQ(core.generation(), generation);
  ASSERT_EQ(core.profiles().size(), 1u);
  EXPECT_EQ(core.profiles()[0]->policy.name, "old");
}

}  // namespace
}  // namespace trellis
