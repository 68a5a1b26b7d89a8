// Framers that break a rule of trellis/framer.h, or do what they do not declare: the check that is meant for it
// notices.
#include <cstring>

#include "kit.h"
#include "trellis/framer.h"

namespace trellis::tests {
namespace {

using conformance::Hook;

constexpr std::size_t kHead = 5;

/// Frames of [type][size]: 'H' hello, which both sides say, 'M' message, 'B' goodbye. Does everything right.
class Polite : public Framer {
 public:
  explicit Polite(BlockPool& pool) : pool_(pool) {}
  Result<void> start(FramerHost& host, const OpenArgs& args) noexcept override {
    host_ = &host;
    passive_ = args.passive;
    if (!passive_) host.send(frame_of('H', 0));
    return {};
  }
  Result<void> stop(FramerHost& host) noexcept override {
    host.send(frame_of('B', 0));
    host.closed();
    return {};
  }
  Result<void> frame(Chunk part, bool first, std::size_t size, Batch& out) noexcept override {
    if (first) {
      Chunk head = frame_of('M', size);
      head.info = part.info;
      out.add(std::move(head));
    }
    out.add(std::move(part));
    return {};
  }
  Result<Piece> parse(std::span<const std::byte> front) noexcept override {
    if (front.size() < kHead) return Piece{};
    std::uint32_t size = 0;
    std::memcpy(&size, front.data() + 1, sizeof size);
    switch (static_cast<char>(front[0])) {
      case 'H': return heard_hello(), Piece{.skip = kHead};
      case 'M': return Piece{.skip = kHead, .deliver = size, .end = true};
      case 'B': return Piece{.skip = kHead};
      default: return fail(Reason::protocol_violation, "polite: found an unknown frame, expected H, M or B");
    }
  }

