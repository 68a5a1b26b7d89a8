// memory_quic.h: a client and a server of QUIC without a loop or a network, for fuzzers and unit tests: time moves by
// hand, ids come from a fixed seed, and packets are not encrypted, so that frames can be written and not noise. Include
// it once in a program: its functions stand in for those of the library.
#pragma once
#include <gnutls/crypto.h>
#include <ngtcp2/ngtcp2_crypto.h>

#include <algorithm>
#include <cstring>
#include <deque>
#include <functional>
#include <random>

#include "../tls/memory_loop.h"
#include "quic_acceptor.h"

// Packets in clear, with 16 empty bytes where the library expects its tag.
extern "C" int ngtcp2_crypto_encrypt_cb(std::uint8_t* to, const ngtcp2_crypto_aead*, const ngtcp2_crypto_aead_ctx*,
                                        const std::uint8_t* from, std::size_t size, const std::uint8_t*, std::size_t,
                                        const std::uint8_t*, std::size_t) {
  std::memmove(to, from, size);
  std::memset(to + size, 0, 16);
  return 0;
}
extern "C" int ngtcp2_crypto_decrypt_cb(std::uint8_t* to, const ngtcp2_crypto_aead*, const ngtcp2_crypto_aead_ctx*,
                                        const std::uint8_t* from, std::size_t size, const std::uint8_t*, std::size_t,
                                        const std::uint8_t*, std::size_t) {
  if (size < 16) return -1;
  std::memmove(to, from, size - 16);
  return 0;
}
extern "C" int ngtcp2_crypto_hp_mask_cb(std::uint8_t* to, const ngtcp2_crypto_cipher*, const ngtcp2_crypto_cipher_ctx*,
                                        const std::uint8_t*) {
  std::memset(to, 0, NGTCP2_HP_MASKLEN);
  return 0;
}

namespace trellis::quic {

using Datagram = std::vector<std::byte>;

class SeededLoop final : public tls::TestLoop {
 public:
  void secret(std::span<std::byte> out) noexcept override {
    for (std::byte& b : out) b = static_cast<std::byte>(source_());
  }

 private:
  std::mt19937 source_{4};
};

/// The surroundings of one connection, and the application above it, which reads everything.
class QuicEnd final : public LayerHost, public StreamHost, public LowerHost {
 public:
  QuicEnd(SeededLoop& loop, State& state, const Endpoint& remote, const Address& from, const Address& to, bool server)
      : loop_(loop),
        state_(state),
        remote_(remote),
        route_{{}, from, to},
        args_{remote_, route_, security_.alpn, server} {
    schedule_.begin = [](Schedule&) noexcept {};
    prepare(below, Face::datagram);
    below.route = &route_;
    below.down.credit = below.up.credit = 1 << 30;
    if (!server) add_stream(Face::bytestream);
  }
  Seat& seat(LowerPort lower) { return seat_.emplace(*this, UpperPort(), lower); }
  void begin(std::unique_ptr<QuicInstance> instance) {
    layer = std::move(instance);
    layer->open(args_);
    work();
  }
  void work() {
    if (!over() && std::exchange(woken_, false)) layer->on_wake();
    if (!over() && deadline_ <= loop_.now()) {
      deadline_ = TimePoint::max();
      layer->on_deadline();
    }
    for (auto& link : streams_above) {
      read(*link);
      if (!over() && link->down.refilled) link->down.refilled = false;
    }
    if (!over()) layer->flush();
  }
  /// Bytes of the application on one of its streams.
  void send(std::size_t which, std::span<const std::byte> bytes, bool finish) {
    if (over() || streams_above.empty()) return;
    Link& link = *streams_above[which % streams_above.size()];
    if (link.above != nullptr) return;  // it has gone, or is done sending
    if (!bytes.empty()) {
      Slice slice = loop_.pool().allocate(0, static_cast<std::uint32_t>(bytes.size()), 0);
      std::ranges::copy(bytes, slice.edit().begin());
      link.down.batch.add(Chunk{.data = std::move(slice), .end_of_message = true});
    }
    link.down.finished = link.down.finished || finish;
    layer->on_down(UpperPort(link), link.down.batch);
  }
  void open_stream(Face face, bool both) {
    if (over() || streams_above.size() > 20) return;
    const UpperPort port = add_stream(face);
    if (!layer->streams()->open_stream(port, {.face = face, .direction = both ? Direction::both : Direction::sending}))
      port.link().above = &gone_;
  }
  void abort_stream(std::size_t which, Direction direction, std::uint64_t code) {
    if (over() || streams_above.empty()) return;
    Link& link = *streams_above[which % streams_above.size()];
    if (link.above == nullptr) layer->streams()->abort_stream(UpperPort(link), direction, code);
  }
  bool over() const { return layer == nullptr || failure != nullptr || is_closed; }

