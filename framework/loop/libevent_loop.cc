// libevent_loop.cc: see libevent_loop.h.
#include "loop/libevent_loop.h"

#include <sys/eventfd.h>
#include <sys/random.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <utility>

namespace trellis {

namespace {

[[noreturn]] void die(const char* what) {
  std::fprintf(stderr, "trellis: cannot make a loop: %s: %s\n", what, strerrordesc_np(errno));
  std::abort();
}

TimePoint read_clock() noexcept {
  timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return TimePoint(std::chrono::seconds(t.tv_sec) + std::chrono::nanoseconds(t.tv_nsec));
}

void fill_with_entropy(std::span<std::byte> out) noexcept {
  while (!out.empty()) {
    const ssize_t n = getrandom(out.data(), out.size(), 0);
    if (n < 0 && errno != EINTR) {
      std::fprintf(stderr, "trellis: getrandom: %s\n", strerrordesc_np(errno));
      std::abort();  // going on without secrets would be worse
    }
    if (n > 0) out = out.subspan(static_cast<std::size_t>(n));
  }
}

event_base* make_base() {
  event_config* config = event_config_new();
  if (config == nullptr) die("event_config_new");
  // One thread uses the base, so it needs no locks. Its own cache of the time serves only its own timers, which we do
  // not use: without the flag it would read the clock twice per poll. PRECISE_TIMER is missing on purpose: it costs a
  // system call per poll, see set_timer(). The environment must not be able to choose another mechanism than epoll.
  // What is waited for reaches the kernel at the next poll, all at once: many are accepted before one is registered.
  event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK | EVENT_BASE_FLAG_NO_CACHE_TIME | EVENT_BASE_FLAG_IGNORE_ENV |
                                    EVENT_BASE_FLAG_EPOLL_USE_CHANGELIST);
  event_config_require_features(config, EV_FEATURE_ET);
  event_base* base = event_base_new_with_config(config);
  event_config_free(config);
  if (base == nullptr) die("event_base_new_with_config");
  return base;
}

event_base* fit(event_base* base) {
  if ((event_base_get_features(base) & EV_FEATURE_ET) == 0) {
    std::fprintf(
        stderr,
        "trellis: cannot make a loop: the event_base uses %s, but edge-triggered events are needed: use epoll\n",
        event_base_get_method(base));
    std::abort();
  }
  return base;
}

}  // namespace

