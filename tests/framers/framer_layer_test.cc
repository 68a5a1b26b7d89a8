// The layer that runs framers: cuts at every byte, parts, windows, refusals and ends.
#include <random>

#include "framer_bench.h"
#include "length_prefix.h"
#include "line.h"

namespace trellis::test {
namespace {

using Prefix = LengthPrefixFraming::Prefix;
using Delimiter = LineFraming::Delimiter;
using Texts = std::vector<std::string>;

constexpr std::size_t kMiB = 1 << 20;

std::unique_ptr<Framing> length_prefix(Prefix prefix = Prefix::four, std::size_t most = 16 * kMiB) {
  return std::make_unique<LengthPrefixFraming>(prefix, most);
}
std::unique_ptr<Framing> line(Delimiter delimiter = Delimiter::lf, std::size_t most = 65536) {
  return std::make_unique<LineFraming>(delimiter, most);
}

std::string some_text(std::size_t size, unsigned long seed = 1) {
  std::string text(size, '\0');
  std::mt19937 random(seed);
  for (char& c : text) c = static_cast<char>('a' + random() % 26);
  return text;
}

TEST(FramerLayer, IsReadyAtOnceAndPassesCreditBothWays) {
  FramerBench bench(length_prefix());
  EXPECT_EQ(bench.readies, 1);
  EXPECT_EQ(bench.application().credit(), 0u);
  bench.take(1000);
  EXPECT_EQ(bench.application().credit(), 1000u);
  bench.demand(5000);
  EXPECT_EQ(bench.transport().credit(), 5000u);
}

// IMPL-68: what one side frames the other side parses, however the network cuts it.
// API-32, IMPL-79, IMPL-80, IMPL-81: a framer is shown what is there, again when more has come, and says what to drop
// of it and what to deliver; each connection has its own.
TEST(FramerLayer, ParsesEveryFramingCutAtEachByte) {
  const Texts texts = {"hello", "", some_text(70), "x", some_text(300), "", ""};
  const auto make = [](int kind) -> std::unique_ptr<Framing> {
    constexpr Prefix kPrefixes[] = {Prefix::two, Prefix::four, Prefix::varint};
    return kind < 3 ? length_prefix(kPrefixes[kind]) : line(kind == 3 ? Delimiter::lf : Delimiter::crlf);
  };
  for (int kind = 0; kind < 5; ++kind) {
    FramerBench sender(make(kind));
    sender.take(kMiB);
    for (const std::string& text : texts) sender.send(text);
    const std::string wire = sender.wire();
    for (std::size_t cut = 0; cut <= wire.size(); ++cut) {
      FramerBench bench(make(kind));
      bench.demand(kMiB);
      bench.arrive(wire.substr(0, cut));
      bench.arrive(wire.substr(cut));
      ASSERT_EQ(bench.messages(), texts) << "framing " << kind << " cut at byte " << cut;
      bench.end();
      EXPECT_FALSE(bench.failure) << bench.failure->detail;
      EXPECT_TRUE(bench.application().finished());
    }
  }
}

TEST(FramerLayer, ParsesRandomSplits) {
  for (unsigned seed = 0; seed < 300; ++seed) {
    std::mt19937 random(seed);
    const auto make = [&]() -> std::unique_ptr<Framing> {
      if (seed % 4 == 3) return line(seed % 8 == 3 ? Delimiter::lf : Delimiter::crlf);
      return length_prefix(seed % 4 == 0 ? Prefix::two : seed % 4 == 1 ? Prefix::four : Prefix::varint);
    };
    FramerBench sender(make());
    Texts texts;
    for (int i = 0; i < 40; ++i) texts.push_back(some_text(random() % (i % 5 == 0 ? 20000 : 40), random()));
    std::string wire;
    for (const std::string& text : texts) {
      const std::size_t half = text.size() / 2;  // in two parts
      sender.send(text.substr(0, half), false);
      sender.send(text.substr(half), true);
      sender.take(64 * 1024);
      wire += sender.wire();
    }
    FramerBench bench(make());
    for (std::size_t at = 0; at < wire.size();) {
      const std::size_t n = std::min<std::size_t>(wire.size() - at, 1 + random() % (random() % 3 == 0 ? 9000 : 9));
      bench.arrive(wire.substr(at, n));
      if (random() % 2 == 0) bench.demand(random() % 4000);
      bench.collect();
      at += n;
    }
    for (int i = 0; i < 200; ++i) bench.demand(4000);
    ASSERT_EQ(bench.messages(), texts) << "seed " << seed;
    bench.end();
    EXPECT_FALSE(bench.failure) << "seed " << seed << ": " << bench.failure->detail;
  }
}

TEST(FramerLayer, CopiesNoBodyWhereAHeaderIsCut) {
  FramerBench bench(length_prefix());
  bench.demand(kMiB);
  const std::string body = some_text(50'000);
  bench.arrive(std::string("\x00\x00", 2));
  bench.arrive(std::string("\xc3\x50", 2) + body);
  ASSERT_EQ(bench.messages(), Texts{body});
  EXPECT_EQ(bench.chunks_up, 1u);
  EXPECT_EQ(bench.pool.allocated, 0u);
}

// IMPL-82: bytes that have not arrived yet are delivered as they come, so that no window has to hold the message.
TEST(FramerLayer, MovesTenMebibytesThroughWindowsOf64KiB) {
  constexpr std::size_t kWindow = 64 * 1024;
  FramerBench sender(length_prefix());
  FramerBench receiver(length_prefix());
  const std::string body = some_text(10 * kMiB);
  sender.send(body, true, {}, 4);
  std::string wire;
  std::size_t held_most = 0;
  while (wire.size() < body.size() + 4) {
    sender.take(kWindow);
    const std::string bytes = sender.wire();  // the one chunk of the message overshoots the credit: soft, by the rule
    ASSERT_FALSE(bytes.empty());
    wire += bytes;
  }
  EXPECT_EQ(wire.size(), body.size() + 4);
  std::size_t at = 0, got = 0;
  while (got < body.size()) {
    if (receiver.application().granted() < kWindow / 2) receiver.demand(kWindow - receiver.application().granted());
    const std::size_t credit = std::min(receiver.transport().credit(), wire.size() - at);
    if (credit > 0) receiver.arrive(std::string_view(wire).substr(at, credit));
    at += credit;
    std::size_t held = receiver.below.up.batch.bytes();
    while (!receiver.above.up.batch.empty()) {
      const Chunk part = receiver.above.up.batch.pop();
      held += part.data.size();
      ASSERT_EQ(text_of(part.data), body.substr(got, part.data.size()));
      got += part.data.size();
      EXPECT_EQ(part.end_of_message, got == body.size());
    }
    held_most = std::max(held_most, held);
  }
  EXPECT_LE(held_most, 2 * kWindow);
}

// IMPL-77: it is given each part, and the end.
TEST(FramerLayer, GathersPartsUntilTheSizeIsKnown) {
  FramerBench bench(length_prefix());
  bench.take(kMiB);
  bench.send("abc", false);
  bench.send("", false);
  EXPECT_EQ(bench.wire(), "");
  bench.send("defg", true);
  EXPECT_EQ(bench.wire(), std::string("\0\0\0\7abcdefg", 11));
}

TEST(FramerLayer, GathersAMessageThatIsLargerThanTheCreditBelow) {
  FramerBench bench(length_prefix());
  const std::string part = some_text(1000);
  std::string whole;
  bench.take(3000);
  for (int i = 0; i < 100; ++i) {
    ASSERT_GT(bench.application().credit(), 0u) << "part " << i;
    bench.send(part, i == 99);
    whole += part;
  }
  std::string wire;
  for (int i = 0; i < 1000 && wire.size() < whole.size() + 4; ++i) {
    const std::string more = bench.wire();
    bench.transport().grant(more.size());
    bench.layer->on_credit(LowerPort(bench.below));
    wire += more;
  }
  EXPECT_EQ(wire, std::string("\x00\x01\x86\xa0", 4) + whole);
}

TEST(FramerLayer, OvershootsCreditByOneChunkAtMost) {
  FramerBench bench(length_prefix());
  bench.take(10);
  for (int i = 0; i < 50; ++i) bench.send("12345678", true);
  EXPECT_EQ(bench.wire().size(), 12u);  // a header of 4 bytes, then a body of 8 while 6 are left
  EXPECT_EQ(bench.below.down.credit, -2);
  bench.demand(100);
  std::string wire;
  for (int i = 0; i < 50; ++i) wire += std::string("\0\0\0\x08", 4) + "12345678";
  bench.arrive(wire);
  EXPECT_EQ(bench.messages().size(), 1u);  // it has cost kLeastCharge
  EXPECT_EQ(bench.above.up.credit, 100 - 256);
}

TEST(FramerLayer, EmptyMessagesCostTheirCredit) {
  FramerBench bench(length_prefix());
  bench.demand(1024);
  bench.arrive(std::string(400, '\0'));
  EXPECT_EQ(bench.messages(), Texts(4));
  bench.demand(1 << 20);
  EXPECT_EQ(bench.messages(), Texts(100));
}

TEST(FramerLayer, RefusesAnAnnouncementOf4GiB) {
  FramerBench bench(length_prefix(), "length-prefix");
  bench.demand(kMiB);
  bench.arrive("\xff\xff\xff\xff");
  ASSERT_TRUE(bench.failure);
  EXPECT_EQ(bench.failure->reason, Reason::protocol_violation);
  EXPECT_EQ(bench.failure->detail,
            "length-prefix: the peer sends a message of 4294967295 bytes; at most 16777216 bytes are allowed");
  EXPECT_TRUE(bench.messages().empty());
}

TEST(FramerLayer, RefusesALineThatDoesNotEnd) {
  FramerBench bench(line(Delimiter::lf, 100));
  bench.demand(kMiB);
  bench.arrive(some_text(60));
  EXPECT_FALSE(bench.failure);
  bench.arrive(some_text(60));
  ASSERT_TRUE(bench.failure);
  EXPECT_EQ(bench.failure->detail,
            "framer: the peer sends a message of 120 bytes or more; at most 100 bytes are allowed");
}

TEST(FramerLayer, FailsATooLargeMessageAndGoesOn) {
  FramerBench bench(length_prefix(Prefix::one, 16 * kMiB));
  bench.take(kMiB);
  Told large, parts, small;
  bench.send(some_text(256), true, MessageRef(&large));
  bench.send(some_text(200), false, MessageRef(&parts));
  bench.send(some_text(100), false, MessageRef(&parts));
  bench.send("rest", true, MessageRef(&parts));
  bench.send("small", true, MessageRef(&small));
  EXPECT_EQ(bench.wire(), "\5small");
  EXPECT_FALSE(bench.failure);
  EXPECT_EQ(large.fate, Fate::failed);
  ASSERT_TRUE(large.why);
  EXPECT_EQ(large.why->reason, Reason::too_large);
  EXPECT_EQ(large.why->detail, "framer: a message of 256 bytes or more; at most 255 bytes are allowed");
  EXPECT_EQ(parts.fate, Fate::failed);
  EXPECT_NE(small.fate, Fate::failed);
}

TEST(FramerLayer, ALineThatHoldsItsDelimiterFailsAlone) {
  FramerBench bench(line(Delimiter::crlf));
  bench.take(kMiB);
  Told whole, split, good;
  bench.send("a\r\nb", true, MessageRef(&whole));
  bench.send("a\r", false, MessageRef(&split));
  bench.send("\nb", true, MessageRef(&split));
  bench.send("a\rb\nc", true, MessageRef(&good), 2);
  EXPECT_EQ(bench.wire(), "a\rb\nc\r\n");
  EXPECT_EQ(whole.fate, Fate::failed);
  EXPECT_EQ(split.fate, Fate::failed);
  EXPECT_NE(good.fate, Fate::failed);
  EXPECT_FALSE(bench.failure);
}

// API-197
TEST(FramerLayer, EndInTheMiddleOfAMessageIsAFailureThatNamesTheNumbers) {
  FramerBench bench(length_prefix(Prefix::four), "length-prefix");
  bench.demand(kMiB);
  bench.arrive(std::string("\0\0\0\x0a", 4) + "part");
  bench.end();
  ASSERT_TRUE(bench.failure);
  EXPECT_EQ(bench.failure->reason, Reason::protocol_violation);
  EXPECT_EQ(bench.failure->detail, "length-prefix: the peer ended in the middle of a message: got 4 of 10 bytes");
  bench.collect();  // IMPL-64: what came before is delivered
  ASSERT_EQ(bench.received.size(), 1u);
  EXPECT_EQ(bench.received[0].text, "part");
  EXPECT_FALSE(bench.received[0].complete);
}

TEST(FramerLayer, EndInTheMiddleOfAHeaderIsAFailure) {
  FramerBench bench(length_prefix());
  bench.demand(kMiB);
  bench.arrive(std::string("\0\0", 2));
  bench.end();
  ASSERT_TRUE(bench.failure);
  EXPECT_EQ(bench.failure->detail, "framer: the peer ended in the middle of a message: got 2 bytes of its header");
}

TEST(FramerLayer, EndWithoutADelimiterIsAFailure) {
  FramerBench bench(line());
  bench.demand(kMiB);
  bench.arrive("one\ntwo");
  bench.end();
  ASSERT_TRUE(bench.failure);
  EXPECT_EQ(bench.failure->detail, "framer: the peer ended in the middle of a message: got 3 bytes and no end");
  EXPECT_EQ(bench.messages(), Texts{"one"});
}

TEST(FramerLayer, TheEndWaitsForDemand) {
  FramerBench bench(length_prefix());
  bench.arrive(std::string("\0\0\0\2", 4) + "ab");
  bench.end();
  EXPECT_FALSE(bench.application().finished());
  EXPECT_FALSE(bench.failure);
  bench.demand(100);
  EXPECT_EQ(bench.messages(), Texts{"ab"});
  EXPECT_TRUE(bench.application().finished());
}

TEST(FramerLayer, HalfCloseFollowsTheLastByte) {
  FramerBench bench(length_prefix());
  bench.send("abc");
  bench.application().finish();
  bench.offer_down();
  EXPECT_FALSE(bench.transport().finished());
  bench.take(1);
  EXPECT_EQ(bench.wire(), std::string("\0\0\0\3", 4));  // a new chunk in front, for want of headroom
  EXPECT_FALSE(bench.transport().finished());
  bench.take(100);
  EXPECT_EQ(bench.wire(), "abc");
  EXPECT_TRUE(bench.transport().finished());
}

TEST(FramerLayer, HalfCloseInTheMiddleFailsTheMessage) {
  FramerBench bench(length_prefix());
  bench.take(100);
  Told told;
  bench.send("abc", false, MessageRef(&told));
  bench.application().finish();
  bench.offer_down();
  EXPECT_EQ(told.fate, Fate::failed);
  EXPECT_EQ(bench.wire(), "");
  EXPECT_TRUE(bench.transport().finished());
}

TEST(FramerLayer, CloseWaitsUntilWhatWasTakenIsBelow) {
  FramerBench bench(length_prefix());
  bench.take(2);
  bench.send("abc");
  bench.layer->close(CloseArgs{});
  EXPECT_EQ(bench.closings, 0);
  bench.take(100);
  EXPECT_EQ(bench.wire(), std::string("\0\0\0\3abc", 7));
  EXPECT_EQ(bench.closings, 1);
}

TEST(FramerLayer, AbortClosesAtOnce) {
  FramerBench bench(length_prefix());
  bench.send("abc");
  bench.layer->close(CloseArgs{.abort = true});
  EXPECT_EQ(bench.closings, 1);
}

TEST(FramerLayer, KeepsInfoOfEveryPartUntilItIsBelow) {
  FramerBench bench(length_prefix());
  bench.take(100);
  Told told;
  told.references = 0;
  bench.send("abc", true, MessageRef(&told));
  EXPECT_FALSE(told.fate);
  for (const Chunk& chunk : bench.below.down.batch) EXPECT_TRUE(chunk.info);
  bench.wire();
  EXPECT_EQ(told.fate, Fate::sent);
}

// IMPL-78
TEST(FramerLayer, WritesInPlaceWhereThereIsRoom) {
  FramerBench prefix(length_prefix()), lines(line(Delimiter::crlf));
  for (FramerBench* bench : {&prefix, &lines}) {
    bench->take(100);
    bench->send("abc", true, {}, 4);
    EXPECT_EQ(bench->below.down.batch.size(), 1u);
  }
  EXPECT_EQ(lines.wire(), "abc\r\n");
}

TEST(FramerLayer, SaysTheSizesThatItAllows) {
  FramerBench bench(length_prefix(Prefix::two));
  const auto most = bench.layer->get(UpperPort(bench.above), "sendMsgMaxLen");
  ASSERT_TRUE(most);
  EXPECT_EQ(std::get<std::uint64_t>(*most), 65535u);
  EXPECT_EQ(bench.layer->get(UpperPort(bench.above), "connPriority").error().reason, Reason::unsupported);
  const auto set = bench.layer->set(UpperPort(bench.above), "RECVMSGMAXLEN", std::uint64_t{1});  // API-156
  EXPECT_EQ(set.error().reason, Reason::invalid_argument);
}

// A framer that asks for more than there may be to see.
class Curious final : public Framing {
  class Mind final : public Framer {
    Result<void> frame(Chunk, bool, std::size_t, Batch&) noexcept override { return {}; }
    Result<Piece> parse(std::span<const std::byte>) noexcept override { return Piece{}; }
  };
  std::unique_ptr<Framer> make(BlockPool&) const noexcept override { return std::make_unique<Mind>(); }
};

// IMPL-67
TEST(FramerLayer, BoundsWhatAFramerMayAskFor) {
  for (const std::size_t block : {std::size_t{1000}, std::size_t{200'000}}) {
    FramerBench bench(std::make_unique<Curious>());
    bench.demand(kMiB);
    std::size_t sent = 0;
    for (; sent < kMiB && !bench.failure; sent += block) {
      ASSERT_GT(bench.transport().credit(), 0u) << "it would wait for ever";
      bench.arrive(some_text(block));
    }
    ASSERT_TRUE(bench.failure);
    EXPECT_LE(sent, kFramerLookahead + block + block);
    EXPECT_EQ(bench.failure->detail, "framer: no header or delimiter in 65536 bytes");
  }
}

TEST(FramerLayer, IsComposedAsMessagesOverABytestream) {
  const auto protocol = std::make_unique<FramerProtocol>("length-prefix", length_prefix());
  EXPECT_EQ(protocol->traits(Face::bytestream).above, Face::none);
  const LayerTraits traits = protocol->traits(Face::message);
  EXPECT_EQ(traits.above, Face::message);
  EXPECT_EQ(traits.below, Face::bytestream);
  EXPECT_EQ(traits.headroom, 4);
  EXPECT_TRUE(traits.adds.has(Feature::boundaries));
}

}  // namespace
}  // namespace trellis::test
