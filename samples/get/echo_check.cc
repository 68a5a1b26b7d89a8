#include "echo_check.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <vector>

using namespace trellis;

namespace {

constexpr std::uint64_t kMessageMost = 65536;
constexpr std::size_t kPeriod = 251;
constexpr std::uint64_t kDatagramMost = 1200;  // fits into a packet of every path

// What is sent: 0 to 250 over and over. 251 is prime, so that no shift by a whole block goes unnoticed.
std::span<const std::byte> expected(std::uint64_t place, std::size_t size) {
  static const auto kPattern = [] {
    std::vector<std::byte> bytes(kPeriod + kMessageMost);
    for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<std::byte>(i % kPeriod);
    return bytes;
  }();
  return std::span(kPattern).subspan(place % kPeriod, size);
}

Slice make_part(Connection& connection, std::uint64_t place, std::uint64_t left) {
  const std::uint64_t most = connection.face() == Face::datagram ? kDatagramMost : kMessageMost;
  Slice part = connection.allocate(static_cast<std::uint32_t>(std::min(left, most)));
  std::ranges::copy(expected(place, part.size()), part.edit().begin());
  return part;
}

Result<void> compare(const Message& message, std::uint64_t place) {
  if (std::ranges::equal(message.data.bytes(), expected(place, message.data.size()))) return {};
  return fail(Reason::protocol_violation, "what came back differs between byte " + std::to_string(place) + " and " +
                                              std::to_string(place + message.data.size()));
}

Task<void> send_all(Connection& connection, std::uint64_t bytes) {
  for (std::uint64_t place = 0; place < bytes;) {
    Slice part = make_part(connection, place, bytes - place);
    place += part.size();
    if (!co_await connection.send_async(std::move(part))) co_return;  // the receiving side hears why
  }
  connection.finish();
}

// Sending and receiving at the same time: the Connection keeps the two in balance.
Task<Result<void>> stream(Connection& connection, std::uint64_t bytes) {
  Task<void> sending = send_all(connection, bytes);
  sending.start();
  for (std::uint64_t place = 0; place < bytes;) {
    const Result<Message> message = co_await connection.receive_async(1, kMessageMost);
    if (!message) co_return std::unexpected(message.error());
    if (auto same = compare(*message, place); !same) co_return same;
    place += message->data.size();
    if (message->final && place < bytes)
      co_return fail(Reason::reset, "only " + std::to_string(place) + " bytes came back");
  }
  co_return {};
}

// Nothing keeps a sender of datagrams from sending more than the network takes, so each waits for its echo.
Task<Result<void>> one_by_one(Connection& connection, std::uint64_t bytes) {
  for (std::uint64_t place = 0; place < bytes;) {
    Slice part = make_part(connection, place, bytes - place);
    const std::uint64_t size = part.size();
    connection.send(std::move(part));
    const Result<Message> message = co_await connection.receive_async(1, kMessageMost);
    if (!message) co_return std::unexpected(message.error());
    if (message->data.size() != size)
      co_return fail(Reason::protocol_violation, "a datagram came back with another size");
    if (auto same = compare(*message, place); !same) co_return same;
    place += size;
  }
  co_return {};
}

}  // namespace

Task<Result<void>> echo_check(Connection& connection, std::uint64_t bytes) {
  const auto began = std::chrono::steady_clock::now();
  Result<void> how;
  if (connection.face() == Face::datagram)
    how = co_await one_by_one(connection, bytes);
  else
    how = co_await stream(connection, bytes);
  if (how) how = co_await connection.close_async();
  if (!how) co_return how;
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
  std::printf("%llu bytes came back unchanged in %.4f s: %.1f MB/s\n", static_cast<unsigned long long>(bytes), seconds,
              static_cast<double>(bytes) / seconds / 1e6);
  co_return how;
}
