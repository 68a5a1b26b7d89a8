// one_layer.h: a bottom layer of a real plugin on a real loop, with the least engine that the contract needs: one link,
// and visits in the order of a turn. The test is the layer above.
#pragma once
#include <dlfcn.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <cstring>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "../support/given.h"
#include "../support/own_network.h"
#include "trellis/loop.h"
#include "trellis/plugin.h"
#include "trellis/protocol.h"

namespace trellis::test {

using namespace std::chrono_literals;

/// What a plugin of this build registers as a protocol.
inline ProtocolKind& kind_of(const std::string& plugin) {
  struct Shelf final : Registrar {
    void add(std::unique_ptr<ProtocolKind> kind) override { protocol = std::move(kind); }
    void add(std::unique_ptr<StateStore>) override { std::abort(); }
    void add(std::unique_ptr<PathProvider>) override { std::abort(); }
    void add(std::unique_ptr<Resolver>) override { std::abort(); }
    void add(std::unique_ptr<RacingPolicy>) override { std::abort(); }
    void add(std::unique_ptr<FramerKind>) override { std::abort(); }
    void refuse(std::string_view) noexcept override { std::abort(); }
    std::unique_ptr<ProtocolKind> protocol;
  };
  static std::map<std::string, Shelf> shelves;
  Shelf& shelf = shelves[plugin];
  if (shelf.protocol == nullptr) {
    void* library = dlopen((TRELLIS_BUILD_DIR "/plugins/" + plugin + ".so").c_str(), RTLD_NOW | RTLD_LOCAL);
    if (library == nullptr) ADD_FAILURE() << dlerror();
    using Register = void (*)(Registrar&);
    reinterpret_cast<Register>(dlsym(library, "trellis_plugin_register"))(shelf);
  }
  return *shelf.protocol;
}

inline std::shared_ptr<Protocol> configured(const std::string& plugin,
                                            std::map<std::string, OptionValue> options = {}) {
  ProtocolKind& kind = kind_of(plugin);
  return std::move(*kind.configure(Given(kind.options(), std::move(options))));
}

inline std::string text_of(const Slice& slice) {
  return {reinterpret_cast<const char*>(slice.bytes().data()), slice.size()};
}
inline Address loopback(std::uint16_t port = 0) {
  return Address{.family = Address::Family::ipv4, .port = port, .ip = {127, 0, 0, 1}};
}
inline Address loopback6(std::uint16_t port = 0) {
  Address address{.family = Address::Family::ipv6, .port = port};
  address.ip[15] = 1;
  return address;
}

/// The parts of an engine that a connection and a listener need alike: a schedule and visits on demand.
class Visits : public Job, public Alarm {
 public:
  explicit Visits(Loop& loop) : loop_(loop) {
    schedule_.schedule.begin = [](Schedule& schedule) noexcept {
      Visits& self = *reinterpret_cast<Own&>(schedule).self;  // the schedule is its first member
      self.loop_.queue(self);
    };
    schedule_.self = this;
  }
  void run() noexcept override {
    for (int round = 0; round < 4 && work(); ++round) visit();
    schedule_.schedule.awake = false;
    if (!work()) return;
    schedule_.schedule.awake = true;
    loop_.again(*this);
  }
  void on_alarm() noexcept override {
    expired_ = true;
    schedule_.schedule.wake();
  }

 protected:
  ~Visits() = default;
  virtual bool work() const noexcept = 0;
  virtual void visit() noexcept = 0;
  void stir() noexcept {
    woken_ = true;
    schedule_.schedule.wake();
  }

  struct Own {
    Schedule schedule;
    Visits* self;
  };
  Loop& loop_;
  Own schedule_;
  bool woken_ = false;
  bool expired_ = false;
};

/// A connection of one layer, seen from above.
class OneLayer final : public Visits, public LayerHost {
 public:
  OneLayer(Loop& loop, std::shared_ptr<Protocol> protocol, Face face) : Visits(loop), protocol_(std::move(protocol)) {
    link.schedule = &schedule_.schedule;
    link.face = face;
    link.route = &route;
  }
  ~OneLayer() {
    if (acceptor != nullptr && layer != nullptr) acceptor->unseated(*layer);
  }
  static std::unique_ptr<OneLayer> connect(Loop& loop, std::shared_ptr<Protocol> protocol, const Address& to) {
    const Face face = protocol->traits(Face::bytestream).above == Face::none ? Face::datagram : Face::bytestream;
    auto made = std::make_unique<OneLayer>(loop, std::move(protocol), face);
    made->layer = std::move(*made->protocol_->connect(made->seat()));
    made->open(to, false);
    return made;
  }
  Seat seat() { return {*this, UpperPort(link), LowerPort()}; }
  void open(const Address& to, bool passive) {
    remote = {.host = "peer", .port = to.port, .address = to};
    opened = true;
    layer->open(OpenArgs{remote, route, {}, passive});
    stir_all();
  }

