// paths.cc: how long it takes to list the paths of a host with a thousand addresses, or interfaces.
#include <format>

#include "core/framework_core.h"
#include "core/option_values.h"
#include "laps.h"
#include "netlab/netlab.h"
#include "ours.h"
#include "rows.h"

namespace trellis::bench {
namespace paths_row {

constexpr int kPaths = 1000;
constexpr std::size_t kListings = 30;
constexpr double kMilliseconds = 1e3;

struct Counted final : PathObserver {
  void path_added(const Path&) noexcept override { ++paths; }
  void path_changed(const Path&) noexcept override {}
  void path_removed(std::uint32_t) noexcept override {}
  void settled() noexcept override { complete = true; }
  int paths = 0;
  bool complete = false;
};

/// `lines`: of iproute2, which make as many paths.
double list(const std::string& lines) {
  netlab::Lab lab;
  const netlab::Host& host = lab.add_host("host");
  host.ip(lines);
  const netlab::Inside inside(host);
  const Ours ours;
  PathProvider& provider = *expect(ours.framework->core().registry.paths("interfaces"), "the path provider");
  const OptionValues options = expect(OptionValues::check("interfaces", provider.options(), {}), "its options");
  Laps laps(kListings);
  for (std::size_t i = 0; i < kListings; ++i) {
    Counted counted;
    laps.begin();
    const auto watch = expect(provider.watch(*ours.loop, options, counted), "watch");
    while (!counted.complete) ours.loop->run_once(true);
    laps.lap();
    if (counted.paths < kPaths) die(std::format("{} paths were listed", counted.paths));
  }
  return laps.typical() * kMilliseconds;
}

double list_addresses() {
  std::string lines;
  for (int i = 0; i < kPaths; ++i) lines += std::format("addr add 10.{}.{}.1/32 dev lo\n", i / 250, i % 250);
  return list(lines);
}

double list_interfaces() {
  std::string lines;
  for (int i = 0; i < kPaths / 2; ++i) {
    lines += std::format("link add a{} type veth peer name b{}\n", i, i);
    for (const char end : {'a', 'b'}) {
      const std::string name = end + std::to_string(i);
      lines += std::format("addr add 10.{}.{}.{}/32 dev {}\nlink set {} up\n", i / 250, i % 250, end == 'a' ? 1 : 2,
                           name, name);
    }
  }
  return list(lines);
}

Row row(const char* name, const char* about, double (*ours)()) {
  return {.name = name, .about = about, .unit = "ms", .ours = ours, .limit = 20};
}

}  // namespace paths_row

Row paths_listed() {
  using namespace paths_row;
  return row("paths-listed", "listing the paths of a host with 1000 addresses", list_addresses);
}

Row interfaces_listed() {
  using namespace paths_row;
  return row("interfaces-listed", "listing the paths of a host with 1000 interfaces", list_interfaces);
}

}  // namespace trellis::bench
