#include "cookies.h"

#include <botan/mem_ops.h>
#include <botan/symkey.h>
#include <botan/tls_messages_12.h>

#include <algorithm>
#include <cstring>

#include "credentials.h"

namespace trellis::dtls {
namespace {

constexpr std::uint16_t kVersion10 = 0xfeff;  // of a HelloVerifyRequest, whatever follows
constexpr std::uint16_t kAskedMost = 4;       // times that a client may have been asked
constexpr std::size_t kRandomAt = kMessageHeader + 2, kRandom = 32;
constexpr std::size_t kSessionAt = kRandomAt + kRandom;
constexpr std::chrono::minutes kEra(1);  // a cookie serves in its own and in the next one

// Where the cookie lies behind the session id: the place of its length. 0: nowhere.
std::size_t cookie_at(std::span<const std::byte> message) noexcept {
  if (message.size() <= kSessionAt) return 0;
  const std::size_t at = kSessionAt + 1 + std::to_integer<std::size_t>(message[kSessionAt]);
  return at < message.size() && at + std::to_integer<std::size_t>(message[at]) < message.size() ? at : 0;
}

std::string client_name(const Address& from, std::int64_t era) {
  std::string name(reinterpret_cast<const char*>(from.ip.data()), from.ip.size());
  for (const auto number : {static_cast<std::int64_t>(from.family), static_cast<std::int64_t>(from.port),
                            static_cast<std::int64_t>(from.scope), era})
    name += ' ' + std::to_string(number);
  return name;
}

std::vector<std::uint8_t> cookie_for(const Botan::TLS::Client_Hello_12& hello, const std::string& client,
                                     tls::Credentials& credentials) {
  return Botan::TLS::Hello_Verify_Request(hello.cookie_input_data(), client,
                                          Botan::SymmetricKey(credentials.dtls_cookie_secret()))
      .cookie();
}

Slice ask_for(std::span<const std::uint8_t> cookie, const RecordHeader& asked, const MessageHeader& hello,
              BlockPool& pool) {
  const auto body = static_cast<std::uint32_t>(3 + cookie.size());
  Slice reply = pool.allocate(0, static_cast<std::uint32_t>(kRecordHeader + kMessageHeader) + body, 0);
  const auto out = reply.edit();
  // The client's own numbers, so that none is used twice however often it asks.
  RecordHeader{.type = ContentType::handshake,
               .version = kVersion10,
               .number = asked.number,
               .length = static_cast<std::uint16_t>(kMessageHeader + body)}
      .write(out.first<kRecordHeader>());
  MessageHeader{.type = MessageType::hello_verify_request, .length = body, .sequence = hello.sequence, .piece = body}
      .write(out.subspan<kRecordHeader, kMessageHeader>());
  const auto content = out.subspan(kRecordHeader + kMessageHeader);
  content[0] = std::byte{kVersion10 >> 8};
  content[1] = std::byte{kVersion10 & 0xff};
  content[2] = static_cast<std::byte>(cookie.size());
  std::memcpy(content.data() + 3, cookie.data(), cookie.size());
  return reply;
}

struct Opening {
  RecordHeader record;
  MessageHeader message;
  std::span<const std::byte> bytes;  // of the message
};

// A first message that is cut in pieces is not put together: nothing is kept of strangers.
std::optional<Opening> opening_of(std::span<const std::byte> datagram) noexcept {
  const auto record = RecordHeader::read(datagram);
  if (!record || record->type != ContentType::handshake || record->epoch() != 0) return std::nullopt;
  const auto content = datagram.subspan(kRecordHeader, record->length);
  const auto message = MessageHeader::read(content);
  if (!message || message->type != MessageType::client_hello || !message->whole()) return std::nullopt;
  return Opening{*record, *message, content.first(kMessageHeader + message->piece)};
}

}  // namespace

std::span<const std::byte> FirstHello::random() const noexcept {
  return std::span(message).subspan(kRandomAt, kRandom);
}

std::vector<std::byte> FirstHello::without_cookie(std::uint16_t as_sequence) const {
  const std::size_t at = cookie_at(message);
  std::vector<std::byte> bare = message;
  const auto cookie = bare.begin() + static_cast<std::ptrdiff_t>(at);
  bare.erase(cookie + 1, cookie + 1 + std::to_integer<std::ptrdiff_t>(*cookie));
  bare[at] = std::byte{0};
  const auto length = static_cast<std::uint32_t>(bare.size() - kMessageHeader);
  MessageHeader{.type = MessageType::client_hello, .length = length, .sequence = as_sequence, .piece = length}.write(
      std::span(bare).first<kMessageHeader>());
  return bare;
}

bool is_client_hello(std::span<const std::byte> datagram) noexcept { return opening_of(datagram).has_value(); }

Judgement judge_stranger(std::span<const std::byte> datagram, const Address& from,
                         std::chrono::system_clock::time_point now, tls::Credentials& credentials,
                         BlockPool& pool) noexcept try {
  const auto opening = opening_of(datagram);
  if (!opening || opening->message.sequence > kAskedMost || cookie_at(opening->bytes) == 0) return {};
  const auto body = octets(opening->bytes.subspan(kMessageHeader));
  const Botan::TLS::Client_Hello_12 hello(std::vector<std::uint8_t>(body.begin(), body.end()));
  const std::int64_t era = now.time_since_epoch() / kEra;
  for (const std::int64_t of : {era, era - 1}) {
    std::string client = client_name(from, of);
    const auto cookie = cookie_for(hello, client, credentials);
    if (hello.cookie().size() != cookie.size() || opening->message.sequence == 0 ||
        !Botan::constant_time_compare(hello.cookie(), cookie)) {
      continue;
    }
    return {.hello = FirstHello{.message = {opening->bytes.begin(), opening->bytes.end()},
                                .sequence = opening->message.sequence,
                                .record_number = opening->record.number,
                                .client = std::move(client)},
            .reply = {}};
  }
  const auto cookie = cookie_for(hello, client_name(from, era), credentials);
  return {.hello = std::nullopt, .reply = ask_for(cookie, opening->record, opening->message, pool)};
} catch (const std::exception&) {
  return {};  // a ClientHello that cannot be read
}

}  // namespace trellis::dtls
