// Bytes that claim to be a policy: they are refused with one line that names the file, or come to a sound policy.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "core/policy.h"
#include "core/text.h"

namespace {

void require(bool holds) {
  if (!holds) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto policy = trellis::parse_policy({reinterpret_cast<const char*>(data), size}, "p.xml");
  if (!policy) {
    require(policy.error().detail.starts_with("p.xml:") && trellis::is_printable(policy.error().detail));
    return 0;
  }
  require(trellis::is_kebab_case(policy->name) && !policy->stacks.empty());
  require(policy->limits.candidates > 0 && policy->limits.connect_timeout > trellis::Duration{});
  for (const trellis::StackSpec& stack : policy->stacks) {
    require(!stack.layers.empty() && stack.layers.size() <= trellis::kLayersMax);
    for (const trellis::LayerSpec& layer : stack.layers) require(trellis::is_kebab_case(layer.name));
  }
  return 0;
}
