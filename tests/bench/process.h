// process.h: processes that measure: pinned to a processor, with a pipe back, ended with whoever started them.
#pragma once
#include <sys/types.h>

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <type_traits>

namespace trellis::bench {

/// The processors that a measurement's two ends run on, so that they neither share one nor move.
inline constexpr int kClientCpu = 0;
inline constexpr int kServerCpu = 1;

/// Pins this process to the n-th processor that trellis-bench may use; the last one when there are fewer.
void pin(int n);

/// Lets this thread run on all those processors again.
void unpin();

/// Prints what went wrong with errno and ends the process. For measurements, which have a process of their own.
[[noreturn]] void die(const std::string& what);

/// The result of a system call; dies when it is negative.
template <class T>
T check(T result, const char* call) {
  if (result < 0) die(call);
  return result;
}

/// The writing end of a child's pipe.
class Outlet {
 public:
  explicit Outlet(int descriptor) : descriptor_(descriptor) {}
  /// Sends a value to the process that started this one.
  template <class T>
  void put(const T& value) const {
    static_assert(std::is_trivially_copyable_v<T>);
    write_all(&value, sizeof value);
  }

 private:
  void write_all(const void* bytes, std::size_t size) const;
  int descriptor_;
};

/// A process that runs `body` and ends. Its destructor waits a moment for that, then ends it.
class Child {
 public:
  Child(int cpu, const std::function<void(const Outlet&)>& body);
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;
  ~Child();
  /// The next value that the child puts; nothing when it ended before, or when the time is over.
  template <class T>
  std::optional<T> take(std::chrono::seconds within) {
    static_assert(std::is_trivially_copyable_v<T>);
    T value;
    return read_all(&value, sizeof value, within) ? std::optional(value) : std::nullopt;
  }

 private:
  bool read_all(void* bytes, std::size_t size, std::chrono::seconds within) const;
  pid_t pid_;
  int descriptor_;
};

/// Seconds of a clock that only grows and that all processes share.
double now();

/// Seconds of processor time that this process has used, in user space and in the kernel.
double cpu_seconds();

}  // namespace trellis::bench