  LowerPort port() { return LowerPort(link); }
  void demand(std::size_t bytes) { port().grant(bytes); }
  void send(std::string_view text, MessageRef info = {}) {
    Chunk chunk{.data = loop_.pool().allocate(0, static_cast<std::uint32_t>(text.size()), 0), .info = std::move(info)};
    chunk.end_of_message = true;
    if (!text.empty()) std::memcpy(chunk.data.edit().data(), text.data(), text.size());
    port().push(std::move(chunk));
  }
  void close(bool abort = false) {
    closing_ = true;
    abort_ = abort;
    stir();
  }
  bool over() const { return was_closed || failure; }
  template <class T>
  T get(std::string_view name) {
    auto value = layer->get(UpperPort(link), name);
    if (!value) ADD_FAILURE() << name << ": " << value.error().detail;
    return value ? std::get<T>(*value) : T{};
  }
  Result<void> set(std::string_view name, const PropertyValue& value) {
    return layer->set(UpperPort(link), name, value);
  }

  // LayerHost
  Executor& executor() noexcept override { return loop_; }
  State& state() noexcept override { std::abort(); }
  const Security& security() noexcept override { std::abort(); }
  void log(Severity, std::string_view text) noexcept override { logged.emplace_back(text); }
  void deadline(TimePoint at) noexcept override { arm(loop_, at); }
  void wake() noexcept override { stir(); }
  void answered(unsigned) noexcept override {}
  void early() noexcept override { was_early = true; }
  void ready() noexcept override {
    EXPECT_FALSE(was_ready) << "ready twice";
    was_ready = true;
    if (const Address own = route.local.port == 0 ? layer->local_address() : Address{})
      route.local = own;  // as a Connection that was asked for it
    stir_all();
  }
  void closed() noexcept override {
    EXPECT_FALSE(over()) << "ended twice";
    was_closed = true;
    disarm();
  }
  void failed(Error error) noexcept override {
    EXPECT_FALSE(over()) << "ended twice";
    failure = std::move(error);
    disarm();
  }
  void notify(Notice notice, Error detail) noexcept override { notices.emplace_back(notice, std::move(detail)); }
  StreamHost& streams() noexcept override { std::abort(); }
  LowerHost& lowers() noexcept override { std::abort(); }
  void* extension(std::string_view) noexcept override { return nullptr; }

  Link link;
  Route route;
  Endpoint remote;
  std::unique_ptr<ProtocolInstance> layer;
  Acceptor* acceptor = nullptr;
  bool opened = false, was_ready = false, was_early = false, was_closed = false;
  std::optional<Error> failure;
  std::string received;                // all bytes
  std::vector<std::string> datagrams;  // chunk by chunk
  std::vector<MessageRef> infos;
  std::vector<std::uint8_t> ecn;
  bool ended = false;   // the peer has finished
  bool hungry = false;  // asks for as much as comes
  std::vector<std::pair<Notice, Error>> notices;
  std::vector<std::string> logged;
  std::function<void()> on_data;

 private:
  void stir_all() {
    link.visit_above();
    link.visit_below();
  }
  bool work() const noexcept override { return woken_ || expired_ || link.up.queued || link.down.queued; }
  void visit() noexcept override {
    schedule_.schedule.up[0] = schedule_.schedule.down[0] = nullptr;
    schedule_.schedule.up_levels = schedule_.schedule.down_levels = 0;
    const bool woken = std::exchange(woken_, false);
    if (std::exchange(expired_, false) && live()) layer->on_deadline();
    if (woken && live()) layer->on_wake();
    if (std::exchange(link.up.queued, false)) collect();
    const bool below = std::exchange(link.down.queued, false);
    if (std::exchange(link.up.refilled, false) && live()) layer->on_credit(UpperPort(link));
    if ((below || woken) && live() && (!link.down.batch.empty() || link.down.finished)) {
      layer->on_down(UpperPort(link), link.down.batch);
    }
    if (closing_ && live() && (abort_ || link.down.batch.empty())) {
      closing_ = false;
      layer->close(CloseArgs{.abort = abort_});
    }
    if (live()) layer->flush();
  }
  bool live() const { return opened && !over(); }
  void collect() {
    std::size_t charge = 0;
    while (!link.up.batch.empty()) {
      Chunk chunk = link.up.batch.pop();
      charge += link.charge(chunk);
      received += text_of(chunk.data);
      datagrams.push_back(text_of(chunk.data));
      ecn.push_back(chunk.ecn);
      infos.push_back(std::move(chunk.info));
    }
    if (hungry && charge > 0) port().grant(charge);
    ended = link.up.finished;
    if (on_data) on_data();
  }

