// link_offers.h: what the routers of a link have offered, as long as it lasts.
#pragma once
#include "router_options.h"
#include "trellis/clock.h"

namespace trellis {

class LinkOffers {
 public:
  static constexpr std::size_t kMost = 64;  ///< of each kind; more are not looked at
  void learn(const RouterOption& option, TimePoint now);
  void forget(TimePoint now);                     ///< what is over
  TimePoint first_end() const noexcept;           ///< of something; max(): nothing ends
  void add_to(Provisioning& provisioning) const;  ///< behind what is there; the newest are not first
  bool empty() const noexcept { return prefixes_.empty() && servers_.empty() && domains_.empty(); }

 private:
  template <class Value>
  struct Offer {
    Value value;
    TimePoint end;
  };
  template <class Value>
  using Offers = std::vector<Offer<Value>>;
  Offers<Nat64Prefix> prefixes_;
  Offers<Address> servers_;
  Offers<std::string> domains_;
};

}  // namespace trellis