  Executor& executor() noexcept override { return loop_; }
  State& state() noexcept override { return state_; }
  const Security& security() noexcept override { return security_; }
  void log(Severity, std::string_view) noexcept override {}
  void deadline(TimePoint at) noexcept override { deadline_ = at; }
  void wake() noexcept override { woken_ = true; }
  void answered(unsigned) noexcept override {}
  void early() noexcept override {}
  void ready() noexcept override { is_ready = true; }
  void closed() noexcept override { is_closed = true; }
  void failed(Error error) noexcept override {
    if (error.detail.empty()) std::abort();  // whoever fails has words for it
    failure = std::make_unique<Error>(std::move(error));
  }
  void notify(Notice, Error) noexcept override {}
  StreamHost& streams() noexcept override { return *this; }
  LowerHost& lowers() noexcept override { return *this; }
  void* extension(std::string_view) noexcept override { return nullptr; }

  UpperPort accept_stream(const StreamArgs& args) noexcept override {
    return streams_above.size() > 100 ? UpperPort() : add_stream(args.face);
  }
  void stream_aborted(UpperPort, Direction, Error) noexcept override {}
  void stream_closed(UpperPort port) noexcept override { port.link().above = &gone_; }

  Result<LowerPort> want_lower(const LowerWish&) noexcept override { return fail(Reason::unsupported); }
  void drop_lower(LowerPort, const CloseArgs&) noexcept override {}
  Result<PropertyValue> ask(LowerPort, std::string_view) noexcept override { return fail(Reason::unsupported); }
  Result<void> tell(LowerPort, std::string_view, const PropertyValue&) noexcept override {
    return fail(Reason::unsupported);
  }

  std::unique_ptr<QuicInstance> layer;
  std::unique_ptr<Error> failure;
  Link below;
  std::vector<std::unique_ptr<Link>> streams_above;
  std::string received;
  bool is_ready = false, is_closed = false;

 private:
  void prepare(Link& link, Face face) {
    link.schedule = &schedule_;
    link.face = face;
  }
  UpperPort add_stream(Face face) {
    Link& link = *streams_above.emplace_back(std::make_unique<Link>());
    prepare(link, face);
    link.up.credit = 1 << 20;
    return UpperPort(link);
  }
  void read(Link& link) {
    while (!link.up.batch.empty()) {
      const Chunk chunk = link.up.batch.pop();
      received.append(reinterpret_cast<const char*>(chunk.data.bytes().data()), chunk.data.size());
    }
    if (over() || link.above != nullptr || link.up.credit >= 1 << 20) return;
    link.up.credit = 1 << 20;
    static_cast<ProtocolInstance&>(*layer).on_credit(UpperPort(link));
  }
  SeededLoop& loop_;
  State& state_;
  Security security_;
  Schedule schedule_;
  Endpoint remote_;
  Route route_;
  OpenArgs args_;
  std::optional<Seat> seat_;
  TimePoint deadline_ = TimePoint::max();
  bool woken_ = false;
  int gone_ = 0;  // what dead links are marked with
};

/// Everything on the server's side.
class QuicServerSide final : public AcceptHost {
 public:
  QuicServerSide(SeededLoop& loop, const Shared& shared, const Address& at) : loop_(loop), at_(at) {
    schedule_.begin = [](Schedule&) noexcept {};
    below_.schedule = &schedule_;
    below_.face = Face::datagram;
    below_.down.credit = 1 << 30;
    acceptor_ = std::make_unique<QuicAcceptor>(*this, LowerPort(below_), shared);
  }
  ~QuicServerSide() {
    for (auto& end : ends) retire(*end);
  }
  void feed(std::span<const std::byte> bytes, const Address& from) {
    Batch batch;
    Slice slice = loop_.pool().allocate(0, static_cast<std::uint32_t>(bytes.size()), 0);
    std::ranges::copy(bytes, slice.edit().begin());
    MessageRef info = new_message();
    info->local = at_;
    info->remote = from;
    batch.add(Chunk{.data = std::move(slice), .info = std::move(info), .end_of_message = true});
    acceptor_->on_up(LowerPort(below_), batch);
    work();
  }
  void work() {
    for (auto& [end, instance] : std::exchange(seated_, {})) end->begin(std::move(instance));
    for (auto& end : ends) end->work();
    for (auto& end : ends) {
      if (end->over()) retire(*end);
    }
  }
  std::vector<Datagram> take() {
    std::vector<Datagram> all;
    while (!below_.down.batch.empty()) {
      const Chunk chunk = below_.down.batch.pop();
      all.emplace_back(chunk.data.bytes().begin(), chunk.data.bytes().end());
    }
    return all;
  }

