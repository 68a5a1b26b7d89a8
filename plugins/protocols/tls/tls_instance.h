// tls_instance.h: one TLS connection as a layer over a bytestream.
//
// Received bytes wait in the link below until the application asks for them, sealed as they came; what cannot go down
// waits in the link above. This layer itself holds at most the part of one record.
#pragma once
#include <memory>

#include "handshake.h"
#include "post_handshake.h"
#include "record/record_cutter.h"
#include "record/record_opener.h"
#include "record/record_sealer.h"
#include "security/peer_question.h"
#include "trellis/protocol.h"

namespace trellis::tls {

/// What the instances of one layer of one policy share.
struct Shared {
  explicit Shared(Settings from_options) : settings(std::move(from_options)), credentials(settings) {}
  const Settings settings;
  mutable CredentialsCache credentials;
};

/// Set to true, both sides get new keys; to false, this side alone.
inline constexpr std::string_view kKeyUpdateProperty = "tls.keyUpdate";

class TlsInstance final : public ProtocolInstance {
 public:
  /// `shared` outlives it.
  TlsInstance(const Seat& seat, const Shared& shared);

  void open(const OpenArgs&) noexcept override;
  void close(const CloseArgs&) noexcept override;
  void on_up(LowerPort, Batch&) noexcept override;
  void on_down(UpperPort, Batch&) noexcept override;
  void on_credit(UpperPort) noexcept override {}  // what was left below is offered again by itself
  void on_credit(LowerPort) noexcept override {}
  void on_deadline() noexcept override;
  void on_wake() noexcept override;
  void flush() noexcept override;
  Result<PropertyValue> get(UpperPort, std::string_view name) noexcept override;
  Result<void> set(UpperPort, std::string_view name, const PropertyValue& value) noexcept override;

 private:
  enum class Stage : std::uint8_t {
    handshake,
    asking,  // the application is asked about the peer
    open,
    over,
  };
  // Receiving
  void feed_handshake(Slice record) noexcept;
  void ask() noexcept;
  void refuse_peer(Error why) noexcept;
  void advance() noexcept;
  Result<void> take_over() noexcept;
  Result<std::shared_ptr<RecordKey>> sealing_key(const TrafficSecret& secret) const noexcept;
  void open_record(Slice record) noexcept;
  void open_old_record(Slice record) noexcept;
  void handshake_message(Slice payload, KeyUpdate update) noexcept;
  Result<void> next_receiving_key() noexcept;
  void peer_ended() noexcept;
  void grant_below(std::size_t waiting) noexcept;
  // Sending
  void collect_output() noexcept;
  bool send_output(bool first = false) noexcept;
  void send(Batch& batch) noexcept;
  void send_old(Batch& batch) noexcept;
  void send_key_update() noexcept;
  void send_alert(AlertDescription alert) noexcept;
  void send_goodbye() noexcept;
  // The end
  void truncated() noexcept;
  void broken(Error error) noexcept;
  void fail_with(Error error) noexcept;

  LayerHost& host_;
  UpperPort upper_;
  LowerPort lower_;
  const Shared& shared_;
  std::unique_ptr<Handshake> handshake_;  // until nothing needs it any more
  security::PeerQuestion question_;
  std::optional<TrafficSecret> sending_, receiving_;
  std::optional<RecordSealer> sealer_;
  std::optional<RecordOpener> opener_;
  RecordCutter cutter_;
  TicketFilter tickets_;
  std::vector<std::uint8_t> output_;  // of the handshake, to be sent first
  Batch plain_, sealed_;              // only inside a call; keep their memory
  std::unique_ptr<Agreed> agreed_;    // once it is open
  std::string peer_name_ = "the peer";
  Stage stage_ = Stage::handshake;
  bool server_ = false;
  bool update_due_ = false;     // our key changes with the next record
  bool update_wanted_ = false;  // the peer's shall change as well
  bool goodbye_due_ = false;    // close_notify has to be sent
  bool goodbye_said_ = false;
  bool half_closed_ = false;  // the layer above has finished
  bool peer_ended_ = false;   // its close_notify came
  bool closing_ = false;
};

}  // namespace trellis::tls