LibeventLoop::LibeventLoop(const LoopOptions& options)
    : base_(options.base != nullptr ? fit(options.base) : make_base()),
      own_base_(options.base == nullptr),
      index_(options.index),
      count_(options.count),
      timer_descriptor_(timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC)),
      wake_descriptor_(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {
  if (timer_descriptor_ < 0) die("timerfd_create");
  if (wake_descriptor_ < 0) die("eventfd");
  // Edge-triggered, so that neither needs a read(): setting the timer again and every write to the eventfd make an
  // edge.
  constexpr short kEdges = EV_READ | EV_ET | EV_PERSIST;
  event_assign(&timer_, base_, timer_descriptor_, kEdges, on_timer, this);
  event_assign(&wake_, base_, wake_descriptor_, kEdges, on_wake, this);
  event_assign(&polled_, base_, -1, 0, on_polled, this);
  event_assign(&turn_end_, base_, -1, 0, on_turn_end, this);
  if (event_add(&timer_, nullptr) != 0 || event_add(&wake_, nullptr) != 0) die("event_add");

  std::array<std::uint32_t, 8> entropy;
  fill_with_entropy(std::as_writable_bytes(std::span(entropy)));
  std::seed_seq seed(entropy.begin(), entropy.end());
  random_.seed(seed);
}

LibeventLoop::~LibeventLoop() {
  // Tasks that never ran may hold sockets; they must go while the loop is still whole.
  {
    const auto never_ran = std::exchange(posted_, {});
  }
  for (event* e : {&timer_, &wake_, &polled_, &turn_end_}) event_del(e);
  close(timer_descriptor_);
  close(wake_descriptor_);
  sockets_.end();
  if (own_base_) event_base_free(base_);
}

void LibeventLoop::run() noexcept {
  running_ = true;
  while (!stop_) {
    poll(own_base_ ? EVLOOP_ONCE : EVLOOP_NO_EXIT_ON_EMPTY);
    if (event_base_got_break(base_) != 0 || event_base_got_exit(base_) != 0) break;  // the application says so
  }
  running_ = false;
  stop_ = false;
}

void LibeventLoop::run_once(bool wait) noexcept { poll(EVLOOP_ONCE | (wait ? 0 : EVLOOP_NONBLOCK)); }

void LibeventLoop::poll(int flags) noexcept {
  // Asked for from outside of any callback: it comes before further news, which it may make pointless.
  const bool due = own_base_ && turn_end_wanted_;
  if (due) turn_end();
  event_base_loop(base_, flags | (due ? EVLOOP_NONBLOCK : 0));
  if (own_base_ && turn_end_wanted_) turn_end();
}

void LibeventLoop::stop() noexcept {
  stop_ = true;
  wake();
}

TimePoint LibeventLoop::now() const noexcept {
  if (!in_turn_) return read_clock();
  if (!now_known_) {
    now_ = read_clock();
    now_known_ = true;
  }
  return now_;
}

std::chrono::system_clock::time_point LibeventLoop::wall_clock() const noexcept {
  return std::chrono::system_clock::now();
}

void LibeventLoop::post(std::move_only_function<void()> task) noexcept {
  bool first;
  {
    const std::lock_guard guard(mutex_);
    first = posted_.empty();
    posted_.push_back(std::move(task));
  }
  if (first) wake();
}

void LibeventLoop::wake() noexcept {
  const std::uint64_t one = 1;
  while (write(wake_descriptor_, &one, sizeof one) < 0 && errno == EINTR) {
  }
}

void LibeventLoop::queue(Job& job) noexcept {
  jobs_.queue(job);
  want_turn_end();
}

void LibeventLoop::again(Job& job) noexcept {
  jobs_.again(job);
  want_turn_end();
}

void LibeventLoop::arm(Alarm& alarm, TimePoint deadline) noexcept {
  timers_.arm(alarm, deadline);
  if (deadline < timer_set_to_) want_turn_end();  // it sets the timer, once for all that was armed in the turn
}

void LibeventLoop::disarm(Alarm& alarm) noexcept { timers_.disarm(alarm); }

void LibeventLoop::secret(std::span<std::byte> out) noexcept { fill_with_entropy(out); }

void LibeventLoop::on_timer(evutil_socket_t, short, void* self) noexcept {
  auto& loop = *static_cast<LibeventLoop*>(self);
  loop.begin_turn();
  loop.timer_set_to_ = TimePoint::max();
  loop.timers_.ring(loop.now());
}

void LibeventLoop::on_wake(evutil_socket_t, short, void* self) noexcept {
  auto& loop = *static_cast<LibeventLoop*>(self);
  loop.begin_turn();
  {
    const std::lock_guard guard(loop.mutex_);
    loop.tasks_.swap(loop.posted_);
  }
  for (auto& task : loop.tasks_) task();
  loop.tasks_.clear();
}

void LibeventLoop::on_polled(evutil_socket_t, short, void* self) noexcept {
  auto& loop = *static_cast<LibeventLoop*>(self);
  loop.begin_turn();
  loop.jobs_.polled();
}

void LibeventLoop::on_turn_end(evutil_socket_t, short, void* self) noexcept {
  static_cast<LibeventLoop*>(self)->turn_end();
}

void LibeventLoop::turn_end() noexcept {
  in_turn_ = true;  // also when only queue() from outside of any callback asked for this turn
  jobs_.run();
  set_timer();
  if (jobs_.wants_poll()) {
    // An event that is made active here would run without a poll in between; one with a timeout of zero polls first.
    constexpr timeval kAtOnce{};
    event_add(&polled_, &kAtOnce);
  }
  turn_end_wanted_ = false;
  in_turn_ = false;
  now_known_ = false;
  if (running_ && !own_base_ && stop_.load(std::memory_order_relaxed)) event_base_loopbreak(base_);
}

void LibeventLoop::set_timer() noexcept {
  // Only for an earlier deadline. One that moved later costs a wake-up for nothing, not a system call per move.
  if (timers_.first() >= timer_set_to_) return;
  timer_set_to_ = timers_.first();
  const auto when = std::max(timer_set_to_.time_since_epoch(), Duration(1));  // zero would switch it off
  const auto seconds = std::chrono::floor<std::chrono::seconds>(when);
  itimerspec spec{};
  spec.it_value.tv_sec = seconds.count();
  spec.it_value.tv_nsec = (when - seconds).count();
  timerfd_settime(timer_descriptor_, TFD_TIMER_ABSTIME, &spec, nullptr);
}

std::unique_ptr<Loop> make_loop(const LoopOptions& options) { return std::make_unique<LibeventLoop>(options); }

}  // namespace trellis
