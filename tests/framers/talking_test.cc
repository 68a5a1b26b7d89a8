// Framers that talk, and framers over messages and datagrams: each push and each grant, without an engine.
#include "talking_framers.h"

#include "framer_bench.h"
#include "length_prefix.h"
#include "line.h"

namespace trellis::tests {
namespace {

using test::FramerBench;
using Lines = std::vector<std::string>;

const std::string kHello("H \0", 3), kGoodbye("B \0", 3), kPing("P \0", 3), kPong("Q \0", 3);

struct Talking : testing::Test {
  Talking() { talk_facts = {}; }
  static std::unique_ptr<Framing> chat() { return std::make_unique<ChatFraming>(); }
  static std::unique_ptr<Framing> prefix() {
    return std::make_unique<LengthPrefixFraming>(LengthPrefixFraming::Prefix::one, 255);
  }
  static std::unique_ptr<Framing> line() { return std::make_unique<LineFraming>(LineFraming::Delimiter::lf, 1000); }
};

// IMPL-70, IMPL-72: its bytes go before those of the application, which is let in when the framer says so.
TEST_F(Talking, SpeaksBeforeTheApplication) {
  FramerBench bench(chat());
  bench.take(1000);
  EXPECT_EQ(bench.wire(), kHello);
  EXPECT_EQ(bench.readies, 0);
  EXPECT_EQ(bench.application().credit(), 0u);
  EXPECT_GT(bench.transport().credit(), 0u) << "it has to hear the answer though nobody receives";
  bench.send("early");
  EXPECT_EQ(bench.wire(), "");
  bench.arrive(kHello.substr(0, 2));
  EXPECT_EQ(bench.readies, 0);
  bench.arrive(kHello.substr(2));
  EXPECT_EQ(bench.readies, 1);
  bench.offer_down();  // as the engine does when a layer is ready
  EXPECT_EQ(bench.wire(), "M \5early");
  EXPECT_GT(bench.application().credit(), 0u);
}

// IMPL-74
TEST_F(Talking, AnEndBeforeItIsReadyIsAFailure) {
  FramerBench bench(chat(), "chat");
  bench.arrive("H");
  bench.end();
  ASSERT_TRUE(bench.failure);
  EXPECT_EQ(bench.failure->detail, "chat: the peer ended before the framer was ready");
  EXPECT_EQ(bench.readies, 0);
}

// IMPL-71, IMPL-73: the last bytes go behind the last message; closing waits for the answer, past what nobody takes.
TEST_F(Talking, SpeaksAfterTheApplication) {
  talk_facts.starts_at_once = true;
  FramerBench bench(chat());
  bench.take(1000);
  bench.send("last");
  bench.layer->close(CloseArgs{});
  EXPECT_EQ(bench.wire(), "M \4last" + kGoodbye);
  EXPECT_EQ(bench.closings, 0);
  EXPECT_EQ(bench.alarm, TimePoint{} + kFramerStopPatience);
  bench.arrive("M \3new" + kGoodbye);
  EXPECT_EQ(bench.closings, 1);
  EXPECT_EQ(bench.alarm, TimePoint::max());
  EXPECT_EQ(bench.messages(), Lines{});
}

TEST_F(Talking, ClosesWithoutAnAnswerInTheEnd) {
  talk_facts.starts_at_once = true;
  FramerBench silent(chat()), gone(chat());
  for (FramerBench* bench : {&silent, &gone}) {
    bench->take(1000);
    bench->layer->close(CloseArgs{});
    EXPECT_EQ(bench->closings, 0);
  }
  silent.layer->on_deadline();
  EXPECT_EQ(silent.closings, 1);
  ASSERT_EQ(silent.soft.size(), 1u);
  EXPECT_EQ(silent.soft[0].reason, Reason::timed_out);
  gone.end();
  EXPECT_EQ(gone.closings, 1);
  EXPECT_FALSE(gone.failure);
}

// IMPL-71: before a half-close too.
TEST_F(Talking, SpeaksBeforeAHalfClose) {
  talk_facts.starts_at_once = true;
  FramerBench bench(chat());
  bench.take(1000);
  bench.application().finish();
  bench.offer_down();
  EXPECT_EQ(bench.wire(), kGoodbye);
  EXPECT_FALSE(bench.transport().finished());
  bench.demand(1000);
  bench.arrive("M \3new" + kGoodbye);
  EXPECT_TRUE(bench.transport().finished());
  EXPECT_EQ(bench.messages(), Lines{"new"}) << "the application still receives";
  EXPECT_EQ(talk_facts.stopped, 1);
}

TEST_F(Talking, SaysNothingWhenItIsAborted) {
  talk_facts.starts_at_once = true;
  FramerBench bench(chat());
  bench.take(1000);
  bench.layer->close(CloseArgs{.abort = true});
  EXPECT_EQ(bench.wire(), "");
  EXPECT_EQ(talk_facts.stopped, 0);
}

// A peer that asks and does not listen makes no queue grow.
TEST_F(Talking, AnswersThatNobodyTakesEndTheConnection) {
  talk_facts.starts_at_once = true;
  FramerBench bench(chat());
  bench.demand(1 << 20);
  std::string pings;
  for (int i = 0; i < 1000; ++i) pings += kPing;
  bench.arrive(pings);
  bench.take(3000);
  EXPECT_EQ(bench.wire().size(), 3000u);
  for (int i = 0; i < 30 && !bench.failure; ++i) bench.arrive(pings);
  ASSERT_TRUE(bench.failure);
  EXPECT_EQ(bench.failure->reason, Reason::exhausted);
}

// IMPL-83: in its place among the messages; while nobody receives, and before it is ready, it waits.
TEST_F(Talking, DeliversMessagesOfItsOwn) {
  FramerBench bench(chat());
  bench.arrive("E \3abc" + kHello + "M \1xE \3def");
  EXPECT_EQ(bench.readies, 1);
  EXPECT_EQ(bench.messages(), Lines{});
  bench.demand(1);
  EXPECT_EQ(bench.messages(), Lines{"ABC"}) << "it has used up the credit";
  bench.demand(4000);
  EXPECT_EQ(bench.messages(), (Lines{"ABC", "x", "DEF"}));
}

// API-204: a message without metadata has no MessageInfo.
TEST_F(Talking, MetadataCostNothingWithoutAny) {
  talk_facts.starts_at_once = true;
  FramerBench bench(chat());
  bench.demand(4000);
  bench.arrive(std::string("M \1aMx\1b"));
  EXPECT_FALSE(bench.above.up.batch.pop().info);
  const Chunk labelled = bench.above.up.batch.pop();
  ASSERT_TRUE(labelled.info);
  const PropertyValue* const label = labelled.info->metadata.get("framer", "label");
  ASSERT_NE(label, nullptr);
  EXPECT_EQ(std::get<std::string>(*label), "x");
}

// Gets out of the way at once, and tries too late to put another one there.
class Gone final : public Framing {
  struct Mind final : Framer {
    Result<void> start(FramerHost& host, const OpenArgs&) noexcept override {
      host.pass_through();
      host.ready();
      static const ChatFraming chat;
      const auto late = host.prepend("chat", chat);
      if (late) return fail(Reason::invalid_argument, "it was not too late");
      return {};
    }
    Result<void> frame(Chunk, bool, std::size_t, Batch&) noexcept override { return fail(Reason::canceled); }
    Result<Piece> parse(std::span<const std::byte>) noexcept override { return fail(Reason::canceled); }
  };
  std::unique_ptr<Framer> make(BlockPool&) const noexcept override { return std::make_unique<Mind>(); }
};

// IMPL-76: over a bytestream what remains is one message; messages keep their ends.
TEST_F(Talking, PassesThrough) {
  FramerBench bytes(std::make_unique<Gone>()), messages(std::make_unique<Gone>(), "gone", Face::message);
  for (FramerBench* bench : {&bytes, &messages}) {
    ASSERT_FALSE(bench->failure) << bench->failure->detail;
    bench->take(1000);
    bench->demand(1000);
    bench->send("one");
    bench->send("two", false);
    EXPECT_EQ(bench->wire(), "onetwo");
    bench->arrive("x");
    bench->arrive("y");
    bench->end();
    EXPECT_TRUE(bench->application().finished());
  }
  EXPECT_EQ(bytes.messages(), Lines{"xy"});
  EXPECT_EQ(messages.messages(), (Lines{"x", "y"}));
}

// API-203: one message, one datagram, also where there is no room for a header in place.
TEST_F(Talking, FramesDatagrams) {
  FramerBench bench(prefix(), "length-prefix", Face::datagram);
  bench.take(10000);
  bench.send("abc", true, {}, 1);
  bench.send("defg");
  bench.send("in ", false);
  bench.send("parts", true);
  EXPECT_EQ(bench.below.down.batch.size(), 3u);
  EXPECT_EQ(bench.sent_below(), (Lines{"\3abc", "\4defg", "\10in parts"}));
}

// API-203: several messages in one datagram; one that makes no sense is dropped and told, and harms no other.
TEST_F(Talking, ParsesDatagrams) {
  FramerBench bench(prefix(), "length-prefix", Face::datagram);
  bench.demand(10000);
  bench.arrive("\3one\3two");
  bench.arrive("\5cut");
  bench.arrive("");
  bench.arrive("\4last");
  EXPECT_EQ(bench.messages(), (Lines{"one", "two", "last"}));
  EXPECT_FALSE(bench.failure);
  ASSERT_EQ(bench.soft.size(), 1u);
  EXPECT_EQ(bench.soft[0].detail, "length-prefix: a message is not complete at the end of a datagram");
  FramerBench lines(line(), "line", Face::datagram);
  lines.demand(10000);
  lines.arrive("one\ntw");
  lines.arrive("three\n");
  EXPECT_EQ(lines.messages(), (Lines{"one", "three"}));
  EXPECT_EQ(lines.soft.size(), 1u);
}

// API-201: over messages it sees one at a time, though in parts; what is cut off at an end is an error.
TEST_F(Talking, ParsesMessages) {
  for (std::size_t cut = 0; cut <= 9; ++cut) {
    FramerBench bench(line(), "line", Face::message);
    bench.demand(10000);
    const std::string two = "ab\ncdefg\n";
    bench.arrive(two.substr(0, cut), false);
    bench.arrive(two.substr(cut));
    bench.arrive("h\n");
    bench.end();
    EXPECT_EQ(bench.messages(), (Lines{"ab", "cdefg", "h"})) << cut;
    EXPECT_FALSE(bench.failure) << bench.failure->detail;
  }
  for (const auto& [first, second] : {std::pair<std::string, std::string>{"\3ab", "c"}, {"\3a", ""}}) {
    FramerBench bench(prefix(), "length-prefix", Face::message);
    bench.demand(10000);
    bench.arrive(first, second.empty());
    bench.arrive(second, true);
    EXPECT_EQ(bench.failure.has_value(), second.empty());
    if (bench.failure) {
      EXPECT_EQ(bench.failure->detail,
                "length-prefix: a message is not complete at the end of a message of the layer below");
    }
  }
}

}  // namespace
}  // namespace trellis::tests