  Executor& executor() noexcept override { return loop_; }
  State& state() noexcept override { return state_; }
  const Security& security() noexcept override { return security_; }
  void log(Severity, std::string_view) noexcept override {}
  void deadline(TimePoint) noexcept override {}
  void wake() noexcept override {}
  void failed(Error) noexcept override { std::abort(); }
  void listening(const Address&) noexcept override {}
  void closed() noexcept override {}
  Seat* seat(const Address& peer, LowerPort lower) noexcept override {
    if (ends.size() > 20) return nullptr;
    ends.push_back(std::make_unique<QuicEnd>(loop_, state_, Endpoint{}, at_, peer, true));
    return &ends.back()->seat(lower);
  }
  void seated(Seat*, std::unique_ptr<ProtocolInstance> instance) noexcept override {
    if (instance == nullptr) return ends.pop_back();
    seated_.emplace_back(ends.back().get(),
                         std::unique_ptr<QuicInstance>(static_cast<QuicInstance*>(instance.release())));
  }
  void attach(ProtocolInstance&, LowerPort) noexcept override { std::abort(); }
  void refuse(LowerPort) noexcept override { std::abort(); }
  void forward(unsigned, const Chunk&) noexcept override { std::abort(); }

  std::deque<std::unique_ptr<QuicEnd>> ends;

 private:
  void retire(QuicEnd& end) {
    if (end.layer == nullptr) return;
    acceptor_->unseated(*end.layer);
    end.layer.reset();
  }
  SeededLoop& loop_;
  Address at_;
  tls::TestState state_;
  Security security_;
  Schedule schedule_;
  Link below_;
  std::unique_ptr<QuicAcceptor> acceptor_;
  std::vector<std::pair<QuicEnd*, std::unique_ptr<QuicInstance>>> seated_;
};

/// A client and a server that speak to each other. Certificates and keys are read once for all of a program.
class MemoryQuic {
 public:
  static const Shared& shared() {
    static const std::string anchor = TLS_TEST_PKI "/ca.pem", certificate = TLS_TEST_PKI "/server.pem",
                             key = TLS_TEST_PKI "/server.key";
    static const Shared both(
        *Settings::from(tls::Given(quic_options(), {{"trust", std::string_view(anchor)},
                                                    {"certificate", std::string_view(certificate)},
                                                    {"key", std::string_view(key)},
                                                    {"server-name", std::string_view("peer.example")},
                                                    {"alpn", std::string_view("test")}})));
    return both;
  }
  static Address address(std::uint8_t last, std::uint16_t port) {
    return {.family = Address::Family::ipv4, .port = port, .ip = {10, 0, 0, last}};
  }
  explicit MemoryQuic(State& client_state)
      : client(loop, client_state, {.host = "peer.example", .port = 443}, at, to, false) {
    client.begin(std::make_unique<QuicInstance>(
        Seat{client, UpperPort(*client.streams_above[0]), LowerPort(client.below)}, shared()));
    converse();
  }
  ~MemoryQuic() { client.layer.reset(); }
  void converse() {
    for (bool moved = true; moved;) {
      moved = false;
      client.work();
      server.work();
      while (!client.below.down.batch.empty()) {
        const Chunk chunk = client.below.down.batch.pop();
        notice(chunk.data.bytes(), id_of_server);
        server.feed(chunk.data.bytes(), at);
        moved = true;
      }
      for (const Datagram& datagram : server.take()) {
        notice(datagram, id_of_client);
        feed_client(datagram);
        moved = true;
      }
      loop.time += std::chrono::milliseconds(1);
    }
  }
  void feed_client(std::span<const std::byte> bytes) {
    if (client.over()) return;
    Slice slice = loop.pool().allocate(0, static_cast<std::uint32_t>(bytes.size()), 0);
    std::ranges::copy(bytes, slice.edit().begin());
    client.below.up.batch.add(Chunk{.data = std::move(slice), .end_of_message = true});
    client.layer->on_up(LowerPort(client.below), client.below.up.batch);
    client.work();
  }
  /// A packet with these frames, as if the other side had sent it.
  Datagram forge(const Datagram& to_id, std::span<const std::byte> frames) {
    Datagram packet{std::byte{0x43}};  // fixed bit, number of four bytes
    packet.insert(packet.end(), to_id.begin(), to_id.end());
    for (int shift = 24; shift >= 0; shift -= 8) packet.push_back(static_cast<std::byte>(number_ >> shift));
    ++number_;
    packet.insert(packet.end(), frames.begin(), frames.end());
    packet.resize(std::max<std::size_t>(packet.size() + 16, 40));  // padding, tag
    return packet;
  }

  SeededLoop loop;
  Address at = address(1, 50'000), to = address(2, 443);
  QuicEnd client;
  QuicServerSide server{loop, shared(), to};
  Datagram id_of_server, id_of_client;  // as in the packets to them

 private:
  static void notice(std::span<const std::byte> packet, Datagram& id) {
    if (packet.size() > kIdBytes && (packet[0] & std::byte{0x80}) == std::byte{})
      id.assign(packet.begin() + 1, packet.begin() + 1 + kIdBytes);
  }
  std::uint32_t number_ = 1 << 16;
};

}  // namespace trellis::quic
