#include "conformance/party.h"

#include <algorithm>
#include <cstring>
#include <format>
#include <numeric>

#include "conformance/pattern.h"

namespace trellis::conformance {

std::uint64_t Script::total() const { return std::accumulate(sizes.begin(), sizes.end(), std::uint64_t{0}); }

Party::Party(Side side, Scene& scene, const Facts& facts, std::uint64_t seed)
    : side_(side), scene_(scene), facts_(facts), seed_(seed), random_(SeededRandom(seed).fork(to_string(side))) {}

std::uint64_t Party::key(Side from, std::size_t index) const {
  return mix(seed_ * 2 + static_cast<std::uint64_t>(from) + 1) ^ mix(index * 0x9e3779b97f4a7c15u + 7);
}

void Party::play(Connection mine) {
  connection = std::move(mine);
  connection.on_writable([this] { pump(); });
  connection.on_failed([this](const Error& error) { failed(error); });
  pump();
  if (script.read) ask();
}

void Party::on_ready(Result<void> how) {
  if (!how) return failed(how.error());
  ready_ = true;
  scene_.say(to_string(side_), "application: ready");
  if (script.close_at_once) step();
}

// ---- sending

void Party::pump() {
  while (connection && !ended() && !closing_ && !sent_all() && its_turn() && send_next()) {
  }
  step();
}

// In lockstep each side sends a message for each that it has received; the client begins.
bool Party::its_turn() const {
  if (!script.lockstep || peer == nullptr || part_left_ > 0) return true;
  const std::size_t heard = next_ + (side_ == Side::server ? 1 : 0);
  if (facts_.stack.face != Face::bytestream) return messages_ >= std::min(heard, peer->script.sizes.size());
  std::uint64_t before = 0;
  for (std::size_t i = 0; i < std::min(heard, peer->script.sizes.size()); ++i) before += peer->script.sizes[i];
  return bytes_ >= before;
}

bool Party::send_next() {
  const std::uint32_t whole = script.sizes[next_];
  const std::uint32_t left = part_left_ > 0 ? part_left_ : whole;
  const bool cut = script.in_parts && left > 1 && random_.chance(0.5);
  const std::uint32_t size = cut ? static_cast<std::uint32_t>(1 + random_.below(left - 1)) : left;
  const bool stream = facts_.stack.face == Face::bytestream;
  Slice data = connection.allocate(size);
  const auto out = data.edit();
  fill_pattern(out, key(side_, stream ? 0 : next_), stream ? bytes_sent_ : whole - left, facts_.text);
  if (!facts_.exact() && !stream && size >= 4) {
    const auto index = static_cast<std::uint32_t>(next_);
    std::memcpy(out.data(), &index, sizeof index);
  }
  bytes_sent_ += size;
  part_left_ = left - size;
  const bool end = part_left_ == 0;
  if (end) ++next_;
  if (!script.ask_fates) return connection.send(std::move(data), end);
  return connection.send(Message{.data = std::move(data), .end = end},
                         [this](Fate fate, const Error*) { ++fates_[static_cast<int>(fate)]; });
}

// What follows once everything was sent, received, or both.
void Party::step() {
  if (!connection || ended() || closing_ || !sent_all()) return;
  if (script.finish && !std::exchange(finished_, true)) connection.finish();
  if (!ready_) return;
  const bool now = script.close_at_once || (script.close && received_all()) || (script.close_at_final && final_);
  if (now) close();
}

void Party::close() {
  if (closing_ || ended() || !connection) return;
  closing_ = true;
  asking_ = false;
  scene_.say(to_string(side_), "application: close");
  connection.close([this](Result<void> how) {
    scene_.say(to_string(side_), how ? "application: closed" : "application: close failed: " + how.error().detail);
    if (how)
      closed_ = true;
    else
      failed(how.error());
  });
}

// ---- receiving

void Party::start_reading() {
  script.read = true;
  ask();
}

void Party::stop_reading() {
  script.read = false;
  if (std::exchange(asking_, false)) connection.cancel_receive();
}

void Party::ask() {
  if (asking_ || closing_ || final_ || ended() || !connection) return;
  asking_ = true;
  connection.receive(script.read_least, script.read_most, [this](Result<Message> message) {
    asking_ = false;
    heard(std::move(message));
  });
}

void Party::heard(Result<Message> message) {
  if (!message) return failed(message.error());
  if (message->data.size() > 0 || !message->final) judge(*message);
  if (message->final) {
    final_ = true;
    scene_.say(to_string(side_), "application: the peer has finished");
    if (in_message_ > 0) {
      scene_.broken("X3", std::format("the {} was told the end of the stream in the middle of message {}",
                                      to_string(side_), messages_));
    }
  }
  if (script.lockstep)
    pump();
  else
    step();
  if (script.read) ask();
}

void Party::judge(const Message& message) {
  if (garbled) return;
  if (facts_.stack.face == Face::bytestream) return judge_stream(message.data.bytes());
  if (facts_.exact()) return judge_ordered(message);
  judge_any(message);
}

void Party::judge_stream(std::span<const std::byte> bytes) {
  const std::uint64_t stream = key(other(side_), 0);
  const auto wrong = find_mismatch(bytes, stream, bytes_, facts_.text);
  if (wrong) {
    std::string what = "it comes from nowhere: bytes were changed";
    const auto rest = bytes.subspan(*wrong, std::min<std::size_t>(8, bytes.size() - *wrong));
    const std::uint64_t from = bytes_ + *wrong;
    for (std::uint64_t at = from < 100'000 ? 0 : from - 100'000; at < from + 100'000 && rest.size() >= 4; ++at) {
      if (find_mismatch(rest, stream, at, facts_.text)) continue;
      what = at > from ? std::format("{} bytes before it are missing", at - from)
                       : std::format("it came {} bytes before already", from - at);
      break;
    }
    scene_.broken("X1", std::format("byte {} that the {} received is not byte {} of what was sent: {}", from,
                                    to_string(side_), from, what));
  }
  bytes_ += bytes.size();
  if (peer != nullptr && bytes_ > peer->bytes_sent_) {
    scene_.broken("X1", std::format("the {} received {} bytes, but only {} were sent", to_string(side_), bytes_,
                                    peer->bytes_sent_));
  }
}

void Party::judge_ordered(const Message& message) {
  if (peer == nullptr) return;
  if (messages_ >= peer->script.sizes.size()) {
    return scene_.broken(
        "X3", std::format("the {} received more than the {} messages that were sent", to_string(side_), messages_));
  }
  const std::uint32_t size = peer->script.sizes[messages_];
  if (find_mismatch(message.data.bytes(), key(other(side_), messages_), in_message_, facts_.text)) {
    scene_.broken(
        "X3", std::format("message {} that the {} received, of {} bytes, has other content than message {} that was "
                          "sent, of {} bytes",
                          messages_, to_string(side_), in_message_ + message.data.size(), messages_, size));
  }
  bytes_ += message.data.size();
  in_message_ += message.data.size();
  if (!message.end) return;
  if (in_message_ != size) {
    scene_.broken("X3", std::format("message {} came to the {} with {} bytes, it was sent with {}", messages_,
                                    to_string(side_), in_message_, size));
  }
  in_message_ = 0;
  ++messages_;
}

// Messages that may be lost or overtake each other carry their number, if they have room for it.
void Party::judge_any(const Message& message) {
  if (peer == nullptr) return;
  const auto bytes = message.data.bytes();
  const auto& sizes = peer->script.sizes;
  ++messages_;
  bytes_ += bytes.size();
  if (!message.end)
    return scene_.broken("X3", std::format("the {} received part of a message that may be lost", to_string(side_)));
  if (bytes.size() < 4) {
    const auto sent = std::ranges::count(sizes, static_cast<std::uint32_t>(bytes.size()));
    if (sent == 0)
      scene_.broken(
          "X3", std::format("the {} received a message of {} bytes, none was sent", to_string(side_), bytes.size()));
    return;
  }
  std::uint32_t index = 0;
  std::memcpy(&index, bytes.data(), sizeof index);
  seen_.resize(sizes.size());
  const bool known = index < sizes.size() && sizes[index] == bytes.size();
  if (!known || find_mismatch(bytes.subspan(4), key(other(side_), index), 4, facts_.text)) {
    return scene_.broken("X3",
                         std::format("the {} received a message of {} bytes that was not sent like that: it was cut, "
                                     "joined or changed",
                                     to_string(side_), bytes.size()));
  }
  if (seen_[index]) scene_.broken("X3", std::format("the {} received message {} twice", to_string(side_), index));
  seen_[index] = true;
}

bool Party::received_all() const {
  if (peer == nullptr) return true;
  if (facts_.stack.face == Face::bytestream) return bytes_ >= peer->script.total();
  return messages_ >= peer->script.sizes.size();
}

void Party::failed(const Error& error) {
  if (ended()) return;
  error_ = error;
  scene_.say(to_string(side_),
             std::format("application: failed: {}: {}: {}", error.layer, to_string(error.reason), error.detail));
}

std::string Party::state() const {
  std::string text = std::format("{}: {}, sent {} of {} messages, received {} of {} bytes", to_string(side_),
                                 ready_ ? "ready" : "not ready", next_, script.sizes.size(), bytes_,
                                 peer != nullptr ? peer->script.total() : 0);
  if (final_) text += ", heard the peer's end";
  if (closed_)
    text += ", closed";
  else if (closing_)
    text += ", closing";
  if (error_) text += std::format(", failed ({}: {})", to_string(error_->reason), error_->detail);
  return text;
}

}  // namespace trellis::conformance
