#include "core/ice_message.h"

#include <algorithm>
#include <format>

namespace trellis {
namespace {

constexpr std::string_view kIceChars = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr std::size_t kUfragLeast = 4, kPasswordLeast = 22, kCredentialMost = 256;  // RFC 8839 section 5.4
constexpr std::size_t kFreshUfrag = 8, kFreshPassword = 24;

std::span<const std::byte> key_of(const std::string& password) { return std::as_bytes(std::span(password)); }

IceSession::Bytes finished(StunWriter& writer, const std::string& password) {
  writer.sign(Hash::sha1, key_of(password)).add_fingerprint();
  return {writer.bytes().begin(), writer.bytes().end()};
}

std::array<std::byte, 8> eight_bytes(std::uint64_t number) {
  std::array<std::byte, 8> bytes;
  for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<std::byte>(number >> (56 - 8 * i));
  return bytes;
}

std::string fresh(Executor& executor, std::size_t size) {
  std::string text(size, ' ');
  executor.secret(std::as_writable_bytes(std::span(text)));
  for (char& c : text) c = kIceChars[static_cast<unsigned char>(c) % kIceChars.size()];
  return text;
}

}  // namespace

IceSession::Bytes IceSession::request(const StunId& id, std::uint32_t priority, bool controlling,
                                      std::uint64_t tie_breaker, bool nominates) const {
  StunWriter writer(StunClass::request, StunMethod::binding, id);
  writer.add(StunType::username, peer_.ufrag + ":" + own_.ufrag).add(StunType::priority, priority);
  writer.add(controlling ? StunType::ice_controlling : StunType::ice_controlled, eight_bytes(tie_breaker));
  if (nominates) writer.add(StunType::use_candidate, std::string_view());
  return finished(writer, peer_.password);
}

IceSession::Bytes IceSession::success(const StunMessage& request, const Address& seen) const {
  StunWriter writer(StunClass::success, StunMethod::binding, request.id);
  writer.add(StunType::xor_mapped_address, seen);
  return finished(writer, own_.password);
}

// RFC 8489 section 9.1.3: whoever is not known is not signed for.
IceSession::Bytes IceSession::refusal(const StunMessage& request, unsigned code, std::string_view reason) const {
  StunWriter writer(StunClass::refusal, StunMethod::binding, request.id);
  Bytes value{std::byte{0}, std::byte{0}, static_cast<std::byte>(code / 100), static_cast<std::byte>(code % 100)};
  std::ranges::copy(std::as_bytes(std::span(reason)), std::back_inserter(value));
  writer.add(StunType::error_code, value);
  if (code == kUnknownAttribute) {
    Bytes types;
    for (const auto& attribute : request.attributes) {
      if (is_known(attribute.type)) continue;
      types.push_back(static_cast<std::byte>(static_cast<unsigned>(attribute.type) >> 8));
      types.push_back(static_cast<std::byte>(attribute.type));
    }
    writer.add(StunType::unknown_attributes, types);
  }
  if (code != kBadRequest && code != kWrongCredentials) return finished(writer, own_.password);
  writer.add_fingerprint();
  return {writer.bytes().begin(), writer.bytes().end()};
}

unsigned IceSession::judge(const StunMessage& request) const {
  const std::string_view username = request.text(StunType::username);
  if (username.empty() || request.find(StunType::message_integrity) == nullptr) return kBadRequest;
  if (!username.starts_with(own_.ufrag + ":") || !request.signed_with(Hash::sha1, key_of(own_.password)))
    return kWrongCredentials;
  const bool all_known = std::ranges::all_of(request.attributes, [](const auto& a) { return is_known(a.type); });
  return all_known ? 0 : kUnknownAttribute;
}

bool IceSession::from_peer(const StunMessage& answer) const {
  return answer.signed_with(Hash::sha1, key_of(peer_.password));
}

std::optional<IceSession::Bytes> IceSession::late(std::span<const std::byte> datagram, const Address& from) const {
  const auto message = read_stun(datagram);
  if (!message || message->method != static_cast<std::uint16_t>(StunMethod::binding)) return std::nullopt;
  if (message->kind != StunClass::request) return from_peer(*message) ? std::optional(Bytes()) : std::nullopt;
  if (judge(*message) != 0) return std::nullopt;
  return success(*message, from);
}

Result<void> check_credentials(const IceCredentials& credentials, std::string_view whose) {
  const auto check = [&](const std::string& text, std::size_t least, const char* what) -> Result<void> {
    const bool good = text.find_first_not_of(kIceChars) == std::string::npos;
    if (good && text.size() >= least && text.size() <= kCredentialMost) return {};
    return fail(Reason::invalid_argument,
                std::format("found {} {} of {} characters{}, expected {} to {} letters, digits, + or /", whose, what,
                            text.size(), good ? "" : ", some of which ICE does not take", least, kCredentialMost));
  };
  if (auto checked = check(credentials.ufrag, kUfragLeast, "ufrag"); !checked) return checked;
  return check(credentials.password, kPasswordLeast, "password");
}

IceCredentials fresh_credentials(Executor& executor) {
  std::string ufrag = fresh(executor, kFreshUfrag);
  return {std::move(ufrag), fresh(executor, kFreshPassword)};
}

}  // namespace trellis
