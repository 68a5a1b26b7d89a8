// watched_framer.h: a framer under examination, wrapped: what it asks of its host and what it answers is judged by the
// rules of trellis/framer.h, and which of its hooks it uses is remembered.
#pragma once
#include <memory>

#include "conformance/scene.h"
#include "trellis/framer.h"

namespace trellis::conformance {

/// One framer of the subject.
class WatchedFramer final : public Framer, private FramerHost {
 public:
  WatchedFramer(std::unique_ptr<Framer> real, bool refuses_any_part, Scene& scene);
  ~WatchedFramer() override;
  Result<void> frame(Chunk part, bool first, std::size_t size, Batch& out) noexcept override;
  Result<Piece> parse(std::span<const std::byte> front) noexcept override;
  Result<void> start(FramerHost& host, const OpenArgs& args) noexcept override;
  Result<void> stop(FramerHost& host) noexcept override;

 private:
  class Visit;
  void send(Chunk&& own) noexcept override;
  void deliver(Chunk&& own) noexcept override;
  void annotate(std::string_view key, PropertyValue value) noexcept override;
  void ready() noexcept override;
  void closed() noexcept override;
  void pass_through() noexcept override;
  Result<void> prepend(std::string_view name, const Framing& other) noexcept override;
  FramerHost* asked(std::string_view call) noexcept;
  void broken(std::string text) noexcept;

  std::unique_ptr<Framer> real_;
  Scene& scene_;
  FramerHost* host_ = nullptr;
  const bool refuses_any_part_;
  bool visited_ = false, ready_ = false, stopped_ = false, closed_ = false, passes_ = false, gone_ = false;
};

/// The subject's framing, its framers wrapped.
class WatchedFraming final : public Framing {
 public:
  WatchedFraming(std::unique_ptr<Framing> real, const SceneHolder& holder) : real_(std::move(real)), holder_(holder) {}
  std::uint16_t headroom() const noexcept override { return real_->headroom(); }
  std::uint16_t tailroom() const noexcept override { return real_->tailroom(); }
  bool needs_size() const noexcept override { return real_->needs_size(); }
  std::size_t largest() const noexcept override { return real_->largest(); }
  Face above() const noexcept override { return real_->above(); }
  FeatureSet needs() const noexcept override { return real_->needs(); }
  std::uint8_t handshake_rtts() const noexcept override { return real_->handshake_rtts(); }
  std::unique_ptr<Framer> make(BlockPool& pool) const noexcept override {
    return std::make_unique<WatchedFramer>(real_->make(pool), real_->needs_size(), *holder_.scene);
  }

 private:
  std::unique_ptr<Framing> real_;
  const SceneHolder& holder_;
};

}  // namespace trellis::conformance
