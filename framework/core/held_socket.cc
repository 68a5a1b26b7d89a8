#include "core/held_socket.h"

#include <utility>

#include "trellis/address_text.h"

namespace trellis {
namespace {

Result<Address> mapped_address(const StunMessage& answer, const Address& server) {
  const bool older = answer.find(StunType::xor_mapped_address) == nullptr;
  auto seen = answer.address(older && answer.find(StunType::mapped_address) != nullptr ? StunType::mapped_address
                                                                                       : StunType::xor_mapped_address);
  if (!seen) seen.error().detail.insert(0, "the answer of the STUN server " + to_text(server) + " is malformed: ");
  return seen;
}

}  // namespace

void HeldSocket::learn(TimePoint when, StunLogin login, Learnt learnt) {
  exchange_ = std::make_unique<StunExchange>(executor_, *socket_, *this, std::move(login));
  exchange_->ask(when, StunMethod::binding, {},
                 [this, hear = std::move(learnt)](Result<const StunMessage*> answer) mutable {
                   auto seen = answer ? mapped_address(**answer, exchange_->server())
                                      : Result<Address>(std::unexpected(std::move(answer).error()));
                   if (seen) arm(executor_, executor_.now() + kStunKeepalive);
                   hear(std::move(seen));
                 });
}

void HeldSocket::on_alarm() noexcept {
  exchange_->tell(StunMethod::binding, {});
  arm(executor_, executor_.now() + kStunKeepalive);
}

void HeldSocket::on_ready(Socket& socket, Ready what) noexcept {
  if (exchange_) exchange_->on_ready(socket, what);
}

void HeldSocket::release() noexcept {
  disarm();
  exchange_.reset();
  socket_.reset();
}

}  // namespace trellis
