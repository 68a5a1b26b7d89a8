// Bytes that claim to be a world: they are refused with one line that names the file, or come to a sound world, of
// which a network can be made.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "core/text.h"
#include "simulation/simulated_world.h"

namespace {

using namespace trellis;

void require(bool holds) {
  if (!holds) std::abort();
}

bool sound(const simulation::Range& range, std::uint32_t most) {
  return range.least <= range.most && range.most <= most;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto world = simulation::parse_world({reinterpret_cast<const char*>(data), size}, "w.xml");
  if (!world) {
    require(world.error().detail.starts_with("w.xml:") && is_printable(world.error().detail));
    return 0;
  }
  require(is_kebab_case(world->name) && !world->paths.empty() && !world->hosts.empty());
  for (const simulation::WorldPath& path : world->paths) {
    require(sound(path.delay, 600'000'000) && sound(path.loss, 100'000) && path.mtu >= 1280);
    for (const simulation::WorldBlock& block : path.blocks)
      require(!block.until || block.until->least > block.from.most);
  }
  simulation::SimulatedWorld network(*world, size);
  network.begin();
  const Path any{};
  network.answers({.host = world->connect_host, .service = {}, .port = world->connect_port, .path = &any});
  network.time().run_for(std::chrono::seconds(1));
  return 0;
}
