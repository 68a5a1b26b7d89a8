// output.h: writes a descriptor for a loop, whatever it is, with a bounded queue. See input.h for why a thread does it.
#pragma once
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <thread>
#include <vector>

#include "descriptor_wait.h"
#include "trellis/executor.h"
#include "trellis/task.h"

namespace trellis::tool {

/// Standard output, usually. Used on the loop's thread.
class Output {
 public:
  /// Hears that there is room again, that all is written, or what went wrong.
  using Done = std::move_only_function<void(Result<void>)>;
  /// Hears that nothing can be written any more, at most once, whether somebody waits or not.
  using Failed = std::move_only_function<void(const Error&)>;

  Output(Executor& loop, int descriptor, Failed failed);
  ~Output();  ///< what is not written yet is lost
  Output(const Output&) = delete;
  Output& operator=(const Output&) = delete;

  /// Queues bytes. They are taken in any case; false: please wait for room().
  bool put(std::span<const std::byte> bytes);
  /// Calls back later, once at most `left` bytes wait to be written, or with the Error that ended the writing.
  void wait(std::size_t left, Done done);
  void cancel_wait() noexcept;  ///< forgets the wait that is open
  /// co_await output.wait_async(kRoom): after put() returned false. co_await output.wait_async(0): all is written.
  auto wait_async(std::size_t left) {
    return await_callback<Result<void>>([this, left](auto resume) { wait(left, std::move(resume)); },
                                        [this] { cancel_wait(); });
  }
  static constexpr std::size_t kQueueMost = 256 * 1024;  ///< put() says false beyond this many bytes
  static constexpr std::size_t kRoom = kQueueMost / 2;   ///< few enough to go on

 private:
  struct Ears {  // outlive this object, because an answer may wait in the loop's queue
    Done done;
    Failed failed;
    unsigned waits = 0;  // tells the answer to a forgotten wait from that to the next
  };
  void run() noexcept;
  bool write_all(std::span<const std::byte> bytes) noexcept;
  void fail_with(int error) noexcept;
  void progress(std::size_t written) noexcept;
  void answer_if_due() noexcept;

  Executor& loop_;
  const int descriptor_;
  std::size_t write_most_;
  StopSwitch stop_;
  const std::shared_ptr<Ears> ears_ = std::make_shared<Ears>();  // used on the loop only
  std::mutex mutex_;                                             // of everything below
  std::condition_variable filled_;
  std::vector<std::byte> queue_;
  std::size_t unwritten_ = 0;          // in queue_ and in the thread's hands
  std::optional<std::size_t> due_at_;  // answer when at most this much is unwritten
  unsigned due_to_ = 0;                // which wait to answer
  std::optional<Error> failure_;
  std::thread thread_;
};

}  // namespace trellis::tool
