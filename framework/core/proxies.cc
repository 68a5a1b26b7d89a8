#include "core/proxies.h"

#include <algorithm>

#include <memory>
#include <string>
#include <string_view>

#include "trellis/address_text.h"

namespace trellis {
namespace {

constexpr std::size_t kProxiesMost = 8;  // of one stack on one path

// "socks5://host:port", the scheme and the port may be missing.
bool is_of(std::string_view url, const Endpoint& proxy) {
  if (const std::size_t scheme = url.find("://"); scheme != std::string_view::npos) url.remove_prefix(scheme + 3);
  if (url.ends_with('/')) url.remove_suffix(1);
  const std::size_t bracket = url.rfind(']');
  const std::size_t colon = url.find(':', bracket == std::string_view::npos ? 0 : bracket);
  std::string_view host = url.substr(0, colon);
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  return host == proxy.host && (colon == std::string_view::npos || url.substr(colon + 1) == std::to_string(proxy.port));
}

}  // namespace

bool same_peer(const Endpoint& a, const Endpoint& b) noexcept {
  return a.host == b.host && a.port == b.port && (!a.host.empty() || a.address == b.address);
}

bool names_somebody(const Endpoint& endpoint) noexcept { return !endpoint.host.empty() || endpoint.address; }

std::vector<Endpoint> remotes_of(const ComposedStack& stack, const Endpoint& remote, const Path& path) {
  std::vector<Endpoint> remotes(stack.layers.size());
  Endpoint here = remote;
  for (std::size_t i = stack.layers.size(); i-- > 0;) {
    remotes[i] = here;
    if (i == 0 || !names_somebody(here)) continue;
    Endpoint below = stack.layers[i].protocol->remote_below(here, path);
    if (same_peer(below, here)) continue;
    if (!below.address) below.address = parse_address(below.host, below.port).value_or(Address{});
    here = std::move(below);
  }
  return remotes;
}

std::vector<std::vector<Endpoint>> alternatives_of(const ComposedStack& stack, const Endpoint& remote,
                                                   const Path& path) {
  std::vector<std::vector<Endpoint>> all{remotes_of(stack, remote, path)};
  if (!stack.proxied || !path.provisioning) return all;
  Path rest = path;
  while (all.size() < kProxiesMost && names_somebody(all.back().front())) {
    auto fewer = std::make_shared<Provisioning>(*rest.provisioning);
    const Endpoint& used = all.back().front();
    if (std::erase_if(fewer->proxies, [&](const std::string& url) { return is_of(url, used); }) == 0) return all;
    rest.provisioning = std::move(fewer);
    auto next = remotes_of(stack, remote, rest);
    if (!names_somebody(next.front()) || same_peer(next.front(), used)) return all;
    all.push_back(std::move(next));
  }
  return all;
}

bool uses_proxy(const ComposedStack& stack) {
  const Endpoint somebody{.host = "somebody.invalid", .port = 1};
  return !same_peer(remotes_of(stack, somebody, {}).front(), somebody);
}

}  // namespace trellis
