// executor.h: time, tasks and sockets. Two implementations: libevent, and virtual time.
//
// Nothing in the framework or a plugin reads a clock, draws a random number or opens a socket in any
// other way; that is why a whole race can be replayed from one seed.
#pragma once
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "trellis/buffer.h"
#include "trellis/clock.h"
#include "trellis/result.h"

namespace trellis {

/// What a socket may be waited for, or what has come.
enum class Ready : std::uint8_t {
  none = 0,
  readable = 1,  ///< bytes, datagrams, a peer to accept, or the end
  writable = 2,  ///< connected, or room to send
  failed = 4,    ///< an error waits in connected(), receive() or send(); told unasked
};
constexpr Ready operator|(Ready a, Ready b) { return Ready(std::uint8_t(a) | std::uint8_t(b)); }  ///< both
constexpr bool any(Ready a, Ready b) { return (std::uint8_t(a) & std::uint8_t(b)) != 0; }         ///< one in common

/// What a new socket shall be.
struct SocketSpec {
  /// TCP-like, UDP-like, or messages with the kernel (rtnetlink(7)): family and addresses are unset, groups are joined
  /// with set(), one chunk is one message of the kernel, and receive() says Reason::exhausted when some were lost. Or
  /// packets of one IP protocol without their IP header (raw(7), which takes CAP_NET_RAW), used like datagrams: all
  /// that come to `local` from the connected peer, if any. Ports mean nothing to it: local() has that of `local`.
  enum class Kind : std::uint8_t { stream, datagram, netlink, raw };
  enum class Role : std::uint8_t { connect, unconnected, listen };  ///< what will be done with it
  Kind kind = Kind::stream;                                         ///< what moves
  Role role = Role::connect;  ///< connect() follows, or listen(), or neither (datagrams only)
  int protocol = 0;           ///< IPPROTO_… or NETLINK_…; 0: TCP, UDP or NETLINK_ROUTE (raw: refused)
  Address::Family family = Address::Family::ipv4;  ///< must fit `local` and the remote address
  Address local{};                                 ///< to bind to; unset: the system chooses when needed
  /// Where `local` is a multicast group (datagrams): it is joined, on `interface_name` or else where routing leads to
  /// `source` or the group. Received is only what this host sends to it; unset: whoever sends. Others may bind too.
  Address source{};
  std::string_view interface_name{};  ///< bind to this interface; empty: routing decides
  bool share_port = false;            ///< one listener per loop on the same port (SO_REUSEPORT)
};

/// What a transfer moved. Blocking is a value, not an Error: it happens all the time.
struct Io {
  std::size_t bytes = 0;  ///< moved
  bool blocked = false;   ///< no more can be moved now; watch() for it
  bool end = false;       ///< receive: the peer has finished sending (streams)
};

class Socket;

/// Who is told that a socket became ready. Called by the loop between turns, never inside a call to the socket; the
/// layer may read, write and push onto its ports at once.
class SocketEvents {
 public:
  /// `what` holds at least one of the things that were waited for.
  virtual void on_ready(Socket&, Ready what) noexcept = 0;

 protected:
  ~SocketEvents() = default;
};

/// A new connection of a listening socket.
struct Accepted {
  std::unique_ptr<Socket> socket;  ///< null: none is waiting
  Address peer{};                  ///< who it is
};

/// A non-blocking socket. Used by bottom layers only, on its loop's thread. Closed by its destructor.
class Socket {
 public:
  virtual ~Socket() = default;
  /// Starts connecting. True: connected already. False: watch for `writable`, then ask connected().
  virtual Result<bool> connect(const Address& remote) noexcept = 0;
  /// True: connected; it stays so when either side, or both, finish sending. False: not yet. An Error: it failed
  /// (unreachable, timed_out, reset, …).
  virtual Result<bool> connected() noexcept = 0;
  /// Starts accepting; `backlog` connections may wait.
  virtual Result<void> listen(int backlog) noexcept = 0;
  /// Takes one waiting connection. Reason::exhausted when descriptors ran out: no event will tell when they come back.
  virtual Result<Accepted> accept() noexcept = 0;
  /// Receives about `byte_budget` bytes at most (readv, recvmmsg). Datagrams of unconnected sockets carry their
  /// addresses in Chunk::info. keep_segments: GRO batches stay whole (Chunk::segment_size).
  virtual Result<Io> receive(Batch& into, std::size_t byte_budget, bool keep_segments = false) noexcept = 0;
  /// Sends from the front of the batch (writev, sendmmsg) and takes what was sent. A datagram that cannot be sent is
  /// taken too and its fate reported; a soft error of an earlier datagram (ICMP) is returned and nothing is taken.
  virtual Result<Io> send(Batch& from) noexcept = 0;
  /// Half-close: nothing more will be sent.
  virtual Result<void> finish() noexcept = 0;
  /// The destructor will end the connection abruptly (TCP: RST).
  virtual void reset() noexcept = 0;
  /// Whom to tell about what from now on; replaces the wish before it. Ready::none: only `failed`.
  virtual Result<void> watch(SocketEvents& who, Ready interest) noexcept = 0;
  virtual Address local() const noexcept = 0;   ///< what it is bound to; unset when not bound
  virtual Address remote() const noexcept = 0;  ///< what it is connected to; unset when not
  /// setsockopt(2). Reason::unsupported when the kernel does not know the option.
  virtual Result<void> set(int level, int option, std::span<const std::byte> value) noexcept = 0;
  /// getsockopt(2); returns the length of the value.
  virtual Result<std::size_t> get(int level, int option, std::span<std::byte> value) noexcept = 0;
};

/// The host's sockets.
class Sockets {
 public:
  /// Makes the socket and binds it; options are set, then connect() or listen() follows.
  virtual Result<std::unique_ptr<Socket>> open(const SocketSpec&) noexcept = 0;
  /// The name of this host's interface with the address, "eth0"; empty: none has it. Costs system calls.
  virtual std::string interface_name(const Address& local) const = 0;

