// memory_session.h: a session without a loop or a network, for tests: the test is the application above, and carries
// what goes out on the only connection. One side can be made to break the rules.
#pragma once
#include "memory_pair.h"
#include "session.h"

namespace trellis::tcpls {

/// Speaks for a session that does not know of it.
struct Tampering {
  /// Returns the number of the record.
  static std::uint64_t send(Session& session, std::span<const std::byte> frames) {
    Connection& c = *session.connections_.front();
    Slice content = session.pool().allocate(tls::kHeadroom, static_cast<std::uint32_t>(frames.size()), tls::kTailroom);
    std::ranges::copy(frames, content.edit().begin());
    if (c.sealer->seal(tls::ContentType::application_data, std::move(content), session.sealed_, session.pool()))
      c.port.push(session.sealed_);
    return c.sealer->sequence() - 1;
  }
  /// The frames in records for this session, which it does not get.
  static std::vector<Frame> read(Session& session, std::span<const std::byte> records) {
    tls::RecordOpener opener(session.open_key_, 0, session.connections_.front()->opener->sequence());
    std::vector<Frame> frames;
    while (!records.empty()) {
      const std::size_t size = tls::kRecordHeader + (std::to_integer<std::size_t>(records[3]) << 8 |
                                                     std::to_integer<std::size_t>(records[4]));
      Slice record = session.pool().allocate(0, static_cast<std::uint32_t>(size), 0);
      std::ranges::copy(records.first(size), record.edit().begin());
      records = records.subspan(size);
      FrameReader reader(std::move(opener.open(std::move(record)).value().payload));
      for (auto frame = reader.next(); frame && *frame; frame = reader.next()) frames.push_back(std::move(**frame));
    }
    return frames;
  }
  /// Its key may seal so many records more; `reserve` before that a new one is due.
  static void limit(Session& session, std::uint64_t more, std::uint64_t reserve) {
    const std::uint64_t last = session.connections_.front()->sealer->sequence() + more;
    session.seal_key_->limit({.update = last - reserve, .last = last});
  }
  static void send_handshake(Session& session, std::span<const std::byte> message) {
    Connection& c = *session.connections_.front();
    Slice content = session.pool().allocate(tls::kHeadroom, static_cast<std::uint32_t>(message.size()), tls::kTailroom);
    std::ranges::copy(message, content.edit().begin());
    if (c.sealer->seal(tls::ContentType::handshake, std::move(content), session.sealed_, session.pool()))
      c.port.push(session.sealed_);
  }
};

/// One side.
class Side final : public tls::TestHost, public StreamHost {
 public:
  Side(const Shared& shared, bool server)
      : TestHost(state_, security_), args_{remote_, route_, security_.alpn, server} {
    schedule_.begin = [](Schedule&) noexcept {};
    prepare(below_);
    below_.route = &route_;
    below_.down.credit = 1 << 30;
    UpperPort first;
    if (!server) first = add_stream();
    session = std::make_unique<Session>(Seat{*this, first, LowerPort(below_)}, shared, server ? &tokens : nullptr);
    session->open(args_);
    session->flush();
  }
  ~Side() { session.reset(); }
  void feed(std::span<const std::byte> bytes) {
    if (over()) return;
    Slice slice = loop.pool().allocate(0, static_cast<std::uint32_t>(bytes.size()), 0);
    std::ranges::copy(bytes, slice.edit().begin());
    below_.up.batch.add(Chunk{.data = std::move(slice)});
    session->on_up(LowerPort(below_), below_.up.batch);
    if (!over()) session->flush();
  }
  /// The application sends on its stream.
  void send(std::span<const std::byte> bytes, std::size_t stream = 0) {
    Link& link = *streams_above.at(stream);
    Slice slice = loop.pool().allocate(0, static_cast<std::uint32_t>(bytes.size()), 0);
    std::ranges::copy(bytes, slice.edit().begin());
    link.down.batch.add(Chunk{.data = std::move(slice)});
    session->on_down(UpperPort(link), link.down.batch);
    session->flush();
  }
  /// Time passes.
  void pass(Duration time) {
    loop.time += time;
    session->on_deadline();
    session->flush();
  }
  std::vector<std::byte> take() {
    std::vector<std::byte> bytes;
    while (!below_.down.batch.empty()) {
      const Chunk chunk = below_.down.batch.pop();
      bytes.insert(bytes.end(), chunk.data.bytes().begin(), chunk.data.bytes().end());
    }
    return bytes;
  }

  StreamHost& streams() noexcept override { return *this; }
  UpperPort accept_stream(const StreamArgs&) noexcept override { return add_stream(); }
  void stream_aborted(UpperPort, Direction, Error) noexcept override {}
  void stream_closed(UpperPort) noexcept override {}

  TokenTable tokens{TokenTable::Key{}};
  std::unique_ptr<Session> session;
  std::vector<std::unique_ptr<Link>> streams_above;

 private:
  void prepare(Link& link) {
    link.schedule = &schedule_;
    link.face = Face::bytestream;
  }
  UpperPort add_stream() {
    Link& link = *streams_above.emplace_back(std::make_unique<Link>());
    prepare(link);
    link.up.credit = 1 << 30;
    return UpperPort(link);
  }
  Security security_;
  tls::TestState state_;
  Schedule schedule_;
  Link below_;
  Endpoint remote_{.host = "peer.example", .port = 443};
  Route route_;
  OpenArgs args_;
};

/// Both sides of a session, with keys made once for all tests of the program.
struct MemorySession {
  static Shared shared_with(std::map<std::string, OptionValue> options) {
    static const std::string anchor = TLS_TEST_PKI "/ca.pem", certificate = TLS_TEST_PKI "/server.pem",
                             key = TLS_TEST_PKI "/server.key";
    options.insert({{"trust", std::string_view(anchor)},
                    {"certificate", std::string_view(certificate)},
                    {"key", std::string_view(key)},
                    {"groups", std::string_view("x25519")},
                    {"unacknowledged-bytes", std::int64_t{64 << 10}},
                    {"reorder-bytes", std::int64_t{64 << 10}}});
    return Shared(*Settings::from(tls::Given(tcpls_options(), std::move(options))));
  }
  static const Shared& shared() {
    static const Shared both = shared_with({});
    return both;
  }
  MemorySession() { converse(); }
  void converse() { tls::converse(client, server); }
  Side client{shared(), false}, server{shared(), true};
};

}  // namespace trellis::tcpls
