#include "conformance/watched_layer.h"

#include <algorithm>
#include <format>

#include "conformance/tap.h"
#include "conformance/watched_acceptor.h"

namespace trellis::conformance {

void WatchedExecutor::arm(Alarm& alarm, TimePoint deadline) noexcept {
  scene_.broken("V4", "the layer armed an Alarm of its own: a layer has one deadline, LayerHost::deadline()");
  real_.arm(alarm, deadline);
}

// ---- the host

bool WatchedHost::alive(std::string_view call) {
  if (ended_ != nullptr) {
    scene_.broken("C2", std::format("the {} called host.{} after host.{}: after it only the destructor runs", who(),
                                    call, ended_));
    return false;
  }
  return true;
}

void WatchedHost::log(Severity severity, std::string_view text) noexcept {
  scene_.last_words = text;
  scene_.say(who(), std::format("subject logs: {}", text));
  real_.log(severity, text);
}

void WatchedHost::deadline(TimePoint at) noexcept {
  if (!alive("deadline()")) return;
  real_.deadline(at);
}

void WatchedHost::wake() noexcept {
  if (!alive("wake()")) return;
  real_.wake();
}

void WatchedHost::answered(unsigned rtts_left) noexcept {
  if (!alive("answered()")) return;
  real_.answered(rtts_left);
}

void WatchedHost::early() noexcept {
  if (!alive("early()")) return;
  if (ready_) scene_.broken("C1", std::format("the {} called host.early() after host.ready()", who()));
  scene_.say(who(), "subject: early");
  real_.early();
}

void WatchedHost::ready() noexcept {
  if (!alive("ready()")) return;
  if (ready_) scene_.broken("C1", std::format("the {} called host.ready() twice", who()));
  if (!opened_) scene_.broken("C1", std::format("the {} called host.ready() before open()", who()));
  ready_ = true;
  scene_.say(who(), "subject: ready");
  real_.ready();
}

void WatchedHost::closed() noexcept {
  if (!alive("closed()")) return;
  scene_.say(who(), "subject: closed");
  scene_.layer_ends(side_);
  real_.closed();
  ended_ = "closed()";
  upper_credit_ = upper_ ? upper_.credit() : 0;
  lower_credit_ = lower_ ? lower_.credit() : 0;
}

void WatchedHost::failed(Error error) noexcept {
  if (!alive("failed()")) return;
  scene_.say(who(), std::format("subject: failed: {}: {}", to_string(error.reason), error.detail));
  if (error.detail.empty()) {
    scene_.broken("C6", std::format("the {} failed ({}) without a word: Error::detail says what was found and what was "
                                    "expected",
                                    who(), to_string(error.reason)));
  }
  scene_.layer_ends(side_);
  real_.failed(std::move(error));
  ended_ = "failed()";
  upper_credit_ = upper_ ? upper_.credit() : 0;
  lower_credit_ = lower_ ? lower_.credit() : 0;
}

void WatchedHost::notify(Notice notice, Error detail) noexcept {
  if (!alive("notify()")) return;
  scene_.say(who(), std::format("subject: notice {}: {}", static_cast<int>(notice), detail.detail));
  real_.notify(notice, std::move(detail));
}

// ---- the instance

WatchedInstance::WatchedInstance(const Seat& seat, Scene& scene) : seat_(seat), scene_(scene), host_(seat.host, scene) {
  host_.upper_ = seat.upper;
  host_.lower_ = seat.lower;
}

// Streams end one by one, ways down are given back, and what peers share below may fail: then a port is gone before the
// layer is, and nothing can be read off it.
void WatchedInstance::hold(std::unique_ptr<ProtocolInstance> real) {
  real_ = std::move(real);
  if (real_->streams() == nullptr && real_->lowers() == nullptr) return;
  host_.upper_ = seat_.upper = {};
  host_.lower_ = seat_.lower = {};
}

WatchedInstance::~WatchedInstance() {
  if (real_ == nullptr) return;
  // What a layer with streams stood on may have failed, and is gone before it.
  const bool stands = std::ranges::any_of(
      scene_.taps, [this](const Tap* tap) { return tap->place() == Place::below && tap->side() == host_.side_; });
  const std::size_t credit = stands && seat_.lower ? seat_.lower.credit() : 0;
  const std::uint64_t sends = scene_.faults().calls(SocketCall::send);
  real_.reset();
  if (stands && seat_.lower && seat_.lower.credit() < credit) {
    scene_.broken("C4", std::format("the destructor of the {}'s layer pushed bytes: it must be silent", host_.who()));
  }
  if (scene_.faults().calls(SocketCall::send) != sends) {
    scene_.broken("C4",
                  std::format("the destructor of the {}'s layer sent on a socket: it must be silent", host_.who()));
  }
}

void WatchedInstance::open(const OpenArgs& args) noexcept {
  host_.side_ = args.passive ? Side::server : Side::client;
  host_.opened_ = true;
  scene_.say(host_.who(), "subject: open");
  real_->open(args);
  check_silence();
}

void WatchedInstance::close(const CloseArgs& args) noexcept {
  scene_.say(host_.who(), args.abort ? "subject: close (abort)" : "subject: close");
  scene_.layer_ends(host_.side_);
  real_->close(args);
  check_silence();
  if (args.abort && !host_.ended()) {
    scene_.broken("C6",
                  std::format("the {} did not say closed() inside close(abort): it is destroyed after this turn, so "
                              "it must tell the peer and end at once",
                              host_.who()));
  }
}

// What it pushed between closed() or failed() and the end of the call in which it said that.
void WatchedInstance::check_silence() {
  if (!host_.ended()) return;
  const bool up = seat_.upper && seat_.upper.credit() < host_.upper_credit_;
  const bool down = seat_.lower && seat_.lower.credit() < host_.lower_credit_;
  if (!up && !down) return;
  scene_.broken("C3",
                std::format("the {} pushed {} after host.{}", host_.who(), up ? "upwards" : "downwards", host_.ended_));
  host_.upper_credit_ = seat_.upper ? seat_.upper.credit() : 0;
  host_.lower_credit_ = seat_.lower ? seat_.lower.credit() : 0;
}

void WatchedInstance::on_up(LowerPort from, Batch& batch) noexcept {
  real_->on_up(from, batch);
  check_silence();
}
void WatchedInstance::on_down(UpperPort from, Batch& batch) noexcept {
  real_->on_down(from, batch);
  check_silence();
}
void WatchedInstance::on_credit(UpperPort port) noexcept {
  real_->on_credit(port);
  check_silence();
}
void WatchedInstance::on_credit(LowerPort port) noexcept {
  real_->on_credit(port);
  check_silence();
}
void WatchedInstance::on_deadline() noexcept {
  real_->on_deadline();
  check_silence();
}
void WatchedInstance::on_wake() noexcept {
  real_->on_wake();
  check_silence();
}
void WatchedInstance::flush() noexcept {
  real_->flush();
  check_silence();
}
Result<void> WatchedInstance::open_stream(UpperPort port, const StreamArgs& args) noexcept {
  return real_->streams()->open_stream(port, args);
}
void WatchedInstance::abort_stream(UpperPort port, Direction direction, std::uint64_t code) noexcept {
  real_->streams()->abort_stream(port, direction, code);
}
void WatchedInstance::lower_ready(LowerPort port) noexcept { real_->lowers()->lower_ready(port); }
bool WatchedInstance::lower_failed(LowerPort port, const Error& error) noexcept {
  return real_->lowers()->lower_failed(port, error);
}
void WatchedInstance::paths(std::span<const Path> paths) noexcept { real_->lowers()->paths(paths); }

// ---- the protocol

Result<std::unique_ptr<ProtocolInstance>> WatchedProtocol::connect(const Seat& seat) const noexcept {
  auto watched = std::make_unique<WatchedInstance>(seat, *holder_.scene);
  auto real = real_->connect(watched->seat());
  if (!real) return real;
  watched->hold(std::move(*real));
  return watched;
}

Result<std::unique_ptr<Acceptor>> WatchedProtocol::listen(AcceptHost& host, LowerPort lower) const noexcept {
  auto watched = std::make_unique<WatchedAcceptor>(host, *holder_.scene);
  auto real = real_->listen(*watched, lower);
  if (!real) return real;
  watched->hold(std::move(*real));
  return watched;
}

}  // namespace trellis::conformance
