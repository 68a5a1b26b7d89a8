// sim_fixture.h: two simulated hosts with a link between them, and small programs that use their sockets.
#pragma once
#include <gtest/gtest.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstring>
#include <deque>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "loop/sim_network.h"
#include "loop/sim_options.h"

namespace trellis::simulation {

using namespace std::chrono_literals;

/// A slice with these bytes.
inline Slice slice_of(Executor& executor, std::string_view text) {
  Slice slice = executor.pool().allocate(0, static_cast<std::uint32_t>(text.size()), 0);
  std::memcpy(slice.edit().data(), text.data(), text.size());
  return slice;
}

inline std::string_view text_of(const Slice& slice) {
  return {reinterpret_cast<const char*>(slice.bytes().data()), slice.size()};
}

/// Bytes that show every loss, doubling and swap.
inline std::string pattern(std::size_t size) {
  std::string text(size, '\0');
  for (std::size_t i = 0; i < size; ++i) text[i] = static_cast<char>(mix(i / 8) >> (i % 8 * 8));
  return text;
}

/// A program on one stream: sends what it is given, reads what comes.
class StreamUser final : public SocketEvents {
 public:
  StreamUser(VirtualLoop& loop, std::unique_ptr<Socket> socket) : loop(loop), socket(std::move(socket)) { watch(); }

  VirtualLoop& loop;
  std::unique_ptr<Socket> socket;
  std::string received;
  std::optional<Error> error;
  std::optional<TimePoint> connected_at, first_byte_at, ended_at, failed_at;
  bool reading = true;
  std::size_t pieces = 0;  // chunks received
  std::size_t partial_writes = 0;
  std::size_t told = 0;  // calls of on_ready
  std::size_t read_most = 64 * 1024;

  void send(std::string_view text) {
    out_.add(Chunk{slice_of(loop, text)});
    push();
  }
  void finish() {
    finishing_ = true;
    push();
  }
  void read(bool wanted) {
    reading = wanted;
    watch();
  }
  std::size_t unsent() const { return out_.bytes(); }

  void on_ready(Socket&, Ready what) noexcept override {
    ++told;
    if (!connected_at && !error) {
      auto connected = socket->connected();
      if (!connected) return failed(connected.error());
      if (*connected) connected_at = loop.now();
    }
    if (any(what, Ready::readable)) receive();
    while (any(what, Ready::failed) && !error) receive();  // told once: read up to the error
    if (!error) push();
  }

 private:
  void failed(const Error& why) {
    error = why;
    failed_at = loop.now();
    socket->watch(*this, Ready::none);
  }
  void receive() {
    Batch in;
    auto io = socket->receive(in, read_most);
    for (const Chunk& chunk : in) received += text_of(chunk.data);
    pieces += in.size();
    if (!in.empty() && !first_byte_at) first_byte_at = loop.now();
    if (!io) return failed(io.error());
    if (io->end) ended_at = loop.now();
  }
  void push() {
    if (connected_at && !out_.empty()) {
      auto io = socket->send(out_);
      if (!io) return failed(io.error());
      if (io->blocked && io->bytes > 0) ++partial_writes;
    }
    if (connected_at && out_.empty() && finishing_ && !finished_) {
      finished_ = true;
      if (auto done = socket->finish(); !done) return failed(done.error());
    }
    watch();
  }
  void watch() {
    Ready wanted = Ready::none;
    if (reading && !ended_at) wanted = wanted | Ready::readable;
    if (!connected_at || !out_.empty()) wanted = wanted | Ready::writable;
    ASSERT_TRUE(socket->watch(*this, wanted));
  }

  Batch out_;
  bool finishing_ = false;
  bool finished_ = false;
};

/// A program that accepts streams.
class StreamServer final : public SocketEvents {
 public:
  StreamServer(VirtualLoop& loop, const Address& local, int backlog = 16, bool share_port = false) : loop(loop) {
    auto opened = loop.sockets().open({.kind = SocketSpec::Kind::stream,
                                       .role = SocketSpec::Role::listen,
                                       .family = local.family,
                                       .local = local,
                                       .share_port = share_port});
    if (!opened) {
      ADD_FAILURE() << opened.error().detail;
      return;
    }
    socket = std::move(*opened);
    EXPECT_TRUE(socket->listen(backlog));
    EXPECT_TRUE(socket->watch(*this, Ready::readable));
  }
  void on_ready(Socket&, Ready) noexcept override {
    auto accepted = socket->accept();
    if (!accepted) {
      error = accepted.error();
      return;
    }
    if (accepted->socket == nullptr) return;
    peers.push_back(accepted->peer);
    streams.push_back(std::make_unique<StreamUser>(loop, std::move(accepted->socket)));
  }
  StreamUser& operator[](std::size_t i) { return *streams[i]; }

