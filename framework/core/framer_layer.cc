#include "core/framer_layer.h"

#include <algorithm>

#include "core/layer_names.h"
#include "core/prepended_framer.h"
#include "core/text.h"
#include "trellis/lowers.h"

namespace trellis {
namespace {

constexpr FeatureSet kInOrder = {Feature::reliability, Feature::ordering};

bool says_size(std::string_view name) noexcept {
  return same_word(name, kSendMsgMaxLen.name) || same_word(name, kRecvMsgMaxLen.name);
}

}  // namespace

LayerTraits FramerProtocol::traits(Face above) const noexcept {
  const bool datagrams = above == Face::datagram && framing_->above() == Face::message;
  if (above != framing_->above() && !datagrams) return {.above = Face::none};
  LayerTraits traits{.above = above,
                     .below = datagrams ? Face::datagram : Face::bytestream,
                     .needs = framing_->needs(),
                     .headroom = framing_->headroom(),
                     .tailroom = framing_->tailroom(),
                     .handshake_rtts = framing_->handshake_rtts()};
  if (!datagrams) traits.needs = traits.needs | kInOrder;
  if (above == Face::message) traits.adds = {Feature::boundaries, Feature::partial_delivery};
  return traits;
}

LayerTraits FramerProtocol::over_messages() const noexcept {
  LayerTraits traits = this->traits(Face::message);
  traits.below = Face::message;
  traits.needs = framing_->needs();
  traits.adds = {};  // what is below has them, or not
  return traits;
}

Result<std::unique_ptr<ProtocolInstance>> FramerProtocol::connect(const Seat& seat) const noexcept {
  return std::make_unique<FramerLayer>(seat, name_, *framing_);
}

FramerLayer::FramerLayer(const Seat& seat, const std::string& name, const Framing& framing)
    : host_(seat.host),
      upper_(seat.upper),
      lower_(seat.lower),
      framing_(framing),
      framer_(framing.make(seat.host.executor().pool())),
      sender_(seat, name, framing, *framer_),
      receiver_(seat, name, framing, *framer_) {}
FramerLayer::~FramerLayer() = default;

void FramerLayer::open(const OpenArgs& args) noexcept {
  args_ = &args;
  if (auto begun = framer_->start(*this, args); !begun) return fail_connection(std::move(begun.error()));
  if (starting_ && args.passive) wait_for_peer(kFramerStartPatience);
  settle();
}

void FramerLayer::close(const CloseArgs& args) noexcept {
  if (!args.abort && above_ && !above_->has_closed()) {
    above_->layer().close(args);
    return above_->move();
  }
  closing_ = true;
  sender_.drop_unfinished();
  if (!args.abort) return after_sending();
  over_ = true;
  host_.closed();
}

// ---- what the framer asks for

void FramerLayer::send(Chunk&& own) noexcept {
  stirred_ = true;
  sender_.send_own(std::move(own));
}
void FramerLayer::deliver(Chunk&& own) noexcept {
  stirred_ = true;
  receiver_.deliver_own(std::move(own));
}
void FramerLayer::annotate(std::string_view key, PropertyValue value) noexcept {
  receiver_.annotate(key, std::move(value));
}
void FramerLayer::ready() noexcept {
  if (!std::exchange(starting_, false)) return;
  stirred_ = true;
  wait_no_more();
  sender_.open();
  receiver_.open();
  if (!above_) host_.ready();
}
void FramerLayer::closed() noexcept {
  stirred_ = stopped_ = true;
  wait_no_more();
}
void FramerLayer::pass_through() noexcept {
  passes_ = true;
  sender_.pass_through();
  receiver_.pass_through();
}
Result<void> FramerLayer::prepend(std::string_view name, const Framing& other) noexcept {
  const auto refuse = [](std::string why) { return fail(Reason::invalid_argument, std::move(why), 0, kFramerLayer); };
  if (!starting_) return refuse(std::string(name) + " cannot be prepended any more: the framer below it is ready");
  if (above_) return refuse(std::string(name) + " cannot be prepended: another framer already is");
  if (other.above() != framing_.above())
    return refuse(std::string(name) + " cannot be prepended: it offers another face than the framer below it");
  above_ = std::make_unique<PrependedFramer>(host_, *this, upper_, std::string(name), other);
  upper_ = above_->port();
  sender_.below(upper_);
  receiver_.below(upper_);
  return {};
}

void FramerLayer::settle() noexcept {
  stirred_ = false;
  if (over_) return;
  if (std::max(sender_.own_waiting(), receiver_.own_waiting()) > kFramerOwnMost) {
    return fail_connection({Reason::exhausted, 0, kFramerLayer,
                            receiver_.name() + ": more than " + std::to_string(kFramerOwnMost) +
                                " bytes of the framer itself wait to be taken"});
  }
  if (above_ && !starting_) above_->open(*args_);
  sender_.on_credit();
  receiver_.grant();
  after_sending();
  if (above_) above_->move();
}

// ---- data

void FramerLayer::on_up(LowerPort from, Batch& batch) noexcept {
  if (over_ || finished_up_) return batch.clear();
  receive(batch);
  const bool all_taken = !receiver_.holds_own() && (batch.empty() || upper_.credit() > 0 || receiver_.discards());
  if (!over_ && from.finished() && (all_taken || starting_)) end_of_peer(batch);
  if (above_) above_->move();
}

// A datagram that makes no sense is dropped alone: anybody may have sent it.
void FramerLayer::receive(Batch& batch) noexcept {
  for (auto done = receiver_.receive(batch); !done; done = receiver_.receive(batch)) {
    if (starting_ || lower_.face() != Face::datagram) return fail_connection(std::move(done.error()));
    host_.notify(Notice::soft_error, std::move(done.error()));
    receiver_.drop_datagram(batch);
  }
  if (stirred_) settle();
}

void FramerLayer::end_of_peer(const Batch& left) noexcept {
  finished_up_ = true;
  if (!receiver_.discards()) {
    if (auto fits = receiver_.check_end(left); !fits) return fail_connection(std::move(fits.error()));
    receiver_.end();
    upper_.finish();
  }
  if (!stopping_ || stopped_) return;
  closed();  // nobody is left to answer
  settle();
}

void FramerLayer::on_down(UpperPort from, Batch& batch) noexcept {
  if (!above_) return take(batch);
  above_->layer().on_down(from, batch);
  above_->move();
}

void FramerLayer::take(Batch& batch) noexcept {
  if (over_ || starting_) return;
  sender_.send(batch);
  if (stirred_) return settle();
  after_sending();
}

void FramerLayer::on_credit(UpperPort port) noexcept {
  if (!above_) return want_more();
  above_->layer().on_credit(port);
  above_->move();
}

void FramerLayer::want_more() noexcept {
  receiver_.push_own();
  if (lower_.empty()) receiver_.grant();  // else on_up() follows and grants what is right after it
}

void FramerLayer::on_credit(LowerPort) noexcept {
  if (over_) return;
  sender_.on_credit();
  after_sending();
  if (above_) above_->offer_down();
}

// ---- the end

// It passes when the last byte has, and the framer's last bytes behind that.
void FramerLayer::after_sending() noexcept {
  if (over_ || !sender_.idle() || !upper_.empty()) return;
  if (!closing_ && (starting_ || !upper_.finished())) return;
  if (!stop() || !sender_.idle()) return;
  if (upper_.finished() && !std::exchange(finished_down_, true)) lower_.finish();
  if (!closing_) return;
  over_ = true;
  host_.closed();
}

// True: the framer has nothing more to say.
bool FramerLayer::stop() noexcept {
  if (!std::exchange(stopping_, true)) {
    sender_.drop_unfinished();
    stopped_ = passes_ || starting_;
    if (stopped_) return true;
    if (auto done = framer_->stop(*this); !done) {
      fail_connection(std::move(done.error()));
      return false;
    }
    stirred_ = false;
    sender_.on_credit();
    if (!stopped_) wait_for_peer(kFramerStopPatience);
  }
  if (waiting_ && closing_ && !receiver_.discards()) wait_for_last_word();
  return stopped_;
}

// The application has gone, and the peer's answer may stand behind messages that nobody takes.
void FramerLayer::wait_for_last_word() noexcept {
  receiver_.discard();
  receiver_.grant();
  if (!lower_.empty()) host_.wake();
}

void FramerLayer::wait_for_peer(Duration patience) noexcept {
  waiting_ = true;
  host_.deadline(host_.executor().now() + patience);
}

void FramerLayer::wait_no_more() noexcept {
  if (std::exchange(waiting_, false)) host_.deadline(TimePoint::max());
}

void FramerLayer::on_deadline() noexcept {
  if (above_ && !starting_ && !above_->has_closed()) {
    above_->layer().on_deadline();
    return above_->move();
  }
  if (!waiting_ || over_) return;
  if (starting_)
    return fail_connection(
        {Reason::timed_out, 0, kFramerLayer, receiver_.name() + ": the peer has not finished the set-up in time"});
  host_.notify(Notice::soft_error,
               {Reason::timed_out, 0, kFramerLayer,
                receiver_.name() + ": the peer has not answered the last bytes in time: closing without it"});
  closed();
  settle();
}

void FramerLayer::fail_connection(Error error) noexcept {
  over_ = true;
  host_.failed(std::move(error));
}

// ---- sizes

Result<PropertyValue> FramerLayer::get(UpperPort, std::string_view name) noexcept {
  if (!says_size(name)) return fail(Reason::unsupported);
  std::uint64_t most = framing_.largest();
  if (above_) most = std::min<std::uint64_t>(most, above_->layer().framing_.largest());
  if (lower_.face() != Face::bytestream) {
    const std::uint64_t own = std::uint64_t{framing_.headroom()} + framing_.tailroom();
    const auto below = host_.lowers().ask(lower_, name);
    const auto* const size = below ? std::get_if<std::uint64_t>(&*below) : nullptr;
    if (size != nullptr) most = std::min(most, *size - std::min(*size, own));
  }
  if (most == SIZE_MAX) return fail(Reason::unsupported);
  return PropertyValue(most);
}

Result<void> FramerLayer::set(UpperPort, std::string_view name, const PropertyValue&) noexcept {
  if (!says_size(name)) return fail(Reason::unsupported);
  return fail(Reason::invalid_argument, std::string(name) + " is read-only", 0, kFramerLayer);
}

}  // namespace trellis
