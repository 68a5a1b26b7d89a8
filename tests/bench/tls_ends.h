// tls_ends.h: what the rows over TLS have in common: a certificate, a stack that uses it, and a Botan channel on it.
#pragma once
#include <botan/tls_channel.h>

#include <memory>
#include <string>
#include <vector>

namespace trellis::bench {

inline const std::string kTestPki = TRELLIS_SOURCE_DIR "/plugins/protocols/tls/test-pki";

/// tls/tcp with that certificate, X25519 and AES-128-GCM, and more options: ",tickets=0". Or another layer on tcp that
/// has the same options.
std::string tls_stack(const std::string& more = {}, const std::string& layer = "tls");

/// quic/udp with the same.
std::string quic_stack(const std::string& more = {});

/// One end on the library's own channel, in memory, with the same algorithms.
class ChannelEnd {
 public:
  /// `resume`: a client keeps the tickets it is given, for the ends that follow it in this process.
  explicit ChannelEnd(bool server, bool resume = false);
  ~ChannelEnd();
  /// What came from the peer.
  void feed(std::span<const std::uint8_t> bytes);
  Botan::TLS::Channel& channel() { return *channel_; }
  std::vector<std::uint8_t> output;  ///< for the peer
  std::size_t received = 0;          ///< bytes of application data
  bool resumed = false;              ///< the handshake went on where an earlier one ended

 private:
  struct Calls;
  std::shared_ptr<Calls> calls_;
  std::unique_ptr<Botan::TLS::Channel> channel_;
};

}  // namespace trellis::bench
