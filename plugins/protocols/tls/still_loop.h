// still_loop.h: a loop on which nothing happens, for tests and fuzzers that call a layer themselves: blocks from the
// heap, and a time that is moved by hand.
#pragma once
#include <cstdlib>

#include "heap_pool.h"
#include "trellis/executor.h"

namespace trellis::tls {

class StillLoop : public Executor {
 public:
  TimePoint now() const noexcept override { return time; }
  std::chrono::system_clock::time_point wall_clock() const noexcept override { std::abort(); }
  void post(std::move_only_function<void()>) noexcept override { std::abort(); }
  void queue(Job&) noexcept override { std::abort(); }
  void again(Job&) noexcept override { std::abort(); }
  void arm(Alarm&, TimePoint) noexcept override { std::abort(); }
  void disarm(Alarm&) noexcept override { std::abort(); }
  Sockets& sockets() noexcept override { std::abort(); }
  BlockPool& pool() noexcept override { return pool_; }
  std::uint64_t random() noexcept override { return 4; }
  unsigned loop() const noexcept override { return 0; }
  unsigned loops() const noexcept override { return 1; }

  TimePoint time{std::chrono::seconds(1)};

 private:
  HeapPool pool_;
};

}  // namespace trellis::tls
