#include "negotiation.h"

#include <algorithm>
#include <array>
#include <format>

#include "dtls_error.h"

namespace trellis::dtls {

// The library has never seen the hello that a cookie was asked for, so it is told of it now: its own request, which
// nobody needs any more, makes it count messages as the client does.
Result<void> Negotiation::begin(const OpenArgs& args, const FirstHello* hello) {
  if (auto begun = handshake_.begin(args, hello != nullptr ? hello->client : std::string()); !begun) return begun;
  if (hello == nullptr) {
    collect();
    return {};
  }
  for (std::uint16_t i = 0; i < hello->sequence; ++i) {
    if (auto fed = feed(ContentType::handshake, hello->without_cookie(i)); !fed) return fed;
    flight_.clear();
  }
  reassembly_.begin_at(static_cast<std::uint16_t>(hello->sequence + 1));
  return feed(ContentType::handshake, hello->message);
}

Result<Negotiation::Heard> Negotiation::take(const RecordHeader& header, const Slice& record) {
  if (header.epoch() > 0) {
    auto fed = feed_protected(record);
    hold(record);
    if (!fed) return fail(std::move(fed));
    return Heard::message;
  }
  const auto content = record.bytes().subspan(kRecordHeader);
  if (header.type == ContentType::handshake) {
    const auto heard = reassembly_.add(content);
    if (heard == Reassembly::Heard::news) {
      if (auto done = deliver(); !done) return fail(std::move(done));
      return Heard::message;
    }
    return heard == Reassembly::Heard::old ? Heard::old : Heard::nothing;
  }
  const bool alert = header.type == ContentType::alert && content.size() == 2;
  const bool change =
      header.type == ContentType::change_cipher_spec && content.size() == 1 && content[0] == std::byte{1};
  if (!alert && !change) return Heard::nothing;
  if (auto fed = feed(header.type, content); !fed) return fail(std::move(fed));
  if (auto fed = feed_held(); !fed) return fail(std::move(fed));
  return Heard::message;
}

// Gives the library all messages whose turn has come.
Result<void> Negotiation::deliver() {
  while (!paused_ && !handshake_.must_ask()) {
    const auto message = reassembly_.next();
    if (message.empty()) return feed_held();
    last_message_ = static_cast<MessageType>(message.front());
    if (last_message_ == MessageType::hello_verify_request && ++cookies_ > kCookiesMost) {
      constexpr auto kAlert = tls::AlertDescription::unexpected_message;
      say(kAlert);
      return std::unexpected(
          make_error(Reason::protocol_violation, static_cast<Code>(kAlert),
                     std::format("{} asks for a cookie again, after {}", handshake_.peer_name(), kCookiesMost)));
    }
    if (auto fed = feed(ContentType::handshake, message); !fed) return fed;
  }
  return {};
}

Result<void> Negotiation::resume() {
  paused_ = false;
  collect();
  return deliver();
}

// The keys for it may come later than the record. Anybody may send such: the oldest make room.
void Negotiation::hold(const Slice& record) {
  if (record.size() > kHeldBytesMost) return;
  held_bytes_ += record.size();
  held_.push_back(pool_.allocate(0, record.size(), 0));  // the block that it came in may be much larger
  std::ranges::copy(record.bytes(), held_.back().edit().begin());
  while (held_.size() > kHeldMost || held_bytes_ > kHeldBytesMost) {
    held_bytes_ -= held_.front().size();
    held_.erase(held_.begin());
  }
}

Result<void> Negotiation::feed_held() {
  for (const Slice& record : held_) {
    if (auto fed = feed_protected(record); !fed) return fed;
  }
  return {};
}

// The library passes over what it has no keys for yet, and over what it has read.
Result<void> Negotiation::feed_protected(const Slice& record) {
  if (complete() || paused_ || handshake_.must_ask()) return {};
  const auto header = RecordHeader::read(record.bytes());
  const bool may_be_finished = header->type == ContentType::handshake && record.size() <= kFinishedMost;
  if ((!may_be_finished && header->type != ContentType::alert) || tries_++ >= kFinishedTries) return {};
  auto fed = handshake_.feed(octets(record.bytes()));
  collect();
  return fed;
}

Result<void> Negotiation::feed(ContentType type, std::span<const std::byte> content) {
  std::vector<std::byte> record(kRecordHeader + content.size());
  RecordHeader{.type = type, .number = next_number_++, .length = static_cast<std::uint16_t>(content.size())}.write(
      std::span(record).first<kRecordHeader>());
  std::ranges::copy(content, record.begin() + kRecordHeader);
  auto fed = handshake_.feed(octets(record));
  collect();
  return fed;
}

// While the application is asked about the peer our next flight stays where it is.
void Negotiation::collect() {
  auto& made = handshake_.output();
  if (made.empty() || paused_ || handshake_.must_ask()) return;
  flight_.take(std::as_bytes(std::span(made)));
  made.clear();
  news_ = true;
}

// Whoever has read a record passes over it when it comes again, and would not answer it.
void Negotiation::repeat() {
  handshake_.repeat();
  collect();
  news_ = false;
}

void Negotiation::say(tls::AlertDescription alert) {
  constexpr std::byte kFatal{2};
  std::array<std::byte, kRecordHeader + 2> record{};
  RecordHeader{.type = ContentType::alert, .length = 2}.write(std::span(record).first<kRecordHeader>());
  record[kRecordHeader] = kFatal;
  record[kRecordHeader + 1] = static_cast<std::byte>(alert);
  handshake_.output().clear();
  paused_ = false;
  flight_.take(record);
  news_ = true;
}

}  // namespace trellis::dtls
