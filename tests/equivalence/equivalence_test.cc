// Which stacks may stand in for which, computed from what their layers declare: every shipped stack with every other
// one, and every kind of security with every other one. The matrices are files, so that a change is read by somebody.
#include <algorithm>
#include <filesystem>
#include <format>

#include "../core/fake_protocols.h"
#include "core/framework_core.h"
#include "core/stack_traits.h"
#include "core/trait_words.h"
#include "golden.h"

namespace trellis {
namespace {

struct Named {
  std::string name;
  std::shared_ptr<const ComposedStack> stack;
};

std::string security_of(const SecurityProfile& security) {
  if (security.family.empty()) return "insecure";
  return std::format("{} from {:#06x}, peer by {}", security.family, security.version_floor, security.identity);
}

std::string verdict(const Named& a, const Named& b, const Requirements& requirements, bool declared_equal) {
  const auto one = equivalent(a.stack->traits, b.stack->traits, requirements, declared_equal);
  const auto other = equivalent(b.stack->traits, a.stack->traits, requirements, declared_equal);
  EXPECT_EQ(one.has_value(), other.has_value()) << a.name << " and " << b.name << ": it depends on who is first";
  return one ? "equivalent" : one.error().detail;
}

const Requirements kNone{.face = Face::none, .require = {}, .prohibit = {}, .prefer = {}, .avoid = {}};

std::string matrix(const std::vector<Named>& stacks) {
  std::string text = "# Stacks: name, layers, face, security, features.\n";
  for (const auto& [name, stack] : stacks) {
    text += std::format("{}: {}; {}; {}; {}\n", name, stack->text, to_string(stack->traits.face),
                        security_of(stack->traits.security), to_string(stack->traits.have));
  }
  text += "\n# Pairs, when the policy says nothing about their security | when it names both as equal.\n";
  for (std::size_t i = 0; i < stacks.size(); ++i) {
    EXPECT_EQ(verdict(stacks[i], stacks[i], kNone, false), "equivalent") << "with itself";
    for (std::size_t k = i + 1; k < stacks.size(); ++k) {
      text += std::format("{} ~ {}: {} | {}\n", stacks[i].name, stacks[k].name,
                          verdict(stacks[i], stacks[k], kNone, false), verdict(stacks[i], stacks[k], kNone, true));
    }
  }
  return text;
}

// RACE-94, RACE-95, RACE-96, RACE-97: every shipped stack with every other one.
TEST(Equivalence, ShippedStacks) {
  FrameworkOptions options{.plugin_directories = {TRELLIS_BUILD_DIR "/plugins"}};
  for (const auto& entry : std::filesystem::directory_iterator(TRELLIS_SOURCE_DIR "/policies")) {
    if (entry.path().extension() == ".xml") options.policies.push_back(entry.path());
  }
  std::ranges::sort(options.policies);
  const auto framework = Framework::create(std::move(options));
  ASSERT_TRUE(framework) << framework.error().detail;
  std::vector<Named> stacks;
  for (const auto& profile : (*framework)->core().profiles()) {
    for (const auto& stack : profile->stacks) stacks.push_back({profile->policy.name + "." + stack->name, stack});
  }
  ASSERT_GE(stacks.size(), 6u);
  expect_golden("shipped.txt", matrix(stacks));
}

struct Security : testing::Test {
  static LayerTraits tls(SecurityProfile security) {
    LayerTraits traits = fakes::kTls;
    traits.security = std::move(security);
    return traits;
  }
  Security() {
    EXPECT_TRUE(registry.link("fakes", fakes::add_all));
    EXPECT_TRUE(registry.link("secure", [](Registrar& to) {
      const auto add = [&](const char* name, SecurityProfile security) {
        to.add(std::make_unique<FakeKind>(name, std::vector{tls(std::move(security))}));
      };
      add("tls-again", {"tls", 0x0304, "webpki"});
      add("tls12", {"tls", 0x0303, "webpki"});
      add("tls-pinned", {"tls", 0x0304, "pinned:1"});
      add("tls-other-pin", {"tls", 0x0304, "pinned:2"});
      add("tls-psk", {"tls", 0x0304, "psk"});
      add("tcpls", {"tcpls", 0x0304, "webpki"});
      const auto without = [&](const char* name, FeatureSet features, const char* family) {
        LayerTraits traits = tls({family, 0x0304, "webpki"});
        traits.adds = traits.adds - features;
        to.add(std::make_unique<FakeKind>(name, std::vector{traits}));
      };
      without("tls-null-cipher", {Feature::confidentiality}, "tls");
      without("tls-anonymous", {Feature::peer_authentication}, "tls");
      without("tls-static", {Feature::forward_secrecy}, "tls");
      without("nameless", {}, "");  // its author forgot to say what it is
    }));
  }
  Named compose(const std::string& text) {
    auto stack = trellis::compose(registry, parse_stack(text).value(), Face::bytestream);
    EXPECT_TRUE(stack) << stack.error().detail;
    return {text, *stack};
  }
  std::vector<Named> all() {
    std::vector<Named> stacks;
    for (const char* text :
         {"tcp", "tls/tcp", "tls-again/tcp", "tls12/tcp", "tls-pinned/tcp", "tls-other-pin/tcp", "tls-psk/tcp",
          "tcpls/tcp", "tls-null-cipher/tcp", "tls-anonymous/tcp", "tls-static/tcp", "nameless/tcp", "quic/udp"}) {
      stacks.push_back(compose(text));
    }
    return stacks;
  }
  Registry registry;
};

// RACE-96: family, lowest version and peer authentication each make another security.
TEST_F(Security, EveryKindWithEveryOther) { expect_golden("security.txt", matrix(all())); }

// RACE-94, RACE-95: whatever is required, and whatever a policy declares.
TEST_F(Security, SecureAndInsecureNeverMix) {
  const Named tcp = compose("tcp");
  for (const Named& other : all()) {
    if (other.stack->traits.security.family.empty()) continue;
    for (const bool declared : {false, true}) {
      EXPECT_EQ(verdict(tcp, other, kNone, declared), "one is secure and the other is not: never equivalent");
      Requirements secret = kNone;
      secret.require = {Feature::confidentiality};
      EXPECT_EQ(verdict(tcp, other, secret, declared), "lacks what is required: confidentiality");
    }
  }
}

// RACE-95: a protocol that does less than its name says stands in for nothing.
TEST_F(Security, NamesDoNotReplaceDeeds) {
  EXPECT_EQ(verdict(compose("tls/tcp"), compose("tls-null-cipher/tcp"), kNone, true),
            "only one has confidentiality: never equivalent");
  EXPECT_EQ(verdict(compose("tls/tcp"), compose("tls-anonymous/tcp"), kNone, true),
            "only one has peer-authentication: never equivalent");
  EXPECT_EQ(verdict(compose("tcp"), compose("nameless/tcp"), kNone, true),
            "only one has confidentiality, peer-authentication: never equivalent");
  EXPECT_EQ(verdict(compose("tls/tcp"), compose("tls-static/tcp"), kNone, false),
            "security differs and the policy does not declare it equal");
}

// RACE-97: only what differs in security can be declared equal, not what differs in service.
TEST_F(Security, DeclaringChangesNothingElse) {
  const Named stream = compose("quic/udp");
  auto datagram = trellis::compose(registry, parse_stack("quic/udp").value(), Face::datagram);
  ASSERT_TRUE(datagram);
  EXPECT_EQ(verdict(stream, {"datagram", *datagram}, kNone, true),
            "one offers the face bytestream, the other datagram");
  Requirements streams = kNone;
  streams.require = {Feature::multistreaming};
  EXPECT_EQ(verdict(stream, compose("tls/tcp"), streams, true), "lacks what is required: multistreaming");
}

}  // namespace
}  // namespace trellis
