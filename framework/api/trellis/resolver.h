// resolver.h: names into endpoints. Answers stream in, because racing starts before the last one.
#pragma once
#include "trellis/path.h"

namespace trellis {

/// What to look up.
struct Query {
  std::string host;     ///< a name; an IPv4 literal asks for its NAT64 address
  std::string service;  ///< "https": HTTPS records; another one, "xmpp-client" or "sip/udp": SRV; empty: addresses only
  std::uint16_t port;   ///< goes into the endpoints, host byte order
  const Path* path;     ///< whose servers to ask; valid during the call
  /// As Endpoint::instance: `service` is then looked for in the domain `host` (RFC 6763).
  std::string instance = {};
  /// Whether addresses of the family can be reached on the path: else they are worth no question, unless those of the
  /// other family are made from them (NAT64).
  bool ipv6 = true, ipv4 = true;
};

/// Some endpoints of a name.
///
/// A service is one ServiceMode record (RFC 9460) or SRV record: it comes as soon as it is known, and again when more
/// addresses of its target are. Without a target it is served by the name itself: its addresses are those that come as
/// ipv6 and ipv4. One that was looked for by DNS-SD is host and port of an instance, and comes once, without addresses.
struct Answer {
  enum class Kind : std::uint8_t { ipv6, ipv4, service };  ///< AAAA, A, or SVCB/HTTPS/SRV
  Kind kind;                                               ///< which record
  std::vector<Endpoint> endpoints;                         ///< with addresses; each keeps the name that was asked for
  std::vector<std::string> alpn;  ///< service: what is spoken there; "" is what is spoken where nothing is said
  std::uint16_t priority = 0;     ///< service: lower first; equal ones in the order in which they come
  Duration time_to_live{};        ///< how long it may be kept
  std::string target = {};        ///< service: who serves it; empty: the name that was asked for
  std::uint16_t port = 0;         ///< service: another port than that of the query; 0: the same
  bool hints = false;             ///< service: addresses that count only until those of the target are known
  std::string source = {};        ///< who says so, for people: "192.0.2.53", "/etc/hosts"
  /// IPv4 addresses that the endpoints' addresses stand for (NAT64), in the same order; unset: that one is itself.
  std::vector<Address> originals = {};
};

/// Who hears the answers.
class AnswerSink {
 public:
  virtual void answer(Answer) noexcept = 0;  ///< some endpoints
  /// No more answers of this kind; how it ended. Error::detail says why there is none ("the name does not exist") and
  /// leaves out name and kind: they are said once for all kinds.
  virtual void done(Answer::Kind, Result<void>) noexcept = 0;
  /// As PathObserver::passed_over(): input that was wrong, of a file or a server. May come inside resolve().
  virtual void passed_over(std::string_view) noexcept {}

 protected:
  ~AnswerSink() = default;
};

/// A plugin that resolves names.
class Resolver {
 public:
  virtual ~Resolver() = default;
  virtual std::string_view name() const noexcept = 0;                          ///< as in provides and policies
  virtual std::span<const OptionSpec> options() const noexcept { return {}; }  ///< its settings
  virtual bool has_services(const Options&) const noexcept { return false; }   ///< it asks for Query::service
  /// The loop ends before the resolver does: what is kept for it goes. No lookup on it is open.
  virtual void forget(Executor&) noexcept {}
  /// An open question; destroying it cancels, and the sink hears nothing more.
  struct Lookup {
    virtual ~Lookup() = default;
  };
  /// Answers later on the loop, never inside the call; ends with done() for ipv6, ipv4 and, where Query::service was
  /// said and the resolver asks for such records, for service. has_services() tells whether it does.
  virtual Result<std::unique_ptr<Lookup>> resolve(Executor&, const Options&, const Query&, AnswerSink&) noexcept = 0;
};

}  // namespace trellis
