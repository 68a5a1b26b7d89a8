// tcp_instance.h: one TCP connection of the kernel as a bottom layer.
//
// Bytes wait in the link above or in the kernel, never here: what the socket does not take stays in the batch, and what
// nobody has credit for is not read. Sockets are level-triggered and are not destroyed inside their own events: what
// ends the connection there is carried out by the visit that follows (on_wake).
#pragma once
#include <memory>

#include "../kernel_socket.h"
#include "tcp_properties.h"
#include "trellis/protocol.h"

namespace trellis {

class TcpInstance final : public ProtocolInstance, private SocketEvents {
 public:
  /// `settings` outlive it. `accepted`: null on the active side.
  TcpInstance(const Seat& seat, const TcpLayerSettings& settings, std::unique_ptr<Socket> accepted = nullptr);

  void open(const OpenArgs&) noexcept override;
  void close(const CloseArgs&) noexcept override;
  void on_up(LowerPort, Batch&) noexcept override {}
  void on_down(UpperPort, Batch&) noexcept override;
  void on_credit(UpperPort) noexcept override;
  void on_deadline() noexcept override;
  void on_wake() noexcept override;
  void flush() noexcept override;
  Address local_address() noexcept override { return socket_ != nullptr ? socket_->local() : Address{}; }
  Result<PropertyValue> get(UpperPort, std::string_view name) noexcept override;
  Result<void> set(UpperPort, std::string_view name, const PropertyValue& value) noexcept override;

 private:
  enum class Stage : std::uint8_t {
    connecting,  // waits for the peer
    early,       // the SYN waits for data to carry
    open,
    draining,  // closed by us; what the peer still sends is dropped
    over,
  };
  void on_ready(Socket&, Ready what) noexcept override;
  Result<void> connect(bool fast_open);
  void refused(Error error) noexcept;
  void connect_without_early_data() noexcept;
  bool prepare_fast_open() noexcept;
  bool handshake_waits() noexcept;
  void check_connected() noexcept;
  void established() noexcept;
  void report_early() noexcept;
  void send_early(Batch& batch) noexcept;
  void send(Batch& batch) noexcept;
  void note(const Result<void>& option) noexcept;
  void begin_to_send() noexcept;
  void open_credit() noexcept;
  void give_back(std::size_t bytes) noexcept;
  void hold_for_the_end() noexcept;
  void finish_sending() noexcept;
  void read() noexcept;
  void read_last_words() noexcept;
  void broken() noexcept;
  void lost(Error error) noexcept;
  void try_close() noexcept;
  void drain() noexcept;
  void watch_retransmissions() noexcept;
  void look_for_retransmissions() noexcept;
  void watch() noexcept;

  LayerHost& host_;
  UpperPort upper_;
  const TcpLayerSettings& settings_;
  TcpProperties properties_;
  std::unique_ptr<Socket> socket_;
  Route* route_ = nullptr;
  std::unique_ptr<Error> error_;  // why it ends, told by the next visit
  Address remote_{};
  Batch in_;              // only inside a call; keeps its memory
  Batch early_;           // went into the SYN; what did not fit is sent first
  std::size_t owed_ = 0;  // sent, and not granted again yet
  SocketWatch watch_;
  Stage stage_ = Stage::connecting;
  bool readable_ = false;       // more input is known to wait in the kernel
  bool blocked_ = false;        // the socket takes no more
  bool want_writable_ = false;  // watched until an event finds nothing to send
  bool has_credit_ = false;     // the layer above was granted the queue
  bool sent_early_ = false;
  bool ended_ = false;     // the peer has finished
  bool finished_ = false;  // we have finished
  bool closing_ = false;
  bool watches_retransmissions_ = false, told_of_retransmissions_ = false;
  bool sends_at_once_ = false;  // the option no-delay was applied
};

}  // namespace trellis
