#include "core/outbox.h"

namespace trellis {
namespace {

bool expired(const Chunk& chunk, TimePoint now) { return chunk.info && chunk.info->expires <= now; }
void give_up(Chunk& chunk) {
  if (chunk.info) chunk.info->report(Fate::expired);
}

}  // namespace

void Outbox::add(Chunk chunk) {
  const bool begins = std::exchange(last_ended_, chunk.end_of_message);
  if (begins) dropping_ = false;
  if (dropping_) return give_up(chunk);
  bytes_ += chunk.data.size();
  if (chunk.info) {
    first_expiry_ = std::min(first_expiry_, chunk.info->expires);
    if (begins && chunk.end_of_message && !chunk.info->ordered && !queue_.empty())
      return insert_by_priority(std::move(chunk));
  }
  queue_.add(std::move(chunk));
}

void Outbox::insert_by_priority(Chunk chunk) {
  const auto urgency = [](const Chunk& c) { return c.info ? c.info->priority : MessageProperties{}.priority; };
  const std::uint32_t mine = chunk.info->priority;
  Batch sooner;
  bool begins = !front_begun_;
  while (!queue_.empty() && (!begins || urgency(queue_.front()) <= mine)) {
    begins = queue_.front().end_of_message;
    sooner.add(queue_.pop());
  }
  sooner.add(std::move(chunk));
  sooner.append(queue_);
  queue_.append(sooner);
}

void Outbox::release(LowerPort to, bool all) {
  while (!queue_.empty() && (all || to.credit() > 0)) {
    Chunk chunk = queue_.pop();
    front_begun_ = !chunk.end_of_message;
    bytes_ -= chunk.data.size();
    to.push(std::move(chunk));
  }
  if (queue_.empty()) first_expiry_ = TimePoint::max();
}

Chunk* Outbox::find(const MessageInfo* info) noexcept {
  for (Chunk& chunk : queue_) {
    if (chunk.info.get() == info) return &chunk;
  }
  return nullptr;
}

void Outbox::forget(const MessageInfo* info) {
  Batch keep;
  while (!queue_.empty()) {
    Chunk chunk = queue_.pop();
    if (chunk.info.get() != info) {
      keep.add(std::move(chunk));
      continue;
    }
    bytes_ -= chunk.data.size();
    if (keep.empty()) front_begun_ = !chunk.end_of_message;
  }
  queue_.append(keep);
}

void Outbox::clear() noexcept {
  queue_.clear();
  bytes_ = 0;
}

// Whole messages of which nothing was released: what a message's first part says counts for the others.
template <class Which, class Tell>
void Outbox::drop(const Which& which, const Tell& tell) {
  Batch keep;
  bool begins = !front_begun_;
  bool dropped = false;
  while (!queue_.empty()) {
    Chunk chunk = queue_.pop();
    if (begins) dropped = which(chunk);
    begins = chunk.end_of_message;
    if (!dropped) {
      keep.add(std::move(chunk));
      continue;
    }
    bytes_ -= chunk.data.size();
    tell(chunk);
  }
  dropping_ = dropped && !last_ended_;
  queue_.append(keep);
}

void Outbox::expire(TimePoint now) {
  if (first_expiry_ > now) return;
  drop([&](const Chunk& chunk) { return expired(chunk, now); }, give_up);
  first_expiry_ = TimePoint::max();
  for (const Chunk& chunk : queue_) {
    if (chunk.info && chunk.info->expires > now) watch(chunk);
  }
}

void Outbox::refuse(const std::function<const char*(const MessageProperties*)>& wrong) {
  drop([&](const Chunk& chunk) { return wrong(chunk.info.get()) != nullptr; },
       [&](Chunk& chunk) {
         if (!chunk.info) return;
         const char* const why = wrong(chunk.info.get());
         const Error error{Reason::invalid_argument, 0, "core", why != nullptr ? why : "its first part was refused"};
         chunk.info->report(Fate::failed, &error);
       });
}

}  // namespace trellis
