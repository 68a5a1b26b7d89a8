#include "proxy_instance.h"

#include <algorithm>
#include <format>

namespace trellis::proxy {
namespace {

constexpr std::size_t kHandshakeWindow = 16384;             // bytes from below until it is done
constexpr Duration kRefusalRead = std::chrono::seconds(1);  // for the peer to read why it is turned away

// Everything, or while there is credit.
template <class Port>
void pass(Batch& batch, Port& to) noexcept {
  if (!batch.empty() && to.credit() >= to.charge(batch)) return to.push(batch);
  while (!batch.empty() && to.credit() > 0) to.push(batch.pop());
}

Slice copied(BlockPool& pool, std::string_view bytes) {
  Slice slice = pool.allocate(0, static_cast<std::uint32_t>(bytes.size()), 0);
  std::ranges::copy(std::as_bytes(std::span(bytes)), slice.edit().begin());
  return slice;
}

}  // namespace

ProxyInstance::ProxyInstance(const Seat& seat, const Kind& kind, const void* settings, Duration timeout)
    : host_(seat.host), upper_(seat.upper), lower_(seat.lower), kind_(kind), settings_(settings), timeout_(timeout) {}

Error ProxyInstance::error(Reason reason, std::string detail) const {
  return {reason, 0, kind_.layer, std::move(detail)};
}

void ProxyInstance::open(const OpenArgs& args) noexcept {
  handshake_ = kind_.make(args.passive, settings_);
  host_.deadline(host_.executor().now() + timeout_);
  if (!args.passive) {
    auto first = handshake_->begin(args.remote);
    if (!first) return fail_with(std::move(first.error()));
    words_ = std::move(*first);
  }
  lower_.grant_to(kHandshakeWindow);
  send_words();
}

void ProxyInstance::close(const CloseArgs&) noexcept {
  stage_ = Stage::over;
  host_.closed();
}

void ProxyInstance::fail_with(Error error) noexcept {
  stage_ = Stage::over;
  host_.failed(std::move(error));
}

// ---- the handshake

void ProxyInstance::send_words() noexcept {
  if (words_.empty() || lower_.credit() == 0) return;
  lower_.push(Chunk{.data = copied(host_.executor().pool(), std::exchange(words_, {}))});
}

void ProxyInstance::take(Batch& batch) noexcept {
  while (!batch.empty()) {
    const Chunk chunk = batch.pop();
    const auto bytes = chunk.data.bytes();
    received_.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  }
}

void ProxyInstance::read() noexcept {
  while (stage_ == Stage::handshake) {
    auto step = handshake_->read(received_);
    if (!step) return fail_with(std::move(step.error()));
    words_ += step->answer;
    received_.erase(0, step->consumed);
    if (step->refusal) return turn_away(std::move(*step->refusal));
    if (step->done) return begin_passing();
    if (step->consumed == 0) break;
    host_.answered(step->rtts_left);
  }
  if (received_.size() > handshake_->received_most())
    return fail_with(error(
        Reason::protocol_violation,
        std::format("found more than {} bytes without an end, expected {}", handshake_->received_most(), kind_.peer)));
  send_words();
  lower_.grant_to(kHandshakeWindow);
}

// The answer says why, so the peer gets time to read it.
void ProxyInstance::turn_away(Error why) noexcept {
  stage_ = Stage::refusing;
  refusal_ = std::make_unique<Error>(std::move(why));
  send_words();
  lower_.finish();
  host_.deadline(host_.executor().now() + kRefusalRead);
}

void ProxyInstance::begin_passing() noexcept {
  stage_ = Stage::open;
  target_ = handshake_->target();
  handshake_.reset();
  if (!received_.empty()) rest_ = copied(host_.executor().pool(), std::exchange(received_, {}));
  send_words();
  host_.deadline(TimePoint::max());
  host_.ready();
  settle();
}

void ProxyInstance::on_deadline() noexcept {
  if (stage_ == Stage::refusing) return fail_with(std::move(*refusal_));
  if (stage_ != Stage::handshake) return;
  const auto waited = std::chrono::duration_cast<std::chrono::milliseconds>(timeout_).count();
  fail_with(error(Reason::timed_out, std::format("no complete answer within {} ms, expected {}", waited, kind_.peer)));
}

// ---- passing on

void ProxyInstance::on_up(LowerPort from, Batch& batch) noexcept {
  if (stage_ == Stage::handshake) {
    take(batch);
    read();
    if (stage_ == Stage::handshake && from.finished())
      return fail_with(error(Reason::reset, std::format("the connection ended before the "
                                                        "answer was complete, expected {}",
                                                        kind_.peer)));
  }
  if (stage_ == Stage::refusing) {
    batch.clear();
    if (from.finished()) fail_with(std::move(*refusal_));
    return;
  }
  if (stage_ != Stage::open) return;
  settle();
  if (rest_.size() == 0) pass(batch, upper_);
  settle();
}

void ProxyInstance::on_down(UpperPort, Batch& batch) noexcept {
  if (stage_ != Stage::open || !words_.empty()) return;
  pass(batch, lower_);
  settle();
}

void ProxyInstance::on_credit(LowerPort) noexcept {
  send_words();
  settle();
}

// The ends of both directions, and credit for what may come next. What still
// waits in a batch has been paid for.
void ProxyInstance::settle() noexcept {
  if (stage_ != Stage::open) return;
  if (rest_.size() > 0 && upper_.credit() > 0) upper_.push(Chunk{.data = std::exchange(rest_, {})});
  const bool waits = rest_.size() > 0 || !lower_.empty();
  if (!waits && lower_.finished() && !std::exchange(up_finished_, true)) upper_.finish();
  if (upper_.empty() && words_.empty() && upper_.finished() && !std::exchange(down_finished_, true)) lower_.finish();
  if (!waits) lower_.grant_to(upper_.credit());
  if (upper_.empty() && words_.empty()) upper_.grant_to(lower_.credit());
}

Result<PropertyValue> ProxyInstance::get(UpperPort, std::string_view name) noexcept {
  if (name != kind_.target || target_.empty()) return fail(Reason::unsupported);
  return PropertyValue(target_);
}

}  // namespace trellis::proxy
