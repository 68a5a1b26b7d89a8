// The Wireshark dissector tcpls.lua, which shares no code with the plugin, reads captures of transfers and finds what
// was sent.
#include <csignal>
#include <filesystem>
#include <map>
#include <set>
#include <sstream>

#include "transfer_lab.h"

namespace trellis::netlab {
namespace {

using testing::Contains;
using testing::Each;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

std::vector<std::string> split(const std::string& text, char at) {
  std::vector<std::string> parts;
  std::stringstream in(text);
  for (std::string part; std::getline(in, part, at);) parts.push_back(part);
  return parts;
}

struct Dissector : Transfer {
  void SetUp() override {
    if (!test::installed("tshark")) GTEST_SKIP() << "skipped: there is no tshark (sdk/setup interop)";
    Transfer::SetUp();
    if (lab == nullptr) return;
    begins_when = "%";
    for (const std::size_t n : {0, 1}) lab->path(n).set({.delay = 5ms, .bits_per_second = 2'000'000});
  }
  /// A transfer whose packets are captured at the client.
  void capture(std::size_t bytes, const std::string& options, const std::function<void(Process& sender)>& trouble) {
    Process tshark(lab->client.command(
        {"tshark", "-q", "-i", lab->path(0).interface(), "-i", lab->path(1).interface(), "-w", captured()}));
    ASSERT_TRUE(tshark.wait_error("Capturing on")) << tshark.error();
    for (int i = 0; i < 5000 && !begun(); ++i) std::this_thread::sleep_for(1ms);  // it says so before it does so
    ASSERT_TRUE(begun());
    run(bytes, ",ciphers=" + cipher + ",key-log=true,unacknowledged-bytes=65536,user-timeout-ms=2000" + options,
        trouble);
    std::this_thread::sleep_for(1s);  // the kernel hands packets over in batches
    tshark.signal(SIGINT);
    tshark.wait();
    // Packets of two interfaces are written as each interface hands them over: a join before the token it shows.
    Process reorder({"reordercap", captured(), packets()});
    ASSERT_EQ(reorder.wait(), 0) << reorder.error();
  }
  bool begun() const {
    std::error_code none;
    const auto size = std::filesystem::file_size(captured(), none);  // the heads are written when it listens
    return !none && size > 0;
  }
  std::string captured() const { return files.path() + "/captured.pcapng"; }
  /// What was captured, in the order of time.
  std::string packets() const { return files.path() + "/packets.pcapng"; }
  /// Lets the dissector read the capture: a line for each packet with something of TCPLS, the fields in columns.
  void dissect() {
    std::vector<std::string> words{"env", "SSLKEYLOGFILE=" + keys(), "tshark", "-r", packets()};
    words.insert(words.end(), {"-X", "lua_script:" TRELLIS_SOURCE_DIR "/plugins/protocols/tcpls/tcpls.lua"});
    words.insert(words.end(), {"-d", "tcp.port==7000,tcpls", "-Y", "tcpls", "-T", "fields", "-E", "separator=;"});
    for (const std::string_view field : kFields) words.insert(words.end(), {"-e", std::string(field)});
    Process tshark(words);
    EXPECT_EQ(tshark.wait(), 0) << tshark.error();
    for (const std::string& line : split(tshark.output(), '\n')) {
      auto columns = split(line, ';');
      columns.resize(std::size(kFields));
      lines.push_back(std::move(columns));
    }
    EXPECT_THAT(all("tcpls.unread"), IsEmpty()) << "everything was read";
  }
  /// All values of a field, in the order of the packets.
  std::vector<std::string> all(std::string_view field) const {
    std::vector<std::string> values;
    for (const auto& line : lines) {
      for (std::string& value : split(line.at(column(field)), ',')) values.push_back(std::move(value));
    }
    return values;
  }
  static std::size_t column(std::string_view field) {
    return static_cast<std::size_t>(std::ranges::find(kFields, field) - std::begin(kFields));
  }
  /// The bytes of stream 0 from the client, put together from frames of all connections.
  std::string stream() const {
    std::multimap<std::uint64_t, std::string> pieces;
    for (const auto& line : lines) {
      if (line.at(column("tcp.dstport")) != "7000") continue;
      const auto offsets = split(line.at(column("tcpls.stream.offset")), ',');
      const auto data = split(line.at(column("tcpls.stream.data")), ',');
      // The end may come without data, last of all.
      EXPECT_TRUE(data.size() == offsets.size() || data.size() + 1 == offsets.size());
      for (std::size_t i = 0; i < std::min(data.size(), offsets.size()); ++i)
        pieces.emplace(std::stoull(offsets[i]), data[i]);
    }
    std::string whole;
    for (const auto& [offset, hex] : pieces) {
      std::string bytes;
      for (std::size_t i = 0; i + 1 < hex.size(); i += 2)
        bytes.push_back(static_cast<char>(std::stoi(hex.substr(i, 2), nullptr, 16)));
      if (offset > whole.size()) return ADD_FAILURE() << "bytes are missing at " << whole.size(), whole;
      if (offset + bytes.size() > whole.size()) whole.append(bytes, whole.size() - offset, std::string::npos);
    }
    return whole;
  }
  /// Connections whose records have frames of the stream.
  std::set<std::string> carriers() const {
    std::set<std::string> found;
    for (const auto& line : lines) {
      if (line.at(column("tcp.dstport")) == "7000" && !line.at(column("tcpls.stream.offset")).empty())
        found.merge(set_of(line.at(column("tcpls.connection"))));
    }
    return found;
  }
  static std::set<std::string> set_of(const std::string& values) {
    const auto parts = split(values, ',');
    return {parts.begin(), parts.end()};
  }

