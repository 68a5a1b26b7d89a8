// Racing policies in a real shared object that cannot be obeyed: connecting fails with one error that names them.
#include <gtest/gtest.h>

#include "core/framework_core.h"
#include "loop/sim_network.h"

namespace trellis {
namespace {

using namespace std::chrono_literals;

struct RacingFaults : testing::Test {
  /// Connects under a policy whose two stacks are raced like that, to a peer whose port is closed.
  std::string connect(const std::string& racing) {
    FrameworkOptions options;
    options.plugin_patience = patience;
    options.plugin_directories = {TRELLIS_BUILD_DIR "/plugins", RACING_ZOO};
    auto core = std::make_unique<FrameworkCore>(std::move(options), std::vector<PluginRules>{});
    const auto policy = parse_policy(
        "<policy xmlns='urn:trellis:policy:1' name='faulty'><stacks><stack name='tcp'><layer "
        "protocol='tcp'/></stack><stack name='small'><layer protocol='tcp'><option name='send-queue-bytes' "
        "value='65536'/></layer></stack></stacks><racing><branch on='protocol' policy='" +
            racing + "'/></racing><limits connect-timeout-ms='3000'/></policy>",
        "faulty.xml");
    if (!policy) return policy.error().detail;
    if (auto loaded = core->load({*policy}); !loaded) return loaded.error().detail;
    Framework framework(std::move(core));
    std::optional<Result<void>> how;
    const Connection connection = Preconnection(framework)
                                      .remote({.host = "10.0.0.2", .port = 443})
                                      .initiate(client.loop(), [&](Result<void> result) { how = std::move(result); });
    EXPECT_TRUE(world.run_until([&] { return how.has_value(); }, 1min));
    return how && !*how ? how->error().detail : "connected";
  }
  void SetUp() override {
    network.link(client.add_interface("eth0", {"10.0.0.1"}), server.add_interface("eth0", {"10.0.0.2"}),
                 {.delay = 5ms});
  }
  Duration patience{};
  VirtualWorld world;
  SimNetwork network{world};
  SimHost& client = network.add_host("client");
  SimHost& server = network.add_host("server");
};

constexpr char kRemedy[] = " (node 1.1): use another one, or repair its plugin";

TEST_F(RacingFaults, ImpossibleChildren) {
  EXPECT_EQ(connect("impossible"),
            "racing policy 'impossible' asked for child 4000000000 where there are 2" + std::string(kRemedy));
  EXPECT_EQ(world.elapsed(), Duration{});
}

TEST_F(RacingFaults, NoRaceAtAll) {
  EXPECT_EQ(connect("no-race"), "racing policy 'no-race' began no race" + std::string(kRemedy));
}

TEST_F(RacingFaults, NeverFinishes) {
  EXPECT_EQ(connect("never"), "racing policy 'never' started nothing although candidates were waiting" +
                                  std::string(kRemedy) + "; the time to connect is over");
  EXPECT_LT(world.elapsed(), 4s);
}

TEST_F(RacingFaults, WakesItselfForEver) {
  EXPECT_EQ(connect("endless"),
            "racing policy 'endless' was woken 256 times in a row and did nothing" + std::string(kRemedy));
  EXPECT_LT(world.elapsed(), 1s);
}

TEST_F(RacingFaults, AMillionTimesTheSameChild) {
  EXPECT_TRUE(connect("huge").contains("refused")) << "it is started once";
  EXPECT_LT(world.elapsed(), 1s);
}

// A plugin that does not return cannot be stopped: where patience is limited, the process ends and says whose fault it
// is.
struct RacingPolicyThatHangs : RacingFaults {
  RacingPolicyThatHangs() {
    GTEST_FLAG_SET(death_test_style, "threadsafe");
    patience = 100ms;
  }
};

TEST_F(RacingPolicyThatHangs, InADecision) {
  EXPECT_DEATH(connect("stuck"),
               "trellis: racing policy 'stuck' has not returned from decide\\(\\) for 100 ms and cannot be stopped, "
               "so the process ends: use another one, or repair its plugin");
}

TEST_F(RacingPolicyThatHangs, WhenItBegins) {
  EXPECT_DEATH(connect("stuck-at-once"), "racing policy 'stuck-at-once' has not returned from begin\\(\\)");
}

TEST_F(RacingPolicyThatHangs, OthersAreLeftAlone) {
  patience = 1h;
  EXPECT_TRUE(connect("staggered").contains("refused"));
}

}  // namespace
}  // namespace trellis
