#include <algorithm>
#include <string>

#include "transfer.h"

using namespace trellis;

Task<Result<std::uint64_t>> receive_file(Connection& connection, std::FILE* file) {
  std::uint64_t arrived = 0;
  for (bool final = false; !final;) {
    const Result<Message> message = co_await connection.receive_async(1, 1 << 20);
    if (!message) co_return std::unexpected(message.error());
    const auto bytes = message->data.bytes();
    if (!bytes.empty() && std::fwrite(bytes.data(), 1, bytes.size(), file) != bytes.size())
      co_return fail(Reason::exhausted, "the file cannot be written: is the disk full?");
    arrived += bytes.size();
    final = message->final;
  }
  if (std::fflush(file) != 0) co_return fail(Reason::exhausted, "the file cannot be written: is the disk full?");
  const std::string answer = std::to_string(arrived);
  Slice slice = connection.allocate(static_cast<std::uint32_t>(answer.size()));
  std::ranges::transform(answer, slice.edit().begin(), [](char c) { return static_cast<std::byte>(c); });
  if (auto sent = co_await connection.send_async(std::move(slice)); !sent) co_return fail(std::move(sent));
  co_return arrived;
}
