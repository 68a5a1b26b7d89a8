// framer_receiver.h: one framer at work in the direction to the application: bytes, or messages and datagrams of the
// layer below, become messages, or parts of them where a message is larger than a window.
//
// The bytes of a message are never copied. What came up stays in the link's batch until its piece is known, and is then
// cut out of it; only a header that a block's edge has cut is copied, to show it to the framer in one span.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "core/layer_names.h"
#include "trellis/framer.h"
#include "trellis/protocol.h"

namespace trellis {

class FramerReceiver {
 public:
  /// What is given here outlives it.
  FramerReceiver(const Seat& seat, const std::string& name, const Framing& framing, Framer& framer);
  void below(UpperPort upper) noexcept { upper_ = upper; }  // another framer stands there now
  void open() noexcept { mode_ = Mode::open; }              // the framer is ready: messages go up
  void discard() noexcept;                                  // the application has gone: nothing goes up
  void pass_through() noexcept { passes_ = true; }          // behind the piece
  Result<void> receive(Batch& batch) noexcept;              // takes what the layer above has credit for
  void deliver_own(Chunk own) noexcept;                     // of the framer itself
  void annotate(std::string_view key, PropertyValue value) noexcept { noted_.add(name_, key, std::move(value)); }
  void push_own() noexcept;                                  // the layer above takes more
  void grant() noexcept;                                     // asks the layer below for what the layer above wants
  void drop_datagram(Batch& batch) noexcept;                 // the one at the front, after an error
  Result<void> check_end(const Batch& left) const noexcept;  // the peer has finished: may it, here?
  void end() noexcept;                                       // it may: ends what was passed through
  std::size_t own_waiting() const noexcept { return own_ ? own_->bytes() : 0; }
  const std::string& name() const noexcept { return name_; }
  bool discards() const noexcept { return mode_ == Mode::discarding; }
  bool holds_own() const noexcept { return own_ != nullptr; }

 private:
  enum class Mode : std::uint8_t { starting, open, discarding };
  bool may_look() const noexcept { return mode_ != Mode::open || (upper_.credit() > 0 && !own_); }
  Result<bool> next_piece(Batch& batch) noexcept;
  Result<Framer::Piece> parse(Batch& batch) noexcept;
  bool look_further(const Batch& batch) noexcept;
  Result<void> check_bounds(const Batch& batch) const noexcept;
  bool skip(Batch& batch) noexcept;
  bool deliver(Batch& batch) noexcept;
  void pass(Batch& batch) noexcept;
  void push(Chunk part) noexcept;
  void write_notes(Chunk& part) noexcept;
  std::unexpected<Error> violation(std::string text) const {
    return fail(Reason::protocol_violation, name_ + ": " + std::move(text), 0, kFramerLayer);
  }
  std::unexpected<Error> cut_off() const;

  UpperPort upper_;
  LowerPort lower_;
  const std::string& name_;
  const Framing& framing_;
  Framer& framer_;
  std::vector<std::byte> front_;  // copy of the first bytes that have not been understood; empty: not needed
  std::size_t bytes_ = 0;         // of the message so far
  Framer::Piece piece_;           // what is left of the piece that is being received
  FramerMetadata noted_;          // for what is delivered next
  std::unique_ptr<Batch> own_;    // of the framer itself, waits for credit above; null: nothing
  Mode mode_ = Mode::starting;
  bool whole_;               // below are messages or datagrams, and each holds whole messages
  bool stream_;              // above is a bytestream
  bool passes_ = false;      // pass_through() was called
  bool in_piece_ = false;    // piece_ is known
  bool in_message_ = false;  // a message has begun and not ended
};

}  // namespace trellis
