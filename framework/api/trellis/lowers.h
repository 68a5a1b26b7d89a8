// lowers.h: questions to the layer below, and layers with several of them (TCPLS, QUIC migration, multipath).
//
// Life of a further lower: want_lower() -> lower_ready() -> data -> drop_lower(), or lower_failed(). The layer says why
// it wants one; the engine knows paths, policy and addresses, and decides where.
//
// want_lower() answers with a port that only names the wish: it carries no data, but a mark. Several addresses are
// raced, so the port to use is known when lower_ready() brings it; it has the mark that was left on the wish.
#pragma once
#include "trellis/protocol.h"

namespace trellis {

/// Why and where a further lower is wanted.
struct LowerWish {
  enum class Purpose : std::uint8_t {
    replace,
    standby,
    aggregate
  };  ///< instead of, in reserve for, or besides the first
  Purpose purpose = Purpose::standby;  ///< what it will be used for
  std::uint32_t path = 0;              ///< 0: the best usable path that no lower of this layer runs on, else any
  Address remote{};                    ///< unset: the endpoint's addresses, raced as usual; set: the peer named it
};

/// What the engine does for layers with several lowers.
class LowerHost {
 public:
  /// Fails at once when the peer connected to us, when there are too many (Reason::exhausted), or when the policy or
  /// the `multipath` property forbids it. Answered by lower_ready() or lower_failed().
  virtual Result<LowerPort> want_lower(const LowerWish&) noexcept = 0;
  /// Ends a lower, or withdraws a wish. Its port is gone when this returns; what was pushed onto it still goes out,
  /// unless `abort`.
  virtual void drop_lower(LowerPort, const CloseArgs&) noexcept = 0;
  virtual Result<PropertyValue> ask(LowerPort, std::string_view name) noexcept = 0;  ///< a property of the layer below
  /// Sets a property of the layer below.
  virtual Result<void> tell(LowerPort, std::string_view name, const PropertyValue&) noexcept = 0;

 protected:
  ~LowerHost() = default;
};

/// What a layer with several lowers does for the engine.
class LowerUser {
 public:
  /// Wanted, attached by our acceptor, or asked for by the application, which names another endpoint (RFC 9622 section
  /// 7.5: AddRemote, AddLocal). That one has no mark, and may be dropped.
  virtual void lower_ready(LowerPort) noexcept = 0;
  /// A lower (also the first) or a wish. What came before was offered. Its port goes. False: the layer fails with it.
  virtual bool lower_failed(LowerPort, const Error&) noexcept = 0;
  /// All usable paths, best first, after open() and at each change. Not called when `multipath` is Disabled.
  virtual void paths(std::span<const Path>) noexcept = 0;

 protected:
  ~LowerUser() = default;
};

}  // namespace trellis
