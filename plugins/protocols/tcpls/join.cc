#include "join.h"

#include <algorithm>
#include <format>
#include <utility>

namespace trellis::tcpls {
namespace {

using tls::AlertDescription;
using Bytes = std::span<const std::byte>;

constexpr std::uint8_t kHandshake = 22, kClientHelloType = 1, kServerHelloType = 2;
constexpr std::uint16_t kSupportedVersions = 43, kKeyShare = 51, kX25519 = 0x001d;

/// Reads big-endian numbers and vectors; says no when there is not enough.
class Reader {
 public:
  explicit Reader(Bytes bytes) : rest_(bytes) {}
  bool number(unsigned size, std::size_t& value) {
    Bytes bytes;
    if (!take(size, bytes)) return false;
    value = 0;
    for (const std::byte b : bytes) value = value << 8 | std::to_integer<std::size_t>(b);
    return true;
  }
  bool take(std::size_t size, Bytes& bytes) {
    if (size > rest_.size()) return false;
    bytes = rest_.first(size);
    rest_ = rest_.subspan(size);
    return true;
  }
  bool vector(unsigned length_size, Bytes& bytes) {
    std::size_t size = 0;
    return number(length_size, size) && take(size, bytes);
  }
  bool empty() const { return rest_.empty(); }

 private:
  Bytes rest_;
};

std::unexpected<Error> cut_off(const char* what) {
  return tls::fail(AlertDescription::decode_error, std::format("the peer sent a {} that is cut off", what));
}

// The body of the handshake message that a record consists of; empty: it does
// not end in the record.
Result<Bytes> message(Bytes record, std::uint8_t type, const char* name) {
  Reader reader(record);
  std::size_t content = 0, version = 0, length = 0, found = 0;
  if (!reader.number(1, content) || !reader.number(2, version) || !reader.number(2, length)) return cut_off(name);
  if (content != kHandshake) {
    return tls::fail(AlertDescription::unexpected_message,
                     std::format("the peer began with a record of type {}, expected a {}", content, name));
  }
  if (!reader.number(1, found) || !reader.number(3, length)) return cut_off(name);
  if (found != type) {
    return tls::fail(AlertDescription::unexpected_message,
                     std::format("the peer began with handshake message {}, expected a {}", found, name));
  }
  Bytes body;
  if (!reader.take(length, body)) return Bytes{};
  return body;
}

// The token of tcpls_join: fixed, or with its length in front (decision D22).
Result<Token> read_token(Bytes value) {
  if (value.size() == 33 && value[0] == std::byte{32}) value = value.subspan(1);
  if (value.size() != 32) {
    return tls::fail(AlertDescription::decode_error,
                     std::format("the peer sent tcpls_join with {} bytes, expected 32 or 33", value.size()));
  }
  Token token;
  std::ranges::copy(value, token.begin());
  return token;
}

void put(std::vector<std::uint8_t>& to, std::size_t value, unsigned size) {
  while (size-- > 0) to.push_back(static_cast<std::uint8_t>(value >> (8 * size)));
}
void put(std::vector<std::uint8_t>& to, Bytes bytes) {
  const auto* const first = reinterpret_cast<const std::uint8_t*>(bytes.data());
  to.insert(to.end(), first, first + bytes.size());
}

}  // namespace

Result<Hello> read_client_hello(Bytes record, const CodePoints& codes) noexcept {
  auto body = message(record, kClientHelloType, "ClientHello");
  if (!body) return trellis::fail(std::move(body));
  Hello hello;
  if (body->empty()) return hello;
  Reader reader(*body);
  Bytes skipped, extensions, value;
  if (!reader.take(2 + 32, skipped) || !reader.vector(1, hello.session_id) || !reader.vector(2, skipped) ||
      !reader.vector(1, skipped) || !reader.vector(2, extensions))
    return cut_off("ClientHello");
  if (hello.session_id.size() > 32) return cut_off("ClientHello");
  Reader list(extensions);
  bool announced = false;
  for (std::size_t type = 0; !list.empty();) {
    if (!list.number(2, type) || !list.vector(2, value)) return cut_off("ClientHello");
    if (type == codes.announce && std::exchange(announced, true))
      return tls::fail(AlertDescription::illegal_parameter, "the peer sent the extension tcpls twice");
    if (type != codes.join) continue;
    if (hello.join) {
      return tls::fail(AlertDescription::illegal_parameter, "the peer sent the extension tcpls_join twice");
    }
    auto token = read_token(value);
    if (!token) return trellis::fail(std::move(token));
    hello.join = *token;
  }
  return hello;
}

std::vector<std::uint8_t> server_hello(const Hello& hello, std::uint16_t suite, Executor& executor) {
  constexpr std::size_t kRandom = 32, kExtensions = 6 + 4 + 4 + kRandom;
  const std::size_t body = 2 + kRandom + 1 + hello.session_id.size() + 2 + 1 + 2 + kExtensions;
  std::array<std::byte, 2 * kRandom> random{};
  executor.secret(random);
  std::vector<std::uint8_t> record;
  record.reserve(5 + 4 + body);
  put(record, kHandshake, 1);
  put(record, 0x0303, 2);
  put(record, 4 + body, 2);
  put(record, kServerHelloType, 1);
  put(record, body, 3);
  put(record, 0x0303, 2);
  put(record, Bytes(random).first(kRandom));
  put(record, hello.session_id.size(), 1);
  put(record, hello.session_id);
  put(record, suite, 2);
  put(record, 0, 1);
  put(record, kExtensions, 2);
  put(record, kSupportedVersions, 2);
  put(record, 2, 2);
  put(record, 0x0304, 2);
  put(record, kKeyShare, 2);
  put(record, 4 + kRandom, 2);
  put(record, kX25519, 2);
  put(record, kRandom, 2);
  put(record, Bytes(random).last(kRandom));  // nobody agrees on a key: it only has to look like one
  return record;
}

Result<void> check_server_hello(Bytes record, std::uint16_t suite) noexcept {
  auto body = message(record, kServerHelloType, "ServerHello");
  if (!body) return trellis::fail(std::move(body));
  Reader reader(*body);
  Bytes skipped, extensions, value;
  std::size_t chosen = 0, version = 0;
  if (!reader.take(2 + 32, skipped) || !reader.vector(1, skipped) || !reader.number(2, chosen) ||
      !reader.take(1, skipped) || !reader.vector(2, extensions))
    return cut_off("ServerHello");
  Reader list(extensions);
  for (std::size_t type = 0; !list.empty();) {
    if (!list.number(2, type) || !list.vector(2, value)) return cut_off("ServerHello");
    if (type == kSupportedVersions) (void)Reader(value).number(2, version);
  }
  if (chosen == suite && version == 0x0304) return {};
  return tls::fail(AlertDescription::illegal_parameter, std::format("the peer answered a join with version {:#06x} "
                                                                    "and cipher suite {:#06x}, expected 0x0304 "
                                                                    "and {:#06x}",
                                                                    version, chosen, suite));
}

std::array<std::uint8_t, 7> plain_alert(AlertDescription alert) noexcept {
  return {21, 3, 3, 0, 2, 2, static_cast<std::uint8_t>(alert)};
}

}  // namespace trellis::tcpls
