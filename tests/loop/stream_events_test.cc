// What a stream reports, and that it reports nothing else: resets are seen without asking for data, and data that
// nobody asked for does not keep the loop busy.
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include "harness.h"

namespace trellis::test {
namespace {

constexpr Duration kAWhile = 40ms;  // long enough for a loop that spins to wake thousands of times
constexpr int kFew = 6;

using StreamEvents = StreamTest;

TEST_F(StreamEvents, ReadableIsRepeatedUntilAllIsRead) {
  auto [near, far] = pair();
  send(*near, "abc");
  Watcher watcher;
  ASSERT_TRUE(far->watch(watcher, Ready::readable));
  Batch got;
  for (int i = 1; i <= 3; ++i) {
    ASSERT_TRUE(run_until([&] { return watcher.seen.size() == static_cast<std::size_t>(i); }));
    ASSERT_TRUE(far->receive(got, 1));
  }
  EXPECT_EQ(text(got), "abc");
  EXPECT_LE(wakes_within(kAWhile), kFew);
  EXPECT_EQ(watcher.seen.size(), 3u);
}

// The kernel is told what is waited for when it is asked for news: by then a number may stand for another socket.
TEST_F(StreamEvents, ADescriptorThatIsUsedAgainIsWatchedAnew) {
  for (const bool heard_before : {false, true}) {
    auto [near, far] = pair();
    Watcher first, second;
    ASSERT_TRUE(far->watch(first, Ready::readable));
    if (heard_before) {  // it is registered
      send(*near, "a");
      ASSERT_TRUE(run_until([&] { return !first.seen.empty(); }));
    }
    far.reset();  // the next socket takes its number
    auto server = listener();
    auto again = open({});
    ASSERT_TRUE(again->connect(server->local()));
    auto accepted = server->accept();
    ASSERT_TRUE(accepted && accepted->socket);
    ASSERT_TRUE(again->watch(second, Ready::readable));
    first.seen.clear();
    send(*accepted->socket, "b");
    ASSERT_TRUE(run_until([&] { return !second.seen.empty(); }));
    EXPECT_TRUE(first.seen.empty());
    ASSERT_TRUE(again->watch(second, Ready::none));
    EXPECT_LE(wakes_within(kAWhile), kFew);
  }
}

TEST_F(StreamEvents, ResetWhileReading) {
  auto [near, far] = pair();
  Watcher watcher;
  ASSERT_TRUE(far->watch(watcher, Ready::readable));
  near->reset();
  near.reset();
  ASSERT_TRUE(run_until([&] { return !watcher.seen.empty(); }));
  Batch got;
  auto io = far->receive(got, 1000);
  ASSERT_FALSE(io);
  EXPECT_EQ(io.error().reason, Reason::reset);
}

// The last bytes and the end in one packet cost one event, however little is taken at a time.
TEST_F(StreamEvents, TheEndComesWithTheLastBytes) {
  for (const std::size_t budget : {1000u, 7u, 5u}) {
    auto [near, far] = pair();
    const int one = 1;
    ASSERT_TRUE(near->set(IPPROTO_TCP, TCP_CORK, std::as_bytes(std::span(&one, 1))));
    send(*near, "parting");
    ASSERT_TRUE(near->finish());
    Watcher watcher;
    Batch got;
    Io io;
    watcher.react = [&](Socket& socket, Ready) {
      do {
        auto done = socket.receive(got, budget);
        ASSERT_TRUE(done);
        io = *done;
      } while (!io.blocked && !io.end && watcher.seen.size() < 3);
    };
    ASSERT_TRUE(far->watch(watcher, Ready::readable));
    ASSERT_TRUE(run_until([&] { return io.end; }));
    EXPECT_EQ(text(got), "parting");
    EXPECT_EQ(watcher.seen.size(), 1u) << budget;
    const auto again = far->receive(got, budget);
    ASSERT_TRUE(again);
    EXPECT_TRUE(again->end && again->bytes == 0);
  }
}

// A read stops at urgent data: what is short before an end that was told need not be the last.
TEST_F(StreamEvents, UrgentDataBeforeTheEndHideNothing) {
  auto server = listener();
  const int peer = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(server->local().port);
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  ASSERT_EQ(::connect(peer, reinterpret_cast<const sockaddr*>(&to), sizeof to), 0);
  EXPECT_EQ(::send(peer, "before", 6, MSG_NOSIGNAL), 6);
  EXPECT_EQ(::send(peer, "!", 1, MSG_NOSIGNAL | MSG_OOB), 1);
  EXPECT_EQ(::send(peer, "after", 5, MSG_NOSIGNAL), 5);
  ::close(peer);
  Result<Accepted> accepted;
  ASSERT_TRUE(run_until([&] { return (accepted = server->accept()) && accepted->socket; }));
  Watcher watcher;
  Batch got;
  bool end = false;
  watcher.react = [&](Socket& socket, Ready) {
    const auto io = socket.receive(got, 1000);
    ASSERT_TRUE(io);
    end = io->end;
  };
  ASSERT_TRUE(accepted->socket->watch(watcher, Ready::readable));
  ASSERT_TRUE(run_until([&] { return end; }));
  EXPECT_EQ(text(got), "beforeafter");
}

// Data and reset found by one poll, and a read that is short because the data is little: the reset must not get lost.
TEST_F(StreamEvents, DataAndResetTogether) {
  auto [near, far] = pair();
  Watcher watcher;
  ASSERT_TRUE(far->watch(watcher, Ready::readable));
  send(*near, "parting");
  near->reset();
  near.reset();
  Batch got;
  Result<Io> io = Io{};
  watcher.react = [&](Socket& socket, Ready) { io = socket.receive(got, 1000); };
  ASSERT_TRUE(run_until([&] { return !io; }));
  EXPECT_EQ(text(got), "parting");
  EXPECT_EQ(io.error().reason, Reason::reset);
  EXPECT_EQ(watcher.seen.size(), 2u);
}

TEST_F(StreamEvents, ResetIsReportedToWhoWantsNothing) {
  auto [near, far] = pair();
  Watcher watcher;
  ASSERT_TRUE(far->watch(watcher, Ready::none));
  EXPECT_LE(wakes_within(kAWhile), kFew);
  EXPECT_TRUE(watcher.seen.empty()) << "room to send is not an error";
  near->reset();
  near.reset();
  ASSERT_TRUE(run_until([&] { return !watcher.seen.empty(); }));
  EXPECT_EQ(watcher.seen, std::vector{Ready::failed});
  // Whoever ignores it, or asks again, does not make the loop spin.
  ASSERT_TRUE(far->watch(watcher, Ready::none));
  EXPECT_LE(wakes_within(kAWhile), kFew);
  EXPECT_EQ(watcher.seen.size(), 1u);
  Batch got;
  auto io = far->receive(got, 1000);
  ASSERT_FALSE(io) << "asking whether there is an error has not swallowed it";
  EXPECT_EQ(io.error().reason, Reason::reset);
}

TEST_F(StreamEvents, DataWhilePausedCostsNoTurns) {
  auto [near, far] = pair();
  Watcher watcher;
  ASSERT_TRUE(far->watch(watcher, Ready::readable));
  loop.run_once(false);
  ASSERT_TRUE(far->watch(watcher, Ready::none));
  send(*near, "data");
  EXPECT_LE(wakes_within(kAWhile), kFew);
  send(*near, " more data");
  EXPECT_LE(wakes_within(kAWhile), kFew);
  EXPECT_TRUE(watcher.seen.empty());
  ASSERT_TRUE(far->watch(watcher, Ready::readable));
  ASSERT_TRUE(run_until([&] { return watcher.saw(Ready::readable); })) << "what came meanwhile is reported now";
  Batch got;
  ASSERT_TRUE(far->receive(got, 1000));
  EXPECT_EQ(text(got), "data more data");
}

TEST_F(StreamEvents, EndWhilePausedCostsNoTurnsAndIsReportedLater) {
  auto [near, far] = pair();
  Watcher watcher;
  ASSERT_TRUE(far->watch(watcher, Ready::readable));
  loop.run_once(false);
  ASSERT_TRUE(far->watch(watcher, Ready::none));
  ASSERT_TRUE(near->finish());
  EXPECT_LE(wakes_within(kAWhile), kFew);
  EXPECT_TRUE(watcher.seen.empty());
  ASSERT_TRUE(far->watch(watcher, Ready::readable));
  ASSERT_TRUE(run_until([&] { return watcher.saw(Ready::readable); }));
  Batch got;
  auto io = far->receive(got, 1000);
  ASSERT_TRUE(io);
  EXPECT_TRUE(io->end);
  watcher.seen.clear();
  EXPECT_LE(wakes_within(kAWhile), kFew) << "the end is readable for ever, but said once";
  EXPECT_TRUE(watcher.seen.empty());
  ASSERT_TRUE(far->watch(watcher, Ready::readable));
  EXPECT_LE(wakes_within(kAWhile), kFew);
  EXPECT_TRUE(watcher.seen.empty());
}

TEST_F(StreamEvents, ResetWhilePausedWithDataWaiting) {
  auto [near, far] = pair();
  Watcher watcher;
  ASSERT_TRUE(far->watch(watcher, Ready::readable));
  loop.run_once(false);
  ASSERT_TRUE(far->watch(watcher, Ready::none));
  send(*near, "unread");
  EXPECT_LE(wakes_within(kAWhile), kFew);
  EXPECT_TRUE(watcher.seen.empty());
  near->reset();
  near.reset();
  ASSERT_TRUE(run_until([&] { return !watcher.seen.empty(); }));
  EXPECT_EQ(watcher.seen, std::vector{Ready::failed});
  EXPECT_LE(wakes_within(kAWhile), kFew);
  EXPECT_EQ(watcher.seen.size(), 1u);
  Batch got;
  auto io = far->receive(got, 1000);
  ASSERT_TRUE(io);
  EXPECT_EQ(text(got), "unread");
  EXPECT_FALSE(far->receive(got, 1000));
}

TEST_F(StreamEvents, ResetAfterTheEnd) {
  auto [near, far] = pair();
  ASSERT_TRUE(near->finish());
  Batch got;
  ASSERT_TRUE(receive(*far, got, SIZE_MAX));
  Watcher watcher;
  ASSERT_TRUE(far->watch(watcher, Ready::none));
  EXPECT_LE(wakes_within(kAWhile), kFew);
  near->reset();
  near.reset();
  ASSERT_TRUE(run_until([&] { return !watcher.seen.empty(); }));
  EXPECT_EQ(watcher.seen, std::vector{Ready::failed});
}

TEST_F(StreamEvents, BothEndsFinishedIsNoFailure) {
  auto [near, far] = pair();
  ASSERT_TRUE(near->finish());
  ASSERT_TRUE(far->finish());
  Watcher watcher;
  ASSERT_TRUE(far->watch(watcher, Ready::none));
  EXPECT_LE(wakes_within(kAWhile), kFew);
  EXPECT_TRUE(watcher.seen.empty());
}

TEST_F(StreamEvents, WritableComesWhenThereIsRoomAndStopsWhenGivenUp) {
  auto [near, far] = pair();
  const std::size_t sent = stuff(*near);
  Watcher watcher;
  ASSERT_TRUE(near->watch(watcher, Ready::writable));
  EXPECT_LE(wakes_within(kAWhile), kFew);
  EXPECT_TRUE(watcher.seen.empty()) << "the buffer is full";
  Batch got;
  std::size_t taken = 0;
  Watcher reader;
  reader.react = [&](Socket& socket, Ready) {
    auto io = socket.receive(got, 1 << 20);
    ASSERT_TRUE(io);
    taken += io->bytes;
    got.clear();
  };
  ASSERT_TRUE(far->watch(reader, Ready::readable));
  ASSERT_TRUE(run_until([&] { return taken == sent && watcher.saw(Ready::writable); }));
  ASSERT_TRUE(near->watch(watcher, Ready::none));
  watcher.seen.clear();
  EXPECT_LE(wakes_within(kAWhile), kFew);
  EXPECT_TRUE(watcher.seen.empty());
}

// Blocked in both directions: data that waits here must neither spin the loop nor hide the room to send.
TEST_F(StreamEvents, WritableWhileReadingIsPaused) {
  auto [near, far] = pair();
  Watcher watcher;
  ASSERT_TRUE(near->watch(watcher, Ready::readable));
  loop.run_once(false);
  const std::size_t sent = stuff(*near);
  ASSERT_TRUE(near->watch(watcher, Ready::readable | Ready::writable));
  ASSERT_TRUE(near->watch(watcher, Ready::writable));
  send(*far, "unread");
  EXPECT_LE(wakes_within(kAWhile), kFew);
  EXPECT_TRUE(watcher.seen.empty());
  Batch got;
  ASSERT_TRUE(receive(*far, got, sent));
  ASSERT_TRUE(run_until([&] { return watcher.saw(Ready::writable); }));
  EXPECT_FALSE(watcher.saw(Ready::readable));
}

TEST_F(StreamEvents, ResetWhileWaitingForRoom) {
  auto [near, far] = pair();
  stuff(*near);
  Watcher watcher;
  ASSERT_TRUE(near->watch(watcher, Ready::writable));
  far->reset();
  far.reset();
  ASSERT_TRUE(run_until([&] { return !watcher.seen.empty(); }));
  Batch batch;
  batch.add(chunk("x"));
  auto io = near->send(batch);
  ASSERT_FALSE(io);
  EXPECT_EQ(io.error().reason, Reason::reset);
}

TEST_F(StreamEvents, ASocketMayBeDestroyedInItsOwnCallback) {
  auto [near, far] = pair();
  std::unique_ptr<Socket> victim = std::move(far);
  Watcher watcher;
  watcher.react = [&](Socket&, Ready) { victim.reset(); };
  ASSERT_TRUE(victim->watch(watcher, Ready::readable));
  send(*near, "x");
  ASSERT_TRUE(run_until([&] { return victim == nullptr; }));

  auto [other, again] = pair();
  victim = std::move(again);
  ASSERT_TRUE(victim->watch(watcher, Ready::none));
  other->reset();
  other.reset();
  ASSERT_TRUE(run_until([&] { return victim == nullptr; }));
  EXPECT_EQ(watcher.seen.back(), Ready::failed);
}

TEST_F(StreamEvents, ASocketMayBeDestroyedInAnothersCallback) {
  auto [a, b] = pair();
  auto [c, d] = pair();
  send(*a, "x");
  send(*c, "x");
  Watcher of_b, of_d;
  of_b.react = [&](Socket&, Ready) { d.reset(); };
  of_d.react = [&](Socket&, Ready) { b.reset(); };
  ASSERT_TRUE(b->watch(of_b, Ready::readable));
  ASSERT_TRUE(d->watch(of_d, Ready::readable));
  ASSERT_TRUE(run_until([&] { return !of_b.seen.empty() || !of_d.seen.empty(); }));
  EXPECT_EQ(of_b.seen.size() + of_d.seen.size(), 1u);
}

TEST_F(StreamEvents, APausedListenerIsQuiet) {
  auto server = listener();
  Watcher watcher;
  ASSERT_TRUE(server->watch(watcher, Ready::readable));
  loop.run_once(false);
  ASSERT_TRUE(server->watch(watcher, Ready::none));
  auto client = open({});
  ASSERT_TRUE(client->connect(server->local()));
  EXPECT_LE(wakes_within(kAWhile), kFew);
  EXPECT_TRUE(watcher.seen.empty());
  ASSERT_TRUE(server->watch(watcher, Ready::readable));
  ASSERT_TRUE(run_until([&] { return watcher.saw(Ready::readable); }));
  auto accepted = server->accept();
  EXPECT_TRUE(accepted && accepted->socket);
}

}  // namespace
}  // namespace trellis::test
