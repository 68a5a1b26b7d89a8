#include "core/fates.h"

namespace trellis {

Ledger* Ledger::make(std::move_only_function<void()> stir, Connection::Noticed lost) {
  auto* ledger = new Ledger;
  ledger->stir_ = std::move(stir);
  ledger->lost_ = std::move(lost);
  return ledger;
}

MessageRef Ledger::record(const MessageProperties& properties, Connection::Sent sent) {
  auto* info = new SentInfo;
  static_cast<MessageProperties&>(*info) = properties;
  info->sent = std::move(sent);
  info->ledger = this;
  info->tell = tell;
  info->release = release;
  info->next = open_;
  if (open_ != nullptr) open_->previous = info;
  open_ = info;
  ++references_;
  return MessageRef(info);
}

void Ledger::tell(MessageInfo* info, Fate fate, const Error* why) noexcept {
  auto& message = static_cast<SentInfo&>(*info);
  Ledger& ledger = *message.ledger;
  if (ledger.left_) return;
  const std::optional<Error> copy = why != nullptr ? std::optional(*why) : std::nullopt;
  const bool last = fate != Fate::sent;  // acknowledged may still follow `sent`
  if (message.sent && last) {
    ledger.news_.push_back({std::move(message.sent), fate, copy});
  } else if (message.sent) {
    // The same callable may hear `acknowledged` later, so it stays with the message until that is released.
    ledger.news_.push_back(
        {[&message, keep = MessageRef(info)](const SentContext& c, const Error* e) mutable { message.sent(c, e); },
         fate, copy});
  } else if (fate == Fate::expired || fate == Fate::failed) {
    ledger.lost_(Notice::soft_error,
                 copy.value_or(Error{Reason::timed_out, 0, "core", "a message expired before it could be sent"}));
    return;
  } else {
    return;
  }
  ledger.stir_();
}

void Ledger::release(MessageInfo* info) noexcept {
  auto* message = static_cast<SentInfo*>(info);
  Ledger& ledger = *message->ledger;
  ledger.unlink(*message);
  delete message;
  ledger.drop();
}

void Ledger::unlink(SentInfo& message) noexcept {
  if (message.previous != nullptr)
    message.previous->next = message.next;
  else
    open_ = message.next;
  if (message.next != nullptr) message.next->previous = message.previous;
}

void Ledger::fail_open(const Error& error) {
  for (SentInfo* message = open_; message != nullptr; message = message->next) message->report(Fate::failed, &error);
}

void Ledger::deliver(ConnectionCore* of) {
  for (std::size_t i = 0; i < news_.size() && !left_; ++i) {  // a callback may send more and add news
    News news = std::move(news_[i]);
    news.sent(SentContext(news.fate, of), news.why ? &*news.why : nullptr);
  }
  news_.clear();
}

void Ledger::leave() noexcept {
  left_ = true;
  for (SentInfo* message = open_; message != nullptr; message = message->next) message->sent = {};
  const std::vector<News> dropped = std::move(news_);
  news_.clear();
  drop();
}

void Ledger::drop() noexcept {
  if (--references_ == 0) delete this;
}

}  // namespace trellis
