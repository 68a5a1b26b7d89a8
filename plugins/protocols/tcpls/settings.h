// settings.h: the options of one tcpls layer of one policy.
#pragma once
#include "code_points.h"
#include "tls_settings.h"

namespace trellis::tcpls {

/// Over which connection the next record goes (TCPLS-88).
enum class Scheduler : std::uint8_t {
  pinned,       ///< the one in use; the others are in reserve
  round_robin,  ///< each in turn
  lowest_rtt,   ///< the nearest that takes something
  aggregate,    ///< whichever takes something
};
/// The scheduler of this name; none: there is none.
std::optional<Scheduler> scheduler_of(std::string_view name) noexcept;
std::string_view name_of(Scheduler scheduler) noexcept;

struct Settings {
  tls::Settings tls;   ///< of the handshake
  tls::Settings join;  ///< the same, without resumption
  CodePoints codes = kPrivateUse;
  Scheduler scheduler = Scheduler::pinned;
  unsigned tokens = 2;            ///< further connections that a server invites to
  unsigned joins_per_second = 0;  ///< invitations that a session gives in a second at most
  unsigned standby = 0;           ///< connections that a client joins in advance
  bool keep_losers = false;       ///< where a race was under way when the session won, connections join it
  bool failover = true;           ///< keep what was sent, to send it again on another connection
  Duration user_timeout{};
  Duration reconnect{};         ///< how long a session lives without a connection;
                                ///< zero: the side's default
  std::size_t unacked_max = 0;  ///< bytes sent and not acknowledged
  std::size_t reorder_max = 0;  ///< bytes that wait for what is missing
  std::size_t undelivered = 0;  ///< bytes in order that the application has not
                                ///< taken, before reading stops
  std::size_t hello_max = 0;    ///< connections of a listener that have not said what they want
  Duration hello_timeout{};

  static Result<Settings> from(const Options& options);
};

/// The schema, for the plugin's registration: that of tls, and our own.
std::span<const OptionSpec> tcpls_options() noexcept;

}  // namespace trellis::tcpls
