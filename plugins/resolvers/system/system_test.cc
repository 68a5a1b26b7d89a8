// Lookups against the host's own resolver, with names that need no network.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <map>
#include <mutex>
#include <thread>

#include "../../../tests/support/given.h"
#include "system_resolver.h"

// A lookup that nobody waits for is still running when the process ends, and with it what the C library keeps for it.
extern "C" const char* __lsan_default_suppressions() { return "leak:__res_context_send"; }

namespace trellis {
namespace {

using namespace std::chrono_literals;

// Only post() works; the resolver must not need more.
class PostingExecutor final : public Executor {
 public:
  void post(std::move_only_function<void()> task) noexcept override {
    const std::lock_guard lock(mutex_);
    tasks_.push_back(std::move(task));
    changed_.notify_one();
  }
  // Runs what is posted until `done`; false: not done in time.
  bool run_until(const std::function<bool()>& done) {
    const auto deadline = std::chrono::steady_clock::now() + 60s;
    while (!done()) {
      std::unique_lock lock(mutex_);
      if (!changed_.wait_until(lock, deadline, [this] { return !tasks_.empty(); })) return false;
      auto task = std::move(tasks_.front());
      tasks_.pop_front();
      lock.unlock();
      task();
    }
    return true;
  }
  std::size_t posted() {
    const std::lock_guard lock(mutex_);
    return tasks_.size();
  }

