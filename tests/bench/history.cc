// history.cc: what remembering costs a set-up: in memory, in a file of SQLite's, and in a file that cannot be used.
//
// Set-ups over the loopback as in tcp-setup, with and without, in turn; the row is the difference of their medians.
#include <unistd.h>

#include <filesystem>
#include <format>

#include "core/framework_core.h"
#include "laps.h"
#include "ours.h"
#include "process.h"
#include "raw_sockets.h"
#include "rows.h"

namespace trellis::bench {
namespace history_row {

constexpr std::size_t kConnections = 2000;
constexpr std::size_t kRounds = 10;
constexpr double kMicroseconds = 1e6;

std::unique_ptr<Framework> framework_with(const std::string& state) {
  FrameworkOptions options;
  options.plugin_directories = {TRELLIS_BUILD_DIR "/plugins"};
  auto core = std::make_unique<FrameworkCore>(std::move(options), std::vector<PluginRules>{});
  auto policy = expect(parse_policy(std::format(R"(<policy xmlns="urn:trellis:policy:1" name="p"><stacks><stack )"
                                                R"(name="tcp"><layer protocol="tcp"/></stack></stacks>{}</policy>)",
                                                state),
                                    "bench.xml"),
                       "parse_policy");
  expect(core->load({std::move(policy)}), "load");
  return std::make_unique<Framework>(std::move(core));
}

// A loop with a framework that connects to a listening socket.
struct Client {
  explicit Client(const std::string& state) : framework(framework_with(state)) {}
  void connect(const RawListener& listener, std::size_t times) {
    Preconnection preconnection(*framework);
    preconnection.remote(loopback(ntohs(listener.address.sin_port)));
    connect_often(*loop, preconnection, listener, times, laps);
  }
  std::unique_ptr<Loop> loop = make_loop();
  std::unique_ptr<Framework> framework;
  Laps laps{kConnections};
};

double added_by(const std::string& state) {
  const RawListener listener = raw_listen();
  Client with(state), without(R"(<state><keep kind="performance" seconds="0"/></state>)");
  for (std::size_t round = 0; round < kRounds; ++round) {
    with.connect(listener, kConnections / kRounds);
    without.connect(listener, kConnections / kRounds);
  }
  close(listener.descriptor);
  return std::max(0.0, with.laps.typical() - without.laps.typical()) * kMicroseconds;
}

std::string sqlite_in(const std::string& file) {
  return std::format(R"(<state store="sqlite"><option name="file" value="{}"/></state>)", file);
}

double with_sqlite() {
  const auto folder = std::filesystem::temp_directory_path() / std::format("trellis-bench-state-{}", getpid());
  const double added = added_by(sqlite_in(folder / "state.sqlite"));
  std::filesystem::remove_all(folder);
  return added;
}

Row row(const char* name, const char* about, double limit, std::function<double()> ours) {
  return {.name = name,
          .about = about,
          .unit = "us",
          .better = Better::lower,
          .target = 1,
          .ours = std::move(ours),
          .baseline = {},
          .limit = limit};
}

}  // namespace history_row

Row history_memory() {
  using namespace history_row;
  return row("history-memory", "what history in memory adds to a TCP set-up", 20, [] { return added_by(""); });
}
Row history_sqlite() {
  using namespace history_row;
  return row("history-sqlite", "what a state file of SQLite's adds to a TCP set-up", 200, with_sqlite);
}
Row history_broken() {
  using namespace history_row;
  return row("history-broken", "what a state file that cannot be used adds to a TCP set-up", 20,
             [] { return added_by(sqlite_in("/proc/self/nothing/state.sqlite")); });
}

}  // namespace trellis::bench
