// record_opener.h: records to plaintext (RFC 8446 section 5.2), with the rules for what may come when.
#pragma once
#include "record/handshake_tracker.h"
#include "record/record_key.h"
#include "trellis/buffer.h"

namespace trellis::tls {

/// What one record held.
struct Opened {
  ContentType type = ContentType::invalid;  ///< application_data, handshake or alert; invalid: see RecordOpener::open
  Slice payload = {};                       ///< in the record's memory; may be empty for application data
  AlertDescription alert = AlertDescription::close_notify;  ///< of type alert
  KeyUpdate key_update = KeyUpdate::none;                   ///< of type handshake: the record ends with a KeyUpdate
};

/// Opens what one direction of one connection receives. Allocates nothing. Every failure is final: send the alert that
/// the Error holds in its code, and open nothing more.
class RecordOpener {
 public:
  /// As in RecordSealer; made for Direction::open.
  explicit RecordOpener(std::shared_ptr<RecordKey> key, std::uint32_t connection_id = 0,
                        std::uint64_t sequence = 0) noexcept;

  /// Opens a record of a RecordCutter in place. Padding is stripped; how much there was can be measured from outside by
  /// the time this takes. After a KeyUpdate the caller must rekey() before the next record.
  /// ContentType::invalid: the record came after the peer's closure or fatal alert and is ignored (RFC 8446 6.1).
  /// Fails with bad_record_mac, unexpected_message, record_overflow, decode_error, illegal_parameter, or internal_error
  /// when the sequence numbers are used up.
  Result<Opened> open(Slice&& record) noexcept;
  /// The key after a KeyUpdate, for the records after it; they count from 0.
  void rekey(std::shared_ptr<RecordKey> key) noexcept;
  bool closed() const noexcept { return closed_; }               ///< close_notify or a fatal alert was received
  std::uint64_t sequence() const noexcept { return sequence_; }  ///< of the next record

  /// Records in a row that carry nothing (no data, user_canceled, KeyUpdate) before it counts as a flood.
  static constexpr int kFruitlessMax = 32;

 private:
  Result<Opened> decrypt(Slice&& record) noexcept;
  Result<void> judge(Opened& opened) noexcept;
  Result<void> judge_alert(Opened& opened) noexcept;

  std::shared_ptr<RecordKey> key_;
  std::uint64_t sequence_;
  std::uint32_t connection_id_;
  HandshakeTracker handshake_;
  int fruitless_ = 0;
  bool closed_ = false;
};

}  // namespace trellis::tls
