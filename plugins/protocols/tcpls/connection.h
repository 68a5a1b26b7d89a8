// connection.h: one TCP connection of a session.
#pragma once
#include <algorithm>
#include <optional>

#include "record/record_cutter.h"
#include "record/record_opener.h"
#include "record/record_sealer.h"
#include "trellis/port.h"
#include "unacked.h"

namespace trellis::tcpls {

struct Stream;

struct Connection {
  enum class State : std::uint8_t {
    handshake,  ///< the first one, until it is complete
    hello,      ///< server: a join whose ClientHello is to come
    answer,     ///< client: a join whose ServerHello is to come
    open,
    gone,  ///< kept for its id and for acknowledgements that come late
  };
  LowerPort port;
  std::uint32_t id = 0;
  State state = State::handshake;
  bool preferred = false;  ///< joined to take over from the others
  bool brought = false;    ///< where the application wanted it, or a race was lost: there may be more of them than
                           ///< there should be
  bool confirmed = false;  ///< the peer has shown that it has the session's keys
                           ///< (decision D4)
  bool cover_due = false;  ///< client: its first record is to be sent
  bool leaving = false;    ///< nothing new is sent on it: it ends once the peer has acknowledged what was
  bool fin_seen = false;   ///< the peer's close_notify came
  bool fin_sent = false;   ///< ours was sent
  tls::RecordCutter cutter;
  std::optional<tls::RecordSealer> sealer;
  std::optional<tls::RecordOpener> opener;
  Fifo<Stream*> sendable;  ///< streams that wait for their turn on this connection alone
  // What we sent
  Unacked unacked;
  std::uint64_t records_sent = 0;        ///< under application keys
  TimePoint progress{};                  ///< when the peer last acknowledged something
  TimePoint give_up = TimePoint::max();  ///< gone: what is unacknowledged is
                                         ///< sent elsewhere from then on
  Duration user_timeout{};               ///< as TCP was told
  bool patient = false;                  ///< TCP was told to wait longer: the peer takes nothing, but is there
  Duration rtt{};                        ///< smoothed; zero: unknown
  Duration silence{};                    ///< of the peer, after which it is asked whether it is there; doubles
  TimePoint asked{};                     ///< when it was last asked, or heard
  TimePoint looked{};                    ///< when be_patient() last looked
  std::uint64_t bytes_sent = 0;          ///< on the wire
  // What we received
  std::optional<std::uint64_t> received;  ///< number of the last record
  unsigned ack_due = 0;                   ///< records that want an acknowledgement
  bool ack_now = false;
  TimePoint ack_at = TimePoint::max();
  std::uint64_t bytes_received = 0;
  TimePoint confirm_by = TimePoint::max();  ///< a join that is not confirmed then is dropped

  void heard(TimePoint now, Duration least) noexcept {
    asked = now;
    silence = std::max(least, rtt * 3);
  }
  /// Since when an acknowledgement is waited for. Precondition: something is unacknowledged.
  TimePoint waits_since() const noexcept { return std::max(unacked.oldest().at, progress); }
  bool open() const noexcept { return state == State::open; }
  bool usable() const noexcept { return open() && confirmed && !fin_sent && !leaving; }
};

}  // namespace trellis::tcpls
