// listener_core.h: the engine's side of a Listener: an acceptor in its slot, and the Connections on their way to being
// ready. Of a policy with several stacks each that is listened with has an acceptor and so a ListenerCore of its own:
// the first is the application's Listener, the others follow it.
#pragma once
#include <deque>
#include <memory>
#include <optional>
#include <unordered_map>
#include <vector>

#include "core/acceptor_slot.h"
#include "core/admission.h"
#include "core/connection_core.h"
#include "core/framework_core.h"
#include "core/group.h"
#include "core/offering_acceptor.h"
#include "core/sibling_acceptors.h"
#include "trellis/listener.h"

namespace trellis {

class ListenerCore final : public AcceptorSlot,
                           public ConnectionTaker,
                           public StreamTaker,
                           public OfferTaker,
                           public ForwardTaker {
 public:
  /// Leaves those stacks in the plan that are listened with (IMPL-44): all that can, but one for each kind of port,
  /// because two acceptors cannot share one. If there is none the first stack stays, and begin() says why.
  static void choose_stacks(Plan& plan);
  /// For the first stack of the plan. `head`: whom it follows; null: it is the application's, and the others follow it.
  ListenerCore(FrameworkCore& framework, Turn& turn, Plan plan, ListenerEvents events, ListenerCore* head = nullptr);
  ~ListenerCore() override;
  void begin() noexcept;
  void fail_later(Error) noexcept;  // it never began
  Listener handle() noexcept { return Listener(*this); }

  // From the application, through Listener.
  Address local() const noexcept { return local_; }
  std::string_view stack() const noexcept { return composed_ ? std::string_view(composed_->text) : std::string_view(); }
  void stop() noexcept;
  void limit(std::uint64_t n) noexcept { limit_ = n; }
  void accept(std::move_only_function<void(Result<Connection>)>);
  void cancel_accept() noexcept { waiter_ = {}; }
  void gone() noexcept;

  // ConnectionTaker: the Connections on their way
  void established(ConnectionCore&) noexcept override;
  void forget(ConnectionCore&) noexcept override;
  void not_established(ConnectionCore&, const Error* why) noexcept override;
  // StreamTaker: their streams
  Stack* take_stream(Trunk&, const StreamArgs&) noexcept override;
  void trunk_over(Trunk&) noexcept override;

  // AcceptHost
  const Security& security() noexcept override;
  void failed(Error) noexcept override;
  void listening(const Address& local) noexcept override;
  void closed() noexcept override;
  Seat* seat(const Address& peer, LowerPort lower) noexcept override;
  void seated(Seat*, std::unique_ptr<ProtocolInstance>) noexcept override;
  void attach(ProtocolInstance& instance, LowerPort offered) noexcept override;
  void refuse(LowerPort offered) noexcept override;
  void forward(unsigned loop, const Chunk& datagram) noexcept override;

  // ForwardTaker
  void forwarded(Chunk&& datagram) noexcept override;

  // SeatKeeper
  void unseated(Stack& stack) noexcept override;
  std::optional<Error> refusal(const Route& route) noexcept override;  // OfferTaker too
  // OfferTaker
  void offers_begin(const Address& local) noexcept override;
  void offered(EngineLink& link) noexcept override;
  void offer_failed(EngineLink& link) noexcept override;
  void offers_failed(Error error) noexcept override { failed(std::move(error)); }

  // TurnMember
  void advance() noexcept override;
  void deliver() noexcept override;
  bool quiet() const noexcept override { return idle() && instances_ == 0 && !below_moves(); }

 private:
  struct Base final : StackOwner {  // of what is below the acceptor
    explicit Base(ListenerCore& owner) : listener(owner) {}
    void on_up(Batch&, bool) noexcept override {}  // never: the acceptor is above
    void on_credit() noexcept override {}
    void stack_ready() noexcept override { listener.open_acceptor(); }
    void stack_failed(Error error) noexcept override { listener.below_failed(std::move(error)); }
    void stack_closed() noexcept override {
      listener.below_failed({Reason::reset, 0, "core", "the layers below the one that accepts have ended"});
    }
    void stack_noticed(Notice, Error) noexcept override {}
    ListenerCore& listener;
  };
  struct Opening {               // between seat() and seated()
    ConnectionCore* connection;  // null: each of its streams will be one
    Stack& stack;
    Stack& lowest;  // that has the accepting layer
    Seat seat;
    Address peer;
  };
  bool renew();
  Result<void> judge_paths();
  void open() noexcept;
  void open_if_allowed() noexcept;
  ListenerCore& head() noexcept { return head_ != nullptr ? *head_ : *this; }
  void begin_followers() noexcept;
  void stop_followers() noexcept;
  void arrived(ConnectionCore& connection) noexcept;
  void open_below() noexcept;
  void open_offering() noexcept;
  Stack* take_offer(LowerPort offered) noexcept;
  bool shares_below() const noexcept { return below_ != nullptr || offering_ != nullptr; }
  void open_acceptor() noexcept;
  void leave_below() noexcept;
  void below_failed(Error error) noexcept;
  bool below_moves() const noexcept;
  bool full() noexcept;
  void adopt(Trunk& trunk);
  void let_all_go() noexcept;
  FrameworkCore& framework_;
  Plan plan_;  // for Connections to come, as composed_
  std::shared_ptr<const ComposedStack> acceptor_stack_;
  ListenerEvents events_;
  Base base_{*this};
  Stack* below_ = nullptr;                                // what the acceptor stands on, opened once; null: on the host
  OfferingAcceptor* offering_ = nullptr;                  // or its connections are offered to the acceptor
  std::optional<SiblingAcceptors::Membership> siblings_;  // on other loops
  std::unordered_map<const ProtocolInstance*, Stack*> sessions_;  // of peers that share what is below
  std::shared_ptr<Group> senders_;                                // to a multicast group; null: it listens to none
  std::unique_ptr<Admission> admission_;                          // null: peers may come on any path
  std::unique_ptr<Admission> next_;  // of policies that were loaded anew, until it knows the paths
  std::optional<Opening> opening_;
  std::vector<ConnectionCore*> pending_;  // not ready yet
  std::vector<Trunk*> trunks_;            // whose streams it takes
  std::deque<Connection> waiting_;        // ready, nobody has taken them yet
  std::move_only_function<void(Result<Connection>)> waiter_;
  std::optional<Error> failure_;
  Address local_{};
  ListenerCore* const head_;
  std::vector<ListenerCore*> followers_;  // made when this one listens: at the same port
  std::uint64_t limit_ = UINT64_MAX;      // of the head: for all of them
  std::size_t bare_ = 0;                  // of trunks_: without a stream yet
  bool tell_listening_ = false, tell_failed_ = false, tell_stopped_ = false, stopped_ = false, gone_ = false;
};

}  // namespace trellis
