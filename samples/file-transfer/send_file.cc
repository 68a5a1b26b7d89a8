#include <algorithm>
#include <chrono>
#include <string>

#include "transfer.h"

using namespace trellis;

namespace {

constexpr std::uint64_t kPart = 65536;

// Tells how far it is, five times a second, and what the connections of a session, or the paths of an association, do
// where there are several.
class Progress {
 public:
  explicit Progress(std::uint64_t size) : size_(size) {}
  void show(const Connection& connection, std::uint64_t sent) {
    const auto now = Clock::now();
    if (now < next_ && sent != size_) return;
    next_ = now + std::chrono::milliseconds(200);
    const double seconds = std::max(std::chrono::duration<double>(now - begun_).count(), 1e-6);
    const auto done = static_cast<double>(sent);
    const double percent = size_ == 0 ? 100 : 100 * done / static_cast<double>(size_);
    auto ways = connection.get("tcpls.connections");
    if (!ways) ways = connection.get("sctp.paths");
    std::fprintf(stderr, "%5.1f %%  %.1f MB/s  %s\n", percent, done / seconds / 1e6,
                 ways ? std::get<std::string>(*ways).c_str() : "");
  }

 private:
  using Clock = std::chrono::steady_clock;
  const std::uint64_t size_;
  const Clock::time_point begun_ = Clock::now();
  Clock::time_point next_ = begun_;
};

// The receiver's answer.
Task<Result<std::uint64_t>> count(Connection& connection) {
  std::string text;
  for (bool final = false; !final;) {
    const Result<Message> message = co_await connection.receive_async(1, 32);
    if (!message) co_return std::unexpected(message.error());
    const auto bytes = message->data.bytes();
    text.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    final = message->final || text.size() > 32;
  }
  std::uint64_t number = 0;
  for (const char c : text) number = number * 10 + static_cast<std::uint64_t>(c - '0');
  co_return number;
}

}  // namespace

Task<Result<void>> send_file(Connection& connection, std::FILE* file, std::uint64_t size) {
  Progress progress(size);
  for (std::uint64_t sent = 0; sent < size;) {
    Slice part = connection.allocate(static_cast<std::uint32_t>(std::min(kPart, size - sent)));
    if (std::fread(part.edit().data(), 1, part.size(), file) != part.size())
      co_return fail(Reason::invalid_argument, "the file ended or failed after " + std::to_string(sent) + " bytes");
    sent += part.size();
    auto taken = co_await connection.send_async(std::move(part), false);
    if (!taken) co_return taken;
    progress.show(connection, sent);
  }
  connection.finish();
  const auto arrived = co_await count(connection);
  if (!arrived) co_return std::unexpected(arrived.error());
  if (*arrived != size)
    co_return fail(Reason::protocol_violation,
                   "sent " + std::to_string(size) + " bytes, the receiver says " + std::to_string(*arrived));
  co_return co_await connection.close_async();
}
