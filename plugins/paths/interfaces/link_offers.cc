#include "link_offers.h"

#include <algorithm>

namespace trellis {
namespace {

template <class Offers, class Value>
void renew(Offers& offers, const Value& value, TimePoint end, TimePoint now) {
  const auto known = std::ranges::find(offers, value, [](const auto& offer) { return offer.value; });
  if (end <= now) {
    if (known != offers.end()) offers.erase(known);
  } else if (known != offers.end()) {
    known->end = end;
  } else if (offers.size() < LinkOffers::kMost) {
    offers.push_back({value, end});
  }
}

}  // namespace

void LinkOffers::learn(const RouterOption& option, TimePoint now) {
  const TimePoint end = option.seconds == UINT32_MAX ? TimePoint::max() : now + std::chrono::seconds(option.seconds);
  for (const Nat64Prefix& prefix : option.nat64) renew(prefixes_, prefix, end, now);
  for (const Address& server : option.dns_servers) renew(servers_, server, end, now);
  for (const std::string& domain : option.search_domains) renew(domains_, domain, end, now);
}

void LinkOffers::forget(TimePoint now) {
  const auto over = [now](const auto& offer) { return offer.end <= now; };
  std::erase_if(prefixes_, over);
  std::erase_if(servers_, over);
  std::erase_if(domains_, over);
}

TimePoint LinkOffers::first_end() const noexcept {
  TimePoint first = TimePoint::max();
  const auto look = [&](const auto& offers) {
    for (const auto& offer : offers) first = std::min(first, offer.end);
  };
  look(prefixes_);
  look(servers_);
  look(domains_);
  return first;
}

void LinkOffers::add_to(Provisioning& provisioning) const {
  const auto add = [](const auto& offers, auto& to) {
    for (const auto& offer : offers) {
      if (!std::ranges::contains(to, offer.value)) to.push_back(offer.value);
    }
  };
  add(prefixes_, provisioning.nat64);
  add(servers_, provisioning.dns_servers);
  add(domains_, provisioning.search_domains);
}

}  // namespace trellis
