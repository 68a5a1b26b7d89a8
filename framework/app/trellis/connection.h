// connection.h: a Connection, established or being established, and the Messages it carries (RFC 9622 sections 7 to
// 10).
//
// All calls are made on the thread of the Connection's loop. A callback never fires inside the call that asked for it.
#pragma once
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "trellis/buffer.h"
#include "trellis/path.h"
#include "trellis/property.h"
#include "trellis/protocol.h"
#include "trellis/task.h"

namespace trellis {

/// What a sender wishes of one message (RFC 9622 section 9.1.3), or of all that do not say otherwise: of a Connection
/// or a Preconnection. What is not given is as the next of these says, and last as MessageProperties says. send() reads
/// it: later changes have no effect on what was sent.
struct MessageWishes {
  std::optional<Duration> lifetime = {};       ///< msgLifetime, from now; max(): for ever. Then it is Fate::expired
  std::optional<std::uint32_t> priority = {};  ///< msgPriority: lower goes first
  std::optional<std::uint32_t> checksum_length = {};  ///< msgChecksumLen: bytes to be covered at least; UINT32_MAX: all
  std::optional<std::uint32_t> label = {};            ///< the protocol's own number
  std::optional<bool> ordered = {};                   ///< msgOrdered: false lets it overtake others
  std::optional<bool> reliable = {};                  ///< msgReliable: false lets it be lost
  std::optional<bool> replayable = {};        ///< safelyReplayable: false needs a stack that protects from duplicates
  std::optional<bool> no_fragmentation = {};  ///< noFragmentation: the network must not fragment it
  std::optional<bool> no_segmentation = {};   ///< noSegmentation: the transport must not split it
  std::optional<CapacityProfile> capacity_profile = {};  ///< msgCapacityProfile
  bool operator==(const MessageWishes&) const = default;
};

/// A message or a part of one. On a bytestream, a whole direction is one message, sent and received in parts.
struct Message {
  Slice data;                     ///< the bytes
  MessageWishes properties = {};  ///< what the sender asks for
  bool end = true;                ///< false: more parts of this message follow
  bool final =
      false;  ///< sending: the last message, half-closes. Received: the peer has finished sending; data may be empty
  bool early = false;    ///< received only: it came as early data and may be a replay
  std::uint8_t ecn = 0;  ///< received datagrams: the two ECN bits of their IP header (RFC 3168); elsewhere 0
  /// Received only: from whom it came and to which address of ours (RFC 9622 section 9.1.1, GetRemoteEndpoint and
  /// GetLocalEndpoint). Unset where no layer knows it.
  Address remote = {}, local = {};
  /// What the framers of the stack shall know of it, or say of it (RFC 9622 section 9.1.2.2: add(framer, key, value)
  /// and get(framer, key)). Read by send() for each part; received with the first part.
  FramerMetadata metadata = {};
};

/// Where a Connection is in its life (RFC 9622 section 8.1.11.1).
enum class ConnectionState : std::uint8_t { establishing, established, closing, closed };

/// at_least for Connection::receive: wait for the end of the message.
inline constexpr std::size_t kWholeMessage = SIZE_MAX;

/// How a clone differs from the Connection that it is made from.
struct CloneOptions {
  /// Set on the clone; what is entangled (all but connPriority) is set on its whole group. `direction` (kDirection) is
  /// the clone's own: with Unidirectional Send a layer with streams of one direction opens one (RFC 9622 section
  /// 6.2.16).
  std::vector<std::pair<std::string, PropertyValue>> properties = {};
  /// What it carries; none: the same. Another one is possible on a stack whose topmost layer has streams.
  Face face = Face::none;
  /// The framers of the clone, top first: "line" or "line/length-prefix(bytes=2)", with settings as in a stack; "":
  /// none (RFC 9622 section 7.4). They take the place of those on top of the stack. Not given: the same ones. Either
  /// way their state is the clone's own.
  std::optional<std::string> framers = {};
};

class ConnectionCore;  // core/connection_core.h

/// The context of a message that was sent, told with its fate (RFC 9622 sections 9.1.1 and 9.2.2). Reads as the fate.
/// Valid during the call.
class SentContext {
 public:
  operator Fate() const noexcept { return fate_; }  ///< what became of the message
  /// The endpoints that its Connection has, or had when it ended (GetRemoteEndpoint, GetLocalEndpoint); found out when
  /// they are asked for. Unset while no stack is bound, and where no layer knows it.
  Address remote() const;
  Address local() const;  ///< likewise