 protected:
  ~Sockets() = default;
};

class Executor;

/// Something that wants to run on the loop. Intrusive, so that asking for it allocates nothing; its destructor
/// withdraws it.
class Job {
 public:
  Job() = default;
  Job(const Job&) = delete;
  Job& operator=(const Job&) = delete;
  virtual void run() noexcept = 0;                           ///< called once for each time that it was queued
  bool queued() const noexcept { return next_ != nullptr; }  ///< run() is still to come
  /// Withdraws it; no-op when not queued.
  void withdraw() noexcept {
    if (next_ == nullptr) return;
    previous_->next_ = next_;
    next_->previous_ = previous_;
    next_ = previous_ = nullptr;
  }
  /// For executors: puts it in front of `head`, at the end of head's circle.
  void link_before(Job& head) noexcept {
    previous_ = head.previous_;
    next_ = &head;
    head.previous_->next_ = this;
    head.previous_ = this;
  }
  /// For executors: the first of the circle whose head this is, or null.
  Job* first() noexcept { return next_ == this ? nullptr : next_; }
  /// For executors: makes it the head of an empty circle.
  void make_head() noexcept { next_ = previous_ = this; }

 protected:
  ~Job() { withdraw(); }

 private:
  Job* next_ = nullptr;
  Job* previous_ = nullptr;
};

/// A deadline. Intrusive; its destructor disarms it.
class Alarm {
 public:
  Alarm() = default;
  Alarm(const Alarm&) = delete;
  Alarm& operator=(const Alarm&) = delete;
  virtual void on_alarm() noexcept = 0;  ///< called once, at or after the deadline, between turns
  /// Calls on_alarm() at `deadline`; replaces an earlier one. TimePoint::max() disarms.
  inline void arm(Executor& executor, TimePoint deadline) noexcept;
  /// No-op when not armed.
  inline void disarm() noexcept;
  bool armed() const noexcept { return slot != kIdle; }  ///< on_alarm() is still to come

  static constexpr std::uint32_t kIdle = UINT32_MAX;  ///< value of `slot` when not armed
  std::uint32_t slot = kIdle;                         ///< for executors: its place in their queue

 protected:
  ~Alarm() { disarm(); }

 private:
  Executor* executor_ = nullptr;
};

/// A loop: one thread, its time, tasks, sockets and memory. All calls but post() are for the loop's thread.
class Executor {
 public:
  virtual TimePoint now() const noexcept = 0;  ///< constant within a turn; never goes back
  /// For certificates and tickets.
  virtual std::chrono::system_clock::time_point wall_clock() const noexcept = 0;
  /// Runs `task` on the loop soon; the only call that is safe from other threads.
  virtual void post(std::move_only_function<void()> task) noexcept = 0;
  /// Runs the job after all readiness that this poll has found; once, however often it is queued before that.
  virtual void queue(Job&) noexcept = 0;
  /// Runs the job after the next poll, which does not wait: fairness for work that is too much for one turn.
  virtual void again(Job&) noexcept = 0;
  /// Behind Alarm::arm and Alarm::disarm.
  virtual void arm(Alarm&, TimePoint deadline) noexcept = 0;
  virtual void disarm(Alarm&) noexcept = 0;                    ///< precondition: armed
  virtual Sockets& sockets() noexcept = 0;                     ///< the only source of sockets
  virtual BlockPool& pool() noexcept = 0;                      ///< memory for slices of this loop
  virtual std::uint64_t random() noexcept = 0;                 ///< for jitter and identifiers, not for keys
  virtual void secret(std::span<std::byte> out) noexcept = 0;  ///< key material; seeded in virtual time
  virtual unsigned loop() const noexcept = 0;                  ///< 0 … loops()-1
  virtual unsigned loops() const noexcept = 0;                 ///< how many loops the application runs

 protected:
  ~Executor() = default;
};

void Alarm::arm(Executor& executor, TimePoint deadline) noexcept {
  if (deadline == TimePoint::max()) return disarm();
  executor_ = &executor;
  executor.arm(*this, deadline);
}
void Alarm::disarm() noexcept {
  if (armed()) executor_->disarm(*this);
}

}  // namespace trellis
