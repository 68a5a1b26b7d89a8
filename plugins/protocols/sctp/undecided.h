// undecided.h: messages that the library may still give up (RFC 3758). Those that it has given up have expired; of the
// others it says only that all have arrived, so they count as sent then.
#pragma once
#include <deque>

#include "trellis/message.h"

namespace trellis::sctp {

class Undecided {
 public:
  /// Returns what the library shall call it; never 0. Beyond a bound the oldest counts as sent.
  std::uint32_t add(const MessageRef& message) {
    constexpr std::size_t kMost = 4096;
    if (messages_.size() == kMost) {
      messages_.pop_front();
      ++first_;
    }
    messages_.push_back(message);
    return first_ + static_cast<std::uint32_t>(messages_.size()) - 1;
  }
  /// The library has given it up. `why` null: its time was over.
  void given_up(std::uint32_t context, const Error* why) noexcept {
    const std::uint32_t at = context - first_;
    if (context == 0 || at >= messages_.size() || !messages_[at]) return;
    messages_[at]->report(why == nullptr ? Fate::expired : Fate::failed, why);
    messages_[at] = {};
  }
  /// Everything that was not given up has arrived.
  void all_arrived() noexcept {
    for (const MessageRef& message : messages_) {
      if (message) message->report(Fate::sent);
    }
    first_ += static_cast<std::uint32_t>(messages_.size());
    if (first_ > UINT32_MAX / 2) first_ = 1;
    messages_.clear();
  }
  bool empty() const noexcept { return messages_.empty(); }

 private:
  std::deque<MessageRef> messages_;
  std::uint32_t first_ = 1;
};

}  // namespace trellis::sctp
