#include "services.h"

#include <algorithm>

#include "message_size.h"

namespace trellis::tool {

Task<Result<void>> echo(Connection& connection) {
  for (bool final = false; !final;) {
    Result<Message> message = co_await connection.receive_async();
    if (!message) co_return fail(std::move(message));
    final = message->final;
    if (final && message->data.size() == 0) break;
    const bool end = message->end && connection.face() != Face::bytestream;
    if (auto sent = co_await connection.send_async(std::move(message->data), end); !sent) co_return sent;
  }
  connection.finish();
  co_return {};
}

Task<Result<void>> discard(Connection& connection) {
  for (;;) {
    const Result<Message> message = co_await connection.receive_async();
    if (!message) co_return std::unexpected(message.error());
    if (message->final) co_return {};
  }
}

Task<Result<void>> source(Connection& connection, std::uint64_t bytes) {
  const std::uint32_t most = message_most(connection);
  const bool message = connection.face() != Face::bytestream;
  for (std::uint64_t at = 0; at < bytes;) {
    Slice part = connection.allocate(static_cast<std::uint32_t>(std::min<std::uint64_t>(most, bytes - at)));
    for (std::byte& byte : part.edit()) byte = static_cast<std::byte>(at++ & 0xff);
    if (auto sent = co_await connection.send_async(std::move(part), message); !sent) co_return sent;
  }
  connection.finish();
  if (connection.face() == Face::datagram) co_return {};  // the peer cannot say that it has finished
  co_return co_await discard(connection);
}

}  // namespace trellis::tool
