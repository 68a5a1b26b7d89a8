// outbox.h: messages that the application has sent and the stack has no credit for yet. Only here can a message still
// expire or be overtaken: what has been pushed to the stack belongs to its layers.
#pragma once
#include <functional>

#include "trellis/port.h"

namespace trellis {

class Outbox {
 public:
  /// Adds a message or a part. One that is not `ordered` goes before queued messages of lower urgency (IMPL-52).
  void add(Chunk chunk);
  /// A part that did not need to wait here has gone to the stack: its message has begun.
  void passed(const Chunk& chunk) noexcept { front_begun_ = !(last_ended_ = chunk.end_of_message); }
  /// Pushes while the port has credit, or everything when `all`.
  void release(LowerPort to, bool all = false);
  /// Drops messages whose lifetime has ended and of which nothing was released (IMPL-51).
  void expire(TimePoint now);
  /// Drops messages that `wrong` has a sentence about, as failed. Null: of one that has no info.
  void refuse(const std::function<const char*(const MessageProperties*)>& wrong);
  /// The chunk with this info; null: it is not here any more.
  Chunk* find(const MessageInfo* info) noexcept;
  /// Drops the chunk with this info without a word: something else speaks for it now.
  void forget(const MessageInfo* info);
  void clear() noexcept;
  std::size_t bytes() const noexcept { return bytes_; }
  bool empty() const noexcept { return queue_.empty(); }
  Chunk& front() noexcept { return queue_.front(); }  // precondition: not empty
  void watch(const Chunk& chunk) noexcept { first_expiry_ = std::min(first_expiry_, chunk.info->expires); }
  TimePoint first_expiry() const noexcept { return first_expiry_; }  // max(): none; may be too early

 private:
  void insert_by_priority(Chunk chunk);
  template <class Which, class Tell>
  void drop(const Which& which, const Tell& tell);

  Batch queue_;
  std::size_t bytes_ = 0;
  TimePoint first_expiry_ = TimePoint::max();
  bool front_begun_ = false;  // the first part of the message at the front was released
  bool last_ended_ = true;    // the last chunk that was added ended its message
  bool dropping_ = false;     // the message that is being added has expired: drop its other parts too
};

}  // namespace trellis
