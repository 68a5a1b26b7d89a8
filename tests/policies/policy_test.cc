// Policies as files: what a good one comes to, and the sentence for each kind of bad one. The files say themselves what
// is expected: <!-- refused: LINE: SENTENCE -->.
#include "core/policy.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <iterator>

namespace trellis {
namespace {

const std::string kFiles = std::string(TRELLIS_SOURCE_DIR) + "/tests/policies/files/";
const std::string kShipped = std::string(TRELLIS_SOURCE_DIR) + "/policies/";

std::string read_bytes(const std::string& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

std::vector<std::string> policies_in(const std::string& directory) {
  std::vector<std::string> files;
  for (const auto& entry : std::filesystem::directory_iterator(directory)) {
    if (entry.path().extension() == ".xml") files.push_back(entry.path());
  }
  std::ranges::sort(files);
  return files;
}

/// The comment's text behind `key`; empty: there is none.
std::string comment(const std::string& bytes, const std::string& key) {
  const std::size_t begin = bytes.find("<!-- " + key);
  if (begin == std::string::npos) return {};
  const std::size_t text = begin + 5 + key.size();
  return bytes.substr(text, bytes.find(" -->", text) - text);
}

TEST(Policy, FilesAreAcceptedOrRefusedAsTheySay) {
  int refused = 0;
  for (const std::string& file : policies_in(kFiles)) {
    const std::string expected = comment(read_bytes(file), "refused: ");
    const auto policy = load_policy(file);
    if (expected.empty()) {
      EXPECT_TRUE(policy) << policy.error().detail;
      continue;
    }
    ++refused;
    ASSERT_FALSE(policy) << file;
    EXPECT_EQ(policy.error().detail, file + ":" + expected);
    EXPECT_EQ(policy.error().reason, Reason::configuration);
  }
  EXPECT_GE(refused, 60);
}

TEST(Policy, EveryKindOfWordIsAnsweredWithTheNearest) {
  const std::pair<std::string, std::string> cases[] = {
      {"<stakcs/>", "stacks"},
      {"<limits candidate='1'/>", "candidates"},
      {"<requirements face='bytestrem'/>", "bytestream"},
      {"<requirements><require feature='ordring'/></requirements>", "ordering"},
      {"<paths provider='p'><prefer type='wify'/></paths>", "wifi"},
      {"<paths provider='p'><prefre type='wifi'/></paths>", "prefer"},
      {"<racing><branch on='protocl' policy='p'/></racing>", "protocol"},
      {"<racing early-data='one-pth'/>", "one-path"},
      {"<applies-to><aplication name='a'/></applies-to>", "application"},
      {"<state><keep kind='session-tiket' seconds='1'/></state>", "session-ticket"},
      {"<state partition='polcy'/>", "policy"},
      {"<plugins><serach directory='d'/></plugins>", "search"},
      {"<names><resolvr name='r'/></names>", "resolver"},
      {"<equivalence><same-securty/></equivalence>", "same-security"},
      {"<stacks><stack name='s'><layr/></stack></stacks>", "layer"},
  };
  for (const auto& [part, meant] : cases) {
    const auto policy = parse_policy("<policy xmlns='urn:trellis:policy:1' name='p'>\n" + part + "</policy>", "p.xml");
    ASSERT_FALSE(policy) << part;
    EXPECT_TRUE(policy.error().detail.starts_with("p.xml:2: found ")) << policy.error().detail;
    EXPECT_TRUE(policy.error().detail.ends_with(": did you mean \"" + meant + "\"?")) << policy.error().detail;
  }
}

TEST(Policy, Everything) {
  const std::string file = kFiles + "everything.xml";
  const auto policy = load_policy(file);
  ASSERT_TRUE(policy) << policy.error().detail;
  EXPECT_EQ(policy->file, file);
  EXPECT_EQ(policy->name, "everything");
  EXPECT_EQ(policy->summary, "Grüße & all of it ☺                  on two lines");

  EXPECT_EQ(policy->plugins.policy, file);
  const std::vector<std::string> search = {"/opt/trellis/plugins", kFiles + "plugins"};
  EXPECT_EQ(policy->plugins.search, search);
  ASSERT_EQ(policy->plugins.allow.size(), 2u);
  EXPECT_EQ(policy->plugins.allow[0].plugin, "quic");
  EXPECT_EQ(policy->plugins.allow[0].sha256.size(), 64u);
  EXPECT_EQ(policy->plugins.allow[1].plugin, "*");
  EXPECT_EQ(policy->plugins.allow[1].sha256, "");

  EXPECT_EQ(policy->requirements.face, Face::message);
  EXPECT_EQ(policy->requirements.require, (FeatureSet{Feature::reliability, Feature::ordering}));
  EXPECT_EQ(policy->requirements.prohibit, FeatureSet{Feature::multipath});
  EXPECT_EQ(policy->requirements.prefer, FeatureSet{Feature::multistreaming});
  EXPECT_EQ(policy->requirements.avoid, FeatureSet{Feature::path_migration});
  EXPECT_TRUE(policy->requirements.replayable);

  ASSERT_EQ(policy->stacks.size(), 2u);
  const StackSpec& quic = policy->stacks[0];
  EXPECT_EQ(quic.name, "quic");
  EXPECT_EQ(quic.where, file + ":11");
  EXPECT_EQ(stack_text(quic), "length-prefix/quic/udp");
  EXPECT_EQ(quic.layers[0].kind, LayerSpec::Kind::framer);
  EXPECT_EQ(quic.layers[1].kind, LayerSpec::Kind::protocol);
  EXPECT_EQ(quic.layers[1].where, file + ":13");
  ASSERT_EQ(quic.layers[1].options.size(), 2u);
  EXPECT_EQ(quic.layers[1].options[0].name, "idle-timeout-ms");
  EXPECT_EQ(quic.layers[1].options[0].value, "30000");
  EXPECT_EQ(quic.layers[1].options[0].where, file + ":13");
  EXPECT_EQ(quic.layers[1].options[1].value, "");
  EXPECT_EQ(stack_text(policy->stacks[1]), "length-prefix/tls/tcp");

  ASSERT_EQ(policy->resolvers.size(), 2u);
  EXPECT_EQ(policy->resolvers[0].name, "hosts");
  EXPECT_EQ(policy->resolvers[1].name, "dns");
  EXPECT_EQ(policy->resolvers[1].where, file + ":24");
  ASSERT_EQ(policy->resolvers[1].options.size(), 1u);
  ASSERT_EQ(policy->prefixes.size(), 2u);
  EXPECT_EQ(policy->prefixes[0].bits, 7);
  EXPECT_EQ(policy->prefixes[0].precedence, 45);
  EXPECT_EQ(policy->prefixes[1].bits, 120) << "IPv4 is looked up as ::ffff:192.0.2.0";

  ASSERT_TRUE(policy->state.store);
  EXPECT_EQ(policy->state.store->name, "redis");
  EXPECT_EQ(policy->state.store->options.size(), 1u);
  EXPECT_EQ(policy->state.partition, PolicyState::Partition::policy);
  EXPECT_EQ(policy->state.keep[0], std::chrono::hours(1));
  EXPECT_EQ(policy->state.keep[1], std::nullopt);
  EXPECT_EQ(policy->state.keep[2], Duration{});
  ASSERT_EQ(policy->path_providers.size(), 2u);
  EXPECT_EQ(policy->path_providers[0].name, "interfaces");
  EXPECT_EQ(policy->path_providers[1].options.size(), 1u);
  const std::vector<PathRule>& wishes = policy->path_rules;
  ASSERT_EQ(wishes.size(), 5u);
  EXPECT_EQ(wishes[0].preference, Preference::require);
  EXPECT_EQ(wishes[0].interface_name, "eth*");
  EXPECT_EQ(wishes[1].type, InterfaceType::wifi);
  EXPECT_EQ(wishes[1].metered, false);
  EXPECT_EQ(wishes[2].preference, Preference::prefer);
  EXPECT_EQ(wishes[2].provisioning_domain, "corp.example");
  EXPECT_EQ(wishes[3].preference, Preference::avoid);
  EXPECT_FALSE(wishes[3].temporary);
  EXPECT_EQ(wishes[4].preference, Preference::prohibit);
  EXPECT_EQ(wishes[4].type, InterfaceType::tunnel);
  EXPECT_EQ(wishes[4].temporary, true);

  EXPECT_EQ(policy->limits.connect_timeout, std::chrono::milliseconds(2500));
  EXPECT_EQ(policy->limits.candidates, 8u);
  EXPECT_EQ(policy->limits.attempts_at_once, 2u);
  EXPECT_EQ(policy->limits.send_buffer, 4096u);
  EXPECT_EQ(policy->limits.receive_buffer, 1073741824u);

  const AppliesTo& rules = policy->applies_to;
  ASSERT_EQ(rules.endpoints.size(), 3u);
  EXPECT_EQ(rules.endpoints[0].host, "*.example.net");
  EXPECT_EQ(rules.endpoints[0].port, 443);
  EXPECT_EQ(rules.endpoints[1].addresses.bits, 32u);
  EXPECT_EQ(rules.endpoints[2].port, 7);
  EXPECT_EQ(rules.applications, std::vector<std::string>{"backup*"});
  EXPECT_EQ(rules.interfaces, std::vector<std::string>{"wlan*"});
  EXPECT_EQ(rules.provisioning_domains, std::vector<std::string>{"corp.example"});

  ASSERT_EQ(policy->same_security.size(), 1u);
  EXPECT_EQ(policy->same_security[0].stacks, (std::vector<std::string>{"quic", "tls"}));
  EXPECT_TRUE(policy->early_on_one_path);
  EXPECT_FALSE(policy->racing[0]);
  ASSERT_TRUE(policy->racing[1] && policy->racing[2]);
  EXPECT_EQ(policy->racing[1]->name, "failover");
  EXPECT_EQ(policy->racing[2]->options[0].value, "200");
}

TEST(Policy, WhatIsNotSaid) {
  const auto policy = load_policy(kFiles + "smallest.xml");
  ASSERT_TRUE(policy) << policy.error().detail;
  EXPECT_EQ(policy->requirements.face, Face::none);
  EXPECT_TRUE(policy->requirements.require.empty());
  EXPECT_TRUE(policy->plugins.allow.empty());
  EXPECT_TRUE(policy->applies_to.empty());
  EXPECT_TRUE(policy->resolvers.empty());
  EXPECT_TRUE(policy->path_providers.empty());
  EXPECT_FALSE(policy->early_on_one_path);
  EXPECT_EQ(policy->limits.connect_timeout, std::chrono::seconds(15));
  EXPECT_EQ(policy->limits.candidates, 16u);
  EXPECT_EQ(policy->limits.attempts_at_once, 8u);
  EXPECT_EQ(policy->limits.send_buffer, 1048576u);
  EXPECT_EQ(policy->limits.receive_buffer, 1048576u);
}

TEST(Policy, ShippedOnes) {
  const auto shipped = [](const std::string& name) {
    const auto policy = load_policy(kShipped + name + ".xml");
    EXPECT_TRUE(policy) << policy.error().detail;
    return policy.value_or(Policy{});
  };
  EXPECT_EQ(shipped("default").requirements.face, Face::bytestream);
  EXPECT_EQ(stack_text(shipped("default").stacks.back()), "tcp");
  EXPECT_EQ(shipped("datagram").requirements.face, Face::datagram);
  EXPECT_EQ(shipped("messages").requirements.face, Face::message);
  for (const std::string& file : policies_in(kShipped)) {
    const auto policy = load_policy(file);
    ASSERT_TRUE(policy) << policy.error().detail;
    EXPECT_EQ(policy->name, std::filesystem::path(file).stem()) << "a profile is called as its file";
    EXPECT_NE(policy->summary, "");
  }
}

struct PolicyFile : testing::Test {
  PolicyFile() {
    std::string name = testing::TempDir() + "trellis-policy-" + std::string(6, 'X');
    directory = mkdtemp(name.data());
  }
  ~PolicyFile() override { std::filesystem::remove_all(directory); }
  std::string put(const std::string& content) const {
    const std::string file = directory + "/p.xml";
    std::ofstream(file, std::ios::binary) << content;
    return file;
  }
  static std::string refusal(const std::string& file) {
    const auto policy = load_policy(file);
    return policy ? "accepted" : policy.error().detail;
  }
  std::string directory;
};

TEST_F(PolicyFile, ThatCannotBeRead) {
  const std::string gone = directory + "/gone.xml";
  EXPECT_EQ(refusal(gone),
            gone + ": found no file to read (No such file or directory), expected a policy: check the path");
  EXPECT_EQ(refusal(directory), directory + ": found a directory, expected a policy: name a file in it");
  const std::string pipe = directory + "/pipe.xml";
  ASSERT_EQ(mkfifo(pipe.c_str(), 0600), 0);
  EXPECT_EQ(refusal(pipe), pipe + ": found a device, pipe or socket, expected a policy in a regular file");
  const std::string file = put("");
  EXPECT_EQ(refusal(file), file + ":1: found nothing, expected a <policy>");
  chmod(file.c_str(), 0);
  if (geteuid() != 0) {
    EXPECT_EQ(refusal(file), file + ": found no file to read (Permission denied), expected a policy: check the path");
  }
}

TEST_F(PolicyFile, OfAnySize) {
  const std::string policy = read_bytes(kFiles + "smallest.xml");
  const std::string filler(kPolicyBytesMax - policy.size() - 7, '-');
  const auto padded = [&](std::string fill) {
    std::ranges::replace(fill, '-', ' ');
    return policy + "<!--" + fill + "-->";
  };
  EXPECT_EQ(refusal(put(padded(filler))), "accepted");
  const std::string file = put(padded(filler + " "));
  EXPECT_EQ(refusal(file), file + ": found more than 1048576 bytes, expected a policy: this is something else");
  std::string deep;
  for (int i = 0; i < 100000; ++i) deep += "<policy>";
  EXPECT_EQ(refusal(put(deep)), file + ":1: found elements nested hundreds deep, expected a policy");
}

// A mebibyte of one thing: told in a moment, whatever it is.
TEST_F(PolicyFile, OfOneThingOnly) {
  const std::string begin = "<policy xmlns='urn:trellis:policy:1' name='p'";
  const auto many = [](const std::string& before, const auto& one, const std::string& after) {
    std::string all = before;
    for (int i = 0; all.size() + after.size() + 200 < kPolicyBytesMax; ++i) all += one(i);
    return all + after;
  };
  const auto number = [](int i) { return std::to_string(i); };
  const std::pair<std::string, std::string> cases[] = {
      {many(
           begin, [&](int i) { return " a" + number(i) + "=''"; }, "/>"),
       "attribute"},
      {many(
           begin + "><stacks>",
           [&](int i) { return "<stack name='s" + number(i) + "'><layer protocol='tcp'/></stack>"; },
           "</stacks></policy>"),
       "at most 256"},
      {many(
           begin + "><stacks><stack name='s'><layer protocol='tcp'>",
           [&](int i) { return "<option name='o" + number(i) + "' value=''/>"; }, "</layer></stack></stacks></policy>"),
       "at most 64"},
      {many(
           begin + "><plugins>", [&](int i) { return "<search directory='" + number(i) + "'/>"; },
           "</plugins></policy>"),
       "at most 64"},
      {many(
           begin + "><applies-to>", [](int) { return std::string("<endpoint port='1'/>"); }, "</applies-to></policy>"),
       "at most 64"},
      {many(
           "", [](int) { return std::string("<!--"); }, ""),
       "comment"},
      {many(
           "", [](int) { return std::string("<a/>"); }, ""),
       "expected one <policy>"},
      {many(
           begin + " summary='", [](int) { return std::string("&#x41;"); }, "'/>"),
       "without <stacks>"},
      {many(
           begin + " summary='&", [](int) { return std::string("x"); }, ";'/>"),
       "without an entity"},
      {many(
           "<", [](int) { return std::string("x"); }, "/>"),
       "expected one <policy>"},
      {many(
           begin + ">", [](int) { return std::string("x"); }, "</policy>"),
       "expected elements only"},
      {std::string(kPolicyBytesMax, '\0'), "control character"},
      {std::string(kPolicyBytesMax, ' '), "found nothing"},
  };
  for (const auto& [policy, part] : cases) {
    const auto begun = std::chrono::steady_clock::now();
    const std::string told = refusal(put(policy));
    EXPECT_TRUE(told.contains(part)) << told;
    EXPECT_LT(told.size(), 600u) << told;
    EXPECT_LT(std::chrono::steady_clock::now() - begun, std::chrono::seconds(5)) << told;
  }
}

TEST(Policy, CutShortAnywhere) {
  const std::string whole = read_bytes(kFiles + "everything.xml");
  const std::size_t end = whole.rfind("</policy>") + 9;
  for (std::size_t size = 0; size < end; ++size) {
    const auto policy = parse_policy(whole.substr(0, size), "p.xml");
    ASSERT_FALSE(policy) << size;
    EXPECT_TRUE(policy.error().detail.starts_with("p.xml:")) << policy.error().detail;
  }
  EXPECT_TRUE(parse_policy(whole.substr(0, end), "p.xml"));
}

// The schema serves editors. Where it cannot say what the loader says, the file tells so.
TEST(Policy, SchemaAgreesWithTheLoader) {
  if (std::system("xmllint --version >/dev/null 2>&1") != 0) {
    GTEST_SKIP() << "needs xmllint: sdk/setup interop installs it (libxml2-utils)";
  }
  std::vector<std::string> files = policies_in(kFiles);
  std::ranges::copy(policies_in(kShipped), std::back_inserter(files));
  for (const std::string& file : files) {
    const std::string command =
        "xmllint --noout --nonet --schema '" + kShipped + "policy.xsd' '" + file + "' >/dev/null 2>&1";
    const bool valid = std::system(command.c_str()) == 0;
    const bool agreed = comment(read_bytes(file), "the schema accepts it: ").empty();
    EXPECT_EQ(valid, load_policy(file).has_value() || !agreed) << file;
  }
}

}  // namespace
}  // namespace trellis
