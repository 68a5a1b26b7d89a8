// association.h: one of usrsctp's sockets, owned: an association, or a listener.
#pragma once
#include <usrsctp.h>

#include <optional>
#include <span>

#include "library.h"
#include "sctp_settings.h"
#include "trellis/buffer.h"

namespace trellis::sctp {

/// What is said with the bytes of a message.
struct Outgoing {
  std::uint16_t stream = 0;
  std::uint32_t label = 0;                                              ///< payload protocol identifier
  std::uint32_t context = 0;                                            ///< comes back when the message is given up
  sctp_prinfo given_up{.pr_policy = SCTP_PR_SCTP_NONE, .pr_value = 0};  ///< when; the default is never
  bool ordered = true;
  bool end = true;
};

/// A part of a message, or a notification.
struct Incoming {
  Slice bytes{};
  std::uint16_t stream = 0;
  std::uint32_t label = 0;
  std::uint32_t id = 0;  ///< the same for all parts of one message
  bool ordered = true;
  bool end = false;
  bool notification = false;
};

inline constexpr std::size_t kReasonMost = 256;  ///< bytes of the words of an ABORT

class Association {
 public:
  Association() = default;
  explicit Association(struct socket* adopted) : socket_(adopted) {}
  Association(Association&& other) noexcept : socket_(std::exchange(other.socket_, nullptr)) {}
  Association& operator=(Association&& other) noexcept;
  ~Association() { drop(); }  ///< what it says to the peer while ending goes nowhere if the key is retired before
  explicit operator bool() const noexcept { return socket_ != nullptr; }

  /// `own_port` 0: a free one.
  static Result<Association> dial(const Settings& settings, PeerKey peer, std::uint16_t port,
                                  std::uint16_t own_port = 0);
  static Result<Association> listen(const Settings& settings, std::uint16_t port);
  /// The next peer of a listener, and its SCTP port. Empty: none waits.
  Association accept(PeerKey& peer, std::uint16_t& port) noexcept;
  std::uint16_t own_port() const noexcept;  ///< of SCTP; 0: it has none
  /// `stirred` is called whenever something may have changed, from within usrsctp: it must not call back.
  void watch(void (*stirred)(struct socket*, void*, int), void* argument) noexcept;

  /// Bytes taken, at least one; 0: no room now. Error: it takes no more.
  Result<std::size_t> send(std::span<const std::byte> bytes, const Outgoing& how) noexcept;
  /// Empty: nothing waits.
  std::optional<Incoming> receive(BlockPool& pool, Slice& room) noexcept;
  bool has_failed() const noexcept;
  void finish() noexcept;                        ///< SHUTDOWN after all data
  void abort(std::string_view reason) noexcept;  ///< ABORT at once
  void drop() noexcept;                          ///< forget it
  /// False: not possible now (incoming: another request is under way).
  bool reset_outgoing(std::uint16_t stream) noexcept { return reset(stream, SCTP_STREAM_RESET_OUTGOING); }
  bool reset_incoming(std::uint16_t stream) noexcept { return reset(stream, SCTP_STREAM_RESET_INCOMING); }
  /// False: another request is under way.
  bool add_streams(std::uint16_t outgoing, std::uint16_t incoming) noexcept;
  void prioritize(std::uint16_t stream, std::uint16_t value) noexcept;
  void schedule_by(Scheduler scheduler) noexcept;
  void acknowledge_at_once(
      bool at_once) noexcept;  ///< else every second packet, or after 200 ms (RFC 9260 section 6.2)
  void tell_when_dry(bool wanted) noexcept;
  std::optional<sctp_status> status() const noexcept;
  void begin_slowly() noexcept;  ///< the congestion window is as at the beginning: packets take another path
  void heartbeat_every(std::uint32_t milliseconds) noexcept;  ///< 0: never

 private:
  static Result<Association> make(const Settings& settings);
  void prepare(const Settings& settings) noexcept;
  bool reset(std::uint16_t stream, std::uint16_t direction) noexcept;
  template <class T>
  bool set(int option, const T& value) noexcept {
    return usrsctp_setsockopt(socket_, IPPROTO_SCTP, option, &value, sizeof value) == 0;
  }

  struct socket* socket_ = nullptr;
};

}  // namespace trellis::sctp
