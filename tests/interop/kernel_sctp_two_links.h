// kernel_sctp_two_links.h: the kernel's SCTP and ours, joined by two links; a policy finds our paths.
#pragma once
#include "../stacks/policy_framework.h"
#include "kernel_sctp_host.h"

namespace trellis::tests {

struct KernelSctpTwoLinks : KernelSctp {
  std::size_t links() const override { return 2; }
  std::unique_ptr<World> make_world() override {
    auto made = std::make_unique<World>();
    made->framework = framework_with(
        R"(<policy xmlns="urn:trellis:policy:1" name="two-paths"><paths provider="interfaces"/>
           <stacks><stack name="tcp"><layer protocol="tcp"/></stack></stacks></policy>)");
    return made;
  }
  /// A client that tells both of its addresses.
  Connection& connected() { return KernelSctp::connected(",advertise-addresses=true"); }
  static std::string paths(Connection& of) {
    const auto value = of.get("sctp.paths");
    return value ? std::get<std::string>(*value) : value.error().detail;
  }
};

inline std::string below(const testing::TestParamInfo<std::string>& about) { return about.param; }

}  // namespace trellis::tests
