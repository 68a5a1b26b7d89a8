#include "store_worker.h"

#include <pthread.h>

#include <algorithm>
#include <csignal>
#include <exception>
#include <system_error>
#include <thread>
#include <utility>

namespace trellis {
namespace {

using std::chrono::steady_clock;

constexpr std::chrono::seconds kGoodbye{1};  // for what is still to be written at the end

// Whatever a library throws (no memory, above all) is trouble like any other.
template <class Work>
auto guarded(Work work) noexcept -> decltype(work()) {
  try {
    return work();
  } catch (const std::exception& thrown) {
    return fail(Reason::exhausted, thrown.what());
  }
}

}  // namespace

// One question, shared by the loop that asks and the thread that answers. The loop forgets `executor` under the mutex;
// from then on nothing is posted, and what was posted before finds no answer to call.
struct StoreWorker::Question {
  std::mutex mutex;
  Executor* executor;  // null: nobody wants to know any more
  Answer answer;       // used on the loop only
  std::vector<StatePlace> places;
};

struct StoreWorker::Ticket final : OpenStore::Fetch {
  explicit Ticket(std::shared_ptr<Question> asked) : question(std::move(asked)) {}
  ~Ticket() override {
    const std::lock_guard lock(question->mutex);
    question->executor = nullptr;
    question->answer = nullptr;
  }
  std::shared_ptr<Question> question;
};

// Kept alive by the thread, which may have to be left behind while it waits for a disk.
struct StoreWorker::Shared {
  std::unique_ptr<StoreBackend> backend;
  std::mutex backend_mutex;  // held while the backend works
  bool open = false;         // belongs to backend_mutex

  std::mutex mutex;
  std::condition_variable changed;
  std::deque<std::shared_ptr<Question>> questions;
  std::deque<StateEntry> puts;
  bool running = false, stopping = false;
  bool fresh = true;      // it was not opened yet
  std::string trouble;    // not told yet
  std::string told;       // the trouble that it is in
  bool for_good = false;  // it is of no use to try again
  steady_clock::time_point again{};
  std::chrono::milliseconds pause = kPauseLeast;
  std::atomic<bool> usable = true, news = false;

