// bare_sctp.h: usrsctp without Trellis, for baselines: its packets in UDP datagrams (RFC 6951) that the kernel cuts and
// joins, checksums by the processor, no thread, and a loop of a few lines.
#pragma once
#include <netinet/in.h>

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <span>

struct socket;

namespace trellis::bench {

/// The way to one peer; usrsctp knows the peer by the address of this object.
class BarePath {
 public:
  BarePath(int udp, const sockaddr_in& peer);
  BarePath(const BarePath&) = delete;
  BarePath& operator=(const BarePath&) = delete;
  ~BarePath();
  void add(std::span<const std::byte> packet);  ///< sent at the end of the turn, or when the block is full
  void flush();

 private:
  static constexpr std::size_t kBlock = 64'000, kSegmentsMost = 64;
  int udp_;
  sockaddr_in peer_;
  std::array<std::byte, kBlock> block_;
  std::size_t used_ = 0, segment_ = 0;
};

/// The library, and the UDP sockets below it. One in a process.
class BareSctp {
 public:
  BareSctp();
  BareSctp(const BareSctp&) = delete;
  BareSctp& operator=(const BareSctp&) = delete;
  ~BareSctp();
  /// An association to a peer on this UDP socket; it is being set up.
  struct socket* dial(int udp, const sockaddr_in& peer);
  /// What peers on any UDP socket reach.
  struct socket* listen();
  /// Waits for datagrams on these sockets for at most a timer's time, and does all that follows from them.
  void turn(std::span<const int> sockets);
  /// Ends the association at once, and forgets the way to its peer.
  void abort(struct socket* association, int udp, const sockaddr_in& peer);

 private:
  using Key = std::pair<int, std::uint16_t>;  // UDP socket, the peer's port: all peers are on the loopback
  BarePath& path(int udp, const sockaddr_in& peer);
  void read(int udp);
  void run_timers();

  std::map<Key, std::unique_ptr<BarePath>> paths_;
  double told_;
};

/// The bytes that are read and forgotten, of one message at most; below zero: none, and why is in errno.
ssize_t bare_sctp_read(struct socket* from);

/// A UDP socket with room for bulk, whose datagrams the kernel joins.
int bare_sctp_udp();

}  // namespace trellis::bench