  std::shared_ptr<Protocol> protocol_;
  bool closing_ = false, abort_ = false;
};

/// A listener of one layer.
class OneListener final : public Visits, public AcceptHost {
 public:
  OneListener(Loop& loop, std::shared_ptr<Protocol> protocol, const Address& at) : Visits(loop), protocol_(protocol) {
    acceptor = std::move(*protocol->listen(*this, LowerPort()));
    route.local = at;
    static const Endpoint anyone;
    acceptor->open(OpenArgs{anyone, route, {}, true});
  }
  ~OneListener() { peers.clear(); }
  std::uint16_t port() const { return local.port; }

  Executor& executor() noexcept override { return loop_; }
  State& state() noexcept override { std::abort(); }
  const Security& security() noexcept override { std::abort(); }
  void log(Severity, std::string_view text) noexcept override { logged.emplace_back(text); }
  void deadline(TimePoint at) noexcept override { arm(loop_, at); }
  void wake() noexcept override { stir(); }
  void failed(Error error) noexcept override { failure = std::move(error); }
  void listening(const Address& at) noexcept override { local = at; }
  void closed() noexcept override { was_closed = true; }
  Seat* seat(const Address& peer, LowerPort) noexcept override {
    if (limit-- == 0) {
      ++limit;
      return nullptr;
    }
    const Face face = protocol_->traits(Face::bytestream).above == Face::none ? Face::datagram : Face::bytestream;
    opening_ = std::make_unique<OneLayer>(loop_, protocol_, face);
    peer_ = peer;
    seat_.emplace(opening_->seat());
    return &*seat_;
  }
  void seated(Seat*, std::unique_ptr<ProtocolInstance> instance) noexcept override {
    opening_->layer = std::move(instance);
    opening_->acceptor = acceptor.get();
    peers.push_back(std::move(opening_));
    if (on_peer) on_peer(*peers.back());
    to_open_.emplace_back(peers.back().get(), peer_);
    stir();
  }
  void attach(ProtocolInstance&, LowerPort) noexcept override { std::abort(); }
  void refuse(LowerPort) noexcept override { std::abort(); }
  void forward(unsigned, const Chunk&) noexcept override { std::abort(); }

  std::unique_ptr<Acceptor> acceptor;
  Route route;
  Address local;
  std::vector<std::unique_ptr<OneLayer>> peers;
  std::function<void(OneLayer&)> on_peer;  // before it is opened
  std::size_t limit = SIZE_MAX;
  std::optional<Error> failure;
  bool was_closed = false;
  std::vector<std::string> logged;

 private:
  bool work() const noexcept override { return woken_ || expired_ || !to_open_.empty(); }
  void visit() noexcept override {
    if (std::exchange(expired_, false)) acceptor->on_deadline();
    for (auto& [peer, address] : std::exchange(to_open_, {})) peer->open(address, true);
    if (std::exchange(woken_, false)) acceptor->on_wake();
    acceptor->flush();
  }
  std::shared_ptr<Protocol> protocol_;
  std::unique_ptr<OneLayer> opening_;
  std::optional<Seat> seat_;
  Address peer_;
  std::vector<std::pair<OneLayer*, Address>> to_open_;
};

/// A real loop, and waiting with a generous deadline.
class TransportTest : public testing::Test {
 protected:
  template <class Condition>
  bool until(Condition condition, std::chrono::seconds patience = 20s) {
    const auto deadline = std::chrono::steady_clock::now() + patience;
    while (!condition()) {
      if (std::chrono::steady_clock::now() > deadline) return false;
      loop->run_once(false);
    }
    return true;
  }
  /// Lets the loop run for a while: for what must not happen.
  void pass(std::chrono::milliseconds time) {
    const auto deadline = std::chrono::steady_clock::now() + time;
    while (std::chrono::steady_clock::now() < deadline) loop->run_once(false);
  }
  std::unique_ptr<Loop> loop = make_loop();
};

/// A message that remembers its fate.
struct Told : MessageInfo {
  Told() {
    references = 1;
    tell = [](MessageInfo* self, Fate fate, const Error* why) noexcept {
      auto& told = *static_cast<Told*>(self);
      told.fate = fate;
      if (why != nullptr) told.why = *why;
    };
    release = [](MessageInfo*) noexcept {};
  }
  std::optional<Fate> fate;
  std::optional<Error> why;
};

}  // namespace trellis::test
