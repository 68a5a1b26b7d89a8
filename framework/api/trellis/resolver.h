// resolver.h: names into endpoints. Answers stream in, because racing starts before the last one.
#pragma once
#include "trellis/path.h"

namespace trellis {

/// What to look up.
struct Query {
  std::string host;     ///< a name, not an address literal
  std::string service;  ///< for SRV and HTTPS records; empty: addresses only
  std::uint16_t port;   ///< goes into the endpoints, host byte order
  const Path* path;     ///< whose servers to ask; valid during the call
};

/// Some endpoints of a name.
struct Answer {
  enum class Kind : std::uint8_t { ipv6, ipv4, service };  ///< AAAA, A, or SVCB/HTTPS/SRV
  Kind kind;                                               ///< which record
  std::vector<Endpoint> endpoints;                         ///< with addresses; each keeps the name
  std::vector<std::string> alpn;                           ///< from SVCB/HTTPS
  std::uint16_t priority = 0;                              ///< of SVCB or SRV; lower first
  Duration time_to_live{};                                 ///< how long it may be kept
};

/// Who hears the answers.
class AnswerSink {
 public:
  virtual void answer(Answer) noexcept = 0;  ///< some endpoints
  /// No more answers of this kind; how it ended. Error::detail says why there is none ("the name does not exist") and
  /// leaves out name and kind: they are said once for all kinds.
  virtual void done(Answer::Kind, Result<void>) noexcept = 0;

 protected:
  ~AnswerSink() = default;
};

/// A plugin that resolves names.
class Resolver {
 public:
  virtual ~Resolver() = default;
  virtual std::string_view name() const noexcept = 0;                          ///< as in provides and policies
  virtual std::span<const OptionSpec> options() const noexcept { return {}; }  ///< its settings
  /// An open question; destroying it cancels, and the sink hears nothing more.
  struct Lookup {
    virtual ~Lookup() = default;
  };
  /// Answers later on the loop, never inside the call; ends with done() for ipv6 and for ipv4.
  virtual Result<std::unique_ptr<Lookup>> resolve(Executor&, const Options&, const Query&, AnswerSink&) noexcept = 0;
};

}  // namespace trellis
