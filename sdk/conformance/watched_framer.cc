// watched_framer.cc: see watched_framer.h.
#include "conformance/watched_framer.h"

#include <format>

namespace trellis::conformance {

/// While the framer is called it may act.
class WatchedFramer::Visit {
 public:
  explicit Visit(WatchedFramer& framer) : framer_(framer) { framer_.visited_ = true; }
  Visit(const Visit&) = delete;
  Visit& operator=(const Visit&) = delete;
  ~Visit() { framer_.visited_ = false; }

 private:
  WatchedFramer& framer_;
};

WatchedFramer::WatchedFramer(std::unique_ptr<Framer> real, bool refuses_any_part, Scene& scene)
    : real_(std::move(real)), scene_(scene), refuses_any_part_(refuses_any_part) {}
WatchedFramer::~WatchedFramer() {
  gone_ = true;
  real_.reset();  // what it still asks for comes here
}

void WatchedFramer::broken(std::string text) noexcept { scene_.broken("H1", std::move(text)); }

// ---- what it is asked

Result<void> WatchedFramer::start(FramerHost& host, const OpenArgs& args) noexcept {
  host_ = &host;
  const Visit visit(*this);
  auto started = real_->start(*this, args);
  if (!started && started.error().detail.empty()) broken("start() failed a candidate without a word");
  return started;
}

Result<void> WatchedFramer::stop(FramerHost& host) noexcept {
  host_ = &host;
  stopped_ = true;
  const Visit visit(*this);
  return real_->stop(*this);
}

Result<void> WatchedFramer::frame(Chunk part, bool first, std::size_t size, Batch& out) noexcept {
  const Visit visit(*this);
  const MessageRef info = part.info;
  Batch framed;
  auto done = real_->frame(std::move(part), first, size, framed);
  if (!done && !first && !refuses_any_part_)
    broken("frame() refused a part that is not the first of its message, and the framing does not ask for whole ones");
  for (const Chunk& chunk : framed) {
    if (chunk.info != info) broken("frame() made a chunk without the part's info: its fate would be told too early");
  }
  out.append(framed);
  return done;
}

Result<Framer::Piece> WatchedFramer::parse(std::span<const std::byte> front) noexcept {
  const Visit visit(*this);
  const bool passed = passes_;
  auto piece = real_->parse(front);
  if (passed) broken("parse() was asked after pass_through()");
  return piece;
}

// ---- what it asks for

// Null: it may not, or there is nobody to ask any more.
FramerHost* WatchedFramer::asked(std::string_view call) noexcept {
  if (visited_ && !gone_) return host_;
  broken(std::format("{} outside of start(), stop(), frame() and parse(){}", call, gone_ ? ": in its destructor" : ""));
  return nullptr;
}

void WatchedFramer::send(Chunk&& own) noexcept {
  FramerHost* const host = asked("send()");
  if (host == nullptr) return;
  if (!ready_) scene_.uses(Hook::speaks_first);
  if (stopped_) scene_.uses(Hook::speaks_last);
  if (closed_) broken("send() after closed(): its last word was said");
  host->send(std::move(own));
}

void WatchedFramer::deliver(Chunk&& own) noexcept {
  FramerHost* const host = asked("deliver()");
  if (host == nullptr) return;
  scene_.uses(Hook::delivers);
  host->deliver(std::move(own));
}

void WatchedFramer::annotate(std::string_view key, PropertyValue value) noexcept {
  if (FramerHost* const host = asked("annotate()")) host->annotate(key, std::move(value));
}

void WatchedFramer::ready() noexcept {
  FramerHost* const host = asked("ready()");
  if (host == nullptr) return;
  if (std::exchange(ready_, true)) broken("ready() twice");
  host->ready();
}

void WatchedFramer::closed() noexcept {
  FramerHost* const host = asked("closed()");
  if (host == nullptr) return;
  if (!stopped_) broken("closed() before stop(): the application may still send");
  closed_ = true;
  host->closed();
}

void WatchedFramer::pass_through() noexcept {
  FramerHost* const host = asked("pass_through()");
  if (host == nullptr) return;
  passes_ = true;
  scene_.uses(Hook::passes_through);
  host->pass_through();
}

Result<void> WatchedFramer::prepend(std::string_view name, const Framing& other) noexcept {
  FramerHost* const host = asked("prepend()");
  if (host == nullptr) return fail(Reason::canceled, "the framer is not being called", 0, "conformance");
  scene_.uses(Hook::prepends);
  auto done = host->prepend(name, other);
  if (!done) broken("prepend() was refused: " + done.error().detail);
  return done;
}

}  // namespace trellis::conformance
