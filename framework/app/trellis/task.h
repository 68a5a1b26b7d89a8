// task.h: coroutines for applications, over the callbacks. Header-only and above the ABI: no coroutine frame, promise
// or handle ever crosses into a plugin. Destroying a Task cancels what it awaits.
#pragma once
#include <coroutine>
#include <exception>
#include <functional>
#include <optional>
#include <utility>

#include "trellis/result.h"

namespace trellis {

template <class T>
class Task;

namespace detail {

struct PromiseBase {
  std::coroutine_handle<> waiter = std::noop_coroutine();
  bool detached = false;
  struct Final {
    bool await_ready() noexcept { return false; }
    template <class P>
    std::coroutine_handle<> await_suspend(std::coroutine_handle<P> self) noexcept {
      const std::coroutine_handle<> next = self.promise().waiter;
      if (self.promise().detached) self.destroy();
      return next;
    }
    void await_resume() noexcept {}
  };
  std::suspend_always initial_suspend() noexcept { return {}; }
  Final final_suspend() noexcept { return {}; }
  void unhandled_exception() noexcept { std::terminate(); }  // failures are values here
};

template <class T>
struct Promise : PromiseBase {
  std::optional<T> value;
  Task<T> get_return_object();
  template <class U = T>
  void return_value(U&& v) {
    value.emplace(std::forward<U>(v));
  }
  T take() { return std::move(*value); }
};

template <>
struct Promise<void> : PromiseBase {
  Task<void> get_return_object();
  void return_void() noexcept {}
  void take() noexcept {}
};

}  // namespace detail

/// A coroutine that begins when it is awaited or started. Runs on the loop's thread; never throws.
template <class T = void>
class [[nodiscard]] Task {
 public:
  using promise_type = detail::Promise<T>;  ///< for the compiler
  Task(Task&& other) noexcept : handle_(std::exchange(other.handle_, {})) {}
  Task& operator=(Task&& other) noexcept {
    std::swap(handle_, other.handle_);
    return *this;
  }
  ~Task() {
    if (handle_) handle_.destroy();
  }
  /// Runs it to its first wait. The Task must live until done(); destroying it cancels.
  void start() { handle_.resume(); }
  bool done() const noexcept { return handle_.done(); }  ///< it has returned
  bool await_ready() const noexcept { return false; }    ///< for co_await
  /// For co_await.
  std::coroutine_handle<> await_suspend(std::coroutine_handle<> waiter) noexcept {
    handle_.promise().waiter = waiter;
    return handle_;
  }
  T await_resume() { return handle_.promise().take(); }  ///< for co_await

 private:
  friend promise_type;
  friend void spawn(Task<void> task);
  explicit Task(std::coroutine_handle<promise_type> handle) : handle_(handle) {}
  std::coroutine_handle<promise_type> handle_;
};

template <class T>
Task<T> detail::Promise<T>::get_return_object() {
  return Task<T>(std::coroutine_handle<Promise>::from_promise(*this));
}
inline Task<void> detail::Promise<void>::get_return_object() {
  return Task<void>(std::coroutine_handle<Promise>::from_promise(*this));
}

/// Starts a task that nobody waits for; it frees itself when it returns.
inline void spawn(Task<void> task) {
  auto handle = std::exchange(task.handle_, {});
  handle.promise().detached = true;
  handle.resume();
}

/// Turns one callback into something to co_await. `start` receives the callback, which must fire later and once;
/// `cancel` undoes it when the waiting Task is destroyed.
template <class T, class Start, class Cancel>
class [[nodiscard]] Await {
 public:
  Await(Start start, Cancel cancel) : start_(std::move(start)), cancel_(std::move(cancel)) {}
  Await(const Await&) = delete;
  Await& operator=(const Await&) = delete;
  ~Await() {
    if (waiting_) cancel_();
  }
  bool await_ready() const noexcept { return false; }  ///< for co_await
  /// For co_await.
  void await_suspend(std::coroutine_handle<> waiter) {
    waiting_ = true;
    waiter_ = waiter;
    start_([this](T value) {
      waiting_ = false;
      value_.emplace(std::move(value));
      waiter_.resume();
    });
  }
  T await_resume() { return std::move(*value_); }  ///< for co_await

 private:
  Start start_;
  Cancel cancel_;
  std::optional<T> value_;
  std::coroutine_handle<> waiter_;
  bool waiting_ = false;
};

/// Makes an Await for a result of type T.
template <class T, class Start, class Cancel>
Await<T, Start, Cancel> await_callback(Start start, Cancel cancel) {
  return Await<T, Start, Cancel>(std::move(start), std::move(cancel));
}

}  // namespace trellis
