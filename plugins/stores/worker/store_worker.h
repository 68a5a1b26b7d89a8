// store_worker.h: a store on a thread of its own, because files and servers make one wait. Loops hand over and go on.
#pragma once
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "trellis/executor.h"
#include "trellis/state.h"

namespace trellis {

/// What a store really does. Used by one thread at a time; may wait, for a second at most.
class StoreBackend {
 public:
  virtual ~StoreBackend() = default;
  /// Opens it, or opens it anew after trouble. Reason::configuration: it is of no use to try again.
  virtual Result<void> open() = 0;
  /// As OpenStore::fetch().
  virtual Result<std::vector<StateEntry>> fetch(const std::vector<StatePlace>& places) = 0;
  virtual Result<void> put(std::vector<StateEntry> entries) = 0;
  virtual Result<std::vector<StateEntry>> list() = 0;
  virtual Result<std::uint64_t> clear() = 0;
};

/// Runs a backend on a thread. After trouble the backend is left alone for a while,
/// twice as long each time, and nothing waits for it.
class StoreWorker final : public OpenStore {
 public:
  static constexpr std::size_t kQuestionsMost = 64;   ///< that wait; more are not asked
  static constexpr std::size_t kPutsMost = 1024;      ///< that wait; then the oldest is forgotten
  static constexpr std::size_t kValueMost = 1 << 16;  ///< bytes; larger values are not kept
  static constexpr std::chrono::milliseconds kPauseLeast{100}, kPauseMost{30'000};

  /// Begins to open it at once.
  explicit StoreWorker(std::unique_ptr<StoreBackend> backend);
  ~StoreWorker() override;
  bool usable() const noexcept override;
  std::unique_ptr<Fetch> fetch(Executor& executor, std::vector<StatePlace> places, Answer answer) noexcept override;
  void put(StateEntry entry) noexcept override;
  std::string trouble() noexcept override;
  Result<std::vector<StateEntry>> list() noexcept override;
  Result<std::uint64_t> clear() noexcept override;

 private:
  struct Question;
  struct Ticket;
  struct Shared;
  bool start(Shared& shared) noexcept;
  std::shared_ptr<Shared> shared_;
};

}  // namespace trellis
