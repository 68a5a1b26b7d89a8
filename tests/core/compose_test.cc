// Which layers fit on which, and which stacks may stand in for which (RFC 9621 section 4.2).
#include "core/compose.h"

#include <gtest/gtest.h>

#include "fake_protocols.h"

namespace trellis {
namespace {

using namespace fakes;

std::string verdict(const Result<void>& result) { return result ? "yes" : result.error().detail; }
std::string verdict(const Result<StackTraits>& result) { return result ? "yes" : result.error().detail; }

StackTraits folded(std::vector<NamedTraits> bottom_up) {
  auto stack = fold(bottom_up);
  EXPECT_TRUE(stack) << stack.error().detail;
  return stack.value_or(StackTraits{});
}

const NamedTraits kNamedTcp{"tcp", kTcp}, kNamedUdp{"udp", kUdp}, kNamedTls{"tls", kTls},
    kNamedQuic{"quic", kQuicStream}, kNamedFramer{"length-prefix", kFramer};

TEST(Fold, WhatFitsOnWhat) {
  const auto fits = [](std::vector<NamedTraits> bottom_up) { return verdict(fold(bottom_up)); };
  EXPECT_EQ(fits({kNamedUdp, kNamedQuic, kNamedFramer}), "yes");
  EXPECT_EQ(fits({kNamedTcp, kNamedTls, kNamedFramer}), "yes");
  EXPECT_EQ(fits({kNamedUdp, kNamedTls}), "tls does not fit on udp: wrong face, it needs bytestream and gets datagram");
  EXPECT_EQ(fits({kNamedTcp, kNamedQuic}),
            "quic does not fit on tcp: wrong face, it needs datagram and gets bytestream");
  EXPECT_EQ(fits({kNamedTls}), "tls needs a layer below it that offers the face bytestream: the stack ends with it");
  EXPECT_EQ(fits({kNamedTcp, kNamedUdp}), "udp is a bottom layer and cannot stand on tcp");
  EXPECT_EQ(fits({}), "a stack needs at least one layer");
  LayerTraits careless = kTcp;
  careless.adds = {Feature::ordering};
  EXPECT_EQ(fits({{"careless", careless}, kNamedTls}),
            "tls needs reliability, which the layers below it do not provide");
}

// API-257
TEST(Fold, AddsUp) {
  const StackTraits quic = folded({kNamedUdp, kNamedQuic, kNamedFramer});
  EXPECT_EQ(quic.face, Face::message);
  EXPECT_EQ(quic.headroom, 52u);
  EXPECT_EQ(quic.tailroom, 16u);
  EXPECT_EQ(quic.handshake_rtts, 1u);
  EXPECT_TRUE(quic.one_loop);
  EXPECT_TRUE(quic.have.contains({Feature::boundaries, Feature::reliability, Feature::confidentiality}));
  EXPECT_EQ(quic.security.family, "quic-tls");

  const StackTraits tls = folded({kNamedTcp, kNamedTls, kNamedFramer});
  EXPECT_EQ(tls.headroom, 9u);
  EXPECT_EQ(tls.tailroom, 17u);
  EXPECT_EQ(tls.handshake_rtts, 2u);
  EXPECT_FALSE(tls.one_loop);
  EXPECT_EQ(tls.switchable, FeatureSet{Feature::keepalive});

  EXPECT_FALSE(folded({kNamedUdp, kNamedQuic}).have.has(Feature::boundaries)) << "removed by quic's streams";
  LayerTraits inner = kTls;
  inner.security.identity = "pinned:1";
  EXPECT_EQ(folded({kNamedTcp, {"inner", inner}, kNamedTls}).security.identity, "webpki") << "the outermost counts";
}

// IMPL-15, API-259, API-117
TEST(Satisfies, Reasons) {
  const StackTraits tcp = folded({kNamedTcp});
  const Requirements stream{.face = Face::bytestream, .require = {}, .prohibit = {}, .prefer = {}, .avoid = {}};
  EXPECT_EQ(verdict(satisfies(tcp, stream)), "yes");
  Requirements r = stream;
  r.face = Face::none;
  EXPECT_EQ(verdict(satisfies(tcp, r)), "yes");
  r.face = Face::message;
  EXPECT_EQ(verdict(satisfies(tcp, r)), "offers the face bytestream, the application uses message");
  r = stream;
  r.require = {Feature::reliability, Feature::confidentiality, Feature::zero_rtt};
  EXPECT_EQ(verdict(satisfies(tcp, r)), "lacks what is required: confidentiality, zero-rtt");
  r = stream;
  r.prohibit = {Feature::congestion_control, Feature::multipath};
  EXPECT_EQ(verdict(satisfies(tcp, r)), "has what is prohibited and cannot be turned off: congestion-control");
  r.prohibit = {Feature::keepalive};
  EXPECT_EQ(verdict(satisfies(tcp, r)), "yes") << "it can be turned off";
  r.prohibit = {};
  r.prefer = {Feature::multipath};
  r.avoid = {Feature::reliability};
  EXPECT_EQ(verdict(satisfies(tcp, r)), "yes") << "wishes only rank";
}

// IMPL-54, API-183
TEST(Carries, WhatMayComeTwiceOnlyWhereNothingDoes) {
  Requirements r{.face = Face::none, .require = {}, .prohibit = {}, .prefer = {}, .avoid = {}};
  EXPECT_EQ(verdict(carries(folded({kNamedTcp, kNamedTls}), r)), "yes");
  EXPECT_EQ(verdict(carries(folded({kNamedUdp, kNamedQuic}), r)), "yes") << "it is added above UDP";
  EXPECT_EQ(verdict(carries(folded({kNamedUdp}), r)),
            "may deliver a message twice, and messages are not safelyReplayable: if they are, set that on the "
            "Preconnection, or safely-replayable in the policy");
  r.replayable = true;
  EXPECT_EQ(verdict(carries(folded({kNamedUdp}), r)), "yes");
}

// API-249, API-250, API-251, IMPL-24, QUIC-90: the table of the design.
TEST(Equivalent, Table) {
  const StackTraits tcp = folded({kNamedTcp}), tls = folded({kNamedTcp, kNamedTls}),
                    quic = folded({kNamedUdp, kNamedQuic});
  const Requirements any{.face = Face::bytestream, .require = {}, .prohibit = {}, .prefer = {}, .avoid = {}};
  Requirements secret = any;
  secret.require = {Feature::confidentiality};
  EXPECT_EQ(verdict(equivalent(quic, tls, any, false)), "security differs and the policy does not declare it equal");
  EXPECT_EQ(verdict(equivalent(quic, tls, any, true)), "yes");
  EXPECT_EQ(verdict(equivalent(tls, tcp, any, false)), "one is secure and the other is not: never equivalent");
  EXPECT_EQ(verdict(equivalent(tls, tcp, any, true)), "one is secure and the other is not: never equivalent");
  EXPECT_EQ(verdict(equivalent(quic, tcp, secret, true)), "lacks what is required: confidentiality");
  EXPECT_EQ(verdict(equivalent(tls, tls, secret, false)), "yes");
  EXPECT_EQ(equivalent(tls, tcp, any, true).error().reason, Reason::authentication);
}

TEST(Equivalent, VersionsOfASecurityProtocolDiffer) {
  LayerTraits old = kTls;
  old.security.version_floor = 0x0303;
  const StackTraits tls13 = folded({kNamedTcp, kNamedTls}), tls12 = folded({kNamedTcp, {"tls", old}});
  const Requirements any{.face = Face::none, .require = {}, .prohibit = {}, .prefer = {}, .avoid = {}};
  EXPECT_EQ(verdict(equivalent(tls13, tls12, any, false)), "security differs and the policy does not declare it equal");
}

// API-113: who requires reliability does not get UDP.
TEST(Equivalent, ServicesMustBeTheSame) {
  const StackTraits tcp = folded({kNamedTcp}), udp = folded({kNamedUdp});
  LayerTraits reliable = kUdp;
  reliable.adds = reliable.adds | FeatureSet{Feature::reliability};
  const StackTraits more = folded({{"reliable-udp", reliable}});
  const Requirements none{.face = Face::none, .require = {}, .prohibit = {}, .prefer = {}, .avoid = {}};
  EXPECT_EQ(verdict(equivalent(tcp, udp, none, false)), "one offers the face bytestream, the other datagram");
  EXPECT_EQ(verdict(equivalent(udp, more, none, false)), "yes") << "more than was asked for does no harm";
  Requirements needs = none;
  needs.require = {Feature::reliability};
  EXPECT_EQ(verdict(equivalent(more, udp, needs, false)), "lacks what is required: reliability");
}

struct Compose : testing::Test {
  Compose() { EXPECT_TRUE(registry.link("fakes", add_all)); }
  Result<std::shared_ptr<const ComposedStack>> compose(std::string_view text, Face wanted = Face::none) {
    const auto spec = parse_stack(text);
    EXPECT_TRUE(spec) << text;
    return trellis::compose(registry, *spec, wanted);
  }
  std::string refusal(std::string_view text, Face wanted = Face::none) {
    const auto stack = compose(text, wanted);
    return stack ? "composed" : stack.error().detail;
  }
  Registry registry;
};

TEST_F(Compose, Stack) {
  const auto stack = compose("length-prefix/tls/tcp(size=3)");
  ASSERT_TRUE(stack) << stack.error().detail;
  EXPECT_EQ((*stack)->name, "length-prefix/tls/tcp(size=3)");
  EXPECT_EQ((*stack)->text, "length-prefix/tls/tcp");
  ASSERT_EQ((*stack)->layers.size(), 3u);
  EXPECT_EQ((*stack)->layers[0].name, "tcp");
  EXPECT_EQ((*stack)->layers[0].options.number("size"), 3);
  EXPECT_EQ((*stack)->layers[1].options.number("size"), 1);
  EXPECT_EQ((*stack)->layers[1].traits.security.family, "tls");
  for (const ComposedLayer& layer : (*stack)->layers) EXPECT_NE(layer.protocol, nullptr);
  EXPECT_EQ((*stack)->traits.face, Face::message);
  EXPECT_EQ((*stack)->headroom, 9u);
  EXPECT_EQ((*stack)->tailroom, 17u);
  EXPECT_EQ((*stack)->acceptor, 0);
  EXPECT_EQ((*stack)->plugins, std::vector<std::string>{"fakes"});
}

TEST_F(Compose, TopmostLayerThatAcceptsTellsPeersApart) {
  EXPECT_EQ((*compose("length-prefix/quic/udp"))->acceptor, 1);
  ASSERT_TRUE(registry.link("others", [](Registrar& registrar) {
    registrar.add(std::make_unique<FakeKind>("pipe", std::vector{LayerTraits{.above = Face::bytestream}}));
  }));
  EXPECT_EQ((*compose("tls(size=0)/tcp"))->acceptor, 0);
  const auto stack = compose("pipe");
  ASSERT_TRUE(stack) << stack.error().detail;
  EXPECT_EQ((*stack)->acceptor, -1);
  EXPECT_EQ((*stack)->plugins, std::vector<std::string>{"others"});
}

TEST_F(Compose, FaceIsThatWhichIsWanted) {
  EXPECT_EQ((*compose("quic/udp"))->traits.face, Face::bytestream) << "the first that it offers";
  EXPECT_EQ((*compose("quic/udp", Face::datagram))->traits.face, Face::datagram);
  EXPECT_EQ((*compose("udp"))->traits.face, Face::datagram);
  EXPECT_EQ((*compose("length-prefix/tcp"))->traits.face, Face::message);
}

// API-201, API-203: a framer stands on what there is, and claims no more than that.
TEST_F(Compose, FramersStandOnFramersAndDatagrams) {
  const auto two = compose("length-prefix/length-prefix/tls/tcp");
  ASSERT_TRUE(two) << two.error().detail;
  EXPECT_EQ((*two)->traits.face, Face::message);
  EXPECT_EQ((*two)->layers[3].traits.below, Face::message);
  EXPECT_EQ((*two)->layers[2].traits.below, Face::bytestream);
  EXPECT_EQ((*two)->headroom, 13u);
  const auto datagrams = compose("length-prefix/length-prefix/udp");
  ASSERT_TRUE(datagrams) << datagrams.error().detail;
  EXPECT_EQ((*datagrams)->traits.face, Face::datagram);
  EXPECT_FALSE((*datagrams)->traits.have.has(Feature::reliability));
  EXPECT_EQ((*compose("length-prefix/quic/udp"))->traits.face, Face::message) << "on streams, where there are any";
  EXPECT_EQ((*compose("length-prefix/quic/udp", Face::datagram))->layers[1].traits.above, Face::datagram);
  EXPECT_EQ(refusal("length-prefix/udp", Face::message), "udp cannot offer length-prefix the face bytestream");
}

// API-205
TEST_F(Compose, OtherFramersOnTheSameLayers) {
  const auto stack = compose("length-prefix/tls(size=3)/tcp");
  ASSERT_TRUE(stack) << stack.error().detail;
  const auto other = with_framers(*stack, "length-prefix/length-prefix", Face::none);
  ASSERT_TRUE(other) << other.error().detail;
  EXPECT_EQ((*other)->text, "length-prefix/length-prefix/tls/tcp");
  EXPECT_EQ((*other)->layers[1].protocol, (*stack)->layers[1].protocol) << "what all its connections share is one";
  EXPECT_NE((*other)->layers[2].protocol, (*stack)->layers[2].protocol);
  EXPECT_EQ((*other)->layers[1].options.number("size"), 3);
  const auto none = with_framers(*other, "", Face::none);
  ASSERT_TRUE(none) << none.error().detail;
  EXPECT_EQ((*none)->text, "tls/tcp");
  EXPECT_EQ((*none)->traits.face, Face::bytestream);
  EXPECT_EQ(with_framers(*stack, "quic", Face::none).error().detail,
            "found framer \"quic\", expected protocol \"quic\", which is what its plugin provides");
  EXPECT_EQ(with_framers(*stack, "", Face::message).error().detail,
            "tls cannot offer the application the face message");
}

TEST_F(Compose, Sentences) {
  EXPECT_EQ(refusal("tcp", Face::message), "tcp cannot offer the application the face message");
  EXPECT_EQ(refusal("tls/udp"), "udp cannot offer tls the face bytestream");
  EXPECT_EQ(refusal("quic/tcp"), "tcp cannot offer quic the face datagram");
  EXPECT_EQ(refusal("tcp/udp"), "tcp is a bottom layer and cannot stand on udp");
  EXPECT_EQ(refusal("length-prefix/tls"),
            "tls needs a layer below it that offers the face bytestream: the stack ends with it");
  EXPECT_EQ(refusal("tcp(size=10)"), "protocol tcp: found size=\"10\", expected a whole number from 0 to 9");
  EXPECT_EQ(refusal("tcp(key-file=/none)"), "protocol tcp: found no key in /none");
  EXPECT_EQ(refusal("length-prefix(size=1)/tcp"),
            "framer length-prefix: found option \"size\", expected none: it has no options");
  EXPECT_EQ(
      refusal("length-prefix/tpc"),
      "found layer \"tpc\", which no plugin provides, expected length-prefix, quic, tcp, tls or udp: did you mean "
      "\"tcp\"?");
}

TEST_F(Compose, SentencesSayWhereItIsWritten) {
  StackSpec spec{.name = "s", .layers = {}, .where = "p.xml:3"};
  EXPECT_EQ(trellis::compose(registry, spec, Face::none).error().detail,
            "p.xml:3: stack \"s\": found 0 layers, expected 1 to 15");
  using Kind = LayerSpec::Kind;
  const auto refusal = [&](std::vector<LayerSpec> layers) {
    spec.layers = std::move(layers);
    const auto stack = trellis::compose(registry, spec, Face::none);
    return stack ? "composed" : stack.error().detail;
  };
  EXPECT_EQ(refusal({{Kind::protocol, "tpc", {}, "p.xml:4"}}),
            "p.xml:4: found protocol \"tpc\", which no plugin provides, expected quic, tcp, tls or udp: did you mean "
            "\"tcp\"?");
  EXPECT_EQ(refusal({{Kind::protocol, "length-prefix", {}, "p.xml:4"}}),
            "p.xml:4: found protocol \"length-prefix\", expected framer \"length-prefix\", which is what its plugin "
            "provides");
  EXPECT_EQ(refusal({{Kind::protocol, "tls", {}, "p.xml:4"}, {Kind::protocol, "udp", {}, "p.xml:5"}}),
            "p.xml:5: udp cannot offer tls the face bytestream");
  EXPECT_EQ(refusal({{Kind::protocol, "tcp", {{"size", "x", "p.xml:6"}}, "p.xml:4"}}),
            "p.xml:6: protocol tcp: found size=\"x\", expected a whole number from 0 to 9");
  EXPECT_EQ(refusal({{Kind::protocol, "tcp", {{"key-file", "k", "p.xml:6"}}, "p.xml:4"}}),
            "p.xml:4: protocol tcp: found no key in k");
  EXPECT_EQ(refusal({{Kind::protocol, "tls", {}, "p.xml:4"}}),
            "p.xml:3: tls needs a layer below it that offers the face bytestream: the stack ends with it");
}

TEST_F(Compose, ProtocolOutlivesTheRegistry) {
  std::shared_ptr<const ComposedStack> stack;
  {
    Registry other;
    ASSERT_TRUE(other.link("fakes", add_all));
    stack = *trellis::compose(other, *parse_stack("tcp"), Face::none);
  }
  EXPECT_EQ(stack->layers[0].protocol->traits(Face::bytestream).above, Face::bytestream);
}

}  // namespace
}  // namespace trellis
