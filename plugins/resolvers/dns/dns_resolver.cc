#include "dns_resolver.h"

#include <ares.h>

#include <algorithm>
#include <ranges>

#include "dns_lookup.h"
#include "service_lookup.h"

namespace trellis::dns {
namespace {

constexpr std::size_t kChannelsMost = 64;  // paths times loops; the least recently used one goes
constexpr std::size_t kServersMost = 16;

constexpr OptionSpec kOptions[] = {
    {"servers", "", "name servers where the path names none, separated by spaces; empty: those of /etc/resolv.conf"},
    {"port", std::int64_t{53}, "of name servers that are given without one", 1, 65'535},
    {"timeout-ms", std::int64_t{2000}, "until a server is asked again or the next one is asked", 50, 60'000},
    {"tries", std::int64_t{3}, "how often each server is asked", 1, 10},
    {"search-domains", "", "appended to names with few dots where the path has none, separated by spaces"},
    {"ask-https-records", true, "HTTPS records steer protocols, ports and addresses of HTTP services (RFC 9460)"},
    {"ask-srv", true, "SRV records say where a service is (RFC 2782)"},
    {"protected", false,
     "the way to the name servers is encrypted and authenticated, as to a forwarder on this host: without an answer "
     "about HTTPS records nothing is attempted (RFC 9460 section 3.1)"},
    {"nat64", true, "on a network without IPv4, IPv4 addresses become IPv6 ones of its NAT64 (RFC 7050)"},
    {"multicast", true, "names that end in .local are asked for on the link itself (RFC 6762)"},
    {"cache-entries", std::int64_t{512}, "answers that are kept for each path; 0: none", 0, 65'536},
};

std::vector<std::string> words(std::string_view text) {
  std::vector<std::string> list;
  for (const auto part : std::views::split(text, ' ')) {
    if (!part.empty()) list.emplace_back(part.begin(), part.end());
  }
  return list;
}

/// One of the option's servers as c-ares reads it: with a port, and brackets where they are needed.
std::string csv_entry(const std::string& given, std::uint16_t port) {
  if (given.starts_with('[')) return given.ends_with(']') ? given + ":" + std::to_string(port) : given;
  const auto colons = std::ranges::count(given, ':');
  if (colons == 1) return given;  // IPv4 with a port
  return (colons > 1 ? "[" + given + "]" : given) + ":" + std::to_string(port);
}

// Questions go over IPv6 first; where there are too many servers each family keeps one (RFC 8305 section 3.1).
void prefer_ipv6(std::vector<std::string>& servers) {
  const auto is_ipv6 = [](const std::string& server) { return server.starts_with('['); };
  const auto ipv4 = std::ranges::stable_partition(servers, is_ipv6).begin();
  if (servers.size() <= kServersMost) return;
  const auto kept = servers.begin() + static_cast<std::ptrdiff_t>(kServersMost);
  if (ipv4 >= kept && ipv4 != servers.end()) std::iter_swap(kept - 1, ipv4);
  servers.erase(kept, servers.end());
}

// A path's names are asked of its own servers alone; only a path of which no servers are known uses the others.
Network network_of(const Options& options, const Path* path) {
  Network network;
  network.timeout_ms = static_cast<std::uint32_t>(options.number("timeout-ms"));
  network.tries = static_cast<std::uint32_t>(options.number("tries"));
  network.cache_entries = static_cast<std::uint32_t>(options.number("cache-entries"));
  network.multicast = options.flag("multicast");
  const auto port = static_cast<std::uint16_t>(options.number("port"));
  std::vector<std::string> servers;
  if (path != nullptr) {
    network.binding.interface_name = path->interface_name;
    if (path->interface_name.empty()) network.binding.local = path->local;
    network.binding.local.port = 0;
    for (const Address& server : path->provisioned().dns_servers)
      servers.push_back(server_text(server, port, path->interface_name));
  }
  if (servers.empty()) {
    for (const std::string& given : words(options.text("servers"))) servers.push_back(csv_entry(given, port));
  }
  prefer_ipv6(servers);
  for (const std::string& server : servers) network.servers += (network.servers.empty() ? "" : ",") + server;
  return network;
}

// RACE-162: what the network has told, else what its name servers have said a moment ago.
std::vector<Nat64Prefix> prefixes_of(DnsChannel& channel, const Path* path) {
  if (path != nullptr && !path->provisioned().nat64.empty()) return path->provisioned().nat64;
  const RecordsRef known = channel.known(kIpv4OnlyName, ARES_REC_TYPE_AAAA);
  return known == nullptr ? std::vector<Nat64Prefix>() : find_prefixes(known->addresses);
}

}  // namespace

DnsResolver::DnsResolver() { ares_library_init(ARES_LIB_INIT_ALL); }
DnsResolver::~DnsResolver() {
  channels_.clear();
  ares_library_cleanup();
}

std::span<const OptionSpec> DnsResolver::options() const noexcept { return kOptions; }

bool DnsResolver::has_services(const Options& options) const noexcept {
  return options.flag("ask-https-records") || options.flag("ask-srv");
}

Result<std::shared_ptr<DnsChannel>> DnsResolver::channel(Executor& executor, const Network& network) {
  const std::lock_guard lock(mutex_);
  std::erase_if(channels_,
                [&](const auto& channel) { return &channel->executor() == &executor && channel->outdated(); });
  auto oldest = channels_.end();
  for (auto channel = channels_.begin(); channel != channels_.end(); ++channel) {
    if (&(*channel)->executor() != &executor) continue;  // of another loop: it is that loop's to use and destroy
    if ((*channel)->network() == network) return *channel;
    if (oldest == channels_.end() || (*channel)->used_at() < (*oldest)->used_at()) oldest = channel;
  }
  if (channels_.size() >= kChannelsMost && oldest != channels_.end()) channels_.erase(oldest);
  auto made = DnsChannel::make(executor, network);
  if (!made) return fail(std::move(made));
  return channels_.emplace_back(std::move(*made));
}

Result<std::unique_ptr<Resolver::Lookup>> DnsResolver::resolve(Executor& executor, const Options& options,
                                                               const Query& query, AnswerSink& sink) noexcept {
  const Network network = network_of(options, query.path);
  auto channel = this->channel(executor, network);
  if (!channel) return fail(std::move(channel));
  for (const std::string& fault : (*channel)->take_faults()) sink.passed_over(fault);
  LookupSettings settings{.search_domains = {},
                          .ndots = (*channel)->ndots(),
                          .https = options.flag("ask-https-records"),
                          .srv = options.flag("ask-srv"),
                          .nat64 = options.flag("nat64"),
                          .insists = options.flag("protected"),
                          .prefixes = {},
                          .ipv6 = query.ipv6,
                          .ipv4 = query.ipv4};
  if (settings.nat64) settings.prefixes = prefixes_of(**channel, query.path);
  if (query.path != nullptr) settings.search_domains = query.path->provisioned().search_domains;
  if (settings.search_domains.empty()) settings.search_domains = words(options.text("search-domains"));
  if (settings.search_domains.empty()) settings.search_domains = (*channel)->search_domains();
  if (!query.instance.empty()) {
    auto services = std::make_unique<ServiceLookup>(*channel, query, sink);
    services->begin();
    return services;
  }
  auto lookup = std::make_unique<DnsLookup>(*channel, std::move(settings), query, sink);
  lookup->begin();
  return lookup;
}

void DnsResolver::forget(Executor& executor) noexcept {
  const std::lock_guard lock(mutex_);
  std::erase_if(channels_, [&](const auto& channel) { return &channel->executor() == &executor; });
}

}  // namespace trellis::dns
