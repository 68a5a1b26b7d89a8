// Layers that break a rule of the contract or of credit, each in one way: the check that is meant for it notices.
#include <cstdlib>
#include <random>

#include "kit.h"
#include "trellis/executor.h"

namespace trellis::tests {
namespace {

struct ReadyTwice final : Relay {
  using Relay::Relay;
  void open(const OpenArgs& args) noexcept override {
    Relay::open(args);
    host_.ready();
  }
};
TEST(BrokenContract, ReadyTwice) { expect_caught(subject<ReadyTwice>("tcp"), "C1", "ready() twice"); }

struct NeverReady final : Relay {
  using Relay::Relay;
  void open(const OpenArgs&) noexcept override {}
};
TEST(BrokenContract, NeverReady) { expect_caught(subject<NeverReady>("tcp"), "C1", "to be ready"); }

struct TalksAfterTheEnd final : Relay {
  using Relay::Relay;
  void close(const CloseArgs& args) noexcept override {
    Relay::close(args);
    host_.deadline(host_.executor().now());
  }
};
TEST(BrokenContract, TalksAfterTheEnd) {
  expect_caught(subject<TalksAfterTheEnd>("tcp"), "C2", "deadline() after host.closed()");
}

struct PushesAfterFinish final : Relay {
  using Relay::Relay;
  void close(const CloseArgs& args) noexcept override {
    if (upper_.finished()) lower_.push(Chunk{.data = allocate(3), .end_of_message = true});
    Relay::close(args);
  }
};
TEST(BrokenContract, PushesAfterFinish) { expect_caught(subject<PushesAfterFinish>("tcp"), "C3", "after finish()"); }

struct PushesAfterClosed final : Relay {
  using Relay::Relay;
  void close(const CloseArgs& args) noexcept override {
    Relay::close(args);
    lower_.push(Chunk{.data = allocate(3), .end_of_message = true});
  }
};
TEST(BrokenContract, PushesAfterClosed) {
  expect_caught(subject<PushesAfterClosed>("udp"), "C3", "after host.closed()");
}

struct SaysGoodbyeInItsDestructor final : Relay {
  using Relay::Relay;
  ~SaysGoodbyeInItsDestructor() override {
    if (lower_.credit() > 0) lower_.push(Chunk{.data = allocate(3), .end_of_message = true});
  }
};
TEST(BrokenContract, SaysGoodbyeInItsDestructor) {
  expect_caught(subject<SaysGoodbyeInItsDestructor>("tcp"), "C4", "destructor");
}

struct WritesIntoSharedBytes final : Relay {
  using Relay::Relay;
  void down(Chunk chunk) noexcept override {
    scramble(chunk);
    Relay::down(std::move(chunk));
  }
  void up(Chunk chunk) noexcept override {
    scramble(chunk);
    Relay::up(std::move(chunk));
  }
  static void scramble(Chunk& chunk) {
    for (const std::byte& byte : chunk.data.bytes()) const_cast<std::byte&>(byte) ^= std::byte{0x55};
  }
};
TEST(BrokenContract, WritesIntoSharedBytes) {
  expect_caught(subject<WritesIntoSharedBytes>("tcp"), "C5", "shares them");
}

struct AbortsLater final : Relay {
  using Relay::Relay;
  void close(const CloseArgs& args) noexcept override {
    if (args.abort) return host_.wake();
    Relay::close(args);
  }
};
TEST(BrokenContract, AbortsLater) { expect_caught(subject<AbortsLater>("tcp"), "C6", "close(abort)"); }

struct FailsWithoutAWord final : Relay {
  using Relay::Relay;
  void finish_up() noexcept override { host_.failed({Reason::reset, 0, "broken", {}}); }
};
TEST(BrokenContract, FailsWithoutAWord) { expect_caught(subject<FailsWithoutAWord>("tcp"), "F3", "without a word"); }

struct KnowsEveryProperty final : Relay {
  using Relay::Relay;
  Result<PropertyValue> get(UpperPort, std::string_view) noexcept override { return PropertyValue(true); }
};
TEST(BrokenContract, KnowsEveryProperty) {
  expect_caught(subject<KnowsEveryProperty>("tcp"), "C7", "no-such-property");
}

// ---- credit

struct IgnoresCredit final : Relay {
  using Relay::Relay;
  void on_down(UpperPort from, Batch& batch) noexcept override {
    upper_.grant(upper_.charge(batch));
    lower_.push(batch);
    if (from.finished()) lower_.finish();
  }
  void grant() noexcept override {
    if (upper_.granted() == 0) upper_.grant_to(65536);
    if (lower_.empty()) lower_.grant_to(upper_.credit());
  }
};
TEST(BrokenCredit, Ignored) { expect_caught(subject<IgnoresCredit>("tcp"), "B1", "without credit"); }

struct GrantsOnce final : Relay {
  using Relay::Relay;
  void grant() noexcept override {
    if (std::exchange(granted_, true)) return;
    upper_.grant(1 << 20);
    lower_.grant(1000);
  }
  bool granted_ = false;
};
TEST(BrokenCredit, NeverGivenBack) { expect_caught(subject<GrantsOnce>("tcp"), "B2", "received"); }

// Has a queue, and forgets it when credit comes back.
struct ForgetsWhatItHolds final : Relay {
  using Relay::Relay;
  void on_down(UpperPort from, Batch& batch) noexcept override {
    held_.append(batch);
    while (!held_.empty() && lower_.credit() > 0) lower_.push(held_.pop());
    if (held_.empty() && from.finished()) lower_.finish();
    grant();
  }
  void grant() noexcept override {
    if (held_.empty()) upper_.grant_to(16'384);
    if (lower_.empty()) lower_.grant_to(upper_.credit());
  }
  Batch held_;
};
TEST(BrokenCredit, ForgetsWhatItHolds) { expect_caught(subject<ForgetsWhatItHolds>("tcp"), "B3", "received"); }

struct HoardsEverything final : Relay {
  using Relay::Relay;
  void on_down(UpperPort, Batch& batch) noexcept override {
    held_.append(batch);
    upper_.grant_to(1 << 20);
    release();
  }
  void on_credit(LowerPort) noexcept override { release(); }
  void release() {
    while (!held_.empty() && lower_.credit() > 0) lower_.push(held_.pop());
  }
  void grant() noexcept override {
    upper_.grant_to(1 << 20);
    if (lower_.empty()) lower_.grant_to(upper_.credit());
  }
  Batch held_;
};
TEST(BrokenCredit, HoardsEverything) { expect_caught(subject<HoardsEverything>("tcp"), "B4", "to hold at most"); }

struct OneDirectionAtATime final : Relay {  // what the application does not read keeps it from sending
  using Relay::Relay;
  void on_down(UpperPort from, Batch& batch) noexcept override {
    if (lower_.empty()) Relay::on_down(from, batch);
  }
  void grant() noexcept override {
    Relay::grant();
    lower_.grant_to(100'000);
  }
};
TEST(BrokenCredit, OneDirectionBlocksTheOther) {
  expect_caught(subject<OneDirectionAtATime>("tcp"), "B5", "although its peer does not read");
}

// ---- time

struct TicksForEver final : Relay {
  using Relay::Relay;
  void open(const OpenArgs& args) noexcept override {
    Relay::open(args);
    on_deadline();
  }
  void on_deadline() noexcept override { host_.deadline(host_.executor().now() + std::chrono::milliseconds(50)); }
};
TEST(BrokenTime, TicksForEver) { expect_caught(subject<TicksForEver>("tcp"), "V1", "idle"); }

struct SpinsForEver final : Relay {
  using Relay::Relay;
  void on_credit(LowerPort port) noexcept override {
    Relay::on_credit(port);
    host_.wake();
  }
  void on_wake() noexcept override { host_.wake(); }
};
TEST(BrokenTime, SpinsForEver) { expect_caught(subject<SpinsForEver>("tcp"), "V1", "no rest"); }

struct KeepsSlices final : Relay {
  using Relay::Relay;
  void down(Chunk chunk) noexcept override {
    static auto& kept = *new std::vector<Slice>;
    if (chunk.data.size() > 100) kept.push_back(chunk.data.split_front(0));
    Relay::down(std::move(chunk));
  }
};
TEST(BrokenTime, KeepsSlicesForEver) { expect_caught(subject<KeepsSlices>("tcp"), "V2", "held 3 min after"); }

struct ThrowsRealDice final : Relay {
  using Relay::Relay;
  void down(Chunk chunk) noexcept override {
    static std::random_device dice;
    while (chunk.data.size() > 1 && dice() % 2 == 0) {
      Chunk front{.data = chunk.data.split_front(chunk.data.size() / 2), .info = chunk.info};
      lower_.push(std::move(front));
    }
    Relay::down(std::move(chunk));
    if (dice() % 2 == 0) host_.deadline(host_.executor().now() + std::chrono::microseconds(dice() % 1000));
  }
};
TEST(BrokenTime, ThrowsRealDice) {
  const conformance::Outcome outcome = outcome_of(subject<ThrowsRealDice>("tcp"), "V3");
  EXPECT_EQ(outcome.kind, conformance::Outcome::Kind::failed);
  EXPECT_NE(outcome.text.find("one seed"), std::string::npos) << outcome.text;
}

struct SetsItsOwnAlarm final : Relay, Alarm {
  using Relay::Relay;
  void open(const OpenArgs& args) noexcept override {
    Relay::open(args);
    arm(host_.executor(), host_.executor().now() + std::chrono::seconds(1));
  }
  void on_alarm() noexcept override {}
};
TEST(BrokenTime, SetsItsOwnAlarm) { expect_caught(subject<SetsItsOwnAlarm>("tcp"), "V4", "Alarm of its own"); }

}  // namespace
}  // namespace trellis::tests
