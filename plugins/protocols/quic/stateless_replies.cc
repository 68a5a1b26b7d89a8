#include "stateless_replies.h"

#include <ngtcp2/ngtcp2_crypto.h>

#include <algorithm>
#include <span>

namespace trellis::quic {
namespace {

constexpr std::uint32_t kReplyMost = 512;
constexpr std::size_t kSmallestFirst = 1200;  // a first datagram that is smaller is not answered (section 14.1)
constexpr unsigned kResetsPerSecond = 100;
constexpr std::size_t kLeastReset = NGTCP2_MIN_STATELESS_RESET_RANDLEN + NGTCP2_STATELESS_RESET_TOKENLEN;
constexpr std::size_t kUsualReset = 43;  // it should not be told from a packet with data

}  // namespace

template <class Write>
void StatelessReplies::reply(const Chunk& to, Write write) noexcept {
  if (lower_.credit() == 0) return;
  Slice packet = host_.executor().pool().allocate(0, kReplyMost, 0);
  const ngtcp2_ssize size = write(reinterpret_cast<std::uint8_t*>(packet.edit().data()));
  if (size <= 0) return;
  packet.drop_back(kReplyMost - static_cast<std::uint32_t>(size));
  lower_.push(Chunk{.data = std::move(packet), .info = to.info, .end_of_message = true});
}

void StatelessReplies::negotiate_version(const ngtcp2_version_cid& header, const Chunk& chunk) noexcept {
  if (chunk.data.size() < kSmallestFirst) return;
  reply(chunk, [&](std::uint8_t* out) {
    return ngtcp2_pkt_write_version_negotiation(out, kReplyMost, static_cast<std::uint8_t>(host_.executor().random()),
                                                header.scid, header.scidlen, header.dcid, header.dcidlen,
                                                settings_.versions.data(), settings_.versions.size());
  });
}

void StatelessReplies::retry(const ngtcp2_pkt_hd& first, const ngtcp2_cid& ours, const Token& token,
                             const Chunk& chunk) noexcept {
  reply(chunk, [&](std::uint8_t* out) {
    return ngtcp2_crypto_write_retry(out, kReplyMost, first.version, &first.scid, &ours, &first.dcid, token.data(),
                                     token.size());
  });
}

void StatelessReplies::refuse_token(const ngtcp2_pkt_hd& first, const Chunk& chunk) noexcept {
  reply(chunk, [&](std::uint8_t* out) {
    return ngtcp2_crypto_write_connection_close(out, kReplyMost, first.version, &first.scid, &first.dcid,
                                                NGTCP2_INVALID_TOKEN, nullptr, 0);
  });
}

// Smaller than what it answers: two ends that have both forgotten do not answer each other for ever.
void StatelessReplies::reset(const ngtcp2_version_cid& header, std::size_t packet_size, const Chunk& chunk) noexcept {
  if (packet_size <= kLeastReset || header.dcidlen != kIdBytes) return;
  const TimePoint now = host_.executor().now();
  if (now - second_ >= std::chrono::seconds(1)) {
    second_ = now;
    resets_ = 0;
  }
  if (++resets_ > kResetsPerSecond) return;
  std::uint8_t token[NGTCP2_STATELESS_RESET_TOKENLEN];
  std::uint8_t noise[kUsualReset - sizeof token];
  host_.executor().secret(std::as_writable_bytes(std::span(noise)));
  reset_tokens_.write(token, std::span<const std::uint8_t, kIdBytes>(header.dcid, kIdBytes));
  const std::size_t noise_size = std::min(packet_size - 1, kUsualReset) - sizeof token;
  reply(chunk,
        [&](std::uint8_t* out) { return ngtcp2_pkt_write_stateless_reset(out, kReplyMost, token, noise, noise_size); });
}

}  // namespace trellis::quic
