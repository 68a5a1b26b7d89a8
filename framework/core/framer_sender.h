// framer_sender.h: one framer at work in the direction from the application: parts of messages become bytes, or
// messages and datagrams of the layer below.
#pragma once
#include <memory>
#include <string>

#include "trellis/framer.h"
#include "trellis/protocol.h"

namespace trellis {

class FramerSender {
 public:
  /// What is given here outlives it.
  FramerSender(const Seat& seat, const std::string& name, const Framing& framing, Framer& framer);
  void below(UpperPort upper) noexcept { upper_ = upper; }  // another framer stands there now
  void open() noexcept { open_ = true; }                    // the framer is ready: parts are taken
  void pass_through() noexcept { passes_ = true; }          // from the next message on
  void send(Batch& batch) noexcept;                         // takes parts while the layer below takes bytes
  void send_own(Chunk own) noexcept;                        // of the framer itself
  void on_credit() noexcept;                                // the layer below takes more
  void drop_unfinished() noexcept;                          // no more parts come: a message without its end fails
  bool idle() const noexcept { return framed_.empty() && !own_; }
  std::size_t own_waiting() const noexcept { return own_ ? own_->bytes() : 0; }

 private:
  void take(Chunk part) noexcept;
  void refuse_size(bool begun) noexcept;
  void frame(Chunk part, bool first, std::size_t size) noexcept;
  void frame_gathered() noexcept;
  void mark_end() noexcept;
  void join_framed() noexcept;
  void give_up(Error why) noexcept;
  void settle(Batch& parts) noexcept;
  void push_framed() noexcept;
  void grant() noexcept;

  LayerHost& host_;
  UpperPort upper_;
  LowerPort lower_;
  const std::string& name_;
  const Framing& framing_;
  Framer& framer_;
  Batch framed_;                    // waits for credit below
  Batch gathered_;                  // parts of a message that the framer must have as a whole
  std::unique_ptr<Batch> own_;      // of the framer itself, behind what is framed; null: nothing
  std::size_t bytes_ = 0;           // of the message so far
  std::unique_ptr<Error> dropped_;  // why the rest of the message is dropped; null: it is not
  bool whole_;                      // below are messages or datagrams, and each is framed as a whole
  bool stream_;                     // above is a bytestream
  bool gathers_;                    // a message is framed when it is complete
  bool open_ = false;
  bool passes_ = false;
  bool at_start_ = true;  // the next part begins a message
};

}  // namespace trellis
