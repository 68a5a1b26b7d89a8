// memory_pair.h: TLS layers face to face in memory, for tests and the fuzzer: a host, two links and a state for each.
#pragma once
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "memory_loop.h"
#include "tls_instance.h"

namespace trellis::tls {

/// One layer between two links. The test is the application above and the network below.
class End final : public TestHost {
 public:
  End(const Shared& shared, const Security& security, State& state, bool server)
      : TestHost(state, security), route_{}, args_{remote_, route_, security.alpn, server} {
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
  bool resumed() {
    const auto value = layer->get(UpperPort(above), "tls.resumed");
    return value && std::get<bool>(*value);
  }

  Link above, below;
  std::unique_ptr<TlsInstance> layer;

 private:
  static std::vector<std::byte> all(Batch& batch) {
    std::vector<std::byte> bytes;
    while (!batch.empty()) {
      const Chunk chunk = batch.pop();
      bytes.insert(bytes.end(), chunk.data.bytes().begin(), chunk.data.bytes().end());
    }
    return bytes;
  }
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