  VirtualLoop& loop;
  std::unique_ptr<Socket> socket;
  std::deque<std::unique_ptr<StreamUser>> streams;
  std::vector<Address> peers;
  std::optional<Error> error;
};

/// Opens a stream socket and connects it; null, with a failure of the test, when that fails at once.
inline std::unique_ptr<StreamUser> connect_stream(VirtualLoop& loop, const Address& remote, const Address& local = {},
                                                  std::string_view interface_name = {}) {
  auto opened = loop.sockets().open(
      {.role = SocketSpec::Role::connect, .family = remote.family, .local = local, .interface_name = interface_name});
  if (!opened) {
    ADD_FAILURE() << opened.error().detail;
    return nullptr;
  }
  auto started = (*opened)->connect(remote);
  if (!started) {
    ADD_FAILURE() << started.error().detail;
    return nullptr;
  }
  return std::make_unique<StreamUser>(loop, std::move(*opened));
}

/// A program on one datagram socket.
class DatagramUser final : public SocketEvents {
 public:
  struct Received {
    std::string text;
    Address from, to;
    TimePoint at;
    std::uint8_t ecn;
    std::uint16_t segment_size;
  };
  /// Unconnected when `remote` is unset. `protocol`: of IP, on a raw socket; 0: UDP.
  DatagramUser(VirtualLoop& loop, const Address& local, const Address& remote = {}, bool share_port = false,
               std::string_view interface_name = {}, int protocol = 0)
      : loop(loop) {
    const auto role = remote ? SocketSpec::Role::connect : SocketSpec::Role::unconnected;
    const auto family = local ? local.family : remote.family;
    auto opened = loop.sockets().open({.kind = protocol == 0 ? SocketSpec::Kind::datagram : SocketSpec::Kind::raw,
                                       .role = role,
                                       .protocol = protocol,
                                       .family = family,
                                       .local = local,
                                       .interface_name = interface_name,
                                       .share_port = share_port});
    if (!opened) {
      ADD_FAILURE() << opened.error().detail;
      return;
    }
    socket = std::move(*opened);
    if (remote) {
      auto connected = socket->connect(remote);
      EXPECT_TRUE(connected.has_value() && *connected);
    }
    EXPECT_TRUE(socket->watch(*this, Ready::readable));
  }
  Result<Io> send(std::string_view text, const Address& to = {}, std::uint8_t ecn = 0) {
    Batch batch;
    Chunk chunk{slice_of(loop, text)};
    if (to) {
      chunk.info = new_message();
      chunk.info->remote = to;
    }
    chunk.ecn = ecn;
    chunk.end_of_message = true;
    batch.add(std::move(chunk));
    return socket->send(batch);
  }
  void on_ready(Socket&, Ready) noexcept override {
    Batch in;
    auto io = socket->receive(in, 64 * 1024, keep_segments);
    if (!io) {
      errors.push_back(io.error());
      return;
    }
    for (const Chunk& chunk : in) {
      received.push_back({std::string(text_of(chunk.data)), chunk.info ? chunk.info->remote : Address{},
                          chunk.info ? chunk.info->local : Address{}, loop.now(), chunk.ecn, chunk.segment_size});
    }
  }

  VirtualLoop& loop;
  std::unique_ptr<Socket> socket;
  std::vector<Received> received;
  std::vector<Error> errors;
  bool keep_segments = false;
};

/// client.eth0 (10.0.0.1, 2001:db8::1) and server.eth0 (10.0.0.2, 2001:db8::2).
struct TwoHosts {
  explicit TwoHosts(const LinkConditions& conditions = {.delay = 25ms}, std::uint64_t seed = 1) : world(seed) {
    link = &network.link(client.add_interface("eth0", {"10.0.0.1", "2001:db8::1"}),
                         server.add_interface("eth0", {"10.0.0.2", "2001:db8::2"}), conditions);
  }
  VirtualWorld world;
  SimNetwork network{world};
  SimHost& client = network.add_host("client");
  SimHost& server = network.add_host("server");
  SimLink* link;
  const Address to_server = ip("10.0.0.2", 80);
};

}  // namespace trellis::simulation
