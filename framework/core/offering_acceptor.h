// offering_acceptor.h: the acceptor at the bottom of a listening stack whose own acceptor is over_many_lowers. Each
// connection that it accepts becomes a Stack of the layers below the upper acceptor, and is offered to that when ready.
#pragma once
#include <memory>
#include <optional>
#include <vector>

#include "core/acceptor_slot.h"

namespace trellis {

/// The upper acceptor's side. Nothing of it is called inside a call to OfferingAcceptor.
class OfferTaker {
 public:
  virtual void offers_begin(const Address& local) noexcept = 0;     // connections can come
  virtual void offered(EngineLink& link) noexcept = 0;              // with the link that it is known by
  virtual void offer_failed(EngineLink& link) noexcept = 0;         // before it was taken or refused; gone after this
  virtual void offers_failed(Error) noexcept = 0;                   // no more will come
  virtual std::optional<Error> refusal(const Route&) noexcept = 0;  // as SeatKeeper::refusal; this may be called inside
 protected:
  ~OfferTaker() = default;
};

class OfferingAcceptor final : public AcceptorSlot {
 public:
  static constexpr std::size_t kMost = 1024;  // connections that were accepted and not taken; more are refused

  /// `end`: index of the upper acceptor's layer.
  OfferingAcceptor(OfferTaker& taker, Turn& turn, std::shared_ptr<const ComposedStack> composed,
                   std::shared_ptr<const Security> security, unsigned end);
  Result<void> begin(const Route& route);
  /// The offered connection of this link changes hands. Null: there is none.
  Stack* take(EngineLink& link) noexcept;
  /// Ends an offered connection; what was pushed onto it goes out first.
  void refuse(EngineLink& link) noexcept;
  /// Accepts no more; retires when the last instance is gone. `taker` hears nothing more.
  void stop() noexcept;

  // AcceptHost
  const Security& security() noexcept override;
  void failed(Error) noexcept override;
  void listening(const Address& local) noexcept override;
  void closed() noexcept override;
  Seat* seat(const Address& peer, LowerPort lower) noexcept override;
  void seated(Seat*, std::unique_ptr<ProtocolInstance>) noexcept override;
  void attach(ProtocolInstance&, LowerPort) noexcept override {}  // it stands on the host: nothing is offered to it
  void refuse(LowerPort) noexcept override {}
  void forward(unsigned, const Chunk&) noexcept override {}  // it accepts connections, not datagrams

  // SeatKeeper
  void unseated(Stack&) noexcept override { --instances_; }
  std::optional<Error> refusal(const Route& route) noexcept override {
    return taker_ != nullptr ? taker_->refusal(route) : std::nullopt;
  }

  // TurnMember
  void advance() noexcept override;
  bool quiet() const noexcept override { return idle() && instances_ == 0; }

 private:
  struct Offer final : StackOwner {  // one accepted connection, until it is taken
    Offer(OfferingAcceptor& owner, Stack& made) : acceptor(owner), stack(&made) {}
    void on_up(Batch& batch, bool) noexcept override { batch.clear(); }  // it was refused
    void on_credit() noexcept override {}
    void stack_ready() noexcept override { news(ready); }
    void stack_failed(Error) noexcept override { news(over); }
    void stack_closed() noexcept override { news(over); }
    void stack_noticed(Notice, Error) noexcept override {}
    void news(bool& what) noexcept {
      what = true;
      acceptor.turn_->advance(acceptor);
    }
    OfferingAcceptor& acceptor;
    Stack* stack;  // null: taken
    bool ready = false, told = false, refused = false, over = false;
  };
  struct Opening {  // between seat() and seated()
    Stack& stack;
    Seat seat;
    Address peer;
  };
  Offer* of(const EngineLink& link) noexcept;

  OfferTaker* taker_;  // null: stopped
  std::shared_ptr<const Security> security_;
  std::vector<std::unique_ptr<Offer>> offers_;
  std::optional<Opening> opening_;
  std::optional<Error> failure_;
  std::optional<Address> begun_;
  unsigned end_;
};

}  // namespace trellis
