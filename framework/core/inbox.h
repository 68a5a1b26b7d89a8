// inbox.h: what came up and the application has not asked for yet, cut into the messages and parts it asks for.
#pragma once
#include "trellis/connection.h"
#include "trellis/port.h"

namespace trellis {

class Inbox {
 public:
  explicit Inbox(Face face) : face_(face) {}
  void add(Batch& batch);
  void end() noexcept { ended_ = true; }  // the peer has finished sending
  bool empty() const noexcept { return queue_.empty(); }
  bool ended() const noexcept { return ended_; }
  /// Bytes of credit that the content has cost, so that the window can be refilled.
  std::size_t charge() const noexcept { return charge_; }
  /// Takes the next message or part that satisfies the demand. `limit`: bytes that may be held at most; a message
  /// beyond it is given in parts, because it could never become whole. False: nothing yet.
  bool next(std::size_t at_least, std::size_t at_most, std::size_t limit, BlockPool& pool, Message& out);

 private:
  std::size_t cost(const Chunk& chunk) const noexcept {
    return face_ == Face::bytestream ? chunk.data.size() : std::max<std::size_t>(chunk.data.size(), kLeastCharge);
  }
  bool coalesce(const Chunk& chunk) noexcept;
  Chunk take() noexcept;
  void take_front(std::size_t at_most, Message& out);
  void gather(std::size_t bytes, BlockPool& pool, Message& out);

  Batch queue_;
  std::size_t charge_ = 0;
  Face face_;
  bool ended_ = false;
};

}  // namespace trellis
