// connection_core.h: the engine's side of a Connection: queues in both directions, demand, events, the bound stack.
#pragma once
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "core/establishment_owner.h"
#include "core/fates.h"
#include "core/inbox.h"
#include "core/outbox.h"

namespace trellis {

class ConnectionCore;
class Establishment;
class Group;
class Trunk;
struct Membership;

/// Who takes Connections that a peer opened, and hands them to the application when they are ready.
class ConnectionTaker {
 public:
  virtual void established(ConnectionCore&) noexcept = 0;  // in the deliver pass
  virtual void forget(ConnectionCore&) noexcept = 0;       // it ended before
  /// It failed before the application knew of it.
  virtual void not_established(ConnectionCore&, const Error* why) noexcept = 0;

 protected:
  ~ConnectionTaker() = default;
};

/// What a Connection holds at most, in bytes, and how it is set up.
struct ConnectionLimits {
  std::uint32_t receive_buffer = 262144;
  std::uint32_t send_buffer = 0;                       // queued before send() says pause, besides what the stack takes
  std::uint32_t headroom = 0, tailroom = 0;            // of the stacks that it may be bound to
  std::uint32_t connect_timeout_ms = 30000;            // for clones
  Direction direction = Direction::both;               // what it is used for
  std::shared_ptr<const MessageWishes> messages = {};  // of the Preconnection; null: none
};

class ConnectionCore final : public TurnMember, public EstablishmentOwner {
 public:
  ConnectionCore(Turn& turn, Face face, const ConnectionLimits& limits);
  ~ConnectionCore() override;

  // From Establishment and whoever takes it.
  void establishing(Establishment& by, Connection::Done ready) noexcept;
  Stack& make_candidate(const std::shared_ptr<const ComposedStack>& composed,
                        const std::shared_ptr<const Security>& security) override;
  void bind(Stack& stack, std::string_view node, MessageRef early_copy) noexcept override;
  std::optional<Chunk> share_early() override;
  void learn_on(std::unique_ptr<ConnectionHistory> history) noexcept override;
  void establish_failed(Error) noexcept override;
  void establishing_with(Establishment& other) noexcept override { establishment_ = &other; }
  void race_over(std::unique_ptr<RaceReport> report, std::shared_ptr<Preconnection::RaceOver> hear) override;
  void ready_callback(Connection::Done ready) noexcept { ready_ = std::move(ready); }
  void accepted_by(ConnectionTaker& taker, Stack& stack, std::uint32_t place) noexcept;
  /// Of a rendezvous. `check`: which of the messages that come is none, and what is to be answered, perhaps nothing.
  using Check = std::move_only_function<std::optional<std::vector<std::byte>>(std::span<const std::byte>)>;
  void sift(Check check);
  void when_heard(std::move_only_function<void()> hear);  // the first message has come
  void moved_in_taker(std::uint32_t place) noexcept { taker_place_ = place; }
  std::uint32_t taker_place() const noexcept { return taker_place_; }
  void taker_gone() noexcept;
  Connection handle() noexcept { return Connection(*this); }

  // From the application, through Connection.
  Slice allocate(std::uint32_t size) {
    return turn_.executor().pool().allocate(limits_.headroom, size, limits_.tailroom);
  }
  bool send(Message&& message, Connection::Sent sent);
  bool send(Slice&& data, bool end);
  void batch(bool begin) noexcept;
  void send_early(Message&& message);  // the one of initiate()
  void send_when_writable(Slice data, bool end, Connection::Done done);
  void cancel_send_wait() noexcept;
  void finish() noexcept;
  bool writable() noexcept;
  void on_writable(std::move_only_function<void()> hear) { writable_ = std::move(hear); }
  void receive(std::size_t at_least, std::size_t at_most, Connection::Received);
  void cancel_receive() noexcept;
  void on_notice(Connection::Noticed);
  void on_failed(std::move_only_function<void(const Error&)> hear);
  void close(Connection::Done) noexcept;
  void cancel_close() noexcept;
  void abort(std::uint64_t code) noexcept;
  void gone() noexcept;  // the handle was destroyed

  // Its group (group.cc).
  Connection clone(Connection::Done ready, CloneOptions options);
  void on_received(Connection::Arrived);
  void close_group(Connection::Done) noexcept;
  void abort_group(std::uint64_t code) noexcept;
  std::size_t group_size() const noexcept;
  void visit_group(const std::function<void(const Connection&)>& visit);
  Result<PropertyValue> get(std::string_view name) noexcept;
  Result<void> set(std::string_view name, const PropertyValue&) noexcept;
  Membership& membership();
  void join(const std::shared_ptr<Group>& group);
  void follow(std::string_view name, const PropertyValue& value) noexcept;    // another member has set it
  void remember(std::string_view name, const PropertyValue& value) override;  // it was set: clones get it
  std::optional<PropertyValue> remembered(std::string_view name) const;
  void close_quietly() noexcept;
  void one_way(Direction direction) noexcept;
  void too_late() noexcept;
  const ConnectionLimits& limits() const noexcept { return limits_; }

