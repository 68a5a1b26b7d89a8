// reconfiguration.h: the addresses of an association change while it lives (RFC 5061): what is asked of the peer, one
// ASCONF chunk at a time until it is answered, and what the peer asks for. Nothing is believed that is not
// authenticated (RFC 4895). usrsctp sees none of these chunks.
#pragma once
#include "asconf.h"
#include "authentication.h"
#include "sctp_settings.h"
#include "trellis/executor.h"

namespace trellis::sctp {

class ReconfigurationOwner {
 public:
  virtual Cause peer_asks(const AddressRequest&) noexcept = 0;
  virtual void peer_answered(const AddressRequest&, Cause) noexcept = 0;
  /// A packet with an ASCONF chunk, sent for the first time (0) or again; by another path then. Returns the time after
  /// which it is to be sent once more; max(): there is no way out now, and it was not sent.
  virtual Duration send_asconf(std::span<const std::byte> packet, unsigned attempt) noexcept = 0;
  /// A packet with an ASCONF-ACK goes to where the packet came from that is being taken.
  virtual void send_asconf_ack(std::span<const std::byte> packet) noexcept = 0;
  virtual void peer_is_silent() noexcept = 0;          ///< too often no answer; the association is over
  virtual void peer_answers_nothing() noexcept = 0;    ///< there was no question; the association is to be aborted
  virtual Address known_address() const noexcept = 0;  ///< of ours: one that the peer knows

 protected:
  ~ReconfigurationOwner() = default;
};

class Reconfiguration {
 public:
  /// `header`: of a packet to the peer. The serial numbers begin with the initial TSNs of both ends.
  Reconfiguration(ReconfigurationOwner& owner, Executor& executor, const Settings& settings,
                  std::span<const std::byte> header, Authenticator authenticator, std::uint32_t own_tsn,
                  std::uint32_t peer_tsn) noexcept;

  /// In one chunk, once what was asked for before is answered.
  void ask(std::span<const AddressRequest> all);
  bool asks(const AddressRequest& request) const noexcept;  ///< and has no answer yet
  /// The peer knows how, as far as has been heard.
  bool can(Change change) const noexcept;

  /// Whether there is something in a packet that take() takes out.
  static bool concerns(std::span<const std::byte> packet) noexcept;
  /// Does what a packet from the peer says. What is in it for the library, sealed, in `room`, which is as large; empty:
  /// nothing.
  std::span<const std::byte> take(std::span<const std::byte> packet, std::span<std::byte> room) noexcept;

  TimePoint due() const noexcept { return due_; }  ///< of run()
  void run() noexcept;                             ///< what was not answered is sent again
  void heard() noexcept { unanswered_ = 0; }  ///< the peer speaks, if not of this (section 5.1, RFC 9260 section 8.1)
  void go_on() noexcept;                      ///< there may be a way out again

 private:
  void begin();
  void send() noexcept;
  void asked(std::span<const std::byte> value);
  void answered(std::span<const std::byte> value);
  std::vector<std::byte> packet_with(std::uint8_t type, std::span<const std::byte> value) const;

  ReconfigurationOwner& owner_;
  Executor& executor_;
  const Settings& settings_;
  std::array<std::byte, kPacketHeader> header_{};
  const Authenticator authenticator_;
  std::uint32_t next_serial_;            // of our next chunk
  std::uint32_t peer_serial_;            // of the peer's last one
  std::vector<AddressRequest> waiting_;  // for their turn
  std::vector<AddressRequest> asked_;    // in the chunk on its way; empty: there is none
  std::vector<std::byte> packet_;        // with it
  std::vector<std::byte> answer_;        // to the peer's last one, which may come again
  std::vector<Change> unknown_;          // to the peer
  unsigned attempt_ = 0;                 // to send it
  unsigned unanswered_ = 0;              // of these: since the peer was heard
  TimePoint due_ = TimePoint::max();
};

}  // namespace trellis::sctp
