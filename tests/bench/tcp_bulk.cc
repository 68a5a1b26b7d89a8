// tcp_bulk.cc: bulk transfer over one TCP connection, between two processes that have a processor each.
//
// Throughput over the loopback jumps between two levels, by which of the ends happens to wait for the other; the
// processor time that both ends take together does not. So both are rows, and the time is the one to trust.
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "our_transfer.h"
#include "process.h"
#include "raw_sockets.h"
#include "rows.h"

namespace trellis::bench {
namespace tcp_bulk_row {

constexpr std::size_t kTotal = std::size_t{1} << 30;
constexpr std::uint32_t kMessage = 64 << 10;
constexpr std::size_t kReadBytes = 256 << 10;  // both sides read as much at once
constexpr std::size_t kWriteMessages = 4;      // that a plain writev takes at once

void wait_for(const Epoll& epoll) {
  epoll_event event;
  check(epoll_wait(epoll.descriptor(), &event, 1, -1), "epoll_wait");
}

// Reads until there is nothing more; true: the peer has finished.
bool read_some(int descriptor, std::size_t& got) {
  static std::array<char, kReadBytes> buffer;
  iovec into{.iov_base = buffer.data(), .iov_len = buffer.size()};
  for (;;) {
    const ssize_t n = readv(descriptor, &into, 1);
    if (n < 0 && errno == EAGAIN) return false;
    if (check(n, "readv") == 0) return true;
    got += static_cast<std::size_t>(n);
    if (static_cast<std::size_t>(n) < buffer.size()) return false;  // level-triggered: what came since is told again
  }
}

void receive_raw(const Outlet& out) {
  const RawListener listener = raw_listen();
  const Epoll accepting, epoll;
  accepting.add(listener.descriptor, EPOLLIN);
  out.put(ntohs(listener.address.sin_port));
  wait_for(accepting);
  const int descriptor = check(accept4(listener.descriptor, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC), "accept4");
  epoll.add(descriptor, EPOLLIN);
  const Meter meter;
  std::size_t got = 0;
  do wait_for(epoll);
  while (!read_some(descriptor, got));
  out.put(meter.used());
  if (got != kTotal) die("bytes are missing");
  close(descriptor);
}

// Writes whole messages from one buffer, several with each call, and goes on inside a message after a partial write.
void write_all(int descriptor, const Epoll& epoll) {
  static std::array<char, kMessage> message;
  std::size_t sent = 0;
  while (sent < kTotal) {
    std::array<iovec, kWriteMessages> from;
    const std::size_t begun = sent % kMessage;
    from.fill({.iov_base = message.data(), .iov_len = message.size()});
    from[0] = {.iov_base = message.data() + begun, .iov_len = message.size() - begun};
    const std::size_t messages_left = (kTotal - sent + kMessage - 1) / kMessage;
    const ssize_t n = writev(descriptor, from.data(), static_cast<int>(std::min(from.size(), messages_left)));
    if (n < 0 && errno == EAGAIN) {
      wait_for(epoll);
    } else {
      sent += static_cast<std::size_t>(check(n, "writev"));
    }
  }
}

Used send_raw(std::uint16_t port) {
  const int descriptor = raw_dial(raw_address(port));
  set_non_blocking(descriptor);
  set_no_delay(descriptor);
  const Epoll epoll;
  epoll.add(descriptor, EPOLLOUT | EPOLLET);
  const Meter meter;
  write_all(descriptor, epoll);
  check(shutdown(descriptor, SHUT_WR), "shutdown");
  const Epoll end;
  end.add(descriptor, EPOLLIN);
  wait_for(end);
  close(descriptor);
  return meter.used();
}

Transfer baseline() { return transfer(kTotal, receive_raw, send_raw); }
Transfer ours() { return our_transfer("tcp", {.bytes = kTotal, .message = kMessage}); }

}  // namespace tcp_bulk_row

Row tcp_bulk_cpu() {
  using namespace tcp_bulk_row;
  return {.name = "tcp-bulk-cpu",
          .about = "processor time of both ends per GiB over TCP, messages of 64 KiB; baseline: readv, writev, epoll",
          .unit = "s/GiB",
          .better = Better::lower,
          .target = 1.05,
          .ours = [] { return ours().cpu_per_gibibyte; },
          .baseline = [] { return baseline().cpu_per_gibibyte; },
          .pairs = kPairsNoisy};
}

Row tcp_bulk_rate() {
  using namespace tcp_bulk_row;
  return {.name = "tcp-bulk-rate",
          .about = "throughput of the same transfer",
          .unit = "GiB/s",
          .better = Better::higher,
          .target = 0.95,
          .ours = [] { return ours().gibibytes_per_second; },
          .baseline = [] { return baseline().gibibytes_per_second; },
          .pairs = kPairsNoisy};
}

}  // namespace trellis::bench