  static constexpr std::string_view kFields[] = {"tcp.dstport",         "tcpls.connection",  "tcpls.stream",
                                                 "tcpls.stream.offset", "tcpls.stream.data", "tcpls.join.token",
                                                 "tcpls.token",         "tcpls.reset",       "tcpls.ack.connection",
                                                 "tcpls.extension",     "tcpls.unread"};
  std::vector<std::vector<std::string>> lines;
  std::string cipher = "TLS_AES_128_GCM_SHA256";
};

// TCPLS-3, TCPLS-4, TCPLS-14, TCPLS-32, TCPLS-36, TCPLS-55, TCPLS-60, TCPLS-63: two connections of one session.
TEST_F(Dissector, ReadsAJoinedConnection) {
  capture(250'000, ",scheduler=aggregate", [](Process&) {});
  dissect();
  EXPECT_TRUE(stream() == content_of(250'000));
  EXPECT_THAT(all("tcpls.extension"), SizeIs(2)) << "in both ClientHellos";
  ASSERT_THAT(all("tcpls.join.token"), SizeIs(1));
  EXPECT_THAT(all("tcpls.token"), Contains(all("tcpls.join.token")[0])) << "one that the server gave";
  EXPECT_THAT(carriers(), ElementsAre("0", "1"));
  EXPECT_THAT(all("tcpls.ack.connection"), Contains("0"));
  EXPECT_THAT(all("tcpls.ack.connection"), Contains("1"));
  EXPECT_THAT(all("tcpls.reset"), IsEmpty());
  EXPECT_THAT(all("tcpls.stream"), Each("0"));
}

// TCPLS-34, TCPLS-80, TCPLS-84: a connection is reset, and its frames come again on the other one.
TEST_F(Dissector, ReadsAFailover) {
  std::unique_ptr<Block> block;
  capture(250'000, "", [&](Process&) {
    while (lab->path(1).counters(Way::back).packets < 5) std::this_thread::sleep_for(1ms);  // it has joined
    block = std::make_unique<Block>(lab->server, Rule{.answer = Rule::Answer::reset,
                                                      .protocol = Rule::Protocol::tcp,
                                                      .port = 7000,
                                                      .more = "iifname \"" + lab->path(0).interface() + "\""});
  });
  dissect();
  EXPECT_TRUE(stream() == content_of(250'000));
  EXPECT_THAT(all("tcpls.reset"), Contains("0"));
  EXPECT_THAT(carriers(), ElementsAre("0", "1"));
}

// TCPLS-13, TCPLS-36: the same under the other cipher suites.
struct DissectorOfCipher : Dissector, testing::WithParamInterface<const char*> {};
TEST_P(DissectorOfCipher, ReadsAJoinedConnection) {
  cipher = GetParam();
  capture(100'000, ",scheduler=aggregate", [](Process&) {});
  dissect();
  EXPECT_TRUE(stream() == content_of(100'000));
  EXPECT_THAT(carriers(), ElementsAre("0", "1"));
}
INSTANTIATE_TEST_SUITE_P(Suites, DissectorOfCipher,
                         testing::Values("TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256"),
                         [](const auto& info) { return std::string(info.param); });

// TCPLS-79, TCPLS-80: all connections are gone, and a token brings the session back.
TEST_F(Dissector, ReadsAReconnection) {
  capture(250'000, "", [&](Process& sender) {
    wait_for(30'000, sender);
    Process kill(lab->client.command({"ss", "--kill", "--tcp", "dport", "=", ":7000"}));
    EXPECT_EQ(kill.wait(), 0) << kill.error();
  });
  dissect();
  EXPECT_TRUE(stream() == content_of(250'000));
  EXPECT_GE(all("tcpls.join.token").size(), 2u);
}

// TCPLS-78, TCPLS-85: the way out that is in use is switched off.
TEST_F(Dissector, ReadsAnInterfaceThatGoesDown) {
  capture(250'000, "", [&](Process&) {
    while (lab->path(1).counters(Way::back).packets < 5) std::this_thread::sleep_for(1ms);  // it has joined
    lab->path(0).take_down(End::first);
  });
  dissect();
  EXPECT_TRUE(stream() == content_of(250'000));
  EXPECT_THAT(all("tcpls.reset"), Contains("0"));
  EXPECT_THAT(carriers(), testing::IsSupersetOf({"0", "1"}));
}

// TCPLS-49, TCPLS-80: packets get lost, on one path forth and on the other one back.
TEST_F(Dissector, ReadsLossInOneDirection) {
  Shape lossy{.delay = 5ms, .loss = 0.03, .bits_per_second = 4'000'000};
  lab->path(0).set(Way::forth, lossy);
  lossy.loss = 0.1;
  lab->path(1).set(Way::back, lossy);
  capture(250'000, ",scheduler=aggregate", [](Process&) {});
  dissect();
  EXPECT_TRUE(stream() == content_of(250'000));
  EXPECT_GT(lab->path(0).counters(Way::forth).lost, 0u);
  EXPECT_THAT(carriers(), testing::IsSupersetOf({"0", "1"}));
}

// TCPLS-53, TCPLS-55, TCPLS-80: all connections are ended again and again; each token serves once.
TEST_F(Dissector, ReadsManyKills) {
  capture(800'000, "", [&](Process& sender) {
    for (int kill = 0; kill < 6; ++kill) {
      wait_for(110'000, sender);  // 64 KiB of what was ended may be on its way yet; only then are there new tokens
      end_connections(lab->client, 7000);
    }
  });
  dissect();
  EXPECT_TRUE(stream() == content_of(800'000));
  const auto tokens = all("tcpls.join.token");
  EXPECT_GE(tokens.size(), 6u);
  EXPECT_EQ(std::set(tokens.begin(), tokens.end()).size(), tokens.size());
  EXPECT_THAT(all("tcpls.token"), testing::IsSupersetOf(tokens)) << "those that the server gave";
}

// TCPLS-85: a path that swallows everything.
TEST_F(Dissector, ReadsABlackHole) {
  capture(250'000, "", [&](Process&) {
    while (lab->path(1).counters(Way::back).packets < 5) std::this_thread::sleep_for(1ms);  // it has joined
    lab->path(0).black_hole();
  });
  dissect();
  EXPECT_TRUE(stream() == content_of(250'000));
  EXPECT_THAT(all("tcpls.reset"), Contains("0"));
  EXPECT_THAT(carriers(), ElementsAre("0", "1"));
}

}  // namespace
}  // namespace trellis::netlab
