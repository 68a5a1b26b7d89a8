#include "ares_call.h"

#include <time.h>

#include <span>
#include <utility>

namespace trellis::dns {
namespace {

thread_local Executor* executor_of_call = nullptr;

/// The executor's own calls end up here too where it is linked into the same program, as in tests.
struct Outside {
  Executor* executor = std::exchange(executor_of_call, nullptr);
  ~Outside() { executor_of_call = executor; }
};

}  // namespace

AresCall::AresCall(Executor& executor) noexcept : outer_(executor_of_call) { executor_of_call = &executor; }
AresCall::~AresCall() { executor_of_call = outer_; }

}  // namespace trellis::dns

// The names that the linker gives to what c-ares calls (--wrap in CMakeLists.txt).
extern "C" {
int system_clock_gettime(clockid_t clock, timespec* now) __asm__("__real_clock_gettime");
int ares_clock_gettime(clockid_t clock, timespec* now) __asm__("__wrap_clock_gettime");
void system_arc4random_buf(void* out, size_t size) __asm__("__real_arc4random_buf");
void ares_arc4random_buf(void* out, size_t size) __asm__("__wrap_arc4random_buf");

int ares_clock_gettime(clockid_t clock, timespec* now) {
  const trellis::dns::Outside call;
  if (call.executor == nullptr) return system_clock_gettime(clock, now);
  const auto nanoseconds = call.executor->now().time_since_epoch().count();
  now->tv_sec = nanoseconds / 1'000'000'000;
  now->tv_nsec = nanoseconds % 1'000'000'000;
  return 0;
}

void ares_arc4random_buf(void* out, size_t size) {
  const trellis::dns::Outside call;
  if (call.executor == nullptr) return system_arc4random_buf(out, size);
  call.executor->secret(std::span(static_cast<std::byte*>(out), size));
}
}
