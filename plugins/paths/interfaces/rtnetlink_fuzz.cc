// Bytes that claim to come from the kernel: whatever they are, what is told is sound and the paths of it are bounded.
#include <cstdlib>
#include <utility>

#include "interface_table.h"

namespace {

using namespace trellis;

void require(bool holds) {
  if (!holds) std::abort();
}

struct Learner final : RtnetlinkSink {
  void link(const LinkFact& fact) noexcept override {
    require(fact.index != 0 && !fact.name.empty() && fact.name.size() < 16);
    table.learn(fact);
  }
  void address(const AddressFact& fact) noexcept override {
    require(fact.address && fact.prefix_length <= (fact.address.family == Address::Family::ipv4 ? 32 : 128));
    table.learn(fact, {});
  }
  void router(const RouterFact& fact) noexcept override {
    require(fact.index != 0 && fact.told.options.size() + fact.told.faults.size() > 0);
    require(fact.told.faults.size() <= kFaultsMost);
    for (const RouterOption& option : fact.told.options) {
      require(!option.nat64.empty() || !option.dns_servers.empty() || !option.search_domains.empty());
      for (const std::string& domain : option.search_domains) require(!domain.empty() && domain.size() < 254);
    }
    table.learn(fact, {});
  }
  void route(const RouteFact& fact) noexcept override {
    require(bool(fact.route.destination));
    table.learn(fact);
  }
  void listed(std::uint32_t, int error, bool) noexcept override { require(error >= 0); }
  void malformed(std::string_view what) noexcept override { require(!what.empty() && !std::exchange(broken, true)); }
  bool broken = false;
  InterfaceTable table;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Learner learner;
  require(read_rtnetlink(std::as_bytes(std::span(data, size)), learner) == !learner.broken);
  require(learner.table.paths().size() <= InterfaceTable::kAddressesMost);
  return 0;
}
