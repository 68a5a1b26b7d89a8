// The shipped policies through the whole framework: each loads alone, all load together, and says what it is for.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "core/framework_core.h"
#include "core/stack_traits.h"

namespace trellis {
namespace {

std::string shipped(const std::string& name) { return std::string(TRELLIS_SOURCE_DIR) + "/policies/" + name + ".xml"; }
bool built(const std::string& plugin) {
  return std::filesystem::exists(TRELLIS_BUILD_DIR "/plugins/" + plugin + ".so");
}

Result<std::unique_ptr<Framework>> load(const std::vector<std::string>& names) {
  FrameworkOptions options{.plugin_directories = {TRELLIS_BUILD_DIR "/plugins"}};
  for (const std::string& name : names) options.policies.push_back(shipped(name));
  return Framework::create(std::move(options));
}

constexpr FeatureSet kStream = {Feature::reliability, Feature::ordering};
constexpr FeatureSet kCare = {Feature::congestion_control, Feature::full_integrity_check};
constexpr FeatureSet kSecrecy = {Feature::confidentiality, Feature::peer_authentication, Feature::forward_secrecy};

struct Shipped {
  const char* name;
  const char* stack;
  Face face;
  FeatureSet promised;
  std::size_t stacks = 1;
};
void PrintTo(const Shipped& one, std::ostream* out) { *out << one.name; }

class ShippedPolicy : public testing::TestWithParam<Shipped> {};

// API-23, API-112, API-119..121, API-293, IMPL-8: "default" requires what RFC 9622 does by default, of any interface.
// API-294: "messages" besides that their boundaries.
TEST_P(ShippedPolicy, LoadsAlone) {
  const Shipped& expected = GetParam();
  const auto framework = load({expected.name});
  if (std::string_view(expected.stack).starts_with("tls/") && !built("tls")) {
    ASSERT_FALSE(framework) << "nothing less secure stands in for a plugin that is missing";
    EXPECT_TRUE(framework.error().detail.starts_with(shipped(expected.name) + ":")) << framework.error().detail;
    EXPECT_TRUE(framework.error().detail.contains(": found protocol \"tls\", which no plugin provides, expected "))
        << framework.error().detail;
    return;
  }
  ASSERT_TRUE(framework) << framework.error().detail;
  const auto profiles = (*framework)->core().profiles();
  const Profile& profile = *profiles.at(0);
  EXPECT_EQ(profile.policy.name, expected.name);
  ASSERT_EQ(profile.stacks.size(), expected.stacks);
  const StackTraits& traits = profile.stacks[0]->traits;
  EXPECT_EQ(profile.stacks[0]->text, expected.stack);
  EXPECT_EQ(traits.face, expected.face);
  EXPECT_TRUE(traits.have.contains(expected.promised));
  EXPECT_EQ(!traits.security.family.empty(), expected.promised.contains(kSecrecy))
      << "no more is promised than is true";
  EXPECT_TRUE(profile.policy.requirements.require.contains(expected.promised)) << "and it is required, not found";
}

// API-295
TEST(ShippedPolicies, DatagramsAreNeitherRepeatedNorOrdered) {
  const auto framework = load({"datagram"});
  ASSERT_TRUE(framework) << framework.error().detail;
  const auto profiles = (*framework)->core().profiles();
  const auto& wanted = profiles.at(0)->policy.requirements;
  EXPECT_EQ(wanted.require, FeatureSet{Feature::boundaries});
  EXPECT_EQ(wanted.avoid, (FeatureSet{Feature::reliability, Feature::ordering}));
  EXPECT_TRUE(wanted.replayable);
  EXPECT_EQ(profiles.at(0)->stacks[0]->text, "udp");
}

TEST(ShippedPolicies, EachSaysWhenToUseIt) {
  for (const auto& entry : std::filesystem::directory_iterator(TRELLIS_SOURCE_DIR "/policies")) {
    if (entry.path().extension() != ".xml") continue;
    std::ifstream in(entry.path());
    const std::string text{std::istreambuf_iterator<char>(in), {}};
    const std::size_t comment = text.find("<!-- "), root = text.find("<policy");
    ASSERT_LT(comment, root) << entry.path();
    const std::string words = text.substr(comment + 5);
    EXPECT_TRUE(words.starts_with("For ") || words.starts_with("Used when ")) << entry.path();
    EXPECT_GT(text.find("-->", comment) - comment, 80u) << entry.path();
    if (text.contains("protocol=\"quic\"") && text.contains("protocol=\"tcp\"")) {
      EXPECT_TRUE(words.contains("TCP shows")) << entry.path() << ": what falling back tells the networks (QUIC-5)";
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Policies, ShippedPolicy,
                         testing::Values(Shipped{"default", "tcp", Face::bytestream, kStream | kCare},
                                         Shipped{"interactive", "tcp", Face::bytestream, kStream},
                                         Shipped{"bulk", "tcp", Face::bytestream,
                                                 kStream | FeatureSet{Feature::congestion_control}},
                                         Shipped{"datagram", "udp", Face::datagram, {Feature::boundaries}},
                                         Shipped{"messages", "length-prefix/tcp", Face::message,
                                                 kStream | kCare | FeatureSet{Feature::boundaries}},
                                         Shipped{"paranoid", "tls/tcp", Face::bytestream, kStream | kSecrecy},
                                         Shipped{"proxy", "socks5/tcp", Face::bytestream, kStream, 3},
                                         Shipped{"resilient", "tcpls/tcp", Face::bytestream, kStream | kSecrecy, 2},
                                         Shipped{"roaming", "tcp", Face::bytestream, kStream},
                                         Shipped{"secure", "tls/tcp", Face::bytestream, kStream | kSecrecy}),
                         [](const auto& info) { return std::string(info.param.name); });

TEST(ShippedPolicies, NoneIsForgottenHere) {
  std::vector<std::string> files;
  for (const auto& entry : std::filesystem::directory_iterator(TRELLIS_SOURCE_DIR "/policies")) {
    if (entry.path().extension() == ".xml") files.push_back(entry.path().stem());
  }
  std::ranges::sort(files);
  EXPECT_EQ(files, (std::vector<std::string>{"bulk", "datagram", "default", "interactive", "messages", "paranoid",
                                             "proxy", "quic-or-tls", "resilient", "roaming", "sctp-or-tcp", "secure",
                                             "secure-messages"}));
}

// RACE-96: security protocols are equal only where the policy says so, and why. QUIC-1, QUIC-4
TEST(ShippedPolicies, QuicOrTls) {
  if (!built("tls") || !built("quic")) GTEST_SKIP() << "needs the plugins tls and quic";
  const auto framework = load({"quic-or-tls"});
  ASSERT_TRUE(framework) << framework.error().detail;
  const auto profiles = (*framework)->core().profiles();
  const Profile& profile = *profiles.at(0);
  ASSERT_EQ(profile.stacks.size(), 2u);
  EXPECT_EQ(profile.stacks[0]->text, "quic/udp") << "the faster one goes first";
  EXPECT_EQ(profile.stacks[1]->text, "tls/tcp");
  EXPECT_TRUE(profile.policy.requirements.require.contains(kStream | kSecrecy));
  for (const auto& stack : profile.stacks) EXPECT_EQ(stack->traits.security.version_floor, 0x0304);
}

// RACE-37, RACE-94: neither is secure and both keep the edges of messages, so they race; SCTP goes first.
TEST(ShippedPolicies, SctpOrTcp) {
  if (!built("sctp")) GTEST_SKIP() << "needs the plugin sctp";
  const auto framework = load({"sctp-or-tcp"});
  ASSERT_TRUE(framework) << framework.error().detail;
  const auto profiles = (*framework)->core().profiles();
  const Profile& profile = *profiles.at(0);
  ASSERT_EQ(profile.stacks.size(), 2u);
  EXPECT_EQ(profile.stacks[0]->text, "sctp/udp");
  EXPECT_EQ(profile.stacks[1]->text, "length-prefix/tcp");
  EXPECT_TRUE(equivalent(profile.stacks[0]->traits, profile.stacks[1]->traits, profile.policy.requirements, false));
}

// RACE-96, QUIC-3: messages that are secured, by DTLS 1.2, and nothing beside them that is not.
TEST(ShippedPolicies, SecureMessages) {
  if (!built("sctp") || !built("dtls")) GTEST_SKIP() << "needs the plugins sctp and dtls";
  const auto framework = load({"secure-messages"});
  ASSERT_TRUE(framework) << framework.error().detail;
  const auto profiles = (*framework)->core().profiles();
  const Profile& profile = *profiles.at(0);
  ASSERT_EQ(profile.stacks.size(), 1u);
  EXPECT_EQ(profile.stacks[0]->text, "sctp/dtls/udp");
  EXPECT_TRUE(profile.stacks[0]->traits.have.contains(kSecrecy | FeatureSet{Feature::boundaries}));
  EXPECT_EQ(profile.stacks[0]->traits.security, (SecurityProfile{"dtls", 0x0303, "webpki"}));
}

TEST(ShippedPolicies, LoadTogether) {
  std::vector<std::string> names = {"default", "interactive", "bulk", "datagram", "messages", "proxy", "roaming"};
  if (built("tls")) names.insert(names.end(), {"paranoid", "secure"});
  if (built("tcpls")) names.push_back("resilient");
  if (built("tls") && built("quic")) names.push_back("quic-or-tls");
  if (built("sctp")) names.push_back("sctp-or-tcp");
  if (built("sctp") && built("dtls")) names.push_back("secure-messages");
  const auto framework = load(names);
  ASSERT_TRUE(framework) << framework.error().detail;
  EXPECT_EQ((*framework)->profiles(), names);
}

}  // namespace
}  // namespace trellis
