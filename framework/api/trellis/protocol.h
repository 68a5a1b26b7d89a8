// protocol.h: the interface a protocol plugin implements. Read this file first.
//
// Life of a layer, always forward, each step once:
//   created -> open() -> [early()] -> ready() -> close() -> closed() -> destroyed
// failed() may replace any step after open(), closed() may come without close() (the peer ended it);
// after either, only the destructor runs. A layer may be destroyed between any two calls.
//
// Visits. In a turn the loop calls on_wake, on_up, on_down, on_credit, on_deadline as there is reason to, then flush().
// Whatever a layer leaves in a batch stays queued and is offered again at its next visit; host.wake() asks for one.
// Every call to the host returns at once and calls nothing back: consequences follow later in the turn.
#pragma once
#include <memory>
#include <span>
#include <string_view>

#include "trellis/option.h"
#include "trellis/path.h"
#include "trellis/port.h"
#include "trellis/property.h"
#include "trellis/security.h"
#include "trellis/state.h"

namespace trellis {

class StreamHost;  // streams.h: several ports above
class StreamLayer;
class LowerHost;  // lowers.h: several ports below
class LowerUser;
class Acceptor;  // listen.h: the passive side
class AcceptHost;

/// How much a log line matters.
enum class Severity : std::uint8_t { trace, info, warning, failure };

/// What a layer can tell besides its life cycle.
enum class Notice : std::uint8_t {
  early_accepted,  ///< the peer took the early data
  early_refused,   ///< it did not; the layer sends the data again by itself
  soft_error,      ///< not fatal: ICMP, many retransmissions, a datagram that could not be sent
  path_change,     ///< another path is in use now, or what is known of it changed, or it went away (unreachable)
};

/// What the engine does for one layer. Valid as long as the layer.
class LayerHost {
 public:
  virtual Executor& executor() noexcept = 0;                       ///< time, sockets and memory of this layer's loop
  virtual State& state() noexcept = 0;                             ///< what earlier connections left
  virtual const Security& security() noexcept = 0;                 ///< the application's security parameters
  virtual void log(Severity, std::string_view text) noexcept = 0;  ///< one line; never secrets

  /// One deadline per layer; TimePoint::max() disarms. Answered by on_deadline().
  virtual void deadline(TimePoint) noexcept = 0;
  /// Asks for on_wake() in this turn (a socket or a sibling stirred the layer, or there is more to do).
  virtual void wake() noexcept = 0;

  virtual void answered(unsigned rtts_left) noexcept = 0;  ///< the peer reacted: for racing
  /// Not ready, but layers above may open and their replayable data is welcome.
  virtual void early() noexcept = 0;
  virtual void ready() noexcept = 0;                            ///< data can flow
  virtual void closed() noexcept = 0;                           ///< ended cleanly; no call follows
  virtual void failed(Error) noexcept = 0;                      ///< ended; what was pushed up is delivered first
  virtual void notify(Notice, Error detail = {}) noexcept = 0;  ///< news that do not end anything

  virtual StreamHost& streams() noexcept = 0;  ///< for layers that have a StreamLayer
  virtual LowerHost& lowers() noexcept = 0;    ///< questions to the layer below, more layers below
  /// Newer interfaces of the engine, by name; null: not known.
  virtual void* extension(std::string_view) noexcept = 0;

 protected:
  ~LayerHost() = default;
};

/// How to open.
struct OpenArgs {
  const Endpoint& remote;             ///< whom this layer talks to; a proxy layer makes it differ from the route's
  Route& route;                       ///< the bottom layer opens it; others read it, and add a port where it has none
  std::span<const std::string> alpn;  ///< of the application, in order; empty: none
  bool passive;                       ///< true on the accepting side
  /// Layers with streams: what the first stream is for, both or sending; see StreamArgs.
  Direction direction = Direction::both;
};

/// How to close.
struct CloseArgs {
  bool abort = false;            ///< drop what is queued, tell the peer in this turn, be destroyed after it
  std::uint64_t code = 0;        ///< the application's, where the protocol carries one
  std::string_view reason = {};  ///< for the peer, where the protocol carries one
};

/// What protocol instances and acceptors have in common.
class Layer {
 public:
  virtual ~Layer() = default;  ///< silent and immediate; sends nothing
  /// Begins. The layer below is ready or early; the arguments live as long as the layer.
  virtual void open(const OpenArgs&) noexcept = 0;
  /// Sends what was taken, says goodbye to the peer, then host.closed(). What is queued above was offered before.
  virtual void close(const CloseArgs&) noexcept = 0;

