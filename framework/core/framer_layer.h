// framer_layer.h: makes a Framer a layer of a stack: messages above, a bytestream below.
//
// The bytes of a message are never copied. What came up stays in the link's batch until its piece is known, and is then
// cut out of it; only a header that a block's edge has cut is copied, to show it to the framer in one span.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "trellis/framer.h"
#include "trellis/protocol.h"

namespace trellis {

/// A framing as a protocol: for composition, and to make one FramerLayer per connection. `name` is what policies and
/// error messages call it.
std::unique_ptr<Protocol> framer_protocol(std::string name, std::unique_ptr<Framing> framing);

/// The direction from the application: parts of messages become bytes.
class FramerSender {
 public:
  FramerSender(const Seat& seat, const std::string& name, const Framing& framing, Framer& framer)
      : host_(seat.host), upper_(seat.upper), lower_(seat.lower), name_(name), framing_(framing), framer_(framer) {}
  void send(Batch& batch) noexcept;  // takes parts while the layer below takes bytes
  void on_credit() noexcept;         // the layer below takes more
  void drop_unfinished() noexcept;   // no more parts come: a message without its end fails
  bool idle() const noexcept { return framed_.empty(); }

 private:
  void take(Chunk part) noexcept;
  void refuse_size(bool begun) noexcept;
  void frame(Chunk part, bool first, std::size_t size) noexcept;
  void frame_gathered() noexcept;
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
  Batch gathered_;                  // parts of a message whose size the framer must know first
  std::size_t bytes_ = 0;           // of the message so far
  bool at_start_ = true;            // the next part begins a message
  std::unique_ptr<Error> dropped_;  // why the rest of the message is dropped; null: it is not
};

/// The direction to the application: bytes become messages, or parts of them where a message is larger than a window.
class FramerReceiver {
 public:
  FramerReceiver(const Seat& seat, const std::string& name, const Framing& framing, Framer& framer)
      : upper_(seat.upper), lower_(seat.lower), name_(name), framing_(framing), framer_(framer) {}
  Result<void> receive(Batch& batch) noexcept;               // takes what the layer above has credit for
  void grant() noexcept;                                     // asks the layer below for what the layer above wants
  Result<void> check_end(const Batch& left) const noexcept;  // the peer has finished: may it, here?

 private:
  Result<bool> next_piece(Batch& batch) noexcept;
  Result<Framer::Piece> parse(Batch& batch) noexcept;
  bool look_further(const Batch& batch) noexcept;
  bool skip(Batch& batch) noexcept;
  bool deliver(Batch& batch) noexcept;
  void push(Chunk part) noexcept;
  std::string sentence(std::string text) const { return name_ + ": " + std::move(text); }

  UpperPort upper_;
  LowerPort lower_;
  const std::string& name_;
  const Framing& framing_;
  Framer& framer_;
  std::vector<std::byte> front_;  // copy of the first bytes that have not been understood; empty: not needed
  std::size_t bytes_ = 0;         // of the message so far
  Framer::Piece piece_;           // what is left of the piece that is being received
  bool in_piece_ = false;         // piece_ is known
  bool in_message_ = false;       // a message has begun and not ended
};

/// One connection's framer at work. Ready as soon as it is opened.
class FramerLayer final : public ProtocolInstance {
 public:
  /// `name` and `framing` outlive the layer.
  FramerLayer(const Seat& seat, const std::string& name, const Framing& framing);

  void open(const OpenArgs&) noexcept override;
  void close(const CloseArgs&) noexcept override;
  void on_up(LowerPort from, Batch& batch) noexcept override;
  void on_down(UpperPort from, Batch& batch) noexcept override;
  void on_credit(UpperPort) noexcept override;
  void on_credit(LowerPort) noexcept override;
  Result<PropertyValue> get(UpperPort, std::string_view name) noexcept override;
  Result<void> set(UpperPort, std::string_view name, const PropertyValue&) noexcept override;

 private:
  void after_sending() noexcept;
  void fail_connection(Error error) noexcept;

  LayerHost& host_;
  UpperPort upper_;
  LowerPort lower_;
  const Framing& framing_;
  std::unique_ptr<Framer> framer_;
  FramerSender sender_;
  FramerReceiver receiver_;
  bool finished_down_ = false, finished_up_ = false, closing_ = false, over_ = false;
};

}  // namespace trellis