  // Its endpoints (connection_endpoints.cc).
  Result<void> add_remote(std::vector<Endpoint> endpoints);
  Result<void> add_local(std::vector<Endpoint> endpoints);
  Result<void> remove_remote(std::vector<Endpoint> endpoints);
  Result<void> remove_local(std::vector<Endpoint> endpoints);

  ConnectionState state() const noexcept { return state_; }
  std::string_view stack_name() const noexcept {
    return stack_ != nullptr ? stack_->composed().text : std::string_view();
  }
  Address local() const noexcept { return stack_ != nullptr ? stack_->local() : Address{}; }
  Address remote() const noexcept { return stack_ != nullptr ? stack_->route().remote : Address{}; }
  Address sent_to() const noexcept;    // as remote(), also of a Connection that has ended: for the fates of messages
  Address sent_from() const noexcept;  // likewise
  std::string_view interface_name() const;
  Face face() const noexcept { return face_; }
  std::string_view node() const noexcept { return node_; }
  Turn& turn() noexcept { return turn_; }

  // StackOwner
  void on_up(Batch& batch, bool finished) noexcept override;
  void on_credit() noexcept override;
  void stack_ready() noexcept override;
  void stack_failed(Error) noexcept override;
  void stack_closed() noexcept override;
  void stack_noticed(Notice, Error) noexcept override;
  void stack_stopped(const Error&) noexcept override;

  // TurnMember
  void deliver() noexcept override;

 private:
  struct Rare;  // what most Connections never use, and pay one pointer for
  Rare& rare();
  Ledger& ledger();
  void settle_early(MessageRef copy) noexcept;
  void put(Chunk chunk) noexcept;
  void push_on() noexcept;
  void end_sending_if_due() noexcept;
  void watch_expiry() noexcept;
  void demand() noexcept;
  void sift(Batch& batch);
  bool deliver_ready() noexcept;
  bool deliver_notices() noexcept;
  void deliver_writable() noexcept;
  void deliver_messages() noexcept;
  Result<Message> last_word();
  const MessageWishes& message_wishes() const noexcept;
  Result<void> set_message_wish(std::string_view name, const PropertyValue& value);
  PropertyValue message_wish(std::string_view name) noexcept;
  MessageProperties asked_by(const MessageWishes& message) const noexcept;
  bool is_plain(const MessageProperties& asked) const noexcept;
  const char* contradiction(const MessageProperties& asked) const noexcept;
  void note_features() noexcept;
  bool sends_plain() noexcept;
  void refuse_waiting_messages() noexcept;
  void note_endpoints(Message& message) noexcept;
  void deliver_end() noexcept;
  Result<void> may_change_endpoints() const;
  LowerSet* growing() noexcept;
  Result<LowerSet*> may_add(Feature feature);
  bool goes_to(const Endpoint& remote);
  bool goes_from(const Address& local);
  void cut_off(const char* what) noexcept;
  void abort_for(Error why) noexcept;
  void end(std::unique_ptr<Error> why) noexcept;
  void keep_endpoints() noexcept;
  void let_go_of_stack() noexcept;
  void join_trunk();
  void leave_group() noexcept;
  void forget_groups() noexcept;
  bool waits_for_group() const noexcept;
  using SharedStack = std::shared_ptr<const ComposedStack>;
  Result<SharedStack> stack_of_clone(const CloneOptions& options) const;
  Result<void> begin_clone(ConnectionCore& made, CloneOptions options, Result<SharedStack> composed);
  Result<void> begin_stream(Trunk& trunk, const SharedStack& composed);
  Result<void> begin_stack(Stack& like, const SharedStack& composed);
  void clone_failed(Error why) noexcept;
  Result<void> own_properties(const std::vector<std::pair<std::string, PropertyValue>>& properties);
  bool apply_properties() noexcept;

  Turn& turn_;
  Stack* stack_ = nullptr;
  Establishment* establishment_ = nullptr;
  ConnectionTaker* taker_ = nullptr;
  Outbox outbox_;
  Inbox inbox_;
  Connection::Received receiver_;
  std::move_only_function<void()> writable_;
  Connection::Done ready_;
  std::unique_ptr<Rare> rare_;
  std::unique_ptr<Membership> membership_;
  std::unique_ptr<ConnectionHistory> history_;  // null: nothing is to be learnt from its data
  std::unique_ptr<Error> failure_;
  std::size_t at_least_ = 0, at_most_ = 0;
  std::string node_;
  ConnectionLimits limits_;
  std::uint32_t taker_place_ = 0;
  Face face_;
  ConnectionState state_ = ConnectionState::establishing;
  bool tell_ready_ = false, tell_writable_ = false, want_writable_ = false, receiving_ = false, delivering_ = false;
  bool finished_ = false, finish_told_ = false, final_told_ = false, refusing_ = false, gone_ = false, ended_ = false,
       failure_told_ = false, closing_asked_ = false, batching_ = false;
  // Whether who wishes nothing of a message gets what the stack does anyway; judged when the first one is sent.
  enum class Plain : std::uint8_t { unknown, no, yes } plain_ = Plain::unknown;
  // What the stack does to all messages, once it is ready.
  bool none_lost_ = false, none_twice_ = false, all_covered_ = false;
};

}  // namespace trellis
