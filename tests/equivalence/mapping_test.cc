// The mapping of each protocol to the API: plugins/protocols/README.md, in the template of RFC 9623 section 10.
#include <fstream>
#include <map>

#include "core/option_values.h"
#include "core/registry.h"
#include "core/trait_words.h"
#include "golden.h"

namespace trellis {
namespace {

constexpr const char* kTemplate[] = {"Connectedness",
                                     "Data Unit",
                                     "Connection Object",
                                     "Initiate",
                                     "InitiateWithSend",
                                     "Ready",
                                     "EstablishmentError",
                                     "ConnectionError",
                                     "Listen",
                                     "ConnectionReceived",
                                     "Clone",
                                     "Send",
                                     "Receive",
                                     "Close",
                                     "Abort",
                                     "CloseGroup",
                                     "AbortGroup"};

using Rows = std::vector<std::pair<std::string, std::string>>;

/// By protocol.
std::map<std::string, Rows> mappings() {
  std::map<std::string, Rows> all;
  std::ifstream in(TRELLIS_SOURCE_DIR "/plugins/protocols/README.md");
  std::string protocol;
  for (std::string line; std::getline(in, line);) {
    if (line.starts_with("## ")) protocol = line.substr(3);
    if (!line.starts_with("| ") || line == "| | |") continue;
    const std::size_t bar = line.find(" | ");
    all[protocol].emplace_back(line.substr(2, bar - 2), line.substr(bar + 3, line.size() - bar - 5));
  }
  return all;
}

/// What the plugin says of itself: connectedness and data units, in the words of the RFC.
std::pair<std::string, std::string> declared(Registry& registry, const std::string& name) {
  const auto kind = registry.protocol(name);
  EXPECT_TRUE(kind) << kind.error().detail;
  const std::pair<Face, const char*> units[] = {
      {Face::message, "Message"}, {Face::bytestream, "Byte-stream"}, {Face::datagram, "Datagram"}};
  std::string unit;
  FeatureSet features;
  std::uint32_t rtts = 0;
  for (const auto& [face, word] : units) {
    for (const bool bytes : {false, true}) {
      std::vector<OptionText> given;
      if (bytes && name == "sctp") given.push_back({"bytestream", "true"});
      const auto options = OptionValues::check("protocol " + name, (*kind)->options(), given);
      const auto made = (*kind)->configure(*options);
      EXPECT_TRUE(made) << made.error().detail;
      const LayerTraits traits = (*made)->traits(face);
      if (traits.above != face || unit.contains(word)) continue;
      unit += (unit.empty() ? "" : " or ") + std::string(word);
      features = features | traits.adds;
      rtts = std::max<std::uint32_t>(rtts, traits.handshake_rtts);
    }
  }
  if (features.has(Feature::multistreaming)) return {"Multiplexing Connected", unit};
  return {rtts > 0 ? "Connected" : "Connectionless", unit};
}

// API-22: what an application asks for names no protocol.
TEST(Mapping, FeaturesNameNoProtocol) {
  std::string words;
  for (unsigned i = 0; i <= static_cast<unsigned>(Feature::stream_abort); ++i)
    words += to_string(FeatureSet{static_cast<Feature>(i)}) + "\n";
  EXPECT_TRUE(words.contains("multistreaming"));
  for (const char* protocol : {"tcp", "udp", "sctp", "tls", "quic", "socks", "http", "dns"})
    EXPECT_FALSE(words.contains(protocol)) << protocol;
}

// IMPL-103, IMPL-104, IMPL-105
TEST(Mapping, EachProtocolHasOne) {
  Registry registry{{TRELLIS_BUILD_DIR "/plugins"}};
  const auto all = mappings();
  for (const char* protocol : {"tcp", "udp", "ip", "sctp", "tls", "quic", "tcpls"}) {
    SCOPED_TRACE(protocol);
    ASSERT_TRUE(all.contains(protocol));
    const Rows& rows = all.at(protocol);
    ASSERT_EQ(rows.size(), std::size(kTemplate));
    for (std::size_t i = 0; i < rows.size(); ++i) {
      EXPECT_EQ(rows[i].first, kTemplate[i]);
      EXPECT_FALSE(rows[i].second.empty()) << rows[i].first;
    }
    const auto [connectedness, unit] = declared(registry, protocol);
    EXPECT_EQ(rows[0].second, connectedness);
    EXPECT_EQ(rows[1].second, unit);
  }
}

}  // namespace
}  // namespace trellis
