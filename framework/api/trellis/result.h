// result.h: the only way a failure crosses an interface. Exceptions never cross a plugin boundary.
#pragma once
#include <cstdint>
#include <expected>
#include <string>
#include <string_view>
#include <utility>

namespace trellis {

/// Why something failed, in terms a caller can act on (RFC 9623 appendix B, IMPL-168). The list is closed; what is
/// special to a protocol goes into Error::code.
enum class Reason : std::uint8_t {
  invalid_argument,    ///< the caller broke the contract, or asked for something that contradicts itself
  unsupported,         ///< this layer, stack or kernel cannot do it
  configuration,       ///< a policy, a plugin or its options are wrong; never retried
  prohibited,          ///< the policy or a property forbids it
  unresolved,          ///< the name has no address
  unreachable,         ///< no route, or refused
  timed_out,           ///< no answer in time
  reset,               ///< the peer or a middlebox ended it
  protocol_violation,  ///< the peer broke the protocol
  authentication,      ///< the peer is not who it must be; never falls back to something weaker
  too_large,           ///< a message beyond a limit
  exhausted,           ///< out of memory, descriptors, streams
  canceled,            ///< we ended it
};

/// The reason as one word for messages and JSON.
constexpr std::string_view to_string(Reason reason) noexcept {
  switch (reason) {
    case Reason::invalid_argument: return "invalid argument";
    case Reason::unsupported: return "unsupported";
    case Reason::configuration: return "configuration";
    case Reason::prohibited: return "prohibited";
    case Reason::unresolved: return "unresolved";
    case Reason::unreachable: return "unreachable";
    case Reason::timed_out: return "timed out";
    case Reason::reset: return "reset";
    case Reason::protocol_violation: return "protocol violation";
    case Reason::authentication: return "authentication";
    case Reason::too_large: return "too large";
    case Reason::exhausted: return "exhausted";
    case Reason::canceled: return "canceled";
  }
  return "unknown";
}

/// A failure as a value.
struct Error {
  Reason reason;               ///< what kind of failure; decides what the caller does
  std::uint64_t code = 0;      ///< errno, TLS alert, QUIC code (62 bits): its meaning is given by `layer`
  const char* layer = "core";  ///< static string: who says so
  std::string detail = {};     ///< one sentence for a human: what was found, what was expected; no trailing full stop
};

/// A value or an Error. Everything that can fail for outside reasons returns one.
template <class T>
using Result = std::expected<T, Error>;

/// Makes the failed case of any Result<T>.
inline std::unexpected<Error> fail(Reason reason, std::string detail = {}, std::uint64_t code = 0,
                                   const char* layer = "core") {
  return std::unexpected(Error{reason, code, layer, std::move(detail)});
}

/// Hands the Error of one Result on as the failed case of another.
template <class T>
std::unexpected<Error> fail(Result<T>&& failed) {
  return std::unexpected(std::move(failed).error());
}

}  // namespace trellis
