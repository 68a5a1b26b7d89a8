// The two queues of a Connection: what waits to be sent (order, priority, lifetime) and what waits to be received
// (demand, parts, memory), and the ledger of fates.
#include <gtest/gtest.h>

#include <cstring>
#include <string>

#include "core/fates.h"
#include "core/inbox.h"
#include "core/outbox.h"
#include "loop/block_pool.h"

namespace trellis {
namespace {

struct Queues : testing::Test {
  Slice slice(std::string_view text) {
    Slice s = pool.allocate(0, static_cast<std::uint32_t>(text.size()), 0);
    if (!text.empty()) std::memcpy(s.edit().data(), text.data(), text.size());
    return s;
  }
  static std::string text(const Slice& s) { return {reinterpret_cast<const char*>(s.bytes().data()), s.size()}; }
  Chunk chunk(std::string_view text, bool end = true) { return Chunk{.data = slice(text), .end_of_message = end}; }
  Chunk chunk(std::string_view text, MessageProperties p, bool end = true) {
    Chunk c = chunk(text, end);
    c.info = new_message();
    static_cast<MessageProperties&>(*c.info.get()) = p;
    c.info->tell = [](MessageInfo*, Fate fate, const Error*) noexcept { fates.push_back(fate); };
    return c;
  }
  std::string sent() {  // what was pushed to the port, one word a chunk
    std::string all;
    while (!link.down.batch.empty()) all += text(link.down.batch.pop().data) + " ";
    return all;
  }
  void SetUp() override {
    fates.clear();
    schedule.awake = true;
    link.schedule = &schedule;
    link.face = Face::message;
  }
  SizeClassPool pool;
  Schedule schedule;
  Link link;
  Outbox outbox;
  static inline std::vector<Fate> fates;
};

constexpr TimePoint at(int seconds) { return TimePoint(std::chrono::seconds(seconds)); }

// API-180: what the first part of a message asked for counts for the others, also when it did not wait here.
TEST_F(Queues, TheRestOfAMessageThatHasBegunIsNotDropped) {
  outbox.passed(chunk("first", false));
  outbox.add(chunk("rest", {.expires = at(1)}));
  outbox.add(chunk("another", {.expires = at(1)}));
  outbox.expire(at(2));
  outbox.release(LowerPort(link), true);
  EXPECT_EQ(sent(), "rest ");
}

TEST_F(Queues, OutboxRefusesWholeMessages) {
  outbox.add(chunk("one"));
  outbox.add(chunk("bad", {.reliable = false}, false));
  outbox.add(chunk("worse", MessageProperties{}));
  outbox.add(chunk("two"));
  outbox.refuse([](const MessageProperties* asked) { return asked == nullptr || asked->reliable ? nullptr : "no"; });
  EXPECT_EQ(fates, (std::vector{Fate::failed, Fate::failed}));
  outbox.release(LowerPort(link), true);
  EXPECT_EQ(sent(), "one two ");
  EXPECT_TRUE(outbox.empty());
}

TEST_F(Queues, OutboxReleasesWithinCreditAndInOrder) {
  for (const char* word : {"a", "b", "c"}) outbox.add(chunk(word));
  outbox.release(LowerPort(link));
  EXPECT_EQ(sent(), "") << "no credit, nothing goes";
  link.down.credit = 1;  // one chunk may overshoot
  outbox.release(LowerPort(link));
  EXPECT_EQ(sent(), "a ");
  EXPECT_EQ(outbox.bytes(), 2u);
  outbox.release(LowerPort(link), true);
  EXPECT_EQ(sent(), "b c ");
  EXPECT_TRUE(outbox.empty());
}

// IMPL-52, IMPL-53, API-168, API-169
TEST_F(Queues, UnorderedMessageOvertakesLessUrgentOnesOnly) {
  outbox.add(chunk("bulk", {.priority = 200}));
  outbox.add(chunk("normal", {}));
  outbox.add(chunk("ordered-urgent", {.priority = 0}));
  outbox.add(chunk("urgent", {.priority = 1, .ordered = false}));
  outbox.release(LowerPort(link), true);
  EXPECT_EQ(sent(), "urgent bulk normal ordered-urgent ");
}

TEST_F(Queues, NothingOvertakesAMessageThatHasBegun) {
  outbox.add(chunk("first-part", false));
  link.down.credit = 1;
  outbox.release(LowerPort(link));
  EXPECT_EQ(sent(), "first-part ");
  outbox.add(chunk("last-part", {.priority = 200}, true));
  outbox.add(chunk("urgent", {.priority = 1, .ordered = false}));
  outbox.release(LowerPort(link), true);
  EXPECT_EQ(sent(), "last-part urgent ");
}

// IMPL-51
TEST_F(Queues, ExpiredMessageIsDroppedAndReported) {
  outbox.add(chunk("short", {.expires = at(1)}));
  outbox.add(chunk("long", {.expires = at(9)}));
  EXPECT_EQ(outbox.first_expiry(), at(1));
  outbox.expire(at(2));
  ASSERT_EQ(fates.size(), 1u);
  EXPECT_EQ(fates[0], Fate::expired);
  EXPECT_EQ(outbox.first_expiry(), at(9));
  outbox.release(LowerPort(link), true);
  EXPECT_EQ(sent(), "long ");
}

// API-198
TEST_F(Queues, MessageThatHasBegunDoesNotExpire) {
  Chunk first = chunk("begun", {.expires = at(1)}, false);
  Chunk rest = chunk("rest", true);
  rest.info = first.info;
  outbox.add(std::move(first));
  outbox.add(std::move(rest));
  link.down.credit = 1;
  outbox.release(LowerPort(link));
  outbox.expire(at(2));
  outbox.release(LowerPort(link), true);
  EXPECT_EQ(sent(), "begun rest ");
  EXPECT_EQ(fates, std::vector{Fate::sent});
}

TEST_F(Queues, PartsThatComeAfterTheirMessageExpiredAreDroppedToo) {
  Chunk first = chunk("one", {.expires = at(1)}, false);
  const MessageRef info = first.info;
  outbox.add(std::move(first));
  outbox.expire(at(2));
  Chunk second = chunk("two", true);
  second.info = info;
  outbox.add(std::move(second));
  outbox.add(chunk("next"));
  outbox.release(LowerPort(link), true);
  EXPECT_EQ(sent(), "next ");
  EXPECT_EQ(fates, std::vector{Fate::expired}) << "once for the message, not for each part";
}

TEST_F(Queues, InboxWaitsForAtLeastAndCutsAtMost) {
  Inbox inbox(Face::bytestream);
  Batch batch;
  batch.add(chunk("hello"));
  inbox.add(batch);
  Message m;
  EXPECT_FALSE(inbox.next(6, 100, 1000, pool, m));
  batch.add(chunk(" world"));
  inbox.add(batch);
  ASSERT_TRUE(inbox.next(6, 8, 1000, pool, m));
  EXPECT_EQ(text(m.data), "hello wo");
  EXPECT_FALSE(m.end) << "a bytestream has no end but the peer's";
  ASSERT_TRUE(inbox.next(1, 100, 1000, pool, m));
  EXPECT_EQ(text(m.data), "rld");
  EXPECT_EQ(inbox.charge(), 0u);
}

// IMPL-63, API-191
TEST_F(Queues, InboxGivesWholeMessagesWhenAsked) {
  Inbox inbox(Face::message);
  Batch batch;
  batch.add(chunk("part1 ", false));
  inbox.add(batch);
  Message m;
  EXPECT_FALSE(inbox.next(kWholeMessage, SIZE_MAX, 100000, pool, m));
  batch.add(chunk("part2", true));
  batch.add(chunk("next", true));
  inbox.add(batch);
  ASSERT_TRUE(inbox.next(kWholeMessage, SIZE_MAX, 100000, pool, m));
  EXPECT_EQ(text(m.data), "part1 part2");
  EXPECT_TRUE(m.end);
  ASSERT_TRUE(inbox.next(kWholeMessage, SIZE_MAX, 100000, pool, m));
  EXPECT_EQ(text(m.data), "next");
  EXPECT_EQ(inbox.charge(), 0u);
}

TEST_F(Queues, MessageBeyondTheWindowComesInParts) {
  Inbox inbox(Face::message);
  Batch batch;
  batch.add(chunk(std::string(600, 'x'), false));
  batch.add(chunk(std::string(600, 'y'), false));
  inbox.add(batch);
  Message m;
  EXPECT_FALSE(inbox.next(kWholeMessage, SIZE_MAX, 2000, pool, m));
  ASSERT_TRUE(inbox.next(kWholeMessage, SIZE_MAX, 1000, pool, m)) << "it can never become whole in 1000 bytes";
  EXPECT_EQ(m.data.size(), 1200u);
  EXPECT_FALSE(m.end);
}

// IMPL-49
TEST_F(Queues, EmptyMessagesAreMessages) {
  Inbox inbox(Face::datagram);
  Batch batch;
  batch.add(chunk(""));
  batch.add(chunk("x"));
  inbox.add(batch);
  Message m;
  ASSERT_TRUE(inbox.next(1, SIZE_MAX, 1000, pool, m));
  EXPECT_EQ(m.data.size(), 0u);
  EXPECT_TRUE(m.end);
  ASSERT_TRUE(inbox.next(1, SIZE_MAX, 1000, pool, m));
  EXPECT_EQ(text(m.data), "x");
}

// IMPL-64
TEST_F(Queues, RestIsGivenWhenThePeerEnds) {
  Inbox inbox(Face::bytestream);
  Batch batch;
  batch.add(chunk("rest"));
  inbox.add(batch);
  Message m;
  EXPECT_FALSE(inbox.next(10, 100, 1000, pool, m));
  inbox.end();
  ASSERT_TRUE(inbox.next(10, 100, 1000, pool, m));
  EXPECT_EQ(text(m.data), "rest");
}

TEST_F(Queues, SingleBytesToASleepingReaderShareBlocks) {
  Inbox inbox(Face::bytestream);
  const std::size_t before = pool.live_bytes();
  for (int i = 0; i < 20000; ++i) {
    Batch batch;
    batch.add(chunk("x"));
    inbox.add(batch);
  }
  EXPECT_LT(pool.live_bytes() - before, 40000u);
  EXPECT_EQ(inbox.charge(), 20000u);
}

TEST_F(Queues, LedgerTellsEachFateOnceAndSurvivesItsConnection) {
  int stirs = 0;
  std::vector<Fate> heard;
  Ledger* ledger = Ledger::make([&] { ++stirs; }, [](Notice, const Error&) {});
  MessageRef sent = ledger->record({}, [&](Fate f, const Error*) { heard.push_back(f); });
  MessageRef lost = ledger->record({}, [&](Fate f, const Error*) { heard.push_back(f); });
  MessageRef outlives = ledger->record({}, [&](Fate f, const Error*) { heard.push_back(f); });
  sent = {};
  EXPECT_EQ(stirs, 1);
  EXPECT_TRUE(heard.empty()) << "never inside the call that settles it";
  ledger->deliver(nullptr);
  EXPECT_EQ(heard, std::vector{Fate::sent});
  const Error why{Reason::reset, 0, "test", "gone"};
  lost->report(Fate::failed, &why);
  lost->report(Fate::sent);
  lost = {};
  ledger->deliver(nullptr);
  EXPECT_EQ(heard, (std::vector{Fate::sent, Fate::failed}));
  ledger->leave();
  outlives = {};  // nobody listens any more; the ledger goes with it
  EXPECT_EQ(heard.size(), 2u);
}

TEST_F(Queues, AcknowledgementFollowsSent) {
  std::vector<Fate> heard;
  Ledger* ledger = Ledger::make([] {}, [](Notice, const Error&) {});
  MessageRef message = ledger->record({}, [&](Fate f, const Error*) { heard.push_back(f); });
  message->report(Fate::sent);
  ledger->deliver(nullptr);
  message->report(Fate::acknowledged);
  message = {};
  ledger->deliver(nullptr);
  EXPECT_EQ(heard, (std::vector{Fate::sent, Fate::acknowledged}));
  ledger->leave();
}

}  // namespace
}  // namespace trellis
