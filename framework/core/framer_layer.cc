#include "core/framer_layer.h"

#include "core/layer_names.h"
#include "core/text.h"

namespace trellis {
namespace {

// Raises a window to its level; nothing while half of it is left, since a grant costs a visit.
void refill(auto port, std::size_t level) noexcept {
  if (port.granted() * 2 <= level) port.grant_to(level);
}

bool says_size(std::string_view name) noexcept {
  return same_word(name, kSendMsgMaxLen.name) || same_word(name, kRecvMsgMaxLen.name);
}

class FramerProtocol final : public Protocol {
 public:
  FramerProtocol(std::string name, std::unique_ptr<Framing> framing)
      : name_(std::move(name)), framing_(std::move(framing)) {}
  LayerTraits traits(Face above) const noexcept override {
    if (above != Face::message) return {.above = Face::none};
    return {.above = Face::message,
            .below = Face::bytestream,
            .needs = {Feature::reliability, Feature::ordering},
            .adds = {Feature::boundaries, Feature::partial_delivery},
            .headroom = framing_->headroom(),
            .tailroom = framing_->tailroom()};
  }
  Result<std::unique_ptr<ProtocolInstance>> connect(const Seat& seat) const noexcept override {
    return std::make_unique<FramerLayer>(seat, name_, *framing_);
  }

