#include "core/framer_sender.h"

#include <cstring>

#include "core/layer_names.h"
#include "core/refill.h"

namespace trellis {

FramerSender::FramerSender(const Seat& seat, const std::string& name, const Framing& framing, Framer& framer)
    : host_(seat.host),
      upper_(seat.upper),
      lower_(seat.lower),
      name_(name),
      framing_(framing),
      framer_(framer),
      whole_(lower_.face() != Face::bytestream),
      stream_(upper_.face() == Face::bytestream),
      gathers_(!stream_ && (whole_ || framing.needs_size())) {}

void FramerSender::send(Batch& batch) noexcept {
  push_framed();
  while (idle() && !batch.empty() && lower_.credit() > 0) {
    take(batch.pop());
    push_framed();
  }
  grant();
}

void FramerSender::send_own(Chunk own) noexcept {
  own.end_of_message = true;
  if (!own_) own_ = std::make_unique<Batch>();
  own_->add(std::move(own));
}

void FramerSender::on_credit() noexcept {
  push_framed();
  grant();
}

void FramerSender::take(Chunk part) noexcept {
  if (passes_ && (at_start_ || stream_)) return framed_.add(std::move(part));
  if (stream_) return frame(std::move(part), std::exchange(at_start_, false), 0);
  const bool ends = part.end_of_message;
  const bool first = std::exchange(at_start_, ends);
  if (first) {
    bytes_ = 0;
    dropped_.reset();
  }
  bytes_ += part.data.size();
  if (dropped_ == nullptr && bytes_ > framing_.largest()) {
    refuse_size(!first && !gathers_);
  }
  if (dropped_ != nullptr) {
    if (part.info) part.info->report(Fate::failed, dropped_.get());
    return;
  }
  const std::size_t size = part.data.size();
  if (first && ends) {
    frame(std::move(part), true, size);
    return mark_end();
  }
  if (!gathers_) return frame(std::move(part), first, 0);
  gathered_.add(std::move(part));
  if (ends) frame_gathered();
}

void FramerSender::refuse_size(bool begun) noexcept {
  Error why{Reason::too_large, bytes_, kFramerLayer,
            name_ + ": a message of " + std::to_string(bytes_) + " bytes or more; at most " +
                std::to_string(framing_.largest()) + " bytes are allowed"};
  if (begun) host_.failed(why);  // parts of it have left, and the peer would take what follows for the rest
  give_up(std::move(why));
}

void FramerSender::frame(Chunk part, bool first, std::size_t size) noexcept {
  const MessageRef info = part.info;
  auto done = framer_.frame(std::move(part), first, size, framed_);
  if (done) return;
  if (stream_) host_.failed(done.error());  // no part of a bytestream can be left out
  give_up(std::move(done.error()));
  if (info) info->report(Fate::failed, dropped_.get());
}

void FramerSender::frame_gathered() noexcept {
  bool first = true;
  while (!gathered_.empty() && dropped_ == nullptr) frame(gathered_.pop(), std::exchange(first, false), bytes_);
  mark_end();
}

// All that is framed is one message of the layer below. A framer over a bytestream need not care about ends.
void FramerSender::mark_end() noexcept {
  if (!whole_ || framed_.empty()) return;
  if (lower_.face() == Face::datagram && framed_.size() > 1) join_framed();
  for (Chunk& chunk : framed_) chunk.end_of_message = false;
  framed_.back().end_of_message = true;
}

// A datagram is one chunk. Not needed where the message came with the room that the stack asks for.
void FramerSender::join_framed() noexcept {
  Slice whole = host_.executor().pool().allocate(0, static_cast<std::uint32_t>(framed_.bytes()), 0);
  std::byte* to = whole.edit().data();
  for (const Chunk& chunk : framed_) {
    const auto bytes = chunk.data.bytes();
    if (!bytes.empty()) std::memcpy(to, bytes.data(), bytes.size());
    to += bytes.size();
  }
  Chunk joined = framed_.pop();
  joined.data = std::move(whole);
  framed_.clear();
  framed_.add(std::move(joined));
}

// Nothing of the message has left: a framer refuses first parts only, or is given the whole message at once.
void FramerSender::give_up(Error why) noexcept {
  dropped_ = std::make_unique<Error>(std::move(why));
  settle(framed_);
  settle(gathered_);
}

void FramerSender::settle(Batch& parts) noexcept {
  for (const Chunk& part : parts) {
    if (part.info) part.info->report(Fate::failed, dropped_.get());
  }
  parts.clear();
}

void FramerSender::drop_unfinished() noexcept {
  if (stream_ || at_start_ || dropped_ != nullptr) return;
  give_up({Reason::canceled, 0, kFramerLayer, name_ + ": sending ended in the middle of the message"});
}

void FramerSender::push_framed() noexcept {
  while (!framed_.empty() && lower_.credit() > 0) lower_.push(framed_.pop());
  if (!own_ || !framed_.empty()) return;
  while (!own_->empty() && lower_.credit() > 0) lower_.push(own_->pop());
  if (own_->empty()) own_.reset();
}

void FramerSender::grant() noexcept {
  if (!open_ || !upper_.empty()) return;  // what waits there has been granted already
  if (lower_.credit() > 0) refill(upper_, lower_.credit());
}

}  // namespace trellis