  TimePoint now() const noexcept override { std::abort(); }
  std::chrono::system_clock::time_point wall_clock() const noexcept override { std::abort(); }
  void queue(Job&) noexcept override { std::abort(); }
  void again(Job&) noexcept override { std::abort(); }
  void arm(Alarm&, TimePoint) noexcept override { std::abort(); }
  void disarm(Alarm&) noexcept override { std::abort(); }
  Sockets& sockets() noexcept override { std::abort(); }
  BlockPool& pool() noexcept override { std::abort(); }
  std::uint64_t random() noexcept override { std::abort(); }
  void secret(std::span<std::byte>) noexcept override { std::abort(); }
  unsigned loop() const noexcept override { return 0; }
  unsigned loops() const noexcept override { return 1; }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::move_only_function<void()>> tasks_;
};

struct Recorder final : AnswerSink {
  void answer(Answer answer) noexcept override { answers.push_back(std::move(answer)); }
  void done(Answer::Kind kind, Result<void> how) noexcept override {
    ++times[kind];
    ended[kind] = std::move(how);
  }
  bool all_done() const { return ended.size() == 2; }
  std::vector<Answer> answers;
  std::map<Answer::Kind, Result<void>> ended;
  std::map<Answer::Kind, int> times;
};

class SystemResolverTest : public testing::Test {
 protected:
  std::unique_ptr<Resolver::Lookup> look_up(const std::string& host, AnswerSink& sink) {
    auto lookup = resolver.resolve(loop, test::Given({}, {}),
                                   Query{.host = host, .service = {}, .port = 7000, .path = nullptr}, sink);
    EXPECT_TRUE(lookup.has_value());
    return lookup ? std::move(*lookup) : nullptr;
  }
  PostingExecutor loop;
  SystemResolver resolver;
  Recorder heard;
};

TEST_F(SystemResolverTest, AnswersKeepNameAndPort) {
  const auto lookup = look_up("localhost", heard);
  EXPECT_TRUE(heard.answers.empty()) << "nothing is answered inside the call";
  ASSERT_TRUE(loop.run_until([&] { return heard.all_done(); }));
  const auto v4 = std::ranges::find(heard.answers, Answer::Kind::ipv4, &Answer::kind);
  ASSERT_NE(v4, heard.answers.end());
  ASSERT_FALSE(v4->endpoints.empty());
  const Endpoint& endpoint = v4->endpoints.front();
  EXPECT_EQ(endpoint.host, "localhost");
  EXPECT_EQ(endpoint.port, 7000);
  EXPECT_EQ(endpoint.address.family, Address::Family::ipv4);
  EXPECT_EQ(endpoint.address.port, 7000);
  EXPECT_EQ(endpoint.address.ip[0], 127);
  EXPECT_TRUE(heard.ended[Answer::Kind::ipv4].has_value());
}

TEST_F(SystemResolverTest, BothKindsEndOnceAndSayWhy) {
  const auto lookup = look_up("empty..label", heard);
  ASSERT_TRUE(loop.run_until([&] { return heard.all_done(); }));
  EXPECT_TRUE(heard.answers.empty());
  for (const auto kind : {Answer::Kind::ipv6, Answer::Kind::ipv4}) {
    EXPECT_EQ(heard.times[kind], 1);
    ASSERT_FALSE(heard.ended[kind].has_value());
    EXPECT_EQ(heard.ended[kind].error().reason, Reason::unresolved);
    EXPECT_EQ(heard.ended[kind].error().detail, "the name does not exist");
  }
}

// RACE-139
TEST_F(SystemResolverTest, AFamilyThatCannotBeReachedIsNotAskedFor) {
  Query query{.host = "localhost", .service = {}, .port = 7000, .path = nullptr};
  query.ipv6 = false;
  const auto lookup = resolver.resolve(loop, test::Given({}, {}), query, heard).value();
  EXPECT_TRUE(heard.ended.empty()) << "nothing is answered inside the call";
  ASSERT_TRUE(loop.run_until([&] { return heard.all_done(); }));
  EXPECT_TRUE(std::ranges::all_of(heard.answers, [](const Answer& a) { return a.kind == Answer::Kind::ipv4; }));
  EXPECT_EQ(heard.ended[Answer::Kind::ipv6].error().detail, "the path does not lead to IPv6 addresses");
}

TEST_F(SystemResolverTest, NothingIsHeardAfterCancelling) {
  for (int i = 0; i < 200; ++i) {
    Recorder forgotten;
    auto lookup = look_up("localhost", forgotten);
    if (i % 2 != 0) {
      ASSERT_TRUE(loop.run_until([&] { return !forgotten.times.empty(); }));
    }
    lookup.reset();
    const std::size_t ended = forgotten.ended.size();
    const std::size_t posted = loop.posted();
    std::size_t left = posted;
    if (left > 0) {
      ASSERT_TRUE(loop.run_until([&] { return left-- == 0; }));
    }
    EXPECT_EQ(forgotten.ended.size(), ended);
    EXPECT_EQ(loop.posted(), 0u) << "posted after the Lookup was destroyed";
  }
}

// A sink that cancels its lookup when the first answer comes hears nothing more.
TEST_F(SystemResolverTest, MayBeCancelledByAnAnswer) {
  struct Canceller final : AnswerSink {
    void answer(Answer) noexcept override { lookup.reset(); }
    void done(Answer::Kind kind, Result<void>) noexcept override {
      after += lookup == nullptr && kind == Answer::Kind::ipv4;
    }
    std::unique_ptr<Resolver::Lookup> lookup;
    int after = 0;
  } sink;
  sink.lookup = look_up("localhost", sink);
  ASSERT_TRUE(loop.run_until([&] { return sink.lookup == nullptr; }));
  EXPECT_EQ(sink.after, 0);
}

TEST(LookupThreads, AreBoundedAndServeEverything) {
  constexpr int kPieces = 200;
  std::atomic<int> now = 0, most = 0, served = 0;
  std::mutex mutex;
  std::condition_variable changed;
  LookupThreads threads;
  for (int i = 0; i < kPieces; ++i) {
    ASSERT_TRUE(threads.run([&] {
      const int mine = ++now;
      for (int before = most; before < mine && !most.compare_exchange_weak(before, mine);) {
      }
      std::this_thread::sleep_for(1ms);
      --now;
      const std::lock_guard lock(mutex);
      if (++served == kPieces) changed.notify_one();
    }));
  }
  std::unique_lock lock(mutex);
  ASSERT_TRUE(changed.wait_for(lock, 60s, [&] { return served == kPieces; }));
  EXPECT_LE(most, static_cast<int>(LookupThreads::kThreadsMost));
}

}  // namespace
}  // namespace trellis
