// raw_quic_tables.h: what raw_quic.cc (connections) and raw_quic_packets.cc (in and out) share.
#pragma once
#include <gnutls/crypto.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <ctime>
#include <map>
#include <string>

#include "process.h"
#include "raw_quic.h"

namespace trellis::bench {

inline constexpr std::size_t kRawRead = 16;         // datagrams, or what was joined of them, in one call
inline constexpr std::size_t kRawJoined = 1 << 16;  // bytes of one
inline constexpr std::size_t kRawBurst = 65'000;    // bytes that the kernel cuts
inline constexpr std::size_t kRawPiece = 64 << 10;
inline constexpr std::size_t kRawSource = 4 << 20;  // what is sent stays valid until it is acknowledged
inline constexpr std::size_t kRawIdBytes = 16;

struct LessId {
  bool operator()(const ngtcp2_cid& a, const ngtcp2_cid& b) const {
    return std::lexicographical_compare(a.data, a.data + a.datalen, b.data, b.data + b.datalen);
  }
};

// What there is once for a socket.
struct RawQuic::Tables {
  std::map<ngtcp2_cid, RawQuicPeer*, LessId> by_id;
  std::array<std::array<std::uint8_t, kRawJoined>, kRawRead> in;
  std::array<std::array<char, 128>, kRawRead> notes;
  std::array<sockaddr_in, kRawRead> from;
  std::array<iovec, kRawRead> parts;
  std::array<mmsghdr, kRawRead> messages;
  std::array<std::uint8_t, kRawBurst> out;
  std::array<std::uint8_t, kRawSource> source;
  std::array<std::uint8_t, kRawPiece> sink;
};

inline ngtcp2_tstamp clock_now() {
  timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return static_cast<ngtcp2_tstamp>(t.tv_sec) * NGTCP2_SECONDS + static_cast<ngtcp2_tstamp>(t.tv_nsec);
}

[[noreturn]] inline void fail_raw(const char* what, int error) {
  errno = 0;
  die(std::string("raw QUIC, ") + what + ": " + (error < 0 ? ngtcp2_strerror(error) : ""));
}

inline ngtcp2_path path_of(sockaddr_in& local, sockaddr_in& remote) {
  return {{reinterpret_cast<ngtcp2_sockaddr*>(&local), sizeof local},
          {reinterpret_cast<ngtcp2_sockaddr*>(&remote), sizeof remote},
          nullptr};
}

}  // namespace trellis::bench