  /// Data from below. Take chunks by moving them; what stays is offered again. from.finished(): nothing follows what
  /// is in the batch, so ask it after taking; it is also told by a call with an empty batch.
  virtual void on_up(LowerPort from, Batch& batch) noexcept = 0;
  virtual void on_credit(LowerPort) noexcept {}  ///< the layer below takes more
  virtual void on_deadline() noexcept {}         ///< the deadline has passed
  virtual void on_wake() noexcept {}             ///< host.wake() was called
  virtual void flush() noexcept {}               ///< after all visits of a turn: pack and send what was gathered
};

/// One layer of one connection.
class ProtocolInstance : public Layer {
 public:
  /// Data from above. Before ready(): take replayable chunks or nothing. from.finished() as in on_up().
  virtual void on_down(UpperPort from, Batch& batch) noexcept = 0;
  virtual void on_credit(UpperPort) noexcept {}  ///< the layer above takes more
  using Layer::on_credit;                        ///< of the layer below

  /// Answers a property. Unanswered (unsupported) questions go to the layer below.
  virtual Result<PropertyValue> get(UpperPort, std::string_view) noexcept { return fail(Reason::unsupported); }
  /// Sets a property. Unanswered (unsupported) ones go to the layer below; any other Error reaches the application.
  virtual Result<void> set(UpperPort, std::string_view, const PropertyValue&) noexcept {
    return fail(Reason::unsupported);
  }

  /// Bottom layers that leave Route::local without a port at ready(), because finding it out costs a system call that
  /// few Connections need: the address of this side. Asked when an application wants to know; unset: not known.
  virtual Address local_address() noexcept { return {}; }

  virtual StreamLayer* streams() noexcept { return nullptr; }             ///< multiplexers: themselves
  virtual LowerUser* lowers() noexcept { return nullptr; }                ///< users of several lowers: themselves
  virtual void* extension(std::string_view) noexcept { return nullptr; }  ///< newer interfaces, by name
};

/// A place in a stack: the host to talk to and the ports to use.
struct Seat {
  LayerHost& host;
  UpperPort upper;  ///< empty for a passive layer with streams: each stream comes by accept_stream()
  LowerPort lower;  ///< empty at the bottom
};

/// A protocol as one layer of one policy: options are already read, keys and trust anchors loaded. Immutable;
/// shared by all loops. What all its connections share (ticket keys, caches) lives here, behind a lock.
class Protocol {
 public:
  virtual ~Protocol() = default;
  /// What it does when it offers `above`; .above == none: it does not. Pure.
  virtual LayerTraits traits(Face above) const noexcept = 0;
  /// Whom the layer below must reach on this path. A proxy's client answers with the proxy: that is resolved then, and
  /// the layers above keep whom they were asked for. With an empty Endpoint where the path has no proxy for it: its
  /// stack is not tried there. Never asked of the bottom layer. Pure.
  virtual Endpoint remote_below(const Endpoint& remote, const Path&) const { return remote; }
  /// How far one of its own properties reaches, when set() has taken it. Asked by its name, without case. Pure.
  virtual Reach reach(std::string_view /*name*/) const noexcept { return Reach::group; }
  /// A new instance; open() follows.
  virtual Result<std::unique_ptr<ProtocolInstance>> connect(const Seat&) const noexcept = 0;
  /// A new acceptor; open() follows. Default: unsupported.
  virtual Result<std::unique_ptr<Acceptor>> listen(AcceptHost&, LowerPort) const noexcept;
};

/// What a protocol plugin registers.
class ProtocolKind {
 public:
  virtual ~ProtocolKind() = default;
  virtual std::string_view name() const noexcept = 0;                ///< as in provides and policies
  virtual std::span<const OptionSpec> options() const noexcept = 0;  ///< its settings
  /// Called once per policy layer at load; bad files and contradictory options are errors here.
  virtual Result<std::unique_ptr<Protocol>> configure(const Options&) const noexcept = 0;
};

/// The usual ProtocolKind: `registrar.add(kind<Ping>("ping", kOptions))`, where Ping is a Protocol with
/// `static Result<std::unique_ptr<Protocol>> make(const Options&)`.
template <class P>
std::unique_ptr<ProtocolKind> kind(std::string_view name, std::span<const OptionSpec> options = {}) {
  struct Kind final : ProtocolKind {  ///< answers for P
    std::string_view own_name;
    std::span<const OptionSpec> own_options;
    std::string_view name() const noexcept override { return own_name; }
    std::span<const OptionSpec> options() const noexcept override { return own_options; }
    Result<std::unique_ptr<Protocol>> configure(const Options& o) const noexcept override { return P::make(o); }
  };
  auto made = std::make_unique<Kind>();
  made->own_name = name;
  made->own_options = options;
  return made;
}

}  // namespace trellis

#include "trellis/listen.h"  // IWYU pragma: export
