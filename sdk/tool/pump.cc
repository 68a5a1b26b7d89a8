#include "pump.h"

#include <algorithm>
#include <cstring>

#include "message_size.h"

namespace trellis::tool {

namespace {

constexpr std::size_t kReceiveMost = 65536;
constexpr std::byte kNewline{'\n'};

bool has_lines(std::string_view stack) { return stack.substr(0, stack.find('/')) == "line"; }

// A few bytes must not pin a large block while they wait for the peer.
Slice fit(Connection& connection, Slice slice, std::size_t size) {
  const auto bytes = static_cast<std::uint32_t>(size);
  if (size * 4 > slice.size()) {
    slice.drop_back(slice.size() - bytes);
    return slice;
  }
  Slice small = connection.allocate(bytes);
  std::memcpy(small.edit().data(), slice.bytes().data(), size);
  return small;
}

}  // namespace

Pump::Pump(Connection& connection, Duration patience, int input, int output)
    : connection_(connection),
      loop_(connection.executor()),
      patience_(patience),
      lines_(has_lines(connection.stack())),
      input_(loop_, input),
      output_(loop_, output, [this](const Error& error) { ended(std::unexpected(error), true); }),
      upload_(upload()),
      download_(download()) {}

void Pump::begin(Connection::Done done) {
  done_ = std::move(done);
  // While the peer's direction is open, download() hears of a failure, after what was received before it.
  connection_.on_failed([this](const Error& error) {
    if (downloaded_) ended(std::unexpected(error), true);
  });
  uploaded_ = is_multicast(connection_.local());
  downloaded_ = is_multicast(connection_.remote());
  if (!uploaded_) upload_.start();
  if (!downloaded_) download_.start();
}

Task<void> Pump::upload() {
  const Result<void> how = co_await send_input();
  uploaded_ = true;
  if (heard_) watch_silence();
  // When the Connection is over, download() is about to hear it, and to write what came before.
  ended(how, connection_.state() != ConnectionState::closed);
}

Task<void> Pump::download() {
  const Result<void> how = co_await write_output();
  downloaded_ = true;
  ended(how, true);
}

void Pump::ended(Result<void> how, bool failure_ends_all) noexcept {
  const bool over = (uploaded_ && downloaded_) || (!how && failure_ends_all);
  if (!how && result_) result_ = std::move(how);
  if (over && !queued()) loop_.queue(*this);
}

void Pump::run() noexcept {
  if (done_) std::exchange(done_, {})(std::move(result_));
}

Task<Result<void>> Pump::send_input() {
  const std::uint32_t most = message_most(connection_);
  for (;;) {
    Slice slice = connection_.allocate(most);
    const Result<std::size_t> got = co_await input_.read_async(slice.edit());
    if (!got) co_return std::unexpected(got.error());
    if (*got == 0) break;
    slice = fit(connection_, std::move(slice), *got);
    Result<void> sent;
    if (lines_)
      sent = co_await send_lines(std::move(slice));
    else
      sent = co_await send(std::move(slice), true);
    if (!sent) co_return sent;
  }
  if (line_open_) co_await send(Slice(), true);
  connection_.finish();
  co_return {};
}

Task<Result<void>> Pump::send_lines(Slice data) {
  while (data.size() != 0) {
    const std::span<const std::byte> bytes = data.bytes();
    const auto newline = std::ranges::find(bytes, kNewline);
    const bool end = newline != bytes.end();
    Slice part = data.split_front(static_cast<std::uint32_t>(newline - bytes.begin()));
    if (end) data.drop_front(1);
    line_open_ = !end;
    if (auto sent = co_await send(std::move(part), end); !sent) co_return sent;
  }
  co_return {};
}

Task<Result<void>> Pump::send(Slice data, bool end) {
  auto sent = co_await connection_.send_async(std::move(data), end && connection_.face() != Face::bytestream);
  if (sent && connection_.state() == ConnectionState::closed) {
    sent = fail(Reason::reset, "the peer closed the connection before everything was sent");
  }
  co_return sent;
}

Task<Result<void>> Pump::write_output() {
  for (bool final = false; !final;) {
    Result<Message> message = co_await receive_async();
    if (!message) {
      co_await output_.wait_async(0);
      co_return fail(std::move(message));
    }
    final = message->final;
    if (put(*message)) continue;
    if (auto room = co_await output_.wait_async(Output::kRoom); !room) co_return room;
  }
  co_return co_await output_.wait_async(0);
}

// False: please wait.
bool Pump::put(const Message& message) {
  bool more = message.data.size() == 0 || output_.put(message.data.bytes());
  if (lines_ && message.end && (!message.final || message.data.size() != 0)) more = output_.put({&kNewline, 1});
  return more;
}

void Pump::receive(Connection::Received heard) {
  heard_ = std::move(heard);
  connection_.receive(1, kReceiveMost, [this](Result<Message> message) {
    disarm();
    std::exchange(heard_, {})(std::move(message));
  });
  if (uploaded_) watch_silence();
}

void Pump::forget_receive() noexcept {
  connection_.cancel_receive();
  heard_ = {};
}

void Pump::watch_silence() noexcept {
  if (patience_ > Duration{}) arm(loop_, loop_.now() + patience_);
}

void Pump::on_alarm() noexcept {
  if (!heard_) return;
  connection_.cancel_receive();
  std::exchange(heard_, {})(Message{.data = {}, .final = true});
}

}  // namespace trellis::tool
