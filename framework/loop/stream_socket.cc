// stream_socket.cc: see stream_socket.h.
#include "loop/stream_socket.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstring>

#include "loop/libevent_loop.h"
#include "loop/socket_address.h"

namespace trellis {

namespace {

constexpr std::uint32_t kBlock = PosixSockets::kStreamBlock;
/// Up to here received bytes are copied into a block of their size, so that a few bytes never hold 64 KiB.
constexpr std::uint32_t kCopied = 16 * 1024;
constexpr std::size_t kVectors = 64;

/// Repeats a system call that a signal interrupted.
template <class Call>
ssize_t uninterrupted(Call call) noexcept {
  ssize_t result;
  do {
    result = call();
  } while (result < 0 && errno == EINTR);
  return result;
}

/// Errors of accept4(2) that concern one connection, which is gone, and not the listener.
bool concerns_one_peer(int error) noexcept {
  switch (error) {
    case EINTR:
    case ECONNABORTED:
    case EPROTO:
    case ENETDOWN:
    case ENOPROTOOPT:
    case EHOSTDOWN:
    case ENONET:
    case EHOSTUNREACH:
    case ENETUNREACH: return true;
    default: return false;
  }
}

/// Moves the first `size` bytes of `block` out, or a copy when they are few.
Slice take(Slice& block, std::uint32_t size, SizeClassPool& pool) {
  if (size > kCopied) {
    block.drop_back(kBlock - size);
    return std::move(block);
  }
  Slice copy = pool.allocate(0, size, 0);
  std::memcpy(copy.edit().data(), block.bytes().data(), size);
  return copy;
}

}  // namespace

Result<void> StreamSocket::listen(int backlog) noexcept {
  if (::listen(descriptor(), backlog) < 0) return failure(errno, "listen on " + describe(local()));
  set_when_idle(0);  // no error can come to a listener
  return {};
}

// To find out with accept4() that nobody waits costs as much as a connection: it makes a socket first.
void StreamSocket::count_waiting() noexcept {
  tcp_info info{};
  socklen_t size = offsetof(tcp_info, tcpi_sacked);
  const bool known =
      getsockopt(descriptor(), IPPROTO_TCP, TCP_INFO, &info, &size) == 0 && info.tcpi_state == TCP_LISTEN;
  waiting_ = static_cast<std::uint16_t>(std::min<std::uint32_t>(info.tcpi_unacked, UINT16_MAX));
  none_waits_ = known && waiting_ == 0;
}

Result<Accepted> StreamSocket::accept() noexcept {
  if (std::exchange(none_waits_, false)) return Accepted{};
  SocketAddress address;
  for (;;) {
    socklen_t length = sizeof address;
    const int accepted = ::accept4(descriptor(), &address.any, &length, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (accepted >= 0) {
      if (waiting_ > 0)
        --waiting_;
      else
        count_waiting();
      const Address peer = from_kernel(address);
      return Accepted{std::make_unique<StreamSocket>(owner(), accepted, peer), peer};
    }
    if (errno == EAGAIN || errno == EWOULDBLOCK) return Accepted{};
    if (!concerns_one_peer(errno)) return failure(errno, "accept on " + describe(local()));
  }
}

Result<Io> StreamSocket::receive(Batch& into, std::size_t byte_budget, bool) noexcept {
  if (byte_budget == 0) return Io{};  // recv() of nothing would look like the end
  auto& blocks = owner().stream_blocks();
  SizeClassPool& pool = loop().pool();
  const std::size_t most = std::min(byte_budget, bulk_ ? blocks.size() * kBlock : kBlock);
  iovec vectors[blocks.size()];
  int count = 0;
  for (std::size_t offered = 0; offered < most; ++count) {
    Slice& block = blocks[static_cast<std::size_t>(count)];
    if (block.size() == 0) block = pool.allocate(0, kBlock, 0);
    vectors[count] = {block.edit().data(), std::min<std::size_t>(kBlock, most - offered)};
    offered += vectors[count].iov_len;
  }
  const ssize_t received = uninterrupted([&] {
    return count == 1 ? ::recv(descriptor(), vectors[0].iov_base, vectors[0].iov_len, 0)
                      : ::readv(descriptor(), vectors, count);
  });
  if (received < 0) {
    if (errno == EAGAIN || errno == EWOULDBLOCK) return Io{.blocked = true};
    return final_failure(errno, "receive from");
  }
  if (received == 0) {
    if (final_error() != 0) return final_failure(final_error(), "receive from");
    set_ended();
    return Io{.end = true};
  }
  const auto bytes = static_cast<std::size_t>(received);
  for (std::size_t left = bytes, i = 0; left > 0; ++i) {
    const auto part = static_cast<std::uint32_t>(std::min<std::size_t>(left, kBlock));
    into.add(Chunk{take(blocks[i], part, pool)});
    left -= part;
  }
  bulk_ = bytes >= kBlock;
  // Before an end that was told already, a short read may have stopped at urgent data: only the next one finds the end.
  return Io{.bytes = bytes, .blocked = bytes < most && !is_last()};
}

Result<Io> StreamSocket::send(Batch& from) noexcept {
  Io io;
  while (!from.empty()) {
    iovec vectors[kVectors];
    std::size_t count = 0, offered = 0;
    for (const Chunk& chunk : from) {
      if (chunk.data.size() == 0) continue;
      vectors[count] = {const_cast<std::byte*>(chunk.data.bytes().data()), chunk.data.size()};
      offered += chunk.data.size();
      if (++count == kVectors) break;
    }
    msghdr message{};
    message.msg_iov = vectors;
    message.msg_iovlen = count;
    const ssize_t sent = count == 0 ? 0 : uninterrupted([&] {
      return count == 1 ? ::send(descriptor(), vectors[0].iov_base, vectors[0].iov_len, MSG_NOSIGNAL)
                        : ::sendmsg(descriptor(), &message, MSG_NOSIGNAL);
    });
    if (sent < 0) {
      // EINPROGRESS: fast open could not send at once and is connecting instead.
      io.blocked = errno == EAGAIN || errno == EWOULDBLOCK || errno == EINPROGRESS;
      if (io.blocked) return io;
      return final_failure(errno, "send to");
    }
    const auto bytes = static_cast<std::size_t>(sent);
    from.consume(bytes);
    io.bytes += bytes;
    io.blocked = bytes < offered;
    if (io.blocked) return io;
  }
  return io;
}

Result<void> StreamSocket::finish() noexcept {
  if (::shutdown(descriptor(), SHUT_WR) == 0) return {};
  int error = errno;
  if (error == ENOTCONN && is_connected()) {  // no longer: the reason is still to be told
    error = take_error();
    if (error == 0) error = ECONNRESET;
  }
  return final_failure(error, "finish sending to");
}

}  // namespace trellis
