// policy_world.h: policies loaded with protocols that are nothing but their traits.
#pragma once
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "../core/fake_protocols.h"
#include "core/framework_core.h"

namespace trellis {

inline constexpr char kTcp[] = "<stacks><stack name='tcp'><layer protocol='tcp'/></stack></stacks>";
inline constexpr char kTls[] =
    "<stacks><stack name='tls'><layer protocol='tls'/><layer protocol='tcp'/></stack></stacks>";

struct PolicyWorld : testing::Test {
  PolicyWorld() {
    EXPECT_TRUE(core.registry.link("fakes", fakes::add_all));
    EXPECT_TRUE(core.registry.link("racing", [](Registrar& to) { to.add(std::make_unique<NoRacing>()); }));
  }
  // It is never asked here.
  struct NoRacing final : RacingPolicy {
    std::string_view name() const noexcept override { return "staggered"; }
    std::span<const OptionSpec> options() const noexcept override {
      static constexpr OptionSpec kOptions[] = {{"attempt-delay-ms", std::int64_t{0}, "Between two starts", 0, 60'000}};
      return kOptions;
    }
    std::unique_ptr<Race> begin(Branch, const Options&) const noexcept override { return nullptr; }
  };

  /// Names and what stands in <policy>.
  Result<void> load(const std::vector<std::pair<std::string, std::string>>& policies) {
    std::vector<Policy> list;
    for (const auto& [name, body] : policies) {
      auto policy = parse_policy("<policy xmlns=\"urn:trellis:policy:1\" name=\"" + name + "\">" + body + "</policy>",
                                 name + ".xml");
      EXPECT_TRUE(policy) << policy.error().detail;
      list.push_back(policy.value_or(Policy{}));
    }
    return core.load(std::move(list));
  }
  FrameworkCore core{{.application = "backup-daily"}, {}};
};

}  // namespace trellis
