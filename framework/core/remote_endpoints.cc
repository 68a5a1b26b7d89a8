#include "core/remote_endpoints.h"

#include <algorithm>

#include "core/nearest.h"
#include "core/proxies.h"
#include "core/service_endpoint.h"
#include "core/text.h"
#include "trellis/address_text.h"
#include "trellis/endpoint_text.h"

namespace trellis {

Result<void> check_remote(const Endpoint& remote, bool host) {
  if (!names_somebody(remote)) return fail(Reason::invalid_argument, "no remote endpoint was given");
  if (host && needs_discovery(remote))
    return fail(Reason::invalid_argument,
                "found the service " + to_text(remote) + " among several remote endpoints, expected hosts");
  if (remote.port == 0 && remote.address.port == 0 && !needs_discovery(remote))
    return fail(Reason::invalid_argument, "the remote endpoint " + remote.host + " has no port");
  return {};
}

std::unexpected<Error> too_many_remotes(std::size_t found) {
  return fail(Reason::invalid_argument,
              "found " + std::to_string(found) + " remote endpoints, expected at most " + std::to_string(kRemotesMost));
}

Endpoint with_address(Endpoint remote) {
  if (!remote.address) remote.address = parse_address(remote.host, remote.port).value_or(Address{});
  if (remote.address && remote.address.port == 0) remote.address.port = remote.port;
  return remote;
}

bool is_at(const Address& own, const Address& meant) noexcept {
  return own.family == meant.family && own.ip == meant.ip && (meant.port == 0 || own.port == meant.port);
}

Result<void> check_protocols(const Registry& registry, const Preconnection::Wishes& wishes) {
  std::vector<const Endpoint*> all{&wishes.remote, &wishes.local};
  for (const Endpoint& remote : wishes.more_remotes) all.push_back(&remote);
  std::erase_if(all, [](const Endpoint* endpoint) { return endpoint->protocol.empty(); });
  if (all.empty()) return {};
  const std::vector<std::string> names = registry.names(PluginKind::protocol);
  const std::vector<std::string_view> words(names.begin(), names.end());
  for (const Endpoint* endpoint : all) {
    const std::string& protocol = endpoint->protocol;
    if (std::ranges::any_of(words, [&](std::string_view word) { return same_word(word, protocol); })) continue;
    return fail(Reason::invalid_argument, "found the protocol '" + protocol + "' of the endpoint " +
                                              to_text(*endpoint) + ", " + expected_one_of(protocol, words));
  }
  return {};
}

std::string misses(const Preconnection::Wishes& wishes, const ComposedStack& stack) {
  if (!is_for(wishes.local, stack)) return "the local endpoint is for " + wishes.local.protocol;
  const auto fits = [&](const Endpoint& remote) { return is_for(remote, stack); };
  if (!names_somebody(wishes.remote) || fits(wishes.remote) || std::ranges::any_of(wishes.more_remotes, fits))
    return {};
  return "no remote endpoint is for it, but for " + wishes.remote.protocol;
}

bool is_for(const Endpoint& endpoint, const ComposedStack& stack) noexcept {
  return endpoint.protocol.empty() || std::ranges::any_of(stack.layers, [&](const ComposedLayer& layer) {
           return same_word(layer.name, endpoint.protocol);
         });
}

}  // namespace trellis
