// mux.h: a small multiplexer, for tests of what the engine does for QUIC, TCPLS and SCTP: streams with windows and
// limits. Frames are [type 1][stream 4][number 8][size 4] and the payload. No security and no loss recovery: it runs in
// virtual time over a network that loses nothing.
#pragma once
#include <cstring>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "trellis/listen.h"
#include "trellis/lowers.h"
#include "trellis/streams.h"

namespace trellis::tests {

/// What tests set and look at. One at a time.
struct MuxFacts {
  std::uint64_t streams = 4;          // that a peer may have open
  int alive = 0;                      // instances
  int acceptors = 0;                  // alive
  std::vector<class Mux*> instances;  // in the order of making
  std::vector<std::string> asked;     // properties, whether known or not
};
inline MuxFacts mux_facts;

enum class MuxFrame : std::uint8_t { hello, data, fin, reset, stop, window, streams, goodbye };

inline constexpr std::size_t kMuxHeader = 17;
inline constexpr std::size_t kMuxWindow = 16384;
inline constexpr std::uint32_t kMuxMost = 1000;  // bytes of a frame's payload

struct MuxHead {
  MuxFrame type{};
  std::uint32_t stream = 0;
  std::uint64_t number = 0;
  std::uint32_t size = 0;
};

/// One multiplexed connection over a bytestream, or over datagrams: then each is one frame behind the connection's id.
class Mux : public ProtocolInstance, public StreamLayer {
 public:
  explicit Mux(const Seat& seat) : host_(seat.host), first_(seat.upper), lower_(seat.lower) {
    ++mux_facts.alive;
    mux_facts.instances.push_back(this);
  }
  ~Mux() override {
    --mux_facts.alive;
    std::erase(mux_facts.instances, this);
  }

  std::size_t stream_count() const { return streams_.size(); }
  std::uint64_t refused = 0;    // streams of the peer
  bool stubborn_close = false;  // close() does not end by itself
  std::uint64_t id = 0;         // of the connection, over datagrams
  MessageRef to;                // over a port that several share

  void open(const OpenArgs& args) noexcept override {
    passive_ = args.passive;
    next_ = passive_ ? 2 : 1;
    if (passive_ && id != 0) return host_.wake();  // the acceptor reads for us
    lower_.grant(kMuxWindow);
    if (passive_) return;
    if (lower_.face() == Face::datagram) id = host_.executor().random() | 1;
    send({.type = MuxFrame::hello, .number = mux_facts.streams});
    if (first_) adopt(first_, {.face = first_.face()}, 0);
  }
  /// Of a stubborn one: what close() would have said, or that it cannot be said any more.
  void end_close(bool failed) {
    stubborn_close = false;
    if (!failed) return close({});
    over_ = true;
    host_.failed({Reason::timed_out, 0, "mux", "the peer has not answered"});
  }
  void close(const CloseArgs& args) noexcept override {
    if (stubborn_close && !args.abort) return;
    send({.type = MuxFrame::goodbye, .number = args.code});
    host_.closed();
  }

  // ---- from below
  void on_up(LowerPort from, Batch& batch) noexcept override {
    while (!batch.empty()) {
      const Chunk chunk = batch.pop();
      from.grant(from.charge(chunk));
      const std::size_t skip = id != 0 ? sizeof id : 0;
      in_.append(reinterpret_cast<const char*>(chunk.data.bytes().data()) + skip, chunk.data.size() - skip);
    }
    input();
    if (from.finished() && !over_) {
      over_ = true;
      host_.failed({Reason::reset, 0, "mux", "the connection below ended"});
    }
  }
  /// From the acceptor, which has the shared port.
  void input(std::string_view datagram) {
    in_.append(datagram.substr(sizeof id));
    host_.wake();
  }
  void on_wake() noexcept override { input(); }
  void input() {
    MuxHead head;
    while (in_.size() >= kMuxHeader && !over_) {
      std::memcpy(&head.type, in_.data(), 1);
      std::memcpy(&head.stream, in_.data() + 1, 4);
      std::memcpy(&head.number, in_.data() + 5, 8);
      std::memcpy(&head.size, in_.data() + 13, 4);
      if (in_.size() < kMuxHeader + head.size) break;
      const std::string payload = in_.substr(kMuxHeader, head.size);
      in_.erase(0, kMuxHeader + head.size);
      take(head, payload);
    }
  }
  void on_credit(LowerPort) noexcept override { push_out(); }
  void flush() noexcept override { push_out(); }

