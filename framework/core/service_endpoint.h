// service_endpoint.h: endpoints that are services, and whom a layer has to find there.
#pragma once
#include "core/shared_endpoint.h"

namespace trellis {

/// Whether hosts have to be found for the endpoint before addresses: it names a service of DNS-SD (RFC 6763), or one
/// with SRV records (RFC 2782). HTTPS records are no such layer: they belong to the name itself.
bool needs_discovery(const Endpoint& endpoint) noexcept;
/// Whom a layer must find at the peer (RFC 6125 section 6.2.1): what the application named, whatever SRV records have
/// made of it. Only what is found on the link, which no authority names, is known by the host that was found.
SharedEndpoint identified(const Endpoint& wanted, const SharedEndpoint& found);

}  // namespace trellis
