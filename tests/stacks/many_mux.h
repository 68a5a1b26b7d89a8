// many_mux.h: a multiplexer over several lowers, for tests of what the engine does for TCPLS. Each lower begins with
// eight bytes that name the connection, so the acceptor tells a new one from one more lower. All frames go over the
// lower in use; whoever moves to another one sees to it that nothing is on its way.
#pragma once
#include <algorithm>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "mux.h"

namespace trellis::tests {

inline constexpr std::uint64_t kMuxForbidden = UINT64_MAX;  // the acceptor refuses this connection

class ManyMux final : public Mux, public LowerUser {
 public:
  struct Way {
    LowerPort port;
    std::string in;
    bool greeted = false;  // the bytes that name the connection are over
  };
  ManyMux(const Seat& seat, std::uint64_t known) : Mux(seat), session(known) {}

  std::uint64_t session;  // 0: to be chosen
  std::vector<std::unique_ptr<Way>> ways;
  std::vector<std::string> failures;  // of lowers
  std::size_t unfulfilled = 0;        // wishes that failed
  std::size_t usable = 0;             // paths
  bool lives_on = true;               // without the lower that failed
  bool use_new = false;               // each lower that comes

  Result<LowerPort> want(const LowerWish& wish = {}) {
    auto port = host_.lowers().want_lower(wish);
    host_.wake();
    return port;
  }
  void drop(std::size_t which, bool abort) {
    const LowerPort port = ways[which]->port;
    std::erase_if(ways, [&](const auto& way) { return way->port == port; });
    if (lower_ == port) lower_ = ways.empty() ? LowerPort() : ways[0]->port;
    host_.lowers().drop_lower(port, {.abort = abort});
    host_.wake();
  }
  void use(std::size_t which) { lower_ = ways[which]->port; }
  LayerHost& host() { return host_; }

  void open(const OpenArgs& args) noexcept override {
    if (session == 0) session = host_.executor().random() / 2 | 1;
    add(lower_);
    if (!args.passive) greet(lower_);
    Mux::open(args);
  }
  void on_up(LowerPort from, Batch& batch) noexcept override {
    Way& way = *from.mark<Way>();
    while (!batch.empty()) {
      const Chunk chunk = batch.pop();
      from.grant(chunk.data.size());
      way.in.append(reinterpret_cast<const char*>(chunk.data.bytes().data()), chunk.data.size());
    }
    if (passive_ && !way.greeted && way.in.size() >= sizeof session) {
      way.in.erase(0, sizeof session);
      way.greeted = true;
    }
    take_frames(way);
    if (!from.finished() || over_) return;
    drop(static_cast<std::size_t>(std::ranges::find(ways, from, &Way::port) - ways.begin()), false);
    if (!ways.empty()) return;
    over_ = true;
    host_.failed({Reason::reset, 0, "mux", "the last lower ended"});
  }
  LowerUser* lowers() noexcept override { return this; }
  void lower_ready(LowerPort port) noexcept override {
    add(port);
    if (!passive_) greet(port);
    if (use_new || !lower_) lower_ = port;
    push_out();
    host_.wake();
  }
  bool lower_failed(LowerPort port, const Error& error) noexcept override {
    const auto way = std::ranges::find(ways, port, &Way::port);
    if (way == ways.end()) {
      ++unfulfilled;
      if (port.mark<int>() != nullptr) ++*port.mark<int>();
      return true;
    }
    failures.push_back(error.detail);
    ways.erase(way);
    if (lower_ == port) lower_ = ways.empty() ? LowerPort() : ways[0]->port;
    return lives_on;
  }
  void paths(std::span<const Path> all) noexcept override { usable = all.size(); }

 private:
  void add(LowerPort port) {
    ways.push_back(std::make_unique<Way>(port));
    port.mark(ways.back().get());
    port.grant_to(kMuxWindow);
  }
  void greet(LowerPort port) {
    Slice name = host_.executor().pool().allocate(0, sizeof session, 0);
    std::memcpy(name.edit().data(), &session, sizeof session);
    port.push(Chunk{.data = std::move(name)});
  }
  void take_frames(Way& way) {
    for (std::uint32_t size = 0; way.in.size() >= kMuxHeader; way.in.erase(0, kMuxHeader + size)) {
      std::memcpy(&size, way.in.data() + 13, sizeof size);
      if (way.in.size() < kMuxHeader + size) return;
      in_.append(way.in, 0, kMuxHeader + size);
      input();
    }
  }
};

/// Reads the name without taking it, then seats or attaches what was offered.
class ManyMuxAcceptor final : public Acceptor {
 public:
  explicit ManyMuxAcceptor(AcceptHost& host) : host_(host) { ++mux_facts.acceptors; }
  ~ManyMuxAcceptor() override { --mux_facts.acceptors; }
  void open(const OpenArgs& args) noexcept override { host_.listening(args.route.local); }
  void close(const CloseArgs&) noexcept override {
    stopping_ = true;
    host_.closed();
  }
  void offered(LowerPort port) noexcept override { port.grant_to(kMuxWindow); }
  void offered_failed(LowerPort) noexcept override {}
  void on_up(LowerPort port, Batch& batch) noexcept override {
    std::uint64_t name = 0;
    if (batch.bytes() < sizeof name) return;
    std::size_t n = 0;
    for (const Chunk& chunk : batch) {
      const std::size_t more = std::min<std::size_t>(sizeof name - n, chunk.data.size());
      std::memcpy(reinterpret_cast<char*>(&name) + n, chunk.data.bytes().data(), more);
      n += more;
    }
    if (const auto known = by_name_.find(name); known != by_name_.end()) return host_.attach(*known->second, port);
    Seat* const seat = stopping_ || name == kMuxForbidden ? nullptr : host_.seat(port.route().remote, port);
    if (seat == nullptr) return host_.refuse(port);
    auto made = std::make_unique<ManyMux>(*seat, name);
    by_name_[name] = made.get();
    host_.seated(seat, std::move(made));
  }
  void unseated(ProtocolInstance& instance) noexcept override {
    std::erase_if(by_name_, [&](auto& entry) { return entry.second == &instance; });
  }

 private:
  AcceptHost& host_;
  std::map<std::uint64_t, ManyMux*> by_name_;
  bool stopping_ = false;
};

/// "many-mux", over bytestreams.
class ManyMuxKind final : public ProtocolKind {
 public:
  std::string_view name() const noexcept override { return "many-mux"; }
  std::span<const OptionSpec> options() const noexcept override { return {}; }
  Result<std::unique_ptr<Protocol>> configure(const Options&) const noexcept override {
    return std::make_unique<Made>();
  }

 private:
  struct Made final : Protocol {
    LayerTraits traits(Face above) const noexcept override {
      if (above != Face::bytestream) return {.above = Face::none};
      return {.above = above,
              .below = Face::bytestream,
              .needs = {Feature::reliability, Feature::ordering},
              .adds = {Feature::multistreaming},
              .handshake_rtts = 1,
              .accepts = Accepts::over_many_lowers};
    }
    Result<std::unique_ptr<ProtocolInstance>> connect(const Seat& seat) const noexcept override {
      return std::make_unique<ManyMux>(seat, 0);
    }
    Result<std::unique_ptr<Acceptor>> listen(AcceptHost& host, LowerPort) const noexcept override {
      return std::make_unique<ManyMuxAcceptor>(host);
    }
  };
};

}  // namespace trellis::tests
