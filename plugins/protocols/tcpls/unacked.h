// unacked.h: records that were sent on one connection and not acknowledged: their frames may have to be sent again on
// another one (TCPLS-77). They are kept as they were sent, sealed, so that keeping them copies nothing.
#pragma once
#include <algorithm>
#include <cstdint>
#include <cstring>

#include "fifo.h"
#include "trellis/buffer.h"
#include "trellis/clock.h"

namespace trellis::tcpls {

class Unacked {
 public:
  /// What an acknowledgement of a record means for one stream.
  struct Part {
    std::uint32_t stream = 0;
    std::uint32_t size = 0;
    bool fin = false;
    std::uint64_t place = 0;  ///< of all that the session has sent: where these bytes were when they were sent first
  };
  struct Record {
    std::uint64_t sequence = 0;
    TimePoint at{};           ///< when it was sent
    std::uint32_t bytes = 0;  ///< of stream data
    std::uint32_t parts = 0, pieces = 0;
    std::uint64_t place = kNowhere;  ///< the least of its parts
  };
  static constexpr std::uint64_t kNowhere = UINT64_MAX;

  /// A frame of the record that is being made.
  void add(const Part& part) {
    parts_.add(part);
    next_.bytes += part.size;
    next_.place = std::min(next_.place, part.place);
    ++next_.parts;
  }
  /// A piece of that record, sealed. None at all: nothing in it is worth repeating.
  void add(Slice&& piece) {
    pieces_.add(std::move(piece));
    ++next_.pieces;
  }
  /// There are stream data in it.
  bool has_data() const noexcept { return next_.place != kNowhere; }
  /// That record is complete.
  void end(std::uint64_t sequence, TimePoint at) {
    next_.sequence = sequence;
    next_.at = at;
    if (next_.place != kNowhere) {
      while (!first_.empty() && first_.back().place >= next_.place) first_.drop_back();
      first_.add({sequence, next_.place});
    }
    records_.add(std::exchange(next_, {}));
  }

  bool empty() const noexcept { return records_.empty(); }
  /// Precondition: not empty.
  const Record& oldest() const noexcept { return records_.front(); }
  /// The least place of what is unacknowledged; kNowhere: there is none.
  std::uint64_t least_place() const noexcept { return first_.empty() ? kNowhere : first_.front().place; }
  /// Forgets what is acknowledged: acked(Record), and part(Part) for each of its frames.
  template <class Acked, class Acknowledged>
  void acknowledge(std::uint64_t sequence, const Acked& acked, const Acknowledged& part) {
    while (!records_.empty() && records_.front().sequence <= sequence) {
      const Record record = pop();
      for (std::uint32_t i = 0; i < record.pieces; ++i) pieces_.pop();
      acked(record);
      for (std::uint32_t i = 0; i < record.parts; ++i) part(parts_.pop());
    }
  }
  /// Gives up records, oldest first, until they have had more than so many bytes of data: lost(Record, Slice) with the
  /// whole record; empty if there is nothing to repeat.
  template <class Lost>
  void give_up(BlockPool& pool, std::size_t at_most, const Lost& lost) {
    for (std::size_t bytes = 0; !records_.empty() && bytes <= at_most;) {
      const Record record = pop();
      for (std::uint32_t i = 0; i < record.parts; ++i) parts_.pop();
      bytes += record.bytes;
      lost(record, whole(record.pieces, pool));
    }
  }

 private:
  struct Place {
    std::uint64_t sequence = 0, place = 0;
  };
  Record pop() {
    if (!first_.empty() && first_.front().sequence == records_.front().sequence) first_.pop();
    return records_.pop();
  }
  Slice whole(std::uint32_t pieces, BlockPool& pool) {
    if (pieces == 0) return {};
    std::size_t size = 0, at = 0;
    for (std::uint32_t i = 0; i < pieces; ++i) size += pieces_[i].size();
    Slice record = pool.allocate(0, static_cast<std::uint32_t>(size), 0);
    for (; pieces > 0; --pieces) {
      const Slice piece = pieces_.pop();
      std::memcpy(record.edit().data() + at, piece.bytes().data(), piece.size());
      at += piece.size();
    }
    return record;
  }
  Fifo<Record> records_;
  Fifo<Part> parts_;
  Fifo<Slice> pieces_;
  Fifo<Place> first_;  // records of which no later one has a lesser place
  Record next_;
};

}  // namespace trellis::tcpls
