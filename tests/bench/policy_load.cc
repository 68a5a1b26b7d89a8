// policy_load.cc: how long reading and checking a policy of 50 stacks takes, each compared with each other one. The
// plugins are open already, as they are for a reload.
#include <unistd.h>

#include <filesystem>
#include <format>
#include <fstream>
#include <vector>

#include "ours.h"
#include "process.h"
#include "rows.h"

namespace trellis::bench {
namespace policy_load_row {

constexpr int kStacks = 50;
constexpr int kLoads = 51;
constexpr double kMilliseconds = 1e3;

std::string policy_of_many_stacks() {
  std::string policy = "<policy xmlns='urn:trellis:policy:1' name='many'>\n<stacks>\n";
  for (int i = 0; i < kStacks; ++i) {
    policy += std::format(
        "  <stack name='s{}'>\n    <layer framer='length-prefix'>\n      <option name='max-bytes' value='{}'/>\n"
        "    </layer>\n    <layer protocol='tcp'>\n      <option name='send-queue-bytes' value='{}'/>\n    </layer>\n"
        "  </stack>\n",
        i, 1000 + i, 65536 + i);
  }
  return policy + "</stacks>\n</policy>\n";
}

double ours() {
  const std::string file = std::filesystem::temp_directory_path() / std::format("trellis-bench-{}.xml", getpid());
  std::ofstream(file) << policy_of_many_stacks();
  FrameworkOptions options;
  options.policies = {file};
  const auto framework = expect(Framework::create(std::move(options)), "policy-load");
  std::vector<double> loads;
  for (int i = 0; i < kLoads; ++i) {
    const double begin = now();
    const Result<void> loaded = framework->reload();
    loads.push_back(now() - begin);
    if (!loaded) fail_measurement("policy-load", loaded.error());
  }
  std::filesystem::remove(file);
  return median(loads) * kMilliseconds;
}

}  // namespace policy_load_row

Row policy_load() {
  using namespace policy_load_row;
  return {.name = "policy-load",
          .about = "reading, composing and checking a policy of 50 stacks, all pairs of them",
          .unit = "ms",
          .better = Better::lower,
          .ours = ours,
          .limit = 20};
}

}  // namespace trellis::bench
