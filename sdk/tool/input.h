// input.h: reads a descriptor for a loop, whatever it is.
//
// A thread does it: pipes, terminals, files and sockets are then all the same, and none is made non-blocking, which
// would
// change it for the shell and for every other process that shares it. The thread waits in poll(2), so that it can be
// ended.
#pragma once
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <thread>

#include "descriptor_wait.h"
#include "trellis/executor.h"
#include "trellis/task.h"

namespace trellis::tool {

/// Standard input, usually. Used on the loop's thread.
class Input {
 public:
  /// Hears how many bytes came; 0: the end.
  using Done = std::move_only_function<void(Result<std::size_t>)>;

  Input(Executor& loop, int descriptor);
  ~Input() { stop(); }
  Input(const Input&) = delete;
  Input& operator=(const Input&) = delete;

  /// Reads once into `into`, which stays valid until `done` was called or stop() has returned. One read at a time.
  void read(std::span<std::byte> into, Done done);
  /// Ends the thread; `done` is not called any more.
  void stop() noexcept;
  /// co_await input.read_async(bytes)
  auto read_async(std::span<std::byte> into) {
    return await_callback<Result<std::size_t>>([this, into](auto resume) { read(into, std::move(resume)); },
                                               [this] { stop(); });
  }

 private:
  struct Reply {  // outlives this object, because it may wait in the loop's queue
    Done done;
  };
  void run() noexcept;
  Result<std::size_t> read_once(std::span<std::byte> into) const noexcept;

  Executor& loop_;
  const int descriptor_;
  StopSwitch stop_;
  std::shared_ptr<Reply> reply_ = std::make_shared<Reply>();
  std::mutex mutex_;
  std::condition_variable wanted_;
  std::span<std::byte> into_;  // not empty: read this
  std::thread thread_;
};

}  // namespace trellis::tool
