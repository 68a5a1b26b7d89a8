// memory_pair.h: TLS layers face to face in memory, for tests and the fuzzer: a host, two links and a state for each.
#pragma once
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "memory_loop.h"
#include "tls_instance.h"
#include "trellis/lowers.h"

namespace trellis::tls {

/// One layer between two links. The test is the application above and the network below.
class End final : public LayerHost {
 public:
  End(const Shared& shared, const Security& security, State& state, bool server)
      : security_(security), state_(state), route_{}, args_{remote_, route_, security.alpn, server} {
    schedule_.begin = [](Schedule&) noexcept {};
    for (Link* link : {&above, &below}) {
      link->schedule = &schedule_;
      link->face = Face::bytestream;
    }
    above.up.credit = below.down.credit = 1 << 30;
    layer = std::make_unique<TlsInstance>(Seat{*this, UpperPort(above), LowerPort(below)}, shared);
    layer->open(args_);
    layer->flush();
  }
  /// Bytes from the network.
  void feed(std::span<const std::byte> bytes) {
    Slice slice = loop.pool().allocate(0, static_cast<std::uint32_t>(bytes.size()), 0);
    if (!bytes.empty()) std::memcpy(slice.edit().data(), bytes.data(), bytes.size());
    below.up.batch.add(Chunk{.data = std::move(slice)});
    visit();
  }
  void visit() {
    if (!over()) layer->on_up(LowerPort(below), below.up.batch);
    if (!over()) layer->flush();
  }
  /// Bytes from the application.
  void send(std::string_view text) {
    Slice slice = loop.pool().allocate(0, static_cast<std::uint32_t>(text.size()), 0);
    std::memcpy(slice.edit().data(), text.data(), text.size());
    above.down.batch.add(Chunk{.data = std::move(slice)});
    layer->on_down(UpperPort(above), above.down.batch);
    layer->flush();
  }
  /// What goes to the network.
  std::vector<std::byte> take() { return all(below.down.batch); }
  /// What the application got.
  std::string received() {
    const auto bytes = all(above.up.batch);
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
  }
  bool over() const { return failure != nullptr || is_closed; }
  bool resumed() {
    const auto value = layer->get(UpperPort(above), "tls.resumed");
    return value && std::get<bool>(*value);
  }

  Executor& executor() noexcept override { return loop; }
  State& state() noexcept override { return state_; }
  const Security& security() noexcept override { return security_; }
  void log(Severity, std::string_view) noexcept override {}
  void deadline(TimePoint) noexcept override {}
  void wake() noexcept override {}
  void answered(unsigned) noexcept override {}
  void early() noexcept override {}
  void ready() noexcept override { is_ready = true; }
  void closed() noexcept override { is_closed = true; }
  void failed(Error error) noexcept override { failure = std::make_unique<Error>(std::move(error)); }
  void notify(Notice, Error) noexcept override {}
  StreamHost& streams() noexcept override { std::abort(); }
  LowerHost& lowers() noexcept override { std::abort(); }
  void* extension(std::string_view) noexcept override { return nullptr; }

  TestLoop loop;
  Link above, below;
  std::unique_ptr<TlsInstance> layer;
  std::unique_ptr<Error> failure;
  bool is_ready = false, is_closed = false;

 private:
  static std::vector<std::byte> all(Batch& batch) {
    std::vector<std::byte> bytes;
    while (!batch.empty()) {
      const Chunk chunk = batch.pop();
      bytes.insert(bytes.end(), chunk.data.bytes().begin(), chunk.data.bytes().end());
    }
    return bytes;
  }
  const Security& security_;
  State& state_;
  Schedule schedule_;
  Endpoint remote_{.host = "peer.example", .port = 443};
  Route route_;
  OpenArgs args_;
};

/// Carries bytes between two ends until both are silent.
template <class Side>
void converse(Side& a, Side& b) {
  for (bool moved = true; moved;) {
    moved = false;
    for (Side* from : {&a, &b}) {
      Side& to = from == &a ? b : a;
      if (const auto bytes = from->take(); !bytes.empty()) {
        moved = true;
        to.feed(bytes);
      }
    }
  }
}

}  // namespace trellis::tls