  // ---- from above
  void on_down(UpperPort from, Batch& batch) noexcept override {
    Stream* s = from.mark<Stream>();
    while (!batch.empty() && s->id != 0 && ready_ && !s->out_done && out_.empty()) {
      const Chunk chunk{.data = batch.front().data.size() > kMuxMost ? batch.front().data.split_front(kMuxMost)
                                                                     : std::move(batch.pop().data)};
      s->window -= static_cast<std::int64_t>(chunk.data.size());
      send({.type = MuxFrame::data, .stream = s->id, .size = chunk.data.size()}, chunk.data.bytes());
    }
    if (s->out_done) batch.clear();
    if (!batch.empty() || !from.finished() || s->out_done || s->id == 0 || !ready_) return;
    send({.type = MuxFrame::fin, .stream = s->id});
    s->out_done = true;
    end_if_over(*s);
  }
  void on_credit(UpperPort port) noexcept override {
    Stream& s = *port.mark<Stream>();
    deliver(s);
    end_if_over(s);
  }

  StreamLayer* streams() noexcept override { return this; }
  Result<void> open_stream(UpperPort port, const StreamArgs& args) noexcept override {
    if (args.face == Face::message) return fail(Reason::unsupported, "mux carries no messages");
    adopt(port, args, 0);
    name_streams();
    return {};
  }
  void abort_stream(UpperPort port, Direction direction, std::uint64_t code) noexcept override {
    Stream& s = *port.mark<Stream>();
    if (direction != Direction::receiving && !s.out_done) {
      s.out_done = true;
      if (s.id != 0) send({.type = MuxFrame::reset, .stream = s.id, .number = code});
    }
    if (direction != Direction::sending && !s.in_done) {
      s.in_done = true;
      s.received.clear();
      if (s.id != 0) send({.type = MuxFrame::stop, .stream = s.id, .number = code});
    }
    end_if_over(s);
  }

  Result<PropertyValue> get(UpperPort port, std::string_view name) noexcept override {
    mux_facts.asked.emplace_back(name);
    if (name == "connPriority") return port.mark<Stream>()->priority;
    if (name == kStreamId.name) return std::uint64_t{port.mark<Stream>()->id};
    if (name == "maxSendRate") return rate_;
    return fail(Reason::unsupported);
  }
  Result<void> set(UpperPort port, std::string_view name, const PropertyValue& value) noexcept override {
    mux_facts.asked.emplace_back(name);
    if (name == "mux.first") {
      if (port.mark<Stream>() == streams_.front().get()) return {};
      return fail(Reason::prohibited, "only the first stream can have it");
    }
    if (name == "connPriority") {
      port.mark<Stream>()->priority = std::get<std::uint64_t>(value);
      return {};
    }
    if (name != "maxSendRate") return fail(Reason::unsupported);
    rate_ = std::get<std::uint64_t>(value);
    return {};
  }

 protected:
  struct Stream {
    UpperPort port;
    std::uint32_t id = 0;  // 0: the peer does not allow it yet
    std::int64_t window = 0;
    std::uint64_t priority = 100;
    std::string received;  // beyond the credit of the layer above
    bool peer_fin = false, in_done = false, out_done = false, by_peer = false;
  };

  void adopt(UpperPort port, const StreamArgs& args, std::uint32_t id) {
    auto made = std::make_unique<Stream>();
    made->port = port;
    made->id = id;
    made->by_peer = id != 0;
    made->out_done = !sends(args.direction);
    port.mark(made.get());
    if (id != 0 && sends(args.direction)) allow(*made, kMuxWindow);
    streams_.push_back(std::move(made));
  }
  void allow(Stream& s, std::size_t bytes) {
    s.window += static_cast<std::int64_t>(bytes);
    s.port.grant(bytes);
  }
  // Gives numbers to streams that waited for the peer's limit.
  void name_streams() {
    for (auto& s : streams_) {
      if (!ready_ || s->id != 0 || opened_ >= allowed_) continue;
      ++opened_;
      s->id = next_;
      next_ += 2;
      allow(*s, kMuxWindow);
      if (s->port.finished() || !s->port.empty()) host_.wake();
    }
  }

