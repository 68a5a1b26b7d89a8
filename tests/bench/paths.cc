// paths.cc: how long it takes to list the paths of a host with a thousand addresses.
#include <format>

#include "core/framework_core.h"
#include "core/option_values.h"
#include "laps.h"
#include "netlab/netlab.h"
#include "ours.h"
#include "rows.h"

namespace trellis::bench {
namespace {

constexpr int kAddresses = 1000;
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

double list_addresses() {
  netlab::Lab lab;
  const netlab::Host& host = lab.add_host("host");
  std::string lines;
  for (int i = 0; i < kAddresses; ++i) lines += std::format("addr add 10.{}.{}.1/32 dev lo\n", i / 250, i % 250);
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
    if (counted.paths < kAddresses) die(std::format("{} addresses were listed", counted.paths));
  }
  return laps.typical() * kMilliseconds;
}

}  // namespace

Row paths_listed() {
  return {.name = "paths-listed",
          .about = "listing the paths of a host with 1000 addresses",
          .unit = "ms",
          .ours = list_addresses,
          .limit = 20};
}

}  // namespace trellis::bench
