#include "dtls_instance.h"

#include <format>

#include "dtls_acceptor.h"
#include "dtls_error.h"
#include "trellis/lowers.h"

namespace trellis::dtls {

DtlsInstance::DtlsInstance(const Seat& seat, const Shared& shared)
    : host_(seat.host),
      upper_(seat.upper),
      lower_(seat.lower),
      shared_(shared),
      association_(seat.host, seat.lower, shared, *this, {}) {}

DtlsInstance::DtlsInstance(const Seat& seat, const Shared& shared, DtlsAcceptor& acceptor, const Flow& flow,
                           FirstHello hello)
    : host_(seat.host),
      upper_(seat.upper),
      lower_(seat.lower),
      shared_(shared),
      acceptor_(&acceptor),
      flow_(flow),
      hello_(std::make_unique<FirstHello>(std::move(hello))),
      association_(seat.host, seat.lower, shared, *this, flow.as_info()) {}

void DtlsInstance::open(const OpenArgs& args) noexcept {
  route_ = &args.route;
  if (args.passive && acceptor_ == nullptr) {
    trunk_ = std::make_unique<DtlsTrunk>(host_, upper_, lower_, shared_);
    return trunk_->open(args);
  }
  if (acceptor_ == nullptr) lower_.grant_to(shared_.settings.window);
  content_most_ = Association::content_most(below_most(kSendMsgMaxLen.name));
  association_.open(args, hello_.get(), below_most(kSingularTransmissionMsgMaxLen.name));
  if (!inbox_.empty()) host_.wake();
}

// ---- receiving

void DtlsInstance::on_up(LowerPort from, Batch& batch) noexcept {
  if (trunk_) return trunk_->on_up(from, batch);
  drain(batch);
  if (over_) return;
  if (from.finished() && batch.empty()) {
    return ended(association_, make_error(Reason::reset, Code::truncated, "the layer below brings nothing more"));
  }
  const std::size_t window = shared_.settings.window, waiting = from.charge(batch);
  if ((from.granted() + waiting) * 2 <= window) from.grant_to(window - waiting);
}

void DtlsInstance::input(Chunk&& datagram) noexcept {
  const std::size_t charge = lower_.charge(datagram);
  if (inbox_charge_ + charge > shared_.settings.window) return;
  inbox_charge_ += charge;
  inbox_.add(std::move(datagram));
  host_.wake();
}

void DtlsInstance::drain(Batch& batch) noexcept {
  while (!batch.empty() && !over_ && takes_more()) {
    Chunk chunk = batch.pop();
    if (&batch == &inbox_) inbox_charge_ -= lower_.charge(chunk);
    association_.take(std::move(chunk));
  }
}

// Before it is open nothing that comes is for the layer above.
bool DtlsInstance::takes_more() noexcept {
  while (!unsealed_.empty() && upper_.credit() > 0) upper_.push(unsealed_.pop());
  return !association_.is_open() || upper_.credit() > 0;
}

// A datagram may have many records.
void DtlsInstance::arrived(Association&, Slice&& content, std::uint8_t ecn) noexcept {
  Chunk chunk{.data = std::move(content), .ecn = ecn, .end_of_message = true};
  if (upper_.credit() > 0 && unsealed_.empty()) return upper_.push(std::move(chunk));
  unsealed_.add(std::move(chunk));
}

void DtlsInstance::on_credit(UpperPort) noexcept {
  if (route_ == nullptr || trunk_ || over_) return;
  takes_more();
  drain(inbox_);
}

void DtlsInstance::on_wake() noexcept {
  if (trunk_) return trunk_->on_wake();
  if (over_) return;
  association_.on_wake();
  if (route_ != nullptr) drain(inbox_);
}

void DtlsInstance::on_deadline() noexcept { trunk_ ? trunk_->on_deadline() : association_.on_deadline(); }

// ---- sending

void DtlsInstance::on_down(UpperPort from, Batch& batch) noexcept {
  if (trunk_) return trunk_->on_down(from, batch);
  while (!batch.empty() && association_.is_open() && lower_.credit() > 0) {
    Chunk chunk = batch.pop();
    if (chunk.data.size() <= content_most_) {
      association_.send(std::move(chunk));
    } else if (chunk.info) {
      const Error error{
          Reason::too_large, 0, kLayer,
          std::format("found a message of {} bytes, expected {} at most", chunk.data.size(), content_most_)};
      chunk.info->report(Fate::failed, &error);
    }
  }
  if (!association_.is_open()) return;
  if (!batch.empty()) {
    if (acceptor_ != nullptr) acceptor_->wants_room(*this);
    return;
  }
  if (from.granted() * 2 <= shared_.settings.window) from.grant_to(shared_.settings.window);
}

// ---- the beginning and the end

void DtlsInstance::opened(Association&) noexcept {
  hello_.reset();
  upper_.grant_to(shared_.settings.window);
  host_.ready();
}

void DtlsInstance::ended(Association&, std::optional<Error> why) noexcept {
  if (std::exchange(over_, true)) return;
  if (!unsealed_.empty()) upper_.push(unsealed_);  // the goodbye came behind them: nobody asks for them later
  if (why) return host_.failed(std::move(*why));
  host_.closed();
}

void DtlsInstance::close(const CloseArgs& args) noexcept {
  if (trunk_) {
    trunk_->close();
  } else if (!over_) {
    association_.close(args.abort);
  }
  if (!std::exchange(over_, true)) host_.closed();
}

void DtlsInstance::replaced() noexcept {
  if (over_) return;
  association_.replaced();
  ended(association_, make_error(Reason::reset, Code::truncated, "the peer has begun anew"));
}

}  // namespace trellis::dtls
