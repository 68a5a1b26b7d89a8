// Worlds as files: what a good one comes to, and the sentence for each kind of bad one. The files say themselves what
// is expected: <!-- refused: LINE: SENTENCE -->.
#include "simulation/world_file.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "loop/sim_address.h"

namespace trellis::simulation {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;

const std::string kFiles = std::string(TRELLIS_SOURCE_DIR) + "/tests/worlds/files/";
const std::string kShipped = std::string(TRELLIS_SOURCE_DIR) + "/policies/worlds/";

std::string read_bytes(const std::string& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

std::vector<std::string> worlds_in(const std::string& directory) {
  std::vector<std::string> files;
  for (const auto& entry : std::filesystem::directory_iterator(directory)) {
    if (entry.path().extension() == ".xml") files.push_back(entry.path());
  }
  std::ranges::sort(files);
  return files;
}

std::string expected_refusal(const std::string& file) {
  constexpr std::string_view kKey = "<!-- refused: ";
  const std::string bytes = read_bytes(file);
  if (!bytes.starts_with(kKey)) return {};
  return bytes.substr(kKey.size(), bytes.find(" -->\n") - kKey.size());
}

TEST(WorldFile, FilesAreAcceptedOrRefusedAsTheySay) {
  int refused = 0;
  for (const std::string& file : worlds_in(kFiles)) {
    const std::string expected = expected_refusal(file);
    const auto world = load_world(file);
    if (expected.empty()) {
      EXPECT_TRUE(world) << world.error().detail;
      continue;
    }
    ++refused;
    ASSERT_FALSE(world) << file;
    EXPECT_EQ(world.error().detail, file + ":" + expected);
    EXPECT_EQ(world.error().reason, Reason::configuration);
    EXPECT_STREQ(world.error().layer, "world");
  }
  EXPECT_GE(refused, 45);
}

TEST(WorldFile, Everything) {
  const auto world = load_world(kFiles + "everything.xml");
  ASSERT_TRUE(world) << world.error().detail;
  EXPECT_EQ(world->name, "everything");
  EXPECT_EQ(world->summary, "All that a world can say");
  EXPECT_EQ(world->connect_host, "a.example");
  EXPECT_EQ(world->connect_port, 8443);
  ASSERT_EQ(world->paths.size(), 2u);
  const WorldPath& wlan = world->paths[0];
  EXPECT_TRUE(wlan.ipv6);
  EXPECT_FALSE(wlan.ipv4);
  EXPECT_EQ(wlan.delay.draw_ms(SeededRandom(1)), microseconds(500));
  EXPECT_EQ(wlan.jitter.most, 2250u);
  EXPECT_EQ(wlan.loss.most, 100'000u);
  EXPECT_EQ(wlan.rate_kbps, 56u);
  EXPECT_EQ(wlan.mtu, 1280u);
  EXPECT_EQ(wlan.lookup.draw_ms(SeededRandom(1)), milliseconds(600'000));
  ASSERT_EQ(wlan.blocks.size(), 3u);
  EXPECT_EQ(wlan.blocks[0].packets.verdict, Verdict::drop);
  EXPECT_EQ(wlan.blocks[0].packets.protocol, IPPROTO_UDP);
  EXPECT_EQ(wlan.blocks[0].packets.family, Address::Family::ipv4);
  EXPECT_EQ(wlan.blocks[0].packets.port, 53);
  EXPECT_EQ(wlan.blocks[0].chance.least, 12'500u);
  EXPECT_EQ(wlan.blocks[0].until->most, 4000u);
  EXPECT_EQ(wlan.blocks[1].packets.verdict, Verdict::refuse);
  EXPECT_EQ(wlan.blocks[2].packets.verdict, Verdict::unreachable);
  EXPECT_EQ(wlan.outages.size(), 1u);
  EXPECT_EQ(wlan.changes.size(), 1u);
  const WorldHost& host = world->hosts.at(1);
  EXPECT_EQ(host.ipv6.outcome, SimRecords::Outcome::fail);
  EXPECT_EQ(host.ipv4.outcome, SimRecords::Outcome::ignore);
  ASSERT_EQ(host.addresses.size(), 2u);
  EXPECT_EQ(host.addresses[0].ip, ip("2001:db8::1"));
  EXPECT_EQ(host.addresses[0].blocks[0].packets.verdict, Verdict::reset);
  EXPECT_TRUE(host.addresses[0].blocks[1].packets.with_payload) << "the handshake passes";
}

TEST(WorldFile, RunsDrawEveryValueOfARange) {
  const Range range{8000, 8002};
  std::vector<std::uint32_t> seen;
  for (std::uint64_t seed = 0; seed < 100; ++seed) seen.push_back(range.draw(SeededRandom(seed)));
  EXPECT_EQ(std::ranges::min(seen), 8000u);
  EXPECT_EQ(std::ranges::max(seen), 8002u);
}

TEST(WorldFile, ShippedWorldsAreFoundByNameAndSound) {
  const std::vector<std::string> files = worlds_in(kShipped);
  EXPECT_EQ(files.size(), 7u);
  for (const std::string& file : files) {
    const auto world = load_world(file);
    ASSERT_TRUE(world) << world.error().detail;
    EXPECT_EQ(world->name, std::filesystem::path(file).stem()) << file;
    EXPECT_FALSE(world->summary.empty()) << file;
    const auto found = find_world(world->name);
    ASSERT_TRUE(found) << found.error().detail;
    EXPECT_TRUE(std::filesystem::equivalent(*found, file));
  }
}

TEST(WorldFile, AnUnknownNameIsAnsweredWithTheNearestWorld) {
  const auto found = find_world("lossy-wfi");
  ASSERT_FALSE(found);
  EXPECT_EQ(found.error().detail,
            "found no world \"lossy-wfi\", expected the path of a world file, captive-network, dual-homed-phone, "
            "healthy, ipv6-blackhole, lossy-wifi, slow-dns or udp-blocked: did you mean \"lossy-wifi\"?");
  EXPECT_EQ(find_world("./lossy-wifi.xml").value(), "./lossy-wifi.xml");
}

TEST(WorldFile, WhatIsNoFileIsRefused) {
  const auto refusal = [](const std::string& file) { return load_world(file).error().detail; };
  EXPECT_EQ(refusal("/nowhere.xml"),
            "/nowhere.xml: found no file to read (No such file or directory), expected a world: check the path");
  EXPECT_EQ(refusal("/tmp"), "/tmp: found a directory, expected a world: name a file in it");
  EXPECT_EQ(refusal("/dev/null"), "/dev/null: found a device, pipe or socket, expected a world in a regular file");
  EXPECT_EQ(parse_world(std::string(kWorldBytesMax + 1, ' '), "w.xml").error().detail,
            "w.xml: found more than 1048576 bytes, expected a world: this is something else");
  std::string deep;
  for (int i = 0; i < 2000; ++i) deep += "<world>";
  EXPECT_TRUE(parse_world(deep, "w.xml").error().detail.starts_with("w.xml:1: found elements nested hundreds deep"));
}

// What the reader accepts the schema accepts too, and the schema refuses what it can know.
TEST(WorldFile, SchemaAgrees) {
  if (std::system("xmllint --version >/dev/null 2>&1") != 0) {
    GTEST_SKIP() << "needs xmllint: sdk/setup interop installs it (libxml2-utils)";
  }
  const auto valid = [](const std::string& file) {
    const std::string command = "xmllint --noout -schema '" + kShipped + "world.xsd' '" + file + "' >/dev/null 2>&1";
    return std::system(command.c_str()) == 0;
  };
  for (const std::string& file : worlds_in(kShipped)) EXPECT_TRUE(valid(file)) << file;
  // A schema in version 1.0 does not know these.
  const std::vector<std::string> beyond = {"address-loopback",
                                           "address-multicast",
                                           "address-name",
                                           "address-of-client",
                                           "address-unspecified",
                                           "address-with-letters",
                                           "address-with-scope",
                                           "change-nothing",
                                           "connect-twice",
                                           "delay-enormous",
                                           "entity",
                                           "down-for-no-time",
                                           "host-address",
                                           "loss-beyond-all",
                                           "no-connect",
                                           "no-path",
                                           "range-backwards",
                                           "too-many-blocks",
                                           "too-many-paths",
                                           "until-before-from"};
  for (const std::string& file : worlds_in(kFiles)) {
    const bool knows = !std::ranges::contains(beyond, std::filesystem::path(file).stem().string());
    if (knows) {
      EXPECT_EQ(valid(file), expected_refusal(file).empty()) << file;
    }
  }
}

}  // namespace
}  // namespace trellis::simulation
