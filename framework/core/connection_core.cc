#include "core/connection_core.h"

#include <algorithm>
#include <cassert>
#include <tuple>

#include "core/early_message.h"
#include "core/establishment.h"
#include "core/group.h"
#include "core/message_wishes.h"
#include "core/race_history.h"
#include "core/selection_properties.h"
#include "core/text.h"

namespace trellis {
namespace {

constexpr int kDeliveriesPerRound = 256;  // messages of one Connection before others have their turn

}  // namespace

struct ConnectionCore::Rare final : Alarm {
  struct News {
    Notice notice;
    Error detail;
  };
  explicit Rare(ConnectionCore& owner) : core(owner) {}
  void on_alarm() noexcept override { core.turn_.deliver(core); }  // a lifetime has ended

  ConnectionCore& core;
  Connection::Noticed noticed;
  std::move_only_function<void(const Error&)> failed;
  Connection::Done closed;
  Connection::Done room;                             // of send_when_writable
  std::vector<std::unique_ptr<RaceReport>> reports;  // more than one: what was secured has failed before
  std::shared_ptr<Preconnection::RaceOver> race_over;
  std::vector<News> news;
  MessageRef early;                            // of the message that may travel early
  TimePoint early_expires = TimePoint::max();  // when it expires, if no leaf sends it
  Ledger* ledger = nullptr;
  struct Seldom {
    std::optional<MessageWishes> messages;  // set on this Connection; none: those of limits_
    Address remote, local;                  // of a stack that was let go while the application had still to hear of
                                            // messages
    Check check;                            // of a rendezvous
    std::move_only_function<void()> heard;
  };
  Seldom& seldom_used() {
    if (!seldom) seldom = std::make_unique<Seldom>();
    return *seldom;
  }
  std::unique_ptr<Seldom> seldom;
};

ConnectionCore::ConnectionCore(Turn& turn, Face face, const ConnectionLimits& limits)
    : turn_(turn), inbox_(face), limits_(limits), face_(face) {
  one_way(limits.direction);
}

ConnectionCore::~ConnectionCore() {
  if (rare_ && rare_->ledger != nullptr) rare_->ledger->leave();
  forget_groups();
}

ConnectionCore::Rare& ConnectionCore::rare() {
  if (!rare_) rare_ = std::make_unique<Rare>(*this);
  return *rare_;
}

Ledger& ConnectionCore::ledger() {
  Rare& r = rare();
  if (r.ledger == nullptr) {
    r.ledger = Ledger::make([this] { turn_.deliver(*this); },
                            [this](Notice notice, const Error& detail) { stack_noticed(notice, detail); });
    if (state_ == ConnectionState::established) std::ignore = stack_->local();  // fates tell it, as messages do
  }
  return *r.ledger;
}

// ---- establishing

void ConnectionCore::establishing(Establishment& by, Connection::Done ready) noexcept {
  establishment_ = &by;
  ready_ = std::move(ready);
}

Stack& ConnectionCore::make_candidate(const std::shared_ptr<const ComposedStack>& composed,
                                      const std::shared_ptr<const Security>& security) {
  return Stack::make(turn_, composed, security);
}

void ConnectionCore::bind(Stack& stack, std::string_view node, MessageRef early_copy) noexcept {
  establishment_ = nullptr;
  stack_ = &stack;
  node_ = node;
  stack.give_to(*this);
  join_trunk();
  if (rare_ && rare_->early) settle_early(std::move(early_copy));
  stack_ready();
}

// What the winner took or still holds in its link goes out before everything else; what it was not given goes the usual
// way, and may still expire.
void ConnectionCore::settle_early(MessageRef copy) noexcept {
  const MessageRef original = std::exchange(rare_->early, {});
  if (copy) {
    outbox_.forget(original.get());
    EarlyCopy::bind(copy);
  } else if (Chunk* waiting = outbox_.find(original.get())) {
    waiting->info->expires = rare_->early_expires;
    outbox_.watch(*waiting);
  }
}

std::optional<Chunk> ConnectionCore::share_early() {
  if (!rare_ || !rare_->early) return std::nullopt;
  Chunk* const kept = outbox_.find(rare_->early.get());
  if (kept == nullptr) return std::nullopt;  // it has expired
  kept->info->expires = TimePoint::max();    // some leaf sends it in time
  return Chunk{.data = kept->data.share(), .info = EarlyCopy::make(kept->info), .end_of_message = kept->end_of_message};
}

void ConnectionCore::learn_on(std::unique_ptr<ConnectionHistory> history) noexcept { history_ = std::move(history); }

void ConnectionCore::establish_failed(Error error) noexcept {
  establishment_ = nullptr;
  end(std::make_unique<Error>(std::move(error)));
}

void ConnectionCore::race_over(std::unique_ptr<RaceReport> report, std::shared_ptr<Preconnection::RaceOver> hear) {
  rare().reports.push_back(std::move(report));
  rare().race_over = std::move(hear);
  turn_.deliver(*this);
}

void ConnectionCore::accepted_by(ConnectionTaker& taker, Stack& stack, std::uint32_t place) noexcept {
  taker_ = &taker;
  taker_place_ = place;
  stack_ = &stack;
}

void ConnectionCore::taker_gone() noexcept {
  taker_ = nullptr;
  gone();
}

void ConnectionCore::stack_ready() noexcept {
  if (membership_ && state_ == ConnectionState::establishing && !apply_properties()) return;
  if (state_ == ConnectionState::establishing) {
    state_ = ConnectionState::established;
    if (is_multicast(stack_->route().remote)) one_way(Direction::sending);
    if (is_multicast(stack_->route().local)) one_way(Direction::receiving);
    if (rare_ && rare_->ledger != nullptr) std::ignore = stack_->local();
  }
  note_features();
  tell_ready_ = true;
  push_on();
  if (receiving_) demand();
  turn_.deliver(*this);
}

void ConnectionCore::note_features() noexcept {
  const FeatureSet have = features_of(stack_->composed(), face_);
  none_lost_ = have.has(Feature::reliability) && !have.has(Feature::per_message_reliability);
  none_twice_ = have.has(Feature::duplicate_protection);
  all_covered_ = have.has(Feature::full_integrity_check);
  plain_ = Plain::unknown;
  refuse_waiting_messages();
}

// What was sent before it was known what the stack does.
void ConnectionCore::refuse_waiting_messages() noexcept {
  if (outbox_.empty()) return;
  const MessageProperties usual = asked_by({});
  const char* unheard = nullptr;
  outbox_.refuse([&](const MessageProperties* asked) {
    const char* const why = contradiction(asked != nullptr ? *asked : usual);
    if (asked == nullptr && why != nullptr) unheard = why;
    return why;
  });
  if (unheard != nullptr) stack_noticed(Notice::soft_error, Error{Reason::invalid_argument, 0, "core", unheard});
}

// ---- sending

bool ConnectionCore::send(Slice&& data, bool end) {
  if (!sends_plain()) return send(Message{.data = std::move(data), .end = end}, {});
  put(Chunk{.data = std::move(data), .end_of_message = end});
  return writable();
}

bool ConnectionCore::send(Message&& message, Connection::Sent sent) {
  Chunk chunk{.data = std::move(message.data), .end_of_message = message.end};
  const MessageProperties asked = asked_by(message.properties);
  const bool noted = !message.metadata.empty();
  if (sent || noted || !is_plain(asked)) chunk.info = ledger().record(asked, std::move(sent));
  if (noted) chunk.info->metadata = std::move(message.metadata);
  const char* wrong = refusing_ ? "the first part of the message was refused" : contradiction(asked);
  if ((ended_ || finished_) && sends(limits_.direction))
    wrong = "nothing can be sent after the final message or the end of the Connection";
  refusing_ = wrong != nullptr && !message.end;
  if (wrong != nullptr) {
    const Error why{Reason::invalid_argument, 0, "core", wrong};
    if (chunk.info)
      chunk.info->report(Fate::failed, &why);
    else
      stack_noticed(Notice::soft_error, why);
    return true;
  }
  put(std::move(chunk));
  if (message.final) finish();
  return writable();
}

MessageProperties ConnectionCore::asked_by(const MessageWishes& message) const noexcept {
  return properties_of(message, message_wishes(), turn_.executor().now());
}

// Whether no layer has to know what it asks for. That it may be replayed matters to early data only.
bool ConnectionCore::is_plain(const MessageProperties& asked) const noexcept {
  MessageProperties usual;
  usual.replayable = state_ != ConnectionState::establishing && asked.replayable;
  return asked == usual;
}

// What a message may not ask for, because the Connection was not chosen for it (InvalidMessageProperties); null: all is
// well, or nothing is chosen yet.
const char* ConnectionCore::contradiction(const MessageProperties& asked) const noexcept {
  if (!sends(limits_.direction))
    return "the Connection only receives: its direction is Unidirectional Receive, which a multicast group has always";
  if (state_ == ConnectionState::establishing) return nullptr;
  if (!asked.reliable && none_lost_) {
    return "msgReliable cannot be false: the stack has no perMsgReliability, which is to be required or preferred "
           "before";
  }
  if (!asked.replayable && !none_twice_)
    return "safelyReplayable cannot be false: the stack may deliver a message twice";
  if (asked.checksum_length > 0 && !all_covered_)
    return "msgChecksumLen must be 0: the stack protects nothing with a checksum, for which fullChecksumSend is to be "
           "required or preferred before";
  return nullptr;
}

bool ConnectionCore::sends_plain() noexcept {
  if (plain_ == Plain::unknown && state_ != ConnectionState::establishing) {
    const MessageProperties usual = asked_by({});
    plain_ = is_plain(usual) && contradiction(usual) == nullptr ? Plain::yes : Plain::no;
  }
  return plain_ == Plain::yes;
}

void ConnectionCore::send_early(Message&& message) {
  const bool replayable = asked_by(message.properties).replayable;
  send(std::move(message), {});
  if (!replayable || outbox_.empty()) return;
  rare().early = outbox_.front().info;
  rare().early_expires = outbox_.front().info->expires;
}

void ConnectionCore::put(Chunk chunk) noexcept {
  if (ended_ || finished_) return;
  if (stack_ != nullptr && state_ != ConnectionState::establishing && outbox_.empty() && !batching_ &&
      stack_->top().credit() > 0 && !(chunk.info && chunk.info->expires <= turn_.executor().now())) {
    outbox_.passed(chunk);
    return stack_->top().push(std::move(chunk));
  }
  outbox_.add(std::move(chunk));
  watch_expiry();
  if (batching_ && stack_ != nullptr && outbox_.bytes() >= stack_->top().credit()) push_on();
}

void ConnectionCore::batch(bool begin) noexcept {
  batching_ = begin;
  if (!begin && stack_ != nullptr && state_ == ConnectionState::established) push_on();
}

void ConnectionCore::push_on() noexcept {
  if (outbox_.first_expiry() <= turn_.executor().now()) outbox_.expire(turn_.executor().now());
  if (!outbox_.empty()) outbox_.release(stack_->top());
  end_sending_if_due();
}

void ConnectionCore::end_sending_if_due() noexcept {
  if (!finished_ || finish_told_ || stack_ == nullptr || state_ == ConnectionState::establishing || !outbox_.empty())
    return;
  finish_told_ = true;
  stack_->top().finish();
}

void ConnectionCore::watch_expiry() noexcept {
  if (outbox_.first_expiry() != TimePoint::max()) rare().arm(turn_.executor(), outbox_.first_expiry());
}

void ConnectionCore::send_when_writable(Slice data, bool end, Connection::Done done) {
  const bool room = send(std::move(data), end);
  rare().room = std::move(done);
  if (room || ended_) turn_.deliver(*this);  // the callback may not fire inside this call
}

void ConnectionCore::cancel_send_wait() noexcept {
  if (rare_) rare_->room = {};
}

void ConnectionCore::finish() noexcept {
  finished_ = true;
  batch(false);
  end_sending_if_due();
}

bool ConnectionCore::writable() noexcept {
  const bool room = !ended_ && state_ == ConnectionState::established &&
                    (outbox_.empty() ? stack_->top().credit() > 0
                                     : outbox_.bytes() < std::max<std::size_t>(limits_.send_buffer,
                                                                               batching_ ? stack_->top().credit() : 0));
  if (!room) want_writable_ = true;
  return room;
}

void ConnectionCore::on_credit() noexcept {
  if (state_ == ConnectionState::establishing) return;
  if (!batching_ || outbox_.bytes() >= stack_->top().credit()) push_on();
  if (!want_writable_ || !writable()) return;
  want_writable_ = false;
  tell_writable_ = true;
  turn_.deliver(*this);
}

// ---- receiving

void ConnectionCore::receive(std::size_t at_least, std::size_t at_most, Connection::Received hear) {
  assert(!receiving_ && "one receive at a time");
  at_least_ = std::max<std::size_t>(at_least, 1);
  at_most_ = std::max<std::size_t>(at_most, 1);
  receiver_ = std::move(hear);
  receiving_ = true;
  if (!delivering_) demand();
}

// Refilled only when half of the window is used: fewer and larger reads.
void ConnectionCore::demand() noexcept {
  if (!inbox_.empty() || inbox_.ended() || ended_) turn_.deliver(*this);
  if (stack_ == nullptr || ended_ || inbox_.ended()) return;
  std::ignore = stack_->local();  // messages tell it, and a layer that has ended cannot be asked
  const LowerPort top = stack_->top();
  const std::size_t window = limits_.receive_buffer;
  if (history_ && top.granted() == 0 && history_->throughput.last() != turn_.executor().now())
    history_->throughput.was_held_back();
  if ((top.granted() + inbox_.charge()) * 2 <= window) stack_->top().grant_to(window - inbox_.charge());
}

void ConnectionCore::cancel_receive() noexcept {
  receiving_ = false;
  receiver_ = {};
}

void ConnectionCore::on_up(Batch& batch, bool finished) noexcept {
  if (gone_ || state_ == ConnectionState::closing || !receives(limits_.direction)) return batch.clear();
  if (history_) {
    std::size_t bytes = 0;
    for (const Chunk& chunk : batch) bytes += chunk.data.size();
    history_->throughput.received(bytes, turn_.executor().now());
  }
  const bool rare_wishes = rare_ && rare_->seldom;
  if (rare_wishes && rare_->seldom->check) sift(batch);
  inbox_.add(batch);
  if (finished) inbox_.end();
  if (receiving_ || (rare_wishes && rare_->seldom->heard)) turn_.deliver(*this);
}

void ConnectionCore::sift(Check check) {
  rare().seldom_used().check = std::move(check);
  demand();  // it is answered though the application receives nothing
}

void ConnectionCore::when_heard(std::move_only_function<void()> hear) {
  rare().seldom_used().heard = std::move(hear);
  demand();
}

void ConnectionCore::sift(Batch& batch) {
  Batch messages;
  while (!batch.empty()) {
    Chunk chunk = batch.pop();
    const auto answer = rare_->seldom->check(chunk.data.bytes());
    if (!answer) {
      messages.add(std::move(chunk));
    } else if (!answer->empty()) {
      Chunk out{.data = allocate(static_cast<std::uint32_t>(answer->size())), .end_of_message = true};
      std::ranges::copy(*answer, out.data.edit().begin());
      put(std::move(out));
    }
  }
  while (!messages.empty()) batch.add(messages.pop());
}

// ---- the end

void ConnectionCore::on_notice(Connection::Noticed hear) { rare().noticed = std::move(hear); }

void ConnectionCore::on_failed(std::move_only_function<void(const Error&)> hear) {
  rare().failed = std::move(hear);
  if (ended_ && failure_ && !failure_told_) turn_.deliver(*this);
}

void ConnectionCore::close(Connection::Done done) noexcept {
  rare().closed = std::move(done);
  if (ended_) return turn_.deliver(*this);
  if (closing_asked_) return;
  closing_asked_ = true;
  cancel_receive();
  if (state_ == ConnectionState::establishing) {  // nothing was promised to the peer yet
    return end(std::make_unique<Error>(Error{Reason::canceled, 0, "core", "closed before it was established"}));
  }
  state_ = ConnectionState::closing;
  batching_ = false;
  outbox_.release(stack_->top(), true);
  end_sending_if_due();
  stack_->close();
}

void ConnectionCore::cancel_close() noexcept {
  if (rare_) rare_->closed = {};
  abort(0);
}

void ConnectionCore::abort(std::uint64_t code) noexcept {
  abort_for({Reason::canceled, code, "core", "aborted by this side"});
}

void ConnectionCore::abort_for(Error why) noexcept {
  if (ended_) return;
  if (rare_ && rare_->ledger != nullptr) rare_->ledger->fail_open(why);
  keep_endpoints();
  if (stack_ != nullptr) std::exchange(stack_, nullptr)->abort(why.code);
  end(std::make_unique<Error>(std::move(why)));
}

void ConnectionCore::gone() noexcept {
  if (std::exchange(gone_, true)) return;
  cancel_receive();
  writable_ = {};
  ready_ = {};
  if (rare_) {
    rare_->noticed = {};
    rare_->failed = {};
    rare_->closed = {};
    rare_->room = {};
    if (rare_->seldom) rare_->seldom->heard = {};
  }
  if (taker_ != nullptr) std::exchange(taker_, nullptr)->forget(*this);
  if (membership_ && membership_->group) membership_->group->forget_handler(*this);
  if (state_ == ConnectionState::closing) return;  // a graceful close goes on; end() retires
  abort(0);
  turn_.retire(*this);
}

void ConnectionCore::keep_endpoints() noexcept {
  const bool to_be_told = !inbox_.empty() || (rare_ && rare_->ledger != nullptr);
  if (stack_ == nullptr || gone_ || !to_be_told) return;
  rare().seldom_used().remote = stack_->route().remote;
  rare().seldom_used().local = stack_->route().local;
}

void ConnectionCore::let_go_of_stack() noexcept {
  keep_endpoints();
  if (stack_ != nullptr) std::exchange(stack_, nullptr)->leave();
}

void ConnectionCore::end(std::unique_ptr<Error> why) noexcept {
  if (std::exchange(ended_, true)) return;
  state_ = ConnectionState::closed;
  failure_ = std::move(why);
  if (establishment_ != nullptr) std::exchange(establishment_, nullptr)->cancel();
  if (const auto history = std::exchange(history_, nullptr)) history->tell();
  if (rare_ && rare_->ledger != nullptr) {
    rare_->ledger->fail_open(failure_ ? *failure_ : Error{Reason::canceled, 0, "core", "the Connection was closed"});
    rare_->disarm();
  }
  if (rare_) rare_->early = {};
  outbox_.clear();
  let_go_of_stack();
  leave_group();
  if (gone_)
    turn_.retire(*this);
  else
    turn_.deliver(*this);
}

void ConnectionCore::stack_failed(Error error) noexcept { end(std::make_unique<Error>(std::move(error))); }

void ConnectionCore::stack_closed() noexcept {
  if (!closing_asked_) inbox_.end();  // the peer ended it cleanly
  end(nullptr);
}

// STOP_SENDING and its like: what the peer has sent can still be read.
void ConnectionCore::stack_stopped(const Error& error) noexcept {
  if (ended_) return;
  finished_ = finish_told_ = true;
  outbox_.clear();
  if (rare_ && rare_->ledger != nullptr) rare_->ledger->fail_open(error);
  stack_noticed(Notice::soft_error, error);
  turn_.deliver(*this);
}

void ConnectionCore::stack_noticed(Notice notice, Error detail) noexcept {
  if (!rare_ || !rare_->noticed) return;  // nobody listens
  rare_->news.push_back({notice, std::move(detail)});
  turn_.deliver(*this);
}

// ---- application callbacks, between the up and the down pass

void ConnectionCore::deliver() noexcept {
  if (gone_) return;
  delivering_ = true;
  if (deliver_ready() && deliver_notices()) {
    deliver_writable();
    if (!gone_) deliver_messages();
    if (!gone_ && ended_) deliver_end();
  }
  delivering_ = false;
}

// False: there is nobody left to tell anything.
bool ConnectionCore::deliver_ready() noexcept {
  if (taker_ != nullptr) {
    if (ended_) {  // failed before the application knew of it
      std::exchange(taker_, nullptr)->not_established(*this, failure_.get());
      gone_ = true;
      turn_.retire(*this);
      return false;
    }
    if (!std::exchange(tell_ready_, false)) return false;
    std::exchange(taker_, nullptr)->established(*this);
    tell_ready_ = false;
    return !gone_;
  }
  if (rare_) {
    for (const auto& report : std::exchange(rare_->reports, {})) {
      (*rare_->race_over)(*report);
      if (gone_) return false;
    }
  }
  if (ready_ && (tell_ready_ || ended_)) {
    auto hear = std::exchange(ready_, {});
    if (ended_ && !tell_ready_) failure_told_ = true;
    hear(tell_ready_ || !failure_ ? Result<void>{} : Result<void>(std::unexpected(*failure_)));
  }
  tell_ready_ = false;
  return !gone_;
}

bool ConnectionCore::deliver_notices() noexcept {
  if (!rare_) return true;
  if (rare_->seldom && rare_->seldom->heard && !inbox_.empty()) {
    auto hear = std::exchange(rare_->seldom->heard, {});
    hear();
    if (gone_) return false;
  }
  if (outbox_.first_expiry() <= turn_.executor().now()) {
    outbox_.expire(turn_.executor().now());
    watch_expiry();
    end_sending_if_due();
  }
  if (rare_->ledger != nullptr && rare_->ledger->news()) rare_->ledger->deliver(this);
  for (std::size_t i = 0; i < rare_->news.size() && !gone_ && rare_->noticed; ++i) {
    const Rare::News news = std::move(rare_->news[i]);
    rare_->noticed(news.notice, news.detail);
  }
  rare_->news.clear();
  return !gone_;
}

void ConnectionCore::deliver_writable() noexcept {
  if (rare_ && rare_->room && (ended_ || writable())) {
    auto hear = std::exchange(rare_->room, {});
    hear(ended_ && failure_ ? Result<void>(std::unexpected(*failure_)) : Result<void>{});
    if (gone_) return;
  }
  if (!std::exchange(tell_writable_, false) || !writable_) return;
  auto hear = std::exchange(writable_, {});
  hear();
  if (!gone_ && !writable_) writable_ = std::move(hear);  // it stays until it is replaced
}

void ConnectionCore::deliver_messages() noexcept {
  for (int n = 0; receiving_; ++n) {
    if (n == kDeliveriesPerRound) return turn_.deliver(*this);
    Message message;
    const std::size_t limit = ended_ || inbox_.ended() ? 0 : limits_.receive_buffer;  // 0: nothing more can come
    const bool found = inbox_.next(at_least_, at_most_, limit, turn_.executor().pool(), message);
    if (!found && !ended_ && !inbox_.ended()) break;
    receiving_ = false;
    if (found) note_endpoints(message);
    auto hear = std::exchange(receiver_, {});
    hear(found ? Result<Message>(std::move(message)) : last_word());
    if (gone_ || !found) return;
  }
  if (receiving_) demand();
}

// API-82. Of datagrams the layer that told peers apart may have said it.
void ConnectionCore::note_endpoints(Message& message) noexcept {
  if (stack_ == nullptr && !(rare_ && rare_->seldom)) return;
  if (!message.remote) message.remote = stack_ != nullptr ? stack_->route().remote : rare_->seldom->remote;
  if (!message.local) message.local = stack_ != nullptr ? stack_->route().local : rare_->seldom->local;
}

Address ConnectionCore::sent_to() const noexcept {
  return stack_ != nullptr ? stack_->route().remote : rare_ && rare_->seldom ? rare_->seldom->remote : Address{};
}
Address ConnectionCore::sent_from() const noexcept {
  return stack_ != nullptr ? stack_->local() : rare_ && rare_->seldom ? rare_->seldom->local : Address{};
}

// When nothing more will come: why, or that the peer has finished, which is said once (RFC 9622 section 9.1.3.5).
Result<Message> ConnectionCore::last_word() {
  if (failure_ && !inbox_.ended()) return std::unexpected(*failure_);
  if (!receives(limits_.direction)) {
    return trellis::fail(Reason::unsupported,
                         "the Connection only sends: its direction is Unidirectional Send, which a multicast group has "
                         "always; listen() receives from one",
                         0, "core");
  }
  if (std::exchange(final_told_, true))
    return trellis::fail(Reason::invalid_argument, "nothing can be received after the final message", 0, "core");
  return Message{.data = {}, .final = true};
}

void ConnectionCore::deliver_end() noexcept {
  if (waits_for_group()) return;
  if (rare_ && rare_->closed) {
    auto hear = std::exchange(rare_->closed, {});
    failure_told_ = true;
    hear(failure_ ? Result<void>(std::unexpected(*failure_)) : Result<void>{});
    if (gone_) return;
  }
  if (!failure_ || failure_told_ || !rare_ || !rare_->failed) return;
  failure_told_ = true;
  auto hear = std::exchange(rare_->failed, {});
  hear(*failure_);
}

// ---- properties

const MessageWishes& ConnectionCore::message_wishes() const noexcept {
  static constexpr MessageWishes kNone;
  if (rare_ && rare_->seldom && rare_->seldom->messages) return *rare_->seldom->messages;
  return limits_.messages ? *limits_.messages : kNone;
}

// It stays with this Connection: neither the group nor clones get it (API-210).
Result<void> ConnectionCore::set_message_wish(std::string_view name, const PropertyValue& value) {
  MessageWishes wishes = message_wishes();
  if (auto set = set_message_property(wishes, name, value); !set) return set;
  rare().seldom_used().messages = wishes;
  plain_ = Plain::unknown;
  return {};
}

// What a message that wishes nothing comes to. What nobody has said is as the stack does it (RFC 9622 section 9.1.3).
PropertyValue ConnectionCore::message_wish(std::string_view name) noexcept {
  const MessageWishes& wishes = message_wishes();
  MessageProperties asked = asked_by({});
  if (stack_ != nullptr) {
    const FeatureSet have = features_of(stack_->composed(), face_);
    asked.ordered = wishes.ordered.value_or(have.has(Feature::ordering));
    asked.reliable = wishes.reliable.value_or(have.has(Feature::reliability));
  }
  if (asked.capacity_profile == CapacityProfile::of_connection && same_word(name, kMsgCapacityProfile.name) &&
      stack_ != nullptr) {
    if (auto own = stack_->get(kConnCapacityProfile.name, stack_->depth() - 1)) return std::move(*own);
  }
  return message_property(asked, wishes.lifetime.value_or(Duration::max()), name).value_or(false);
}

std::string_view ConnectionCore::interface_name() const {
  if (stack_ == nullptr) return {};
  std::string& name = stack_->route().path.interface_name;
  if (name.empty()) name = turn_.executor().sockets().interface_name(stack_->local());
  return name;
}

}  // namespace trellis
