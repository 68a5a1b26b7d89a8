// framer_layer.h: makes a Framer a layer of a stack: messages above; below a bytestream, or messages or datagrams that
// hold whole messages.
#pragma once
#include <memory>
#include <string>

#include "core/framer_receiver.h"
#include "core/framer_sender.h"

namespace trellis {

class PrependedFramer;

/// A framing as a protocol: for composition, and to make one FramerLayer per connection. As a layer of messages it
/// stands on a bytestream, as one of datagrams on datagrams.
class FramerProtocol final : public Protocol {
 public:
  /// `name` is what policies and error messages call it.
  FramerProtocol(std::string name, std::unique_ptr<Framing> framing)
      : name_(std::move(name)), framing_(std::move(framing)) {}
  LayerTraits traits(Face above) const noexcept override;
  LayerTraits over_messages() const noexcept;  ///< messages on messages: where there is no bytestream below
  Result<std::unique_ptr<ProtocolInstance>> connect(const Seat& seat) const noexcept override;

 private:
  std::string name_;
  std::unique_ptr<Framing> framing_;
};

/// One connection's framer at work. Ready when the framer says so, which most do as soon as they are opened.
class FramerLayer final : public ProtocolInstance, private FramerHost {
 public:
  /// `name` and `framing` outlive the layer.
  FramerLayer(const Seat& seat, const std::string& name, const Framing& framing);
  ~FramerLayer() override;

  void open(const OpenArgs&) noexcept override;
  void close(const CloseArgs&) noexcept override;
  void on_up(LowerPort from, Batch& batch) noexcept override;
  void on_down(UpperPort from, Batch& batch) noexcept override;
  void on_credit(UpperPort) noexcept override;
  void on_credit(LowerPort) noexcept override;
  void on_deadline() noexcept override;
  Result<PropertyValue> get(UpperPort, std::string_view name) noexcept override;
  Result<void> set(UpperPort, std::string_view name, const PropertyValue&) noexcept override;

 private:
  friend class PrependedFramer;

  // FramerHost: takes note; settle() draws the consequences after the framer has returned.
  void send(Chunk&& own) noexcept override;
  void deliver(Chunk&& own) noexcept override;
  void annotate(std::string_view key, PropertyValue value) noexcept override;
  void ready() noexcept override;
  void closed() noexcept override;
  void pass_through() noexcept override;
  Result<void> prepend(std::string_view name, const Framing& other) noexcept override;

  void settle() noexcept;
  void receive(Batch& batch) noexcept;
  void end_of_peer(const Batch& left) noexcept;
  void take(Batch& batch) noexcept;
  void want_more() noexcept;
  void after_sending() noexcept;
  bool stop() noexcept;
  void wait_for_last_word() noexcept;
  void wait_for_peer(Duration patience) noexcept;
  void wait_no_more() noexcept;
  void fail_connection(Error error) noexcept;

  LayerHost& host_;
  UpperPort upper_;
  LowerPort lower_;
  const Framing& framing_;
  std::unique_ptr<Framer> framer_;
  FramerSender sender_;
  FramerReceiver receiver_;
  std::unique_ptr<PrependedFramer> above_;  // between this and upper_ of the seat; null: nothing
  const OpenArgs* args_ = nullptr;
  bool starting_ = true, stirred_ = false, passes_ = false, stopping_ = false, stopped_ = false, waiting_ = false;
  bool finished_down_ = false, finished_up_ = false, closing_ = false, over_ = false;
};

}  // namespace trellis
