// raw_quic.h: QUIC as a careful programmer writes it on ngtcp2 and GnuTLS with nothing else: one UDP socket and epoll,
// recvmmsg of datagrams that the kernel has joined (GRO), sendmsg of packets that it cuts (GSO). The settings are those
// of our rows. The baseline of the rows quic-….
#pragma once
#include <gnutls/gnutls.h>
#include <netinet/in.h>
#include <ngtcp2/ngtcp2.h>
#include <ngtcp2/ngtcp2_crypto.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

namespace trellis::bench {

class RawQuic;

/// One connection.
struct RawQuicPeer {
  explicit RawQuicPeer(RawQuic& end) : owner(end) {}
  RawQuicPeer(const RawQuicPeer&) = delete;
  RawQuicPeer& operator=(const RawQuicPeer&) = delete;
  ~RawQuicPeer();

  // For the measurement
  std::size_t bytes_to_send = 0;         ///< on one stream, which ends after them
  std::size_t datagrams_to_send = 0;     ///< of kRawDatagram bytes each
  std::size_t bytes = 0, datagrams = 0;  ///< received
  bool complete = false;                 ///< the handshake is
  bool finished = false;                 ///< the peer's stream has ended, or all of ours has been acknowledged
  bool over = false;                     ///< the peer has closed the connection

  RawQuic& owner;
  ngtcp2_conn* connection = nullptr;
  gnutls_session_t session = nullptr;
  ngtcp2_crypto_conn_ref reference{};
  sockaddr_in remote{};
  std::int64_t stream = -1;
  std::size_t sent = 0;
  std::vector<ngtcp2_cid> ids;
};

inline constexpr std::size_t kRawDatagram = 1200;
/// Sizes of packets that are tried, as our layer does: the last one is the largest.
inline constexpr std::array<std::uint16_t, 3> kRawQuicProbes{1452, 8952, 16'250};
inline constexpr std::size_t kRawQuicPacket = kRawQuicProbes.back();

/// One socket with its connections.
class RawQuic {
 public:
  explicit RawQuic(bool server);
  RawQuic(const RawQuic&) = delete;
  RawQuic& operator=(const RawQuic&) = delete;
  ~RawQuic();
  std::uint16_t port() const;
  /// A client's next connection. It begins with the next turn.
  RawQuicPeer& dial(std::uint16_t port);
  /// Waits for input or for a timer, and does what is to be done.
  void turn();
  /// Says goodbye and forgets it.
  void close(RawQuicPeer& peer);
  std::vector<std::unique_ptr<RawQuicPeer>> peers;

 private:
  struct Tables;
  friend struct RawQuicCalls;
  void begin(RawQuicPeer& peer, const ngtcp2_pkt_hd* first);
  void read_all();
  void take(const std::uint8_t* packet, std::size_t size, const sockaddr_in& from, std::uint8_t ecn);
  void write(RawQuicPeer& peer);
  ngtcp2_ssize write_packet(RawQuicPeer& peer, ngtcp2_pkt_info& info, std::uint8_t* out, std::size_t size);
  void send(const RawQuicPeer& peer, std::size_t size, std::size_t segment, std::uint8_t ecn);
  RawQuicPeer* find(const ngtcp2_version_cid& header);

  const bool server_;
  int socket_, epoll_;
  sockaddr_in local_;
  gnutls_certificate_credentials_t credentials_ = nullptr;
  std::unique_ptr<Tables> tables_;
};

}  // namespace trellis::bench
