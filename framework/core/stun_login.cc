#include "core/stun_login.h"

#include <format>
#include <utility>

namespace trellis {
namespace {

constexpr std::size_t kTextMost = 763;                  // bytes of a realm or a nonce (RFC 8489 sections 14.9, 14.10)
constexpr std::size_t kAlgorithmsMost = 64;             // bytes of PASSWORD-ALGORITHMS: they are sent back
constexpr std::string_view kNonceCookie = "obMatJos2";  // RFC 8489 section 9.2
constexpr std::byte kMd5Algorithm{1}, kSha256Algorithm{2};  // RFC 8489 section 18.5

// Whether the server's nonce says that it has told its algorithms: else somebody on the way has taken them out.
bool promises_algorithms(std::string_view nonce) noexcept {
  if (!nonce.starts_with(kNonceCookie) || nonce.size() < kNonceCookie.size() + 4) return false;
  constexpr std::string_view kUpperHalf = "ghijklmnopqrstuvwxyz0123456789+/";  // of base64: the first bit is set
  return kUpperHalf.contains(nonce[kNonceCookie.size()]);
}

bool offers(std::span<const std::byte> algorithms, std::byte wanted) noexcept {
  while (algorithms.size() >= 4) {
    if (algorithms[0] == std::byte{0} && algorithms[1] == wanted) return true;
    const std::size_t size =
        std::to_integer<std::size_t>(algorithms[2]) << 8 | std::to_integer<std::size_t>(algorithms[3]);
    const std::size_t whole = 4 + (size + 3) / 4 * 4;
    algorithms = algorithms.subspan(std::min(whole, algorithms.size()));
  }
  return false;
}

}  // namespace

StunLogin::StunLogin(std::string username, std::string password)
    : username_(std::move(username)), password_(std::move(password)) {}

Result<Hash> StunLogin::choose(const StunMessage& refusal) {
  const StunMessage::Attribute* const told = refusal.find(StunType::password_algorithms);
  if (told == nullptr) {
    algorithms_.clear();
    if (!promises_algorithms(nonce_)) return Hash::md5;
    return fail(Reason::authentication, "found no PASSWORD-ALGORITHMS, which its nonce promises", 0, "stun");
  }
  if (told->value.size() > kAlgorithmsMost)
    return fail(
        Reason::protocol_violation,
        std::format("found PASSWORD-ALGORITHMS of {} bytes, expected at most {}", told->value.size(), kAlgorithmsMost),
        0, "stun");
  algorithms_.assign(told->value.begin(), told->value.end());
  if (offers(algorithms_, kSha256Algorithm)) return Hash::sha256;
  if (offers(algorithms_, kMd5Algorithm)) return Hash::md5;
  return fail(Reason::unsupported, "found no password algorithm that is known, expected SHA-256 or MD5", 0, "stun");
}

Result<void> StunLogin::challenged(const StunMessage& refusal) {
  realm_ = refusal.text(StunType::realm);
  nonce_ = refusal.text(StunType::nonce);
  key_.clear();
  if (realm_.empty() || realm_.size() > kTextMost || nonce_.empty() || nonce_.size() > kTextMost)
    return fail(Reason::protocol_violation,
                std::format("found a realm of {} and a nonce of {} bytes, expected 1 to {} each", realm_.size(),
                            nonce_.size(), kTextMost),
                0, "stun");
  const auto hash = choose(refusal);
  if (!hash) return std::unexpected(hash.error());
  password_hash_ = *hash;
  key_ = hash_of(password_hash_, username_ + ":" + realm_ + ":" + password_);
  return {};
}

void StunLogin::sign(StunWriter& request) const {
  if (!known()) return;
  request.add(StunType::username, username_).add(StunType::realm, realm_).add(StunType::nonce, nonce_);
  if (!algorithms_.empty()) {
    const std::byte algorithm = password_hash_ == Hash::sha256 ? kSha256Algorithm : kMd5Algorithm;
    const std::byte one[] = {std::byte{0}, algorithm, std::byte{0}, std::byte{0}};
    request.add(StunType::password_algorithms, algorithms_).add(StunType::password_algorithm, one);
  }
  request.sign(algorithms_.empty() ? Hash::sha1 : Hash::sha256, key_);
}

bool StunLogin::fits(const StunMessage& answer) const {
  return answer.signed_with(algorithms_.empty() ? Hash::sha1 : Hash::sha256, key_);
}

}  // namespace trellis