 protected:
  virtual void heard_hello() noexcept {
    if (std::exchange(greeted_, true)) return;  // garbage
    if (passive_) host_->send(frame_of('H', 0));
    host_->ready();
  }
  Chunk frame_of(char type, std::size_t size) {
    Chunk chunk{.data = pool_.allocate(0, kHead, 0), .end_of_message = true};
    const auto bytes = chunk.data.edit();
    const auto length = static_cast<std::uint32_t>(size);
    bytes[0] = static_cast<std::byte>(type);
    std::memcpy(bytes.data() + 1, &length, sizeof length);
    return chunk;
  }
  BlockPool& pool_;
  FramerHost* host_ = nullptr;
  bool passive_ = false, greeted_ = false;
};

template <class Of>
class FramingOf final : public Framing {
  bool needs_size() const noexcept override { return true; }
  std::uint8_t handshake_rtts() const noexcept override { return 1; }
  std::unique_ptr<Framer> make(BlockPool& pool) const noexcept override { return std::make_unique<Of>(pool); }
};
template <class Of>
class FramerKindOf final : public FramerKind {
  std::string_view name() const noexcept override { return "broken"; }
  Result<std::unique_ptr<Framing>> configure(const Options&) const noexcept override {
    return std::make_unique<FramingOf<Of>>();
  }
};

template <class Of>
conformance::Subject framer(std::vector<Hook> hooks = {Hook::speaks_first, Hook::speaks_last}) {
  return {.layer = "broken",
          .below = {"tcp"},
          .hooks = std::move(hooks),
          .directories = {TRELLIS_BUILD_DIR "/plugins"},
          .linked = [](Registrar& registrar) { registrar.add(std::make_unique<FramerKindOf<Of>>()); }};
}

TEST(BrokenFramer, APoliteOnePasses) {
  conformance::examine(framer<Polite>(), {.seeds = 10}, [](const conformance::Outcome& outcome) {
    EXPECT_NE(outcome.kind, conformance::Outcome::Kind::failed) << outcome.id << ": " << outcome.text;
    EXPECT_NE(outcome.kind, conformance::Outcome::Kind::not_run) << outcome.id << ": " << outcome.text;
  });
  for (const char* id : {"H1", "H2", "H3"})
    EXPECT_EQ(outcome_of(framer<Polite>(), id).kind, conformance::Outcome::Kind::passed) << id;
}

struct SaysReadyTwice final : Polite {
  using Polite::Polite;
  void heard_hello() noexcept override {
    Polite::heard_hello();
    host_->ready();
  }
};
TEST(BrokenFramer, SaysReadyTwice) { expect_caught(framer<SaysReadyTwice>(), "H1", "ready() twice"); }

struct SpeaksInItsDestructor final : Polite {
  using Polite::Polite;
  ~SpeaksInItsDestructor() override {
    if (host_ != nullptr) host_->send(frame_of('B', 0));
  }
};
TEST(BrokenFramer, SpeaksInItsDestructor) {
  expect_caught(framer<SpeaksInItsDestructor>(), "H1", "send() outside of start()");
}

struct ForgetsWhoAsked final : Polite {
  using Polite::Polite;
  Result<void> frame(Chunk part, bool first, std::size_t size, Batch& out) noexcept override {
    if (first) out.add(frame_of('M', size));  // without part.info
    out.add(std::move(part));
    return {};
  }
};
TEST(BrokenFramer, ForgetsWhoAsked) {
  // Only messages whose fate somebody waits for have an info.
  expect_caught(framer<ForgetsWhoAsked>(), "X7", "without the part's info");
}

struct EndsBeforeTheApplication final : Polite {
  using Polite::Polite;
  void heard_hello() noexcept override {
    Polite::heard_hello();
    host_->closed();
  }
};
TEST(BrokenFramer, EndsBeforeTheApplication) {
  expect_caught(framer<EndsBeforeTheApplication>(), "H1", "closed() before stop()");
}

struct IsReadyUnanswered final : Polite {
  using Polite::Polite;
  Result<void> start(FramerHost& host, const OpenArgs& args) noexcept override {
    auto started = Polite::start(host, args);
    greeted_ = !passive_;
    if (!passive_) host.ready();
    return started;
  }
};
TEST(BrokenFramer, IsReadyUnanswered) { expect_caught(framer<IsReadyUnanswered>(), "H3", "the candidate to fail"); }

const FramingOf<Polite> kAnother;

struct PrependsTooLate final : Polite {
  using Polite::Polite;
  void heard_hello() noexcept override {
    Polite::heard_hello();
    std::ignore = host_->prepend("another", kAnother);
  }
};
TEST(BrokenFramer, PrependsTooLate) {
  expect_caught(framer<PrependsTooLate>({Hook::speaks_first, Hook::speaks_last, Hook::prepends}), "H1",
                "prepend() was refused");
}

// Its peer is still asked, and understands nothing any more.
struct PassesThroughAlone final : Polite {
  using Polite::Polite;
  void heard_hello() noexcept override {
    Polite::heard_hello();
    if (!passive_) host_->pass_through();
  }
};
TEST(BrokenFramer, PassesThroughAlone) {
  expect_caught(framer<PassesThroughAlone>({Hook::speaks_first, Hook::speaks_last, Hook::passes_through}), "X3",
                "has other content");
}

// Its own word comes in the middle of a message of the peer, and looks like a part of it.
struct DeliversInTheMiddle final : Polite {
  using Polite::Polite;
  Result<Piece> parse(std::span<const std::byte> front) noexcept override {
    auto piece = Polite::parse(front);
    if (!piece || piece->deliver < 2) return piece;
    Chunk own = frame_of('M', 0);
    own.end_of_message = false;
    host_->deliver(std::move(own));
    return piece;
  }
};
TEST(BrokenFramer, DeliversInTheMiddle) {
  expect_caught(framer<DeliversInTheMiddle>({Hook::speaks_first, Hook::speaks_last, Hook::delivers}), "X3",
                "has other content");
}

TEST(BrokenFramer, DoesWhatItDoesNotDeclare) {
  expect_caught(framer<Polite>({Hook::speaks_last}), "H2", "it speaks before it is ready, and Subject::hooks does not");
}
TEST(BrokenFramer, DeclaresWhatItDoesNot) {
  expect_caught(framer<Polite>({Hook::speaks_first, Hook::speaks_last, Hook::prepends}), "H2",
                "Subject::hooks says prepends another framer");
}

}  // namespace
}  // namespace trellis::tests
