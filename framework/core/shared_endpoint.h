// shared_endpoint.h: an endpoint that candidates and stacks of one connection hold together.
#pragma once
#include <memory>
#include <utility>

#include "core/recycle.h"
#include "trellis/path.h"

namespace trellis {

/// Never changes: to stand for another endpoint is to hold another one. Empty: an endpoint of which nothing is known.
class SharedEndpoint {
 public:
  SharedEndpoint() = default;
  SharedEndpoint(Endpoint endpoint)
      : endpoint_(std::allocate_shared<const Endpoint>(Recycling<Endpoint>(), std::move(endpoint))) {}
  /// A peer that is known by its address alone.
  explicit SharedEndpoint(const Address& peer) {
    auto endpoint = std::allocate_shared<Endpoint>(Recycling<Endpoint>());
    endpoint->port = peer.port;
    endpoint->address = peer;
    endpoint_ = std::move(endpoint);
  }
  const Endpoint& operator*() const noexcept { return endpoint_ ? *endpoint_ : kNobody; }
  const Endpoint* operator->() const noexcept { return &**this; }

 private:
  inline static const Endpoint kNobody;
  std::shared_ptr<const Endpoint> endpoint_;
};

}  // namespace trellis