  void take(const MuxHead& head, const std::string& payload) {
    if (head.type == MuxFrame::hello) {
      allowed_ = head.number;
      if (passive_) send({.type = MuxFrame::hello, .number = mux_facts.streams});
      ready_ = true;
      host_.ready();
      return name_streams();
    }
    if (head.type == MuxFrame::goodbye) {
      over_ = true;
      if (head.number == 0) return host_.closed();
      return host_.failed({Reason::reset, head.number, "mux", "the peer aborted everything"});
    }
    if (head.type == MuxFrame::streams) {
      allowed_ = head.number;
      return name_streams();
    }
    Stream* s = find(head.stream);
    if (s == nullptr) s = accept(head);
    if (s == nullptr) return;
    switch (head.type) {
      case MuxFrame::data:
        if (s->in_done) break;
        s->received += payload;
        deliver(*s);
        break;
      case MuxFrame::fin:
        s->peer_fin = true;
        deliver(*s);
        break;
      case MuxFrame::reset:
        if (std::exchange(s->in_done, true)) break;
        host_.streams().stream_aborted(s->port, Direction::receiving, {Reason::reset, head.number, "mux", "reset"});
        break;
      case MuxFrame::stop:
        if (std::exchange(s->out_done, true)) break;
        host_.streams().stream_aborted(s->port, Direction::sending, {Reason::reset, head.number, "mux", "stopped"});
        break;
      case MuxFrame::window: allow(*s, head.number); break;
      default: break;
    }
    end_if_over(*s);
  }
  Stream* find(std::uint32_t id) {
    for (auto& s : streams_) {
      if (s->id == id) return s.get();
    }
    return nullptr;
  }
  Stream* accept(const MuxHead& head) {
    const bool of_peer = head.stream % 2 == (passive_ ? 1u : 0u);
    if (!of_peer || !seen_.insert(head.stream).second) return nullptr;  // late, of one that has ended
    const UpperPort port = host_.streams().accept_stream({});
    if (!port) {
      ++refused;
      send({.type = MuxFrame::reset, .stream = head.stream, .number = 99});
      send({.type = MuxFrame::stop, .stream = head.stream, .number = 99});
      raise_limit();
      return nullptr;
    }
    adopt(port, {}, head.stream);
    return streams_.back().get();
  }
  void raise_limit() { send({.type = MuxFrame::streams, .number = ++given_ + mux_facts.streams}); }

  void deliver(Stream& s) {
    const std::size_t n = std::min(s.received.size(), s.port.credit());
    if (n > 0) {
      Slice slice = host_.executor().pool().allocate(0, static_cast<std::uint32_t>(n), 0);
      std::memcpy(slice.edit().data(), s.received.data(), n);
      s.received.erase(0, n);
      s.port.push(Chunk{.data = std::move(slice), .end_of_message = s.port.face() == Face::datagram});
      if (!s.in_done) send({.type = MuxFrame::window, .stream = s.id, .number = n});
    }
    if (!s.peer_fin || !s.received.empty() || s.in_done) return;
    s.in_done = true;
    s.port.finish();
  }
  void end_if_over(Stream& s) {
    if (!s.in_done || !s.out_done || !s.received.empty()) return;
    const UpperPort port = s.port;
    if (s.by_peer) raise_limit();
    std::erase_if(streams_, [&](const auto& one) { return one.get() == &s; });
    host_.streams().stream_closed(port);
  }

  void send(MuxHead head, std::span<const std::byte> payload = {}) {
    const std::size_t ahead = id != 0 ? sizeof id : 0;
    Slice slice =
        host_.executor().pool().allocate(0, static_cast<std::uint32_t>(ahead + kMuxHeader + payload.size()), 0);
    if (ahead != 0) std::memcpy(slice.edit().data(), &id, sizeof id);
    std::byte* at = slice.edit().data() + ahead;
    std::memcpy(at, &head.type, 1);
    std::memcpy(at + 1, &head.stream, 4);
    std::memcpy(at + 5, &head.number, 8);
    std::memcpy(at + 13, &head.size, 4);
    if (!payload.empty()) std::memcpy(at + kMuxHeader, payload.data(), payload.size());
    out_.add(Chunk{.data = std::move(slice), .info = to, .end_of_message = id != 0});
    push_out();
  }
  // Within the credit below; what waits makes on_down() leave its batches.
  void push_out() {
    const bool waited = !out_.empty();
    while (!out_.empty() && lower_ && lower_.credit() > 0) lower_.push(out_.pop());
    if (waited && out_.empty()) host_.wake();
  }

