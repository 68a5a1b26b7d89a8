#include "session.h"

#include <algorithm>
#include <cstring>

using trellis::Connection;
using trellis::Error;
using trellis::Message;
using trellis::Reason;
using trellis::Result;
using trellis::Slice;

namespace http3 {
namespace {

constexpr std::size_t kReadMost = 64 << 10;
constexpr std::size_t kSendMost = 64 << 10;  // at once
constexpr std::uint64_t kStreamsMost = 100;  // requests at once, as the option `streams` of quic says
constexpr std::size_t kFieldsMost = 64;      // of one request or response

std::string text(nghttp3_rcbuf* buffer) {
  const nghttp3_vec bytes = nghttp3_rcbuf_get_buf(buffer);
  return {reinterpret_cast<const char*>(bytes.base), bytes.len};
}

std::vector<nghttp3_nv> pairs_of(const Fields& fields) {
  std::vector<nghttp3_nv> pairs;
  pairs.reserve(fields.size());
  for (const auto& [name, value] : fields) {
    pairs.push_back({.name = reinterpret_cast<const std::uint8_t*>(name.data()),
                     .value = reinterpret_cast<const std::uint8_t*>(value.data()),
                     .namelen = name.size(),
                     .valuelen = value.size(),
                     .flags = NGHTTP3_NV_FLAG_NONE});
  }
  return pairs;
}

std::int64_t id_of(const Connection& connection) {
  const auto id = connection.get(trellis::kStreamId.name);
  const auto* const number = id ? std::get_if<std::uint64_t>(&*id) : nullptr;
  return number != nullptr ? static_cast<std::int64_t>(*number) : -1;
}

}  // namespace

struct Session::Stream {
  explicit Stream(Connection given) : connection(std::move(given)) {}
  Connection connection;
  std::int64_t id = -1;
  Fields fields;     // being read
  std::string body;  // of our response
  bool read_over = false, sent_over = false;
};

/// What nghttp3 tells. Each is called from within a call to it.
struct Library {
  static Session& of(void* user) { return *static_cast<Session*>(user); }

