// receive_queue.h: what came on a stream and the layer above has not asked for. Parts of several messages may come in
// turns (RFC 8260); above they go one message after the other.
#pragma once
#include <algorithm>
#include <vector>

#include "trellis/port.h"

namespace trellis::sctp {

class ReceiveQueue {
 public:
  /// A part of the message with this id; end_of_message: its last.
  void add(Chunk&& part, std::uint32_t id) {
    charge_ += cost(part);
    if (open_ && id != open_id_) return set_aside(std::move(part), id);
    open_ = !part.end_of_message;
    open_id_ = id;
    ready_.add(std::move(part));
    while (!open_ && !aside_.empty()) take_next();
  }
  /// Pushes what the port has credit for.
  void hand_up(UpperPort port) noexcept {
    while (!ready_.empty() && port.credit() > 0) {
      charge_ -= cost(ready_.front());
      port.push(ready_.pop());
    }
  }
  void drop() noexcept {
    ready_.clear();
    aside_.clear();
    charge_ = 0;
    open_ = false;
  }
  bool empty() const noexcept { return charge_ == 0; }
  bool in_message() const noexcept { return open_; }       ///< a message is here, or above, that is not complete
  std::size_t charge() const noexcept { return charge_; }  ///< of what is held, in bytes of credit

 private:
  struct Aside {
    std::uint32_t id;
    bool complete;
    Batch parts;
  };
  static std::size_t cost(const Chunk& part) noexcept { return std::max<std::size_t>(part.data.size(), kLeastCharge); }
  void set_aside(Chunk&& part, std::uint32_t id) {
    auto message = std::ranges::find_if(aside_, [id](const Aside& a) { return a.id == id && !a.complete; });
    if (message == aside_.end()) message = aside_.insert(aside_.end(), Aside{id, false, {}});
    message->complete = part.end_of_message;
    message->parts.add(std::move(part));
  }
  void take_next() {
    Aside next = std::move(aside_.front());
    aside_.erase(aside_.begin());
    open_ = !next.complete;
    open_id_ = next.id;
    ready_.append(next.parts);
  }

  Batch ready_;
  std::vector<Aside> aside_;
  std::size_t charge_ = 0;
  std::uint32_t open_id_ = 0;
  bool open_ = false;
};

}  // namespace trellis::sctp
