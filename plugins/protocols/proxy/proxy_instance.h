// proxy_instance.h: a layer that talks to a proxy, or as one, and then passes
// everything on.
#pragma once
#include <memory>
#include <string>

#include "handshake.h"
#include "trellis/protocol.h"

namespace trellis::proxy {

class ProxyInstance final : public ProtocolInstance {
 public:
  using Make = std::unique_ptr<Handshake> (*)(bool passive, const void* settings);
  struct Kind {
    const char* layer;        ///< for errors: "socks5"
    const char* peer;         ///< for errors: "a SOCKS 5 proxy"
    std::string_view target;  ///< the property that says whom the client wants:
                              ///< "socks5.target"
    Make make;                ///< a handshake for either role
  };
  /// `kind` and `settings` outlive it.
  ProxyInstance(const Seat& seat, const Kind& kind, const void* settings, Duration timeout);

  void open(const OpenArgs&) noexcept override;
  void close(const CloseArgs&) noexcept override;
  void on_up(LowerPort, Batch&) noexcept override;
  void on_down(UpperPort, Batch&) noexcept override;
  void on_credit(UpperPort) noexcept override { settle(); }
  void on_credit(LowerPort) noexcept override;
  void on_deadline() noexcept override;
  Result<PropertyValue> get(UpperPort, std::string_view name) noexcept override;

 private:
  enum class Stage : std::uint8_t { handshake, refusing, open, over };
  void take(Batch& batch) noexcept;
  void read() noexcept;
  void turn_away(Error why) noexcept;
  void begin_passing() noexcept;
  void send_words() noexcept;
  void settle() noexcept;
  void fail_with(Error error) noexcept;
  Error error(Reason reason, std::string detail) const;

  LayerHost& host_;
  UpperPort upper_;
  LowerPort lower_;
  const Kind& kind_;
  const void* settings_;
  Duration timeout_;
  std::unique_ptr<Handshake> handshake_;  // until it is done
  std::string received_, words_;          // of the handshake: what came and is not
                                          // understood, what must be sent
  std::unique_ptr<Error> refusal_;        // why the peer is turned away
  std::string target_;                    // a proxy: whom the client wants
  Slice rest_;                            // came with the handshake's last bytes, and is the application's
  Stage stage_ = Stage::handshake;
  bool up_finished_ = false, down_finished_ = false;
};

}  // namespace trellis::proxy