 private:
  std::string name_;
  std::unique_ptr<Framing> framing_;
};

}  // namespace

std::unique_ptr<Protocol> framer_protocol(std::string name, std::unique_ptr<Framing> framing) {
  return std::make_unique<FramerProtocol>(std::move(name), std::move(framing));
}

void FramerSender::send(Batch& batch) noexcept {
  push_framed();
  while (framed_.empty() && !batch.empty() && lower_.credit() > 0) {
    take(batch.pop());
    push_framed();
  }
  grant();
}

void FramerSender::on_credit() noexcept {
  push_framed();
  grant();
}

void FramerSender::take(Chunk part) noexcept {
  const bool ends = part.end_of_message;
  const bool first = std::exchange(at_start_, ends);
  if (first) {
    bytes_ = 0;
    dropped_.reset();
  }
  bytes_ += part.data.size();
  if (dropped_ == nullptr && bytes_ > framing_.largest()) {
    refuse_size(!first && !framing_.needs_size());
  }
  if (dropped_ != nullptr) {
    if (part.info) part.info->report(Fate::failed, dropped_.get());
    return;
  }
  const std::size_t size = part.data.size();
  if (first && ends) return frame(std::move(part), true, size);
  if (!framing_.needs_size()) return frame(std::move(part), first, 0);
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
  give_up(std::move(done.error()));
  if (info) info->report(Fate::failed, dropped_.get());
}

void FramerSender::frame_gathered() noexcept {
  bool first = true;
  while (!gathered_.empty() && dropped_ == nullptr) frame(gathered_.pop(), std::exchange(first, false), bytes_);
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
  if (at_start_ || dropped_ != nullptr) return;
  give_up({Reason::canceled, 0, kFramerLayer, name_ + ": sending ended in the middle of the message"});
}

void FramerSender::push_framed() noexcept {
  while (!framed_.empty() && lower_.credit() > 0) lower_.push(framed_.pop());
}

void FramerSender::grant() noexcept {
  if (!upper_.empty()) return;  // what waits there has been granted already
  if (lower_.credit() > 0) refill(upper_, lower_.credit());
}

Result<void> FramerReceiver::receive(Batch& batch) noexcept {
  while (upper_.credit() > 0) {
    if (!in_piece_) {
      auto known = next_piece(batch);
      if (!known) return fail(std::move(known));
      if (!*known) break;
    }
    if (!skip(batch) || !deliver(batch)) break;
  }
  grant();
  return {};
}

// Below a byte is a byte, above each chunk costs kLeastCharge: without that floor a header would come byte by byte.
void FramerReceiver::grant() noexcept {
  if (upper_.credit() == 0) return;
  refill(lower_, std::max(upper_.credit(), kLeastCharge));
}

Result<bool> FramerReceiver::next_piece(Batch& batch) noexcept {
  while (!batch.empty() && batch.front().data.size() == 0) batch.pop();
  if (batch.empty()) return false;
  auto piece = parse(batch);
  if (!piece) return fail(std::move(piece));
  if (piece->skip == 0 && piece->deliver == 0 && !piece->end) return false;
  if (piece->deliver > framing_.largest() - bytes_) {
    return fail(Reason::protocol_violation,
                sentence("the peer sends a message of " + std::to_string(bytes_ + piece->deliver) + " bytes" +
                         (piece->end ? "" : " or more") + "; at most " + std::to_string(framing_.largest()) +
                         " bytes are allowed"),
                0, kFramerLayer);
  }
  piece_ = *piece;
  in_piece_ = true;
  in_message_ = in_message_ || piece_.deliver > 0;
  return true;
}

Result<Framer::Piece> FramerReceiver::parse(Batch& batch) noexcept {
  const auto understood = [](const Result<Framer::Piece>& piece) {
    return !piece || piece->skip > 0 || piece->deliver > 0 || piece->end;
  };
  if (front_.empty()) {
    auto piece = framer_.parse(batch.front().data.bytes());
    if (understood(piece)) return piece;
  }
  while (look_further(batch)) {
    auto piece = framer_.parse(front_);
    if (!understood(piece)) continue;
    front_.clear();
    return piece;
  }
  if (front_.size() < kFramerLookahead) return Framer::Piece{};
  return fail(Reason::protocol_violation,
              sentence("no header or delimiter in " + std::to_string(kFramerLookahead) + " bytes"), 0, kFramerLayer);
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
  }
  return front_.size() > seen;
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
  while (piece_.deliver > 0) {
    if (batch.empty() || upper_.credit() == 0) return false;
    Chunk& front = batch.front();
    if (front.data.size() > piece_.deliver) {
      const auto n = static_cast<std::uint32_t>(piece_.deliver);
      push(Chunk{.data = front.data.split_front(n), .info = front.info});
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
  bytes_ += n;
  part.end_of_message = piece_.deliver == 0 && piece_.end;
  if (n > 0 || part.end_of_message) upper_.push(std::move(part));
}

Result<void> FramerReceiver::check_end(const Batch& left) const noexcept {
  if (in_message_ || in_piece_) {
    const bool size_known = in_piece_ && piece_.end;
    return fail(
        Reason::protocol_violation,
        sentence("the peer ended in the middle of a message: got " + std::to_string(bytes_) +
                 (size_known ? " of " + std::to_string(bytes_ + piece_.deliver) + " bytes" : " bytes and no end")),
        0, kFramerLayer);
  }
  if (left.empty()) return {};
  return fail(Reason::protocol_violation,
              sentence("the peer ended in the middle of a message: got " + std::to_string(left.bytes()) +
                       " bytes of its header"),
              0, kFramerLayer);
}

FramerLayer::FramerLayer(const Seat& seat, const std::string& name, const Framing& framing)
    : host_(seat.host),
      upper_(seat.upper),
      lower_(seat.lower),
      framing_(framing),
      framer_(framing.make(seat.host.executor().pool())),
      sender_(seat, name, framing, *framer_),
      receiver_(seat, name, framing, *framer_) {}

void FramerLayer::open(const OpenArgs&) noexcept {
  host_.ready();
  sender_.on_credit();
  receiver_.grant();
}

void FramerLayer::close(const CloseArgs& args) noexcept {
  closing_ = true;
  sender_.drop_unfinished();
  if (!args.abort) return after_sending();
  over_ = true;
  host_.closed();
}

void FramerLayer::on_up(LowerPort from, Batch& batch) noexcept {
  if (over_ || finished_up_) return batch.clear();
  if (auto done = receiver_.receive(batch); !done) return fail_connection(std::move(done.error()));
  if (!from.finished() || (!batch.empty() && upper_.credit() == 0)) return;
  if (auto fits = receiver_.check_end(batch); !fits) return fail_connection(std::move(fits.error()));
  finished_up_ = true;
  upper_.finish();
}

void FramerLayer::on_down(UpperPort, Batch& batch) noexcept {
  if (over_) return;
  sender_.send(batch);
  after_sending();
}

void FramerLayer::on_credit(UpperPort) noexcept {
  if (lower_.empty()) receiver_.grant();  // else on_up() follows and grants what is right after it
}

void FramerLayer::on_credit(LowerPort) noexcept {
  if (over_) return;
  sender_.on_credit();
  after_sending();
}

// The end passes when the last byte has.
void FramerLayer::after_sending() noexcept {
  if (!sender_.idle() || !upper_.empty()) return;
  if (upper_.finished() && !std::exchange(finished_down_, true)) {
    sender_.drop_unfinished();
    lower_.finish();
  }
  if (!closing_) return;
  over_ = true;
  host_.closed();
}

void FramerLayer::fail_connection(Error error) noexcept {
  over_ = true;
  host_.failed(std::move(error));
}

Result<PropertyValue> FramerLayer::get(UpperPort, std::string_view name) noexcept {
  if (!says_size(name) || framing_.largest() == SIZE_MAX) return fail(Reason::unsupported);
  return PropertyValue(std::uint64_t{framing_.largest()});
}

Result<void> FramerLayer::set(UpperPort, std::string_view name, const PropertyValue&) noexcept {
  if (!says_size(name)) return fail(Reason::unsupported);
  return fail(Reason::invalid_argument, std::string(name) + " is read-only", 0, kFramerLayer);
}

}  // namespace trellis