 private:
  friend class Ledger;
  SentContext(Fate fate, ConnectionCore* of) : fate_(fate), connection_(of) {}
  Fate fate_;
  ConnectionCore* connection_;  // null: there is none
};

/// A Connection. Movable; destroying it aborts what is not closed.
///
/// That the peer has closed or aborted is told as far as the protocols find it out, which some never do and none does
/// when the network is cut: on_failed() and the end of receive() are best effort. What a Connection holds is freed by
/// this side alone: close(), abort(), or destroying it (RFC 9622 section 10, API-226).
class Connection {
 public:
  /// Hears the fate of one message: sent, expired or failed, exactly one; then perhaps acknowledged. The Error says why
  /// it failed, else null. Takes a function of (Fate, const Error*) too.
  using Sent = std::move_only_function<void(const SentContext&, const Error*)>;
  /// Hears a received message, or why no more will come.
  using Received = std::move_only_function<void(Result<Message>)>;
  /// Hears that something ended, and how.
  using Done = std::move_only_function<void(Result<void>)>;
  /// Hears an event that ends nothing.
  using Noticed = std::move_only_function<void(Notice, const Error&)>;
  /// Takes a Connection that the peer has opened.
  using Arrived = std::move_only_function<void(Connection)>;

  Connection() = default;
  Connection(Connection&& other) noexcept : core_(std::exchange(other.core_, nullptr)) {}
  Connection& operator=(Connection&& other) noexcept {
    std::swap(core_, other.core_);
    return *this;
  }
  ~Connection();
  explicit operator bool() const noexcept { return core_ != nullptr; }  ///< false: empty handle

  /// Memory for a message with the headroom and tailroom that its stack needs, so that sending copies nothing.
  Slice allocate(std::uint32_t size);
  /// Sends a message or a part. It is taken in any case; false: please pause until on_writable. Before the Connection
  /// is ready messages wait in the queue. Without `sent`, failures of single messages are reported as soft errors.
  /// A message that asks for what the stack cannot do fails (invalid_argument: InvalidMessageProperties), such as one
  /// that is not safelyReplayable where it could arrive twice.
  bool send(Message message, Sent sent = {});
  /// Sends the defaults: the bytes as (part of) a message.
  bool send(Slice data, bool end = true);
  /// What is sent until end_batch() may leave together (RFC 9622 section 9.2.4: StartBatch, EndBatch). A hint: what
  /// a turn of the loop sends leaves together anyway, and what there is no room for does not wait for the end of it.
  void start_batch();
  void end_batch();       ///< also implied by finish() and close()
  void finish();          ///< half-close: nothing more will be sent (Final without a message)
  bool writable() const;  ///< send() would return true
  /// Called each time that sending may go on after send() returned false.
  void on_writable(std::move_only_function<void()>);
  /// Asks for one message or part of `at_least` bytes (or its end, or the peer's end) and `at_most` bytes. This is the
  /// demand: nothing is read ahead of it beyond the receive buffer. One receive at a time. A message larger than
  /// the receive buffer (policy: receive-buffer-bytes) is delivered in parts even if kWholeMessage was asked.
  void receive(std::size_t at_least, std::size_t at_most, Received);
  void cancel_receive();  ///< forgets the receive that is open; nothing is lost
  /// Soft errors, path changes, early data verdicts.
  void on_notice(Noticed);
  /// Called when the Connection ends without close(): once, with the Error; a receive that is open hears it too.
  void on_failed(std::move_only_function<void(const Error&)>);
  /// Sends what was taken, then ends cleanly. Received messages that were not delivered are dropped.
  void close(Done);
  void close() { close({}); }          ///< nobody waits for the end
  void abort(std::uint64_t code = 0);  ///< ends now and tells the peer; what was not sent is reported as failed

