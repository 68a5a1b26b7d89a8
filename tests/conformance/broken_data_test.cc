// Layers that spoil data, ends and claims, each in one way: the check that is meant for it notices.
#include <algorithm>
#include <cstdlib>

#include "kit.h"

namespace trellis::tests {
namespace {

struct LosesAByte final : Relay {
  using Relay::Relay;
  void down(Chunk chunk) noexcept override {
    if (chunk.data.size() > 1 && ++chunks_ % 3 == 0) chunk.data.drop_back(1);
    Relay::down(std::move(chunk));
  }
  int chunks_ = 0;
};
TEST(BrokenData, LosesAByte) { expect_caught(subject<LosesAByte>("tcp"), "X1", "missing"); }

struct SaysThingsTwice final : Relay {
  using Relay::Relay;
  void up(Chunk chunk) noexcept override {
    if (chunk.data.size() > 0 && chunk.data.size() % 5 == 0)
      upper_.push(Chunk{.data = chunk.data.share(), .info = chunk.info});
    Relay::up(std::move(chunk));
  }
};
TEST(BrokenData, SaysThingsTwice) { expect_caught(subject<SaysThingsTwice>("tcp"), "X1", "already"); }

struct TrustsEdges final : Relay {  // takes a chunk of one byte for a keep-alive
  using Relay::Relay;
  void up(Chunk chunk) noexcept override {
    if (chunk.data.size() != 1) Relay::up(std::move(chunk));
  }
};
TEST(BrokenData, TrustsEdgesOfChunks) { expect_caught(subject<TrustsEdges>("tcp"), "X2", ""); }

struct MergesDatagrams final : Relay {
  using Relay::Relay;
  void on_down(UpperPort from, Batch& batch) noexcept override {
    while (batch.size() > 1 && lower_.credit() > 0) {
      Chunk a = batch.pop(), b = batch.pop();
      Chunk both{.data = allocate(a.data.size() + b.data.size()), .end_of_message = true};
      std::ranges::copy(a.data.bytes(), both.data.edit().begin());
      std::ranges::copy(b.data.bytes(), both.data.edit().begin() + a.data.size());
      lower_.push(std::move(both));
    }
    Relay::on_down(from, batch);
  }
};
TEST(BrokenData, MergesDatagrams) { expect_caught(subject<MergesDatagrams>("udp"), "X3", "joined"); }

struct CutsDatagrams final : Relay {
  using Relay::Relay;
  void down(Chunk chunk) noexcept override {
    if (chunk.data.size() > 100) lower_.push(Chunk{.data = chunk.data.split_front(100), .end_of_message = true});
    Relay::down(std::move(chunk));
  }
};
TEST(BrokenData, CutsDatagrams) { expect_caught(subject<CutsDatagrams>("udp"), "X3", "cut"); }

struct DropsEmptyOnes final : Relay {
  using Relay::Relay;
  void up(Chunk chunk) noexcept override {
    if (chunk.data.size() > 0) Relay::up(std::move(chunk));
  }
};
TEST(BrokenData, DropsEmptyMessages) { expect_caught(subject<DropsEmptyOnes>("udp"), "X4", "received"); }

struct PromisesLargeOnes final : Relay {
  using Relay::Relay;
  Result<PropertyValue> get(UpperPort, std::string_view name) noexcept override {
    if (name == kSendMsgMaxLen.name) return PropertyValue(std::uint64_t{5000});
    return fail(Reason::unsupported);
  }
};
TEST(BrokenData, SendsWhatIsTooLarge) {
  expect_caught(subject<PromisesLargeOnes>("udp"), "X5", "sendMsgMaxLen is 5000");
}

struct MixesPeers final : Relay {  // what belongs to a connection lies in the process
  using Relay::Relay;
  void up(Chunk chunk) noexcept override {
    static Chunk kept;
    if (chunk.data.size() > 8) std::swap(kept.data, chunk.data);
    Relay::up(std::move(chunk));
  }
};
TEST(BrokenData, MixesPeers) { expect_caught(subject<MixesPeers>("tcp"), "X6", ""); }

struct ForgetsFates final : Relay {
  using Relay::Relay;
  void down(Chunk chunk) noexcept override {
    static auto& kept = *new std::vector<MessageRef>;
    kept.push_back(chunk.info);
    Relay::down(std::move(chunk));
  }
};
TEST(BrokenData, ForgetsFates) { expect_caught(subject<ForgetsFates>("udp"), "X7", "reported as sent"); }

// ---- ends

struct CloseDropsWhatItHolds final : Relay {  // sends in packs of four
  using Relay::Relay;
  void down(Chunk chunk) noexcept override {
    held_.add(std::move(chunk));
    if (held_.size() >= 4) lower_.push(held_);
  }
  Batch held_;
};
TEST(BrokenEnd, CloseDropsWhatItHolds) { expect_caught(subject<CloseDropsWhatItHolds>("tcp"), "T1", "before close()"); }

struct SwallowsTheEnd final : Relay {
  using Relay::Relay;
  void finish_up() noexcept override {}
};
TEST(BrokenEnd, SwallowsTheEnd) {
  expect_caught(subject<SwallowsTheEnd>("tcp"), "T2", "has finished");
  expect_caught(subject<SwallowsTheEnd>("tcp"), "F3", "to be told");
}

struct EndsBeforeTheRest final : Relay {  // gathers small pieces, and passes the end on without the last of them
  using Relay::Relay;
  void up(Chunk chunk) noexcept override {
    held_.add(std::move(chunk));
    if (held_.bytes() != 1 && held_.bytes() < 4000) return;
    while (!held_.empty() && upper_.credit() > 0) upper_.push(held_.pop());
  }
  void on_credit(UpperPort) noexcept override {
    while (held_.bytes() >= 4000 && upper_.credit() > 0) upper_.push(held_.pop());
    grant();
  }
  Batch held_;
};
TEST(BrokenEnd, EndsBeforeTheRest) { expect_caught(subject<EndsBeforeTheRest>("tcp"), "T3", "before it closed"); }

struct WaitsForGoodbye final : Relay {  // close() waits for the peer's end, without a deadline
  using Relay::Relay;
  void close(const CloseArgs& args) noexcept override {
    if (args.abort || ended_) return Relay::close(args);
    closing_ = true;
    lower_.finish();
  }
  void finish_up() noexcept override {
    ended_ = true;
    Relay::finish_up();
    if (closing_) host_.closed();
  }
  bool closing_ = false, ended_ = false;
};
TEST(BrokenEnd, WaitsForGoodbyeForEver) { expect_caught(subject<WaitsForGoodbye>("tcp"), "T5", "went dark"); }

struct FailsAtTheEnd final : Relay {
  using Relay::Relay;
  void finish_up() noexcept override { host_.failed({Reason::reset, 0, "broken", "the peer went away"}); }
};
TEST(BrokenEnd, ACleanEndIsNoFailure) { expect_caught(subject<FailsAtTheEnd>("tcp"), "T6", "close cleanly"); }

struct DiesYoung final : Relay {
  using Relay::Relay;
  void down(Chunk chunk) noexcept override {
    ++sent_;
    Relay::down(std::move(chunk));
  }
  ~DiesYoung() override {
    if (sent_ == 1) std::abort();
  }
  int sent_ = 0;
};
TEST(BrokenEnd, CrashesWhenDestroyedInTheMiddle) { expect_caught(subject<DiesYoung>("tcp"), "T7", "signal 6"); }

struct NeverReturns final : Relay {
  using Relay::Relay;
  void finish_up() noexcept override { std::_Exit(3); }
};
TEST(BrokenEnd, EndsItsProcess) { expect_caught(subject<NeverReturns>("tcp"), "T2", "status 3"); }

// ---- a peer's bytes

struct TrustsThePeer final : Relay {  // a letter in front of each datagram
  using Relay::Relay;
  void down(Chunk chunk) noexcept override {
    Chunk framed{.data = allocate(chunk.data.size() + 1), .info = chunk.info, .end_of_message = true};
    framed.data.edit()[0] = std::byte{'d'};
    std::ranges::copy(chunk.data.bytes(), framed.data.edit().begin() + 1);
    lower_.push(std::move(framed));
  }
  void up(Chunk chunk) noexcept override {
    if (chunk.data.size() == 0 || chunk.data.bytes()[0] != std::byte{'d'}) std::abort();
    chunk.data.drop_front(1);
    Relay::up(std::move(chunk));
  }
};
TEST(BrokenParser, TrustsThePeer) {
  expect_caught(subject<TrustsThePeer>("udp"), "F4", "signal 6");
  expect_caught(subject<TrustsThePeer>("udp"), "F5", "signal 6");
}

// ---- claims

template <Feature feature>
struct Claim {
  static void claim(LayerTraits& traits) {
    traits.adds = {feature};
    if (feature == Feature::confidentiality) traits.security.family = "none";
  }
};
TEST(BrokenClaim, Reliability) {
  expect_caught(subject<Relay, Claim<Feature::reliability>>("udp"), "E1", "one packet in five");
}
TEST(BrokenClaim, Confidentiality) {
  expect_caught(subject<Relay, Claim<Feature::confidentiality>>("tcp"), "E5", "in the clear");
}
TEST(BrokenClaim, Integrity) {
  expect_caught(subject<Relay, Claim<Feature::full_integrity_check>>("tcp"), "E6", "byte");
}
TEST(BrokenClaim, Keepalive) { expect_caught(subject<Relay, Claim<Feature::keepalive>>("udp"), "E8", "sent nothing"); }

TEST(BrokenClaim, DuplicateProtection) {
  expect_caught(subject<Relay, Claim<Feature::duplicate_protection>>("udp"), "E9", "twice");
}

struct ReliableAndOrdered {
  static void claim(LayerTraits& traits) { traits.adds = {Feature::reliability, Feature::ordering}; }
};
TEST(BrokenClaim, Ordering) { expect_caught(subject<Relay, ReliableAndOrdered>("udp"), "E2", "message"); }

struct ThreeRoundTrips {
  static void claim(LayerTraits& traits) { traits.handshake_rtts = 3; }
};
TEST(BrokenClaim, RoundTrips) { expect_caught(subject<Relay, ThreeRoundTrips>("tcp"), "E7", "4 round trips"); }

struct Contradiction {
  static void claim(LayerTraits& traits) { traits.adds = traits.removes = {Feature::ordering}; }
};
TEST(BrokenClaim, Contradiction) {
  expect_caught(subject<Relay, Contradiction>("tcp"), "D5", "both added and removed");
}

// The layer below leaves more room than this one has asked for.
struct TwoBytes {
  static void claim(LayerTraits& traits) { traits.headroom = 2; }
};
struct TakesTooMuchRoom final : Relay {
  using Relay::Relay;
  void down(Chunk chunk) noexcept override {
    const std::uint32_t width = chunk.data.headroom() >= 6 ? 6 : 2;
    Chunk head;
    if (chunk.data.headroom() >= width)
      std::ranges::fill(chunk.data.prepend(width), std::byte{0});
    else
      std::ranges::fill((head.data = allocate(width)).edit(), std::byte{0});
    if (head.data.size() > 0) lower_.push(std::move(head));
    lower_.push(std::move(chunk));
  }
};
struct EightBytes {
  static void claim(LayerTraits& traits) { traits.headroom = 8; }
};
TEST(BrokenClaim, Headroom) {
  conformance::Subject broken = subject<TakesTooMuchRoom, TwoBytes>("roomy");
  broken.below.push_back("tcp");
  broken.linked = [](Registrar& registrar) {
    registrar.add(kind<RelayProtocol<TakesTooMuchRoom, TwoBytes>>("broken"));
    registrar.add(kind<RelayProtocol<Relay, EightBytes>>("roomy"));
  };
  const conformance::Outcome outcome = outcome_of(broken, "E4");
  EXPECT_EQ(outcome.kind, conformance::Outcome::Kind::failed);
  EXPECT_NE(outcome.text.find("headroom of 2 bytes and used 6"), std::string::npos) << outcome.text;
}

}  // namespace
}  // namespace trellis::tests
