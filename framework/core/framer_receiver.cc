#include "core/framer_receiver.h"

#include <algorithm>

#include "core/refill.h"

namespace trellis {
namespace {

constexpr std::size_t kStartWindow = 4096;  // bytes that are asked for while nobody above asks

bool understood(const Framer::Piece& piece) noexcept { return piece.skip > 0 || piece.deliver > 0 || piece.end; }

}  // namespace

FramerReceiver::FramerReceiver(const Seat& seat, const std::string& name, const Framing& framing, Framer& framer)
    : upper_(seat.upper),
      lower_(seat.lower),
      name_(name),
      framing_(framing),
      framer_(framer),
      whole_(lower_.face() != Face::bytestream),
      stream_(upper_.face() == Face::bytestream) {}

void FramerReceiver::discard() noexcept {
  mode_ = Mode::discarding;
  piece_ = {.skip = piece_.skip + piece_.deliver};
  in_message_ = false;
  own_.reset();
}

Result<void> FramerReceiver::receive(Batch& batch) noexcept {
  if (own_) push_own();
  while (may_look()) {
    if (passes_ && !in_piece_) {
      pass(batch);
      break;
    }
    if (!in_piece_) {
      auto known = next_piece(batch);
      if (!known) return fail(std::move(known));
      if (!*known) break;
    }
    if (whole_) {
      if (auto fits = check_bounds(batch); !fits) return fits;
    }
    if (!skip(batch) || !deliver(batch)) break;
  }
  grant();
  return {};
}

// Below a byte is a byte, above each chunk costs kLeastCharge: without that floor a header would come byte by byte.
void FramerReceiver::grant() noexcept {
  if (mode_ != Mode::open) return refill(lower_, std::max(upper_.credit(), kStartWindow));
  if (upper_.credit() == 0) return;
  refill(lower_, std::max(upper_.credit(), kLeastCharge));
}

Result<bool> FramerReceiver::next_piece(Batch& batch) noexcept {
  while (!batch.empty() && batch.front().data.size() == 0) {
    if (whole_ && in_message_ && batch.front().end_of_message) return cut_off();
    batch.pop();
  }
  if (batch.empty()) return false;
  auto piece = parse(batch);
  if (!piece) return fail(std::move(piece));
  if (!understood(*piece)) {
    if (whole_ && std::ranges::any_of(batch, &Chunk::end_of_message)) return cut_off();
    return false;
  }
  if (piece->deliver > framing_.largest() - bytes_) {
    return violation("the peer sends a message of " + std::to_string(bytes_ + piece->deliver) + " bytes" +
                     (piece->end ? "" : " or more") + "; at most " + std::to_string(framing_.largest()) +
                     " bytes are allowed");
  }
  piece_ = *piece;
  in_piece_ = true;
  if (mode_ == Mode::discarding) piece_ = {.skip = piece_.skip + piece_.deliver};
  if (stream_)
    piece_.end = false;
  else
    in_message_ = in_message_ || piece_.deliver > 0;
  return true;
}

Result<Framer::Piece> FramerReceiver::parse(Batch& batch) noexcept {
  if (front_.empty()) {
    auto piece = framer_.parse(batch.front().data.bytes());
    if (!piece || understood(*piece)) return piece;
  }
  while (look_further(batch)) {
    auto piece = framer_.parse(front_);
    if (piece && !understood(*piece)) continue;
    front_.clear();
    return piece;
  }
  if (front_.size() < kFramerLookahead) return Framer::Piece{};
  return violation("no header or delimiter in " + std::to_string(kFramerLookahead) + " bytes");
}

// Shows the framer at most twice what it saw before, so that a cut header does not copy the body behind it.
bool FramerReceiver::look_further(const Batch& batch) noexcept {
  const auto first = batch.begin()->data.bytes();
  const std::size_t seen = front_.empty() ? std::min(first.size(), kFramerLookahead) : front_.size();
  const std::size_t goal = std::min(seen * 2, kFramerLookahead);
  std::size_t at = 0;
  for (const Chunk& chunk : batch) {
    if (front_.size() == goal) break;
    const auto bytes = chunk.data.bytes();
    const std::size_t known = std::min(bytes.size(), front_.size() - at);
    const auto news = bytes.first(std::min(bytes.size(), goal - at)).subspan(known);
    front_.insert(front_.end(), news.begin(), news.end());
    at += bytes.size();
    if (whole_ && chunk.end_of_message) break;
  }
  return front_.size() > seen;
}

// Of a message below that has come to its end: whether ours does too.
Result<void> FramerReceiver::check_bounds(const Batch& batch) const noexcept {
  std::size_t there = 0;
  for (const Chunk& chunk : batch) {
    there += chunk.data.size();
    if (!chunk.end_of_message) continue;
    const std::size_t wanted = piece_.skip + piece_.deliver;
    if (wanted < there || (wanted == there && (piece_.end || !in_message_))) return {};
    return cut_off();
  }
  return {};
}

std::unexpected<Error> FramerReceiver::cut_off() const {
  const char* const below = lower_.face() == Face::datagram ? "a datagram" : "a message of the layer below";
  return violation(std::string("a message is not complete at the end of ") + below);
}

bool FramerReceiver::skip(Batch& batch) noexcept {
  while (piece_.skip > 0 && !batch.empty()) {
    const std::size_t n = std::min<std::size_t>(piece_.skip, batch.front().data.size());
    batch.front().data.drop_front(static_cast<std::uint32_t>(n));
    piece_.skip -= n;
    if (batch.front().data.size() == 0) batch.pop();
  }
  return piece_.skip == 0;
}

// True: the piece is complete.
bool FramerReceiver::deliver(Batch& batch) noexcept {
  const bool empty_end = piece_.deliver == 0 && piece_.end;
  if (empty_end && upper_.credit() == 0) return false;
  while (piece_.deliver > 0) {
    if (batch.empty() || upper_.credit() == 0) return false;
    Chunk& front = batch.front();
    if (front.data.size() > piece_.deliver) {
      const auto n = static_cast<std::uint32_t>(piece_.deliver);
      push(Chunk{.data = front.data.split_front(n), .info = front.info, .ecn = front.ecn});
    } else {
      push(batch.pop());
    }
  }
  if (empty_end) push(Chunk{});
  in_piece_ = false;
  if (piece_.end) {
    bytes_ = 0;
    in_message_ = false;
  }
  return true;
}

void FramerReceiver::push(Chunk part) noexcept {
  const std::size_t n = part.data.size();
  piece_.deliver -= n;
  if (!stream_) bytes_ += n;
  part.end_of_message = piece_.deliver == 0 && piece_.end;
  if (n == 0 && !part.end_of_message) return;
  if (!noted_.empty()) write_notes(part);
  upper_.push(std::move(part));
}

// What came from below may be shared by all messages of a datagram, so each gets its own.
void FramerReceiver::write_notes(Chunk& part) noexcept {
  MessageRef noted = new_message();
  if (part.info) {
    static_cast<MessageProperties&>(*noted.get()) = *part.info.get();
    noted->remote = part.info->remote;
    noted->local = part.info->local;
    noted->early = part.info->early;
    noted->metadata = part.info->metadata;
  }
  noted->metadata.add(std::exchange(noted_, {}));
  part.info = std::move(noted);
}

// ---- what no parse() has cut out

void FramerReceiver::pass(Batch& batch) noexcept {
  if (mode_ == Mode::discarding) return batch.clear();
  while (!batch.empty() && upper_.credit() > 0) {
    Chunk chunk = batch.pop();
    if (!whole_) {
      chunk.end_of_message = false;
      in_message_ = !stream_;
    }
    upper_.push(std::move(chunk));
  }
}

void FramerReceiver::deliver_own(Chunk own) noexcept {
  if (mode_ == Mode::discarding) return;
  if (upper_.face() != Face::message) own.end_of_message = !stream_;
  in_message_ = !stream_ && !own.end_of_message;
  if (!noted_.empty()) write_notes(own);
  if (!own_ && mode_ == Mode::open && upper_.credit() > 0) return upper_.push(std::move(own));
  if (!own_) own_ = std::make_unique<Batch>();
  own_->add(std::move(own));
}

void FramerReceiver::push_own() noexcept {
  if (!own_ || mode_ != Mode::open) return;
  while (!own_->empty() && upper_.credit() > 0) upper_.push(own_->pop());
  if (own_->empty()) own_.reset();
}

void FramerReceiver::drop_datagram(Batch& batch) noexcept {
  if (!batch.empty()) batch.pop();
  front_.clear();
  piece_ = {};
  bytes_ = 0;
  in_piece_ = in_message_ = false;
}

// ---- the peer's end

Result<void> FramerReceiver::check_end(const Batch& left) const noexcept {
  if (mode_ == Mode::starting) return violation("the peer ended before the framer was ready");
  if (passes_ && !in_piece_) return {};
  if (in_message_ || in_piece_) {
    const bool size_known = in_piece_ && piece_.end;
    return violation("the peer ended in the middle of a message: got " + std::to_string(bytes_) +
                     (size_known ? " of " + std::to_string(bytes_ + piece_.deliver) + " bytes" : " bytes and no end"));
  }
  if (left.empty()) return {};
  return violation("the peer ended in the middle of a message: got " + std::to_string(left.bytes()) +
                   " bytes of its header");
}

void FramerReceiver::end() noexcept {
  if (passes_ && in_message_) upper_.push(Chunk{.data = {}, .end_of_message = true});
}

}  // namespace trellis