  /// One more Connection to the same peer, in the same group (RFC 9622 section 7.4): a stream, where a layer of the
  /// stack has streams, else a connection of its own over the same stack, path and address. All that was set on this
  /// one is set on it, and what is set on one of the group later is set on all (but connPriority); who cannot follow
  /// leaves the group, and its on_notice() says why. `ready` is called once, later; a clone that fails is told to
  /// on_notice() of this one too. Precondition: established.
  [[nodiscard]] Connection clone(Done ready, CloneOptions options = {});
  /// Takes the streams that the peer opens, of the whole group, each when it is ready. Until this Connection ends, or
  /// is destroyed, or another one of the group asks. Without it they go to the Listener that this Connection came
  /// from; where there is none they are refused. May be called before the Connection is ready.
  void on_received(Arrived);
  /// close() of all Connections of the group. Done: all have ended. The others hear of it as of an end by the peer.
  void close_group(Done);
  void abort_group(std::uint64_t code = 0);  ///< abort() of all Connections of the group
  std::size_t group_size() const;            ///< Connections in its group, this one included; 0: it has ended
  /// Visits the Connections of its group, this one included, in no order (RFC 9622 section 7.4: GroupedConnections):
  /// `visit` is called group_size() times, before this returns, with a handle that holds during the call. The handles
  /// that act on them are the application's own; it may destroy those in `visit`, and who has ended is not visited.
  void grouped_connections(const std::function<void(const Connection&)>& visit) const;

  /// Endpoints that are of use from now on, or no longer (RFC 9622 section 7.5); when Established. Those that are known
  /// already, or not known, are ignored, and so are those of protocols that its stack does not have. Where a Connection
  /// has several streams, of all Connections over it.
  ///
  /// A stack with Feature::multipath (tcpls) connects there at once, and again when what it has is lost; with
  /// Feature::path_migration alone (quic) it moves to another address of ours, as its peer may not have another one
  /// (RFC 9000 section 9). Notice::path_change says that it did, Notice::soft_error that it could not. Without them it
  /// is Reason::unsupported, and so it is where the peer has connected to us; where the property `multipath` does not
  /// allow it, Reason::prohibited. More than 32 remote endpoints are Reason::invalid_argument, and more ways than a
  /// connection has Reason::exhausted. After an error nothing of the call has an effect, and the Connection lives on.
  Result<void> add_remote(std::vector<Endpoint> endpoints);
  Result<void> add_local(std::vector<Endpoint> endpoints);  ///< with an address each; port 0: the system chooses
  /// What goes by them is taken elsewhere, if there is an elsewhere; without one, on_failed() tells of the end of the
  /// Connection, as of all over it. Local endpoints are compared without their port where that is 0.
  Result<void> remove_remote(std::vector<Endpoint> endpoints);
  Result<void> remove_local(std::vector<Endpoint> endpoints);  ///< likewise

  /// A property by its RFC 9622 name. Once it is established, selection properties ("preserveOrder") say as true or
  /// false what its stack does (section 6.2). Message properties ("msgPriority") are of the messages that do not say
  /// otherwise; they stay with this Connection and count from the next send() on (sections 7.4 and 9.1.3).
  Result<PropertyValue> get(std::string_view name) const;
  Result<void> set(std::string_view name, const PropertyValue& value);  ///< on failure the Connection lives on
  ConnectionState state() const;                                        ///< where it is
  std::string_view stack() const;           ///< "length-prefix/tcp"; empty until a stack is bound
  Face face() const;                        ///< what it carries; none until a stack is bound
  Address local() const;                    ///< unset until a stack is bound, and when it was closed
  Address remote() const;                   ///< unset until a stack is bound
  std::string_view interface_name() const;  ///< of the path; empty: not known
  std::string_view node() const;            ///< id of the winning leaf of the candidate tree, "1.1.1"; accepted: empty
  Executor& executor() const;               ///< its loop

  /// Waits for room, then sends: co_await connection.send_async(slice).
  auto send_async(Slice data, bool end = true) {
    return await_callback<Result<void>>(
        [this, data = std::move(data), end](auto resume) mutable {
          send_when_writable(std::move(data), end, std::move(resume));
        },
        [this] { cancel_send_wait(); });
  }
  /// co_await connection.receive_async()
  auto receive_async(std::size_t at_least = 1, std::size_t at_most = SIZE_MAX) {
    return await_callback<Result<Message>>(
        [this, at_least, at_most](auto resume) { receive(at_least, at_most, std::move(resume)); },
        [this] { cancel_receive(); });
  }
  /// co_await connection.close_async()
  auto close_async() {
    return await_callback<Result<void>>([this](auto resume) { close(std::move(resume)); }, [this] { cancel_close(); });
  }

 private:
  friend class ConnectionCore;
  explicit Connection(ConnectionCore& core) : core_(&core) {}
  void forget() noexcept { core_ = nullptr; }  // it was lent
  void send_when_writable(Slice data, bool end, Done done);
  void cancel_send_wait();  // what was sent stays sent
  void cancel_close();      // what was not sent yet is given up
  ConnectionCore* core_ = nullptr;
};

}  // namespace trellis
