#include "core/offering_acceptor.h"

#include <algorithm>
#include <cassert>

namespace trellis {

OfferingAcceptor::OfferingAcceptor(OfferTaker& taker, Turn& turn, std::shared_ptr<const ComposedStack> composed,
                                   std::shared_ptr<const Security> security, unsigned end)
    : AcceptorSlot(turn, 0), taker_(&taker), security_(std::move(security)), end_(end) {
  composed_ = std::move(composed);
}

const Security& OfferingAcceptor::security() noexcept { return security_ ? *security_ : no_security(); }

Result<void> OfferingAcceptor::begin(const Route& route) {
  route_ = route;
  return open_on(LowerPort(), route_);
}

void OfferingAcceptor::failed(Error error) noexcept {
  if (ended) return;
  disarm();
  ended = true;
  failure_ = std::move(error);
  turn_->advance(*this);
}
void OfferingAcceptor::listening(const Address& local) noexcept {
  ready = true;
  begun_ = local;
  turn_->advance(*this);
}
void OfferingAcceptor::closed() noexcept {
  disarm();
  ended = true;
}

Seat* OfferingAcceptor::seat(const Address& peer, LowerPort) noexcept {
  assert(!opening_ && "seat() is answered by seated() before the next seat()");
  if (taker_ == nullptr || offers_.size() >= kMost) return nullptr;
  auto& stack = turn_->make<Stack>(*turn_, composed_, security_, 0u, end_);
  opening_.emplace(Opening{stack, stack.seat(0), peer});
  return &opening_->seat;
}

void OfferingAcceptor::seated(Seat* seat, std::unique_ptr<ProtocolInstance> instance) noexcept {
  assert(opening_ && seat == &opening_->seat);
  (void)seat;
  auto [stack, place, peer] = *std::exchange(opening_, std::nullopt);
  if (!instance) return stack.leave();
  stack.set_layer(0, std::move(instance));
  stack.seated_by(*acceptor_, *this);
  ++instances_;
  if (auto made = stack.make_layers(1); !made) {
    log(Severity::failure, made.error().detail);
    return stack.leave();
  }
  stack.give_to(*offers_.emplace_back(std::make_unique<Offer>(*this, stack)));
  Route route{.path = route_.path, .local = route_.local, .remote = peer};
  stack.prepare(SharedEndpoint(peer), std::move(route), true);
}

OfferingAcceptor::Offer* OfferingAcceptor::of(const EngineLink& link) noexcept {
  for (const auto& offer : offers_) {
    if (offer->stack != nullptr && !offer->refused && &offer->stack->top_link() == &link) return offer.get();
  }
  return nullptr;
}

Stack* OfferingAcceptor::take(EngineLink& link) noexcept {
  Offer* const offer = of(link);
  if (offer == nullptr || offer->over) return nullptr;
  turn_->advance(*this);
  return std::exchange(offer->stack, nullptr);
}

void OfferingAcceptor::refuse(EngineLink& link) noexcept {
  Offer* const offer = of(link);
  if (offer == nullptr) return;
  offer->refused = true;
  link.upper = nullptr;
  link.top = offer;
  offer->stack->close();
  turn_->advance(*this);
}

void OfferingAcceptor::advance() noexcept {
  if (begun_ && taker_ != nullptr) taker_->offers_begin(*std::exchange(begun_, std::nullopt));
  if (failure_ && taker_ != nullptr) taker_->offers_failed(*std::exchange(failure_, std::nullopt));
  for (std::size_t i = 0; i < offers_.size(); ++i) {  // by index: being told, the taker takes and refuses
    Offer& offer = *offers_[i];
    if (offer.stack == nullptr) continue;
    EngineLink& link = offer.stack->top_link();
    if (offer.over) {
      if (offer.told && !offer.refused && taker_ != nullptr) taker_->offer_failed(link);
      link.upper = nullptr;
      std::exchange(offer.stack, nullptr)->leave();
    } else if (offer.ready && taker_ != nullptr && !std::exchange(offer.told, true)) {
      taker_->offered(link);
    }
  }
  std::erase_if(offers_, [](const auto& offer) { return offer->stack == nullptr; });
}

void OfferingAcceptor::stop() noexcept {
  if (std::exchange(taker_, nullptr) == nullptr) return;
  if (active()) acceptor_->close(CloseArgs{});
  for (const auto& offer : offers_) {
    if (offer->stack == nullptr || offer->refused) continue;
    offer->stack->top_link().upper = nullptr;
    std::exchange(offer->stack, nullptr)->leave();
  }
  turn_->advance(*this);
  turn_->retire(*this);
}

}  // namespace trellis