  static int field(nghttp3_conn*, std::int64_t id, std::int32_t, nghttp3_rcbuf* name, nghttp3_rcbuf* value,
                   std::uint8_t, void* user, void*) {
    Session::Stream* const stream = of(user).find(id);
    if (stream == nullptr || stream->fields.size() >= kFieldsMost) return NGHTTP3_ERR_CALLBACK_FAILURE;
    stream->fields.emplace_back(text(name), text(value));
    return 0;
  }
  static int fields_end(nghttp3_conn*, std::int64_t id, int, void* user, void*) {
    Session& session = of(user);
    if (Session::Stream* const stream = session.find(id); stream != nullptr && session.events_.fields)
      session.events_.fields(id, std::exchange(stream->fields, {}));
    return 0;
  }
  static int body(nghttp3_conn*, std::int64_t id, const std::uint8_t* data, std::size_t size, void* user, void*) {
    if (of(user).events_.body) of(user).events_.body(id, {reinterpret_cast<const char*>(data), size});
    return 0;
  }
  static int end(nghttp3_conn*, std::int64_t id, void* user, void*) {
    if (of(user).events_.end) of(user).events_.end(id);
    return 0;
  }
  static int stop(nghttp3_conn*, std::int64_t id, std::uint64_t code, void* user, void*) {
    if (Session::Stream* const stream = of(user).find(id)) stream->connection.abort(code);
    return 0;
  }
  // The body of a response lies in its stream, all of it.
  static nghttp3_ssize give_body(nghttp3_conn*, std::int64_t id, nghttp3_vec* parts, std::size_t, std::uint32_t* flags,
                                 void* user, void*) {
    Session::Stream* const stream = of(user).find(id);
    *flags |= NGHTTP3_DATA_FLAG_EOF;
    if (stream == nullptr || stream->body.empty()) return 0;
    parts[0] = {.base = reinterpret_cast<std::uint8_t*>(stream->body.data()), .len = stream->body.size()};
    return 1;
  }
};

// ---- beginning and end

Session::Session(Role role, Connection first, Events events) : events_(std::move(events)), executor_(first.executor()) {
  nghttp3_callbacks callbacks{};
  callbacks.recv_header = Library::field;
  callbacks.end_headers = Library::fields_end;
  callbacks.recv_data = Library::body;
  callbacks.end_stream = Library::end;
  callbacks.stop_sending = Library::stop;
  callbacks.reset_stream = Library::stop;
  nghttp3_settings settings;
  nghttp3_settings_default(&settings);
  if (role == Role::client) {
    nghttp3_conn_client_new(&library_, &callbacks, &settings, nghttp3_mem_default(), this);
  } else {
    nghttp3_conn_server_new(&library_, &callbacks, &settings, nghttp3_mem_default(), this);
    nghttp3_conn_set_max_client_streams_bidi(library_, kStreamsMost);
  }
  first.on_received([this](Connection c) { adopt(std::move(c)); });
  early_.push_back(std::make_unique<Stream>(std::move(first)));
  open_own();
}

Session::~Session() {
  *alive_ = false;
  if (!over_ && !streams_.empty()) streams_.begin()->second->connection.abort_group(kNoError);
  nghttp3_conn_del(library_);
}

// Streams on which only we send (RFC 9114 section 6.2).
void Session::open_own() {
  for (auto& own : own_) {
    own = std::make_unique<Stream>(early_.front()->connection.clone(
        [this](const Result<void>& how) { own_ready(how); },
        {.properties = {{std::string(trellis::kDirection.name), std::string("Unidirectional Send")}}}));
    own->connection.on_failed([this](const Error& error) { fail(error, kNoError); });
  }
  // The first request may end before the others do.
  own_[0]->connection.on_received([this](Connection c) { adopt(std::move(c)); });
}

void Session::own_ready(const Result<void>& how) {
  if (!how) return fail(how.error(), NGHTTP3_H3_STREAM_CREATION_ERROR);
  if (++own_ready_ == kOwn) begin();
}

void Session::begin() {
  for (auto& own : own_) own->id = id_of(own->connection);
  nghttp3_conn_bind_control_stream(library_, own_[0]->id);
  nghttp3_conn_bind_qpack_streams(library_, own_[1]->id, own_[2]->id);
  for (auto& own : own_) add(std::move(own));
  begun_ = true;
  for (auto& stream : std::exchange(early_, {})) {
    stream->id = id_of(stream->connection);
    Stream& added = *stream;
    add(std::move(stream));
    read(added);
  }
  if (!request_.empty()) request(std::exchange(request_, {}));
  pump();
}

void Session::fail(Error error, std::uint64_t code) {
  if (std::exchange(over_, true)) return;
  if (!streams_.empty()) streams_.begin()->second->connection.abort_group(code);
  executor_.post([this, alive = alive_, error = std::move(error)] {
    if (*alive && events_.over) events_.over(error);
  });
}

// ---- streams

Session::Stream* Session::find(std::int64_t id) {
  const auto found = streams_.find(id);
  return found != streams_.end() ? found->second.get() : nullptr;
}

void Session::adopt(Connection connection) {
  auto stream = std::make_unique<Stream>(std::move(connection));
  if (!begun_) return early_.push_back(std::move(stream));
  stream->id = id_of(stream->connection);
  Stream& added = *stream;
  add(std::move(stream));
  read(added);
}

void Session::add(std::unique_ptr<Stream> stream) {
  const std::int64_t id = stream->id;
  stream->connection.on_writable([this, id] {
    nghttp3_conn_unblock_stream(library_, id);
    pump();
  });
  streams_[id] = std::move(stream);
}

void Session::forget_if_over(Stream& stream) {
  if (!stream.read_over || !stream.sent_over) return;
  nghttp3_conn_close_stream(library_, stream.id, kNoError);
  stream.connection.close();
  executor_.post([this, alive = alive_, id = stream.id] {  // a callback of it may be running
    if (*alive) streams_.erase(id);
  });
}

// ---- in

void Session::read(Stream& stream) {
  stream.connection.receive(1, kReadMost, [this, &stream](Result<Message> m) { take(stream, std::move(m)); });
}

void Session::take(Stream& stream, Result<Message> message) {
  if (over_) return;
  if (!message) {  // the peer has abandoned the stream, or all of them
    stream.read_over = stream.sent_over = true;
    return forget_if_over(stream);
  }
  const auto bytes = message->data.bytes();
  pumping_ = true;  // the library must not be asked to write from within its callbacks
  const auto taken = nghttp3_conn_read_stream(library_, stream.id, reinterpret_cast<const std::uint8_t*>(bytes.data()),
                                              bytes.size(), message->final ? 1 : 0);
  pumping_ = false;
  if (taken < 0) {
    const int error = static_cast<int>(taken);
    return fail({Reason::protocol_violation, 0, "http3", std::string("HTTP/3: ") + nghttp3_strerror(error)},
                nghttp3_err_infer_quic_app_error_code(error));
  }
  stream.read_over = message->final;
  if (!stream.read_over) read(stream);
  pump();
  forget_if_over(stream);
}

// ---- out

void Session::request(Fields fields) {
  if (!begun_) {
    request_ = std::move(fields);
    return;
  }
  const auto pairs = pairs_of(fields);
  nghttp3_conn_submit_request(library_, 0, pairs.data(), pairs.size(), nullptr, nullptr);
  pump();
}

void Session::respond(std::int64_t id, const Fields& fields, std::string body) {
  Stream* const stream = find(id);
  if (stream == nullptr) return;
  stream->body = std::move(body);
  const auto pairs = pairs_of(fields);
  const nghttp3_data_reader reader{.read_data = Library::give_body};
  nghttp3_conn_submit_response(library_, id, pairs.data(), pairs.size(), &reader);
  pump();
}

void Session::pump() {
  if (!begun_ || over_ || std::exchange(pumping_, true)) return;
  for (;;) {
    nghttp3_vec parts[16];
    std::int64_t id = -1;
    int final = 0;
    const auto count = nghttp3_conn_writev_stream(library_, &id, &final, parts, std::size(parts));
    if (count < 0) {
      fail({Reason::invalid_argument, 0, "http3", nghttp3_strerror(static_cast<int>(count))},
           NGHTTP3_H3_INTERNAL_ERROR);
      break;
    }
    if (id < 0) break;
    if (Stream* const stream = find(id))
      send(*stream, std::span(parts, static_cast<std::size_t>(count)), final != 0);
    else
      nghttp3_conn_close_stream(library_, id, NGHTTP3_H3_REQUEST_CANCELLED);
  }
  pumping_ = false;
}

void Session::send(Stream& stream, std::span<const nghttp3_vec> parts, bool final) {
  std::size_t all = 0;
  for (const nghttp3_vec& part : parts) all += part.len;
  const std::size_t size = std::min(all, kSendMost);
  final = final && size == all;
  // What waits has been copied, so the library need not keep it until it is acknowledged.
  Slice slice = stream.connection.allocate(static_cast<std::uint32_t>(size));
  std::span<std::byte> room = slice.edit();
  for (const nghttp3_vec& part : parts) {
    const std::size_t now = std::min(part.len, room.size());
    if (now > 0) std::memcpy(room.data(), part.base, now);
    room = room.subspan(now);
  }
  const bool more = stream.connection.send(Message{.data = std::move(slice), .final = final});
  nghttp3_conn_add_write_offset(library_, stream.id, size);
  nghttp3_conn_add_ack_offset(library_, stream.id, size);
  if (!more && !final) nghttp3_conn_block_stream(library_, stream.id);
  stream.sent_over = stream.sent_over || final;
  if (final) forget_if_over(stream);
}

}  // namespace http3
