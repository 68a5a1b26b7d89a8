#include "conformance/watched_acceptor.h"

#include <algorithm>
#include <format>

namespace trellis::conformance {

WatchedAcceptor::~WatchedAcceptor() {
  const std::uint64_t sends = scene_.faults().calls(SocketCall::send);
  real_.reset();
  if (scene_.faults().calls(SocketCall::send) != sends) {
    scene_.broken("C4", "the destructor of the acceptor sent on a socket: it must be silent");
  }
}

bool WatchedAcceptor::alive(std::string_view call) {
  if (!closed_ && !failed_) return true;
  scene_.broken("C2", std::format("the acceptor called host.{} after host.{}()", call, closed_ ? "closed" : "failed"));
  return false;
}

void WatchedAcceptor::unseated(ProtocolInstance& instance) noexcept {
  auto& watched = static_cast<WatchedInstance&>(instance);
  std::erase(instances_, &watched);
  real_->unseated(watched.real());
}

void WatchedAcceptor::log(Severity severity, std::string_view text) noexcept {
  scene_.last_words = text;
  scene_.say("listener", std::format("subject logs: {}", text));
  host_.log(severity, text);
}

// After closed() it lives on for its last instances, so a failure then is none of the application's business.
void WatchedAcceptor::failed(Error error) noexcept {
  scene_.say("listener", std::format("failed: {}", error.detail));
  if (std::exchange(failed_, true)) scene_.broken("C2", "the acceptor called host.failed() twice");
  scene_.layer_ends(Side::server);
  host_.failed(std::move(error));
}

void WatchedAcceptor::listening(const Address& local) noexcept {
  if (!alive("listening()")) return;
  if (std::exchange(listening_, true)) scene_.broken("C1", "the acceptor called host.listening() twice");
  if (!local || local.port == 0) {
    scene_.broken("C1", "the acceptor called host.listening() without an address and port: nobody could find it");
  }
  host_.listening(local);
}

void WatchedAcceptor::closed() noexcept {
  scene_.say("listener", "closed");
  if (std::exchange(closed_, true)) scene_.broken("C2", "the acceptor called host.closed() twice");
  host_.closed();
}

Seat* WatchedAcceptor::seat(const Address& peer, LowerPort lower) noexcept {
  engine_seat_ = host_.seat(peer, lower);
  if (engine_seat_ == nullptr) return nullptr;
  opening_ = std::make_unique<WatchedInstance>(*engine_seat_, scene_);
  opening_seat_.emplace(opening_->seat());
  return &*opening_seat_;
}

void WatchedAcceptor::seated(Seat* seat, std::unique_ptr<ProtocolInstance> instance) noexcept {
  if (opening_ == nullptr || seat != &*opening_seat_) {
    return scene_.broken("C6", "the acceptor called seated() with a seat that it was not given by the last seat()");
  }
  if (instance == nullptr) {
    opening_.reset();
    return host_.seated(engine_seat_, nullptr);
  }
  opening_->hold(std::move(instance));
  instances_.push_back(opening_.get());
  host_.seated(engine_seat_, std::move(opening_));
}

void WatchedAcceptor::attach(ProtocolInstance& instance, LowerPort offered) noexcept {
  const auto found = std::ranges::find_if(instances_, [&](WatchedInstance* one) { return &one->real() == &instance; });
  if (found == instances_.end()) {
    return scene_.broken("C6", "the acceptor attached a connection to an instance that it did not seat");
  }
  host_.attach(**found, offered);
}

}  // namespace trellis::conformance
