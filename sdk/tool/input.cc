#include "input.h"

#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

namespace trellis::tool {

Input::Input(Executor& loop, int descriptor) : loop_(loop), descriptor_(descriptor), thread_([this] { run(); }) {}

void Input::read(std::span<std::byte> into, Done done) {
  reply_->done = std::move(done);
  {
    const std::lock_guard lock(mutex_);
    into_ = into;
  }
  wanted_.notify_one();
}

void Input::stop() noexcept {
  if (!thread_.joinable()) return;
  {
    const std::lock_guard lock(mutex_);
    stop_.stop();
  }
  wanted_.notify_one();
  thread_.join();
  reply_->done = {};
}

void Input::run() noexcept {
  for (;;) {
    std::span<std::byte> into;
    {
      std::unique_lock lock(mutex_);
      wanted_.wait(lock, [this] { return !into_.empty() || stop_.stopped(); });
      into = std::exchange(into_, {});
    }
    if (into.empty() || !stop_.wait(descriptor_, POLLIN)) return;
    loop_.post([reply = reply_, got = read_once(into)]() mutable {
      if (reply->done) std::exchange(reply->done, {})(std::move(got));
    });
  }
}

Result<std::size_t> Input::read_once(std::span<std::byte> into) const noexcept {
  ssize_t got;
  do got = ::read(descriptor_, into.data(), into.size());
  while (got < 0 && (errno == EINTR || (errno == EAGAIN && stop_.wait(descriptor_, POLLIN))));
  if (got >= 0) return static_cast<std::size_t>(got);
  const int error = errno;
  return fail(Reason::exhausted, "cannot read standard input: " + std::generic_category().message(error),
              static_cast<std::uint64_t>(error), "stdin");
}

}  // namespace trellis::tool