  /// Notes how it went; true: well.
  bool went(const Result<void>& how) {
    const std::lock_guard lock(mutex);
    if (how) {
      pause = kPauseLeast;
      told.clear();
      usable = true;
      return true;
    }
    usable = false;
    again = steady_clock::now() + pause;
    pause = std::min(2 * pause, kPauseMost);
    for_good = how.error().reason == Reason::configuration;
    if (how.error().detail == told) return false;
    told = trouble = how.error().detail;
    news = true;
    return false;
  }
  /// Runs work on the open backend.
  template <class T, class Work>
  Result<T> work(Work what) {
    const std::lock_guard one_at_a_time(backend_mutex);
    if (!open) {
      if (auto opened = guarded([&] { return backend->open(); }); !opened) return fail(std::move(opened));
      open = true;
    }
    auto done = guarded([&]() -> Result<T> { return what(*backend); });
    if (!done) open = false;
    return done;
  }
  bool may_try() const { return usable || (!for_good && steady_clock::now() >= again); }
  void answer(const std::shared_ptr<Question>& question, bool try_it);
  void write(std::deque<StateEntry> entries);
  void serve();
};

void StoreWorker::Shared::answer(const std::shared_ptr<Question>& question, bool try_it) {
  {
    const std::lock_guard lock(question->mutex);
    if (question->executor == nullptr) return;  // nothing is given to nobody
  }
  std::vector<StateEntry> entries;
  if (try_it) {
    auto found = work<std::vector<StateEntry>>([&](StoreBackend& b) { return b.fetch(question->places); });
    went(found ? Result<void>() : std::unexpected(found.error()));
    if (found) entries = std::move(*found);
  }
  const std::lock_guard lock(question->mutex);
  if (question->executor == nullptr) return;
  question->executor->post([question, entries = std::move(entries)]() mutable {
    if (auto tell = std::exchange(question->answer, nullptr)) tell(std::move(entries));
  });
}

void StoreWorker::Shared::write(std::deque<StateEntry> entries) {
  std::vector<StateEntry> all(std::move_iterator(entries.begin()), std::move_iterator(entries.end()));
  went(work<void>([&](StoreBackend& b) { return b.put(std::move(all)); }));
}

// What was put before a question is found by it.
void StoreWorker::Shared::serve() {
  // Woken by a loop it begins when there is a processor for it, instead of taking the loop's.
  constexpr sched_param kNoPriority{};
  (void)pthread_setschedparam(pthread_self(), SCHED_BATCH, &kNoPriority);
  std::unique_lock lock(mutex);
  for (;;) {
    changed.wait(lock, [&] { return stopping || fresh || !questions.empty() || !puts.empty(); });
    if (stopping && questions.empty() && puts.empty()) break;
    const bool try_it = may_try();
    if (std::exchange(fresh, false)) {
      lock.unlock();
      went(work<void>([](StoreBackend&) { return Result<void>(); }));
    } else if (!puts.empty()) {
      auto entries = std::exchange(puts, {});
      lock.unlock();
      if (try_it) write(std::move(entries));
    } else {
      const auto question = std::move(questions.front());
      questions.pop_front();
      lock.unlock();
      answer(question, try_it);
    }
    lock.lock();
  }
  running = false;
  changed.notify_all();
}

StoreWorker::StoreWorker(std::unique_ptr<StoreBackend> backend) : shared_(std::make_shared<Shared>()) {
  shared_->backend = std::move(backend);
  const std::lock_guard lock(shared_->mutex);
  start(*shared_);
}

StoreWorker::~StoreWorker() {
  std::unique_lock lock(shared_->mutex);
  shared_->stopping = true;
  shared_->changed.notify_all();
  shared_->changed.wait_for(lock, kGoodbye, [&] { return !shared_->running; });
}

// Signals are for the application's threads.
bool StoreWorker::start(Shared& shared) noexcept {
  if (shared.running) return true;
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  try {
    std::thread([kept = shared_] { kept->serve(); }).detach();
    shared.running = true;
  } catch (const std::system_error&) {
    shared.questions.clear();
    shared.puts.clear();
  }
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  return shared.running;
}

bool StoreWorker::usable() const noexcept {
  if (shared_->usable.load(std::memory_order_relaxed)) return true;
  const std::lock_guard lock(shared_->mutex);
  return shared_->may_try();
}

std::unique_ptr<OpenStore::Fetch> StoreWorker::fetch(Executor& executor, std::vector<StatePlace> places,
                                                     Answer answer) noexcept {
  auto question = std::make_shared<Question>();
  question->executor = &executor;
  question->answer = std::move(answer);
  question->places = std::move(places);
  const std::lock_guard lock(shared_->mutex);
  if (!shared_->may_try() || shared_->questions.size() >= kQuestionsMost) return nullptr;
  shared_->questions.push_back(question);
  if (!start(*shared_)) return nullptr;
  shared_->changed.notify_one();
  return std::make_unique<Ticket>(std::move(question));
}

void StoreWorker::put(StateEntry entry) noexcept {
  if (entry.value.size() > kValueMost) return;
  const std::lock_guard lock(shared_->mutex);
  if (!shared_->may_try()) return;
  if (shared_->puts.size() >= kPutsMost) shared_->puts.pop_front();
  shared_->puts.push_back(std::move(entry));
  if (start(*shared_)) shared_->changed.notify_one();
}

std::string StoreWorker::trouble() noexcept {
  if (!shared_->news.load(std::memory_order_relaxed)) return {};
  const std::lock_guard lock(shared_->mutex);
  shared_->news = false;
  return std::exchange(shared_->trouble, {});
}

Result<std::vector<StateEntry>> StoreWorker::list() noexcept {
  return shared_->work<std::vector<StateEntry>>([](StoreBackend& b) { return b.list(); });
}

Result<std::uint64_t> StoreWorker::clear() noexcept {
  return shared_->work<std::uint64_t>([](StoreBackend& b) { return b.clear(); });
}

}  // namespace trellis
