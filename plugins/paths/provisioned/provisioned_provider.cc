#include "provisioned_provider.h"

#include "domain_paths.h"

namespace trellis {
namespace {

constexpr OptionSpec kProvisionedOptions[] = {
    {.name = "domain", .fallback = std::string_view(), .meaning = "name of the provisioning domain; must be given"},
    {.name = "interface",
     .fallback = std::string_view("*"),
     .meaning = "the interfaces that belong to it; * stands for any letters"},
    {.name = "addresses",
     .fallback = std::string_view(),
     .meaning = "of these only local addresses with this prefix, 10.0.0.0/8; empty: all"},
    {.name = "dns-servers",
     .fallback = std::string_view(),
     .meaning = "its name servers, separated by spaces: 192.0.2.53 [2001:db8::53]:5353"},
    {.name = "search-domains",
     .fallback = std::string_view(),
     .meaning = "what is appended to short names, separated by spaces"},
    {.name = "proxies",
     .fallback = std::string_view(),
     .meaning = "its proxies, the best first, separated by spaces: socks5://HOST:PORT http://HOST:PORT"},
    {.name = "nat64-prefix",
     .fallback = std::string_view(),
     .meaning =
         "what its NAT64 puts in front of IPv4 addresses: 64:ff9b::/96; empty: routers or its name servers tell"},
    {.name = "metered", .fallback = false, .meaning = "it costs by volume"},
    {.name = "expected-rtt-ms",
     .fallback = std::int64_t{0},
     .meaning = "round trip that is expected on it; 0: not known",
     .least = 0,
     .most = 60'000},
};

struct WatchingDomain final : PathProvider::Watch {
  WatchingDomain(Domain domain, PathObserver& observer) : paths(std::move(domain), observer) {}
  DomainPaths paths;
  std::unique_ptr<PathProvider::Watch> interfaces;  // destroyed first
};

}  // namespace

std::span<const OptionSpec> ProvisionedProvider::options() const noexcept { return kProvisionedOptions; }

Result<void> ProvisionedProvider::check(const Options& options) const noexcept {
  auto domain = read_domain(options);
  if (!domain) return fail(std::move(domain));
  return {};
}

Result<std::unique_ptr<PathProvider::Watch>> ProvisionedProvider::watch(Executor& executor, const Options& options,
                                                                        PathObserver& observer) noexcept {
  auto domain = read_domain(options);
  if (!domain) return fail(std::move(domain));
  auto watching = std::make_unique<WatchingDomain>(std::move(*domain), observer);
  auto interfaces = watch_interfaces(executor, {}, watching->paths);
  if (!interfaces) return fail(std::move(interfaces));
  watching->interfaces = std::move(*interfaces);
  return watching;
}

}  // namespace trellis
