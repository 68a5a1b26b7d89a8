#include "output.h"

#include <limits.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <system_error>

namespace trellis::tool {

namespace {

// A pipe that poll(2) calls writable takes PIPE_BUF bytes without blocking, and no more is promised; files never block.
std::size_t write_most(int descriptor) {
  struct stat facts{};
  const bool file = ::fstat(descriptor, &facts) == 0 && S_ISREG(facts.st_mode);
  return file ? SSIZE_MAX : PIPE_BUF;
}

}  // namespace

Output::Output(Executor& loop, int descriptor, Failed failed)
    : loop_(loop), descriptor_(descriptor), write_most_(write_most(descriptor)) {
  ears_->failed = std::move(failed);
  thread_ = std::thread([this] { run(); });
}

Output::~Output() {
  ears_->done = {};
  ears_->failed = {};
  {
    const std::lock_guard lock(mutex_);
    stop_.stop();
  }
  filled_.notify_one();
  thread_.join();
}

void Output::cancel_wait() noexcept {
  ears_->done = {};
  ++ears_->waits;
  const std::lock_guard lock(mutex_);
  due_at_.reset();
}

bool Output::put(std::span<const std::byte> bytes) {
  const std::lock_guard lock(mutex_);
  if (failure_) return false;
  queue_.insert(queue_.end(), bytes.begin(), bytes.end());
  unwritten_ += bytes.size();
  filled_.notify_one();
  return unwritten_ <= kQueueMost;
}

void Output::wait(std::size_t left, Done done) {
  ears_->done = std::move(done);
  const std::lock_guard lock(mutex_);
  due_at_ = left;
  due_to_ = ++ears_->waits;
  answer_if_due();
}

// Called with the mutex held. The answer travels through the loop's queue, so no callback fires inside wait().
void Output::answer_if_due() noexcept {
  if (!due_at_ || (unwritten_ > *due_at_ && !failure_)) return;
  due_at_.reset();
  Result<void> how;
  if (failure_) how = std::unexpected(*failure_);
  loop_.post([ears = ears_, wait = due_to_, how = std::move(how)]() mutable {
    if (ears->done && ears->waits == wait) std::exchange(ears->done, {})(std::move(how));
  });
}

void Output::run() noexcept {
  std::vector<std::byte> writing;
  for (;;) {
    writing.clear();
    {
      std::unique_lock lock(mutex_);
      filled_.wait(lock, [this] { return !queue_.empty() || stop_.stopped(); });
      std::swap(writing, queue_);
    }
    if (stop_.stopped() || !write_all(writing)) return;
  }
}

// False: stopped, or failed.
bool Output::write_all(std::span<const std::byte> bytes) noexcept {
  while (!bytes.empty()) {
    if (!stop_.wait(descriptor_, POLLOUT)) return false;
    const ssize_t written = ::write(descriptor_, bytes.data(), std::min(bytes.size(), write_most_));
    if (written < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    if (written < 0) {
      fail_with(errno);
      return false;
    }
    bytes = bytes.subspan(static_cast<std::size_t>(written));
    progress(static_cast<std::size_t>(written));
  }
  return true;
}

void Output::fail_with(int error) noexcept {
  const std::lock_guard lock(mutex_);
  failure_ = Error{Reason::exhausted, static_cast<std::uint64_t>(error), "stdout",
                   "cannot write standard output: " + std::generic_category().message(error)};
  answer_if_due();
  loop_.post([ears = ears_, failure = *failure_] {
    if (ears->failed) std::exchange(ears->failed, {})(failure);
  });
}

void Output::progress(std::size_t written) noexcept {
  const std::lock_guard lock(mutex_);
  unwritten_ -= written;
  answer_if_due();
}

}  // namespace trellis::tool
