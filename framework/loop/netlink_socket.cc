#include "loop/netlink_socket.h"

#include <linux/netlink.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>

#include "loop/libevent_loop.h"
#include "loop/socket_error.h"

namespace trellis {

namespace {

constexpr std::uint32_t kMessageMost = 32 * 1024;  // the kernel fills no more of one buffer (netlink_dump)

std::unexpected<Error> senseless(const char* what) {
  return fail(Reason::unsupported, std::string(what) + ": a netlink socket only sends and receives", 0, "socket");
}

}  // namespace

Result<std::unique_ptr<Socket>> NetlinkSocket::open(PosixSockets& owner, int protocol) {
  const int descriptor = ::socket(AF_NETLINK, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol);
  if (descriptor < 0) return std::unexpected(socket_error(errno, "open a netlink socket"));
  auto socket = std::make_unique<NetlinkSocket>(owner, descriptor);
  const sockaddr_nl own{.nl_family = AF_NETLINK, .nl_pad = 0, .nl_pid = 0, .nl_groups = 0};
  if (::bind(descriptor, reinterpret_cast<const sockaddr*>(&own), sizeof own) < 0)
    return std::unexpected(socket_error(errno, "bind a netlink socket"));
  return socket;
}

Result<bool> NetlinkSocket::connect(const Address&) noexcept { return senseless("connect"); }
Result<void> NetlinkSocket::listen(int) noexcept { return senseless("listen"); }
Result<Accepted> NetlinkSocket::accept() noexcept { return senseless("accept"); }

Result<Io> NetlinkSocket::receive(Batch& into, std::size_t byte_budget, bool) noexcept {
  Io io;
  while (io.bytes < byte_budget) {
    Slice slice = loop().pool().allocate(0, kMessageMost, 0);
    sockaddr_nl sender{};
    iovec place{.iov_base = slice.edit().data(), .iov_len = slice.size()};
    msghdr message{};
    message.msg_name = &sender;
    message.msg_namelen = sizeof sender;
    message.msg_iov = &place;
    message.msg_iovlen = 1;
    const ssize_t length = ::recvmsg(descriptor(), &message, 0);
    if (length < 0 && errno == EINTR) continue;
    if (length < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
      io.blocked = true;
      return io;
    }
    if (length < 0 && errno == ENOBUFS)
      return fail(Reason::exhausted, "messages of the kernel were lost: its buffer was full", ENOBUFS, "socket");
    if (length < 0) return failure(errno, "receive from the kernel");
    if ((message.msg_flags & MSG_TRUNC) != 0)
      return fail(Reason::exhausted, "a message of the kernel has more than " + std::to_string(kMessageMost) + " bytes",
                  EMSGSIZE, "socket");
    io.bytes += static_cast<std::size_t>(length);
    if (sender.nl_pid != 0) continue;
    slice.drop_back(slice.size() - static_cast<std::uint32_t>(length));
    into.add({.data = std::move(slice), .end_of_message = true});
  }
  return io;
}

Result<Io> NetlinkSocket::send(Batch& from) noexcept {
  Io io;
  while (!from.empty()) {
    const auto bytes = from.front().data.bytes();
    const ssize_t length = ::send(descriptor(), bytes.data(), bytes.size(), 0);
    if (length < 0 && errno == EINTR) continue;
    if (length < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
      io.blocked = true;
      return io;
    }
    if (length < 0) return failure(errno, "send to the kernel");
    io.bytes += static_cast<std::size_t>(length);
    from.pop();
  }
  return io;
}

}  // namespace trellis
