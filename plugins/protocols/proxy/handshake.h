// handshake.h: what a proxy's client or a proxy says before the bytes are the
// application's.
#pragma once
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "trellis/path.h"
#include "trellis/result.h"

namespace trellis::proxy {

/// One side of one connection's handshake: bytes in, bytes out. It knows no
/// ports and no time.
class Handshake {
 public:
  virtual ~Handshake() = default;

  /// What follows from what was received.
  struct Step {
    std::size_t consumed = 0;           ///< bytes that are done with; 0: more are needed
    std::string answer = {};            ///< to be sent
    bool done = false;                  ///< the rest is the application's
    unsigned rtts_left = 0;             ///< round trips until then
    std::optional<Error> refusal = {};  ///< the peer is turned away, after the answer
  };
  /// The first words of a client, whom the proxy shall reach being `target`.
  /// Errors: the target cannot be said.
  virtual Result<std::string> begin(const Endpoint& target) = 0;
  /// All that was received and not consumed. Called again at once while
  /// something is consumed.
  virtual Result<Step> read(std::string_view received) = 0;
  /// How many bytes read() can need at most.
  virtual std::size_t received_most() const noexcept = 0;
  /// A proxy: whom the client wants to reach, "host:port". Valid when it is
  /// done.
  virtual std::string target() const { return {}; }
};

/// Whether a host is an address and not a name, and its bytes in network order:
/// 4, 16 or none.
std::string address_bytes(const Endpoint& target);
/// "host:port", with brackets around an IPv6 address. Errors: invalid_argument,
/// when there is no host, no port, or the name has characters that no name has.
Result<std::string> authority(const Endpoint& target, const char* layer);
/// For messages: printable, and not longer than makes sense.
std::string shown(std::string_view foreign);

}  // namespace trellis::proxy
