#include "core/service_endpoint.h"

#include "core/text.h"

namespace trellis {
namespace {

// RFC 6762 section 3.
bool on_the_link(std::string_view domain) {
  if (domain.ends_with('.')) domain.remove_suffix(1);
  return same_word(domain, "local") || (domain.size() > 6 && same_word(domain.substr(domain.size() - 6), ".local"));
}

}  // namespace

bool needs_discovery(const Endpoint& endpoint) noexcept {
  return !endpoint.address && !endpoint.service.empty() && (endpoint.service != "https" || !endpoint.instance.empty());
}

SharedEndpoint identified(const Endpoint& wanted, const SharedEndpoint& found) {
  if (!needs_discovery(wanted) || on_the_link(wanted.host)) return found;
  Endpoint named = *found;
  named.host = wanted.host;
  return named;
}

}  // namespace trellis