  LayerHost& host_;
  UpperPort first_;
  LowerPort lower_;
  std::vector<std::unique_ptr<Stream>> streams_;
  std::string in_;
  Batch out_;
  std::uint64_t allowed_ = 0, opened_ = 0, given_ = 0, rate_ = 0;
  std::uint32_t next_ = 1;
  std::set<std::uint32_t> seen_;
  bool passive_ = false, ready_ = false, over_ = false;
};

/// Tells the connections of one datagram port apart by their ids, as QUIC does.
class MuxAcceptor final : public Acceptor {
 public:
  MuxAcceptor(AcceptHost& host, LowerPort lower) : host_(host), lower_(lower) { ++mux_facts.acceptors; }
  ~MuxAcceptor() override { --mux_facts.acceptors; }
  void open(const OpenArgs& args) noexcept override {
    lower_.grant(1 << 20);
    host_.listening(args.route.local);
  }
  void close(const CloseArgs&) noexcept override {
    stopping_ = true;
    host_.closed();
  }
  void on_up(LowerPort, Batch& batch) noexcept override {
    while (!batch.empty()) {
      const Chunk chunk = batch.pop();
      lower_.grant(lower_.charge(chunk));
      const std::string_view text(reinterpret_cast<const char*>(chunk.data.bytes().data()), chunk.data.size());
      if (text.size() < sizeof(std::uint64_t) + kMuxHeader) continue;
      std::uint64_t id = 0;
      std::memcpy(&id, text.data(), sizeof id);
      Mux* one = find(id);
      if (one == nullptr && text[sizeof id] == 0) one = admit(id, chunk.info);
      if (one != nullptr) one->input(text);
    }
  }
  void on_credit(LowerPort) noexcept override {
    for (auto& [id, one] : by_id_) one->on_credit(lower_);
  }
  void unseated(ProtocolInstance& instance) noexcept override {
    std::erase_if(by_id_, [&](auto& entry) { return entry.second == &instance; });
  }

 private:
  Mux* find(std::uint64_t id) {
    const auto found = by_id_.find(id);
    return found != by_id_.end() ? found->second : nullptr;
  }
  Mux* admit(std::uint64_t id, const MessageRef& from) {
    Seat* seat = stopping_ ? nullptr : host_.seat(from->remote, lower_);
    if (seat == nullptr) return nullptr;
    auto made = std::make_unique<Mux>(*seat);
    Mux* const one = made.get();
    one->id = id;
    one->to = new_message();
    one->to->remote = from->remote;
    one->to->local = from->local;
    by_id_[id] = one;
    host_.seated(seat, std::move(made));
    return find(id);
  }
  AcceptHost& host_;
  LowerPort lower_;
  std::map<std::uint64_t, Mux*> by_id_;
  bool stopping_ = false;
};

class MuxProtocol final : public Protocol {
 public:
  explicit MuxProtocol(bool over_datagrams) : datagrams_(over_datagrams) {}
  LayerTraits traits(Face above) const noexcept override {
    if (above != Face::bytestream) return {.above = Face::none};
    if (datagrams_) {
      return {.above = above,
              .below = Face::datagram,
              .adds = {Feature::multistreaming, Feature::reliability, Feature::ordering, Feature::duplicate_protection,
                       Feature::stream_abort},
              .removes = {Feature::boundaries},
              .handshake_rtts = 1,
              .accepts = Accepts::over_one_lower};
    }
    return {.above = above,
            .below = Face::bytestream,
            .needs = {Feature::reliability, Feature::ordering},
            .adds = {Feature::multistreaming, Feature::stream_abort},
            .handshake_rtts = 1};
  }
  Result<std::unique_ptr<ProtocolInstance>> connect(const Seat& seat) const noexcept override {
    return std::make_unique<Mux>(seat);
  }
  Result<std::unique_ptr<Acceptor>> listen(AcceptHost& host, LowerPort lower) const noexcept override {
    return std::make_unique<MuxAcceptor>(host, lower);
  }

 private:
  bool datagrams_;
};

/// "mux" over a bytestream and "dmux" over datagrams.
class MuxKind final : public ProtocolKind {
 public:
  explicit MuxKind(bool over_datagrams) : datagrams_(over_datagrams) {}
  std::string_view name() const noexcept override { return datagrams_ ? "dmux" : "mux"; }
  std::span<const OptionSpec> options() const noexcept override { return {}; }
  Result<std::unique_ptr<Protocol>> configure(const Options&) const noexcept override {
    return std::make_unique<MuxProtocol>(datagrams_);
  }

 private:
  bool datagrams_;
};

}  // namespace trellis::tests
