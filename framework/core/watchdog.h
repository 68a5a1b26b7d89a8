// watchdog.h: ends the process when a plugin does not return. There is no other way to stop it: it runs on a thread of
// the application, and whatever it holds stays held.
#pragma once
#include <condition_variable>
#include <mutex>
#include <string_view>
#include <thread>
#include <vector>

#include "trellis/clock.h"

namespace trellis {

/// Of programs that rather end than hang, such as the trellis command: far longer than any decision takes.
inline constexpr Duration kPluginPatience = std::chrono::seconds(10);

class Watchdog {
 public:
  /// A call that takes longer than `patience` ends the process: one line on standard error names it, and abort() leaves
  /// a core dump that shows where it hangs. Time in which the whole process is stopped does not count.
  explicit Watchdog(Duration patience);
  Watchdog(const Watchdog&) = delete;
  Watchdog& operator=(const Watchdog&) = delete;

  /// One call, on any thread.
  class Watch {
   public:
    /// `dog`: null: nobody watches. `kind`, `name`, `call`: "racing policy", "staggered", "decide()"; static or the
    /// plugin's.
    Watch(Watchdog* dog, std::string_view kind, std::string_view name, std::string_view call);
    ~Watch();
    Watch(const Watch&) = delete;
    Watch& operator=(const Watch&) = delete;

   private:
    friend class Watchdog;
    Watchdog* const dog_;
    std::string_view kind_, name_, call_;
    unsigned ticks_ = 0;
  };

 private:
  void run(const std::stop_token& stop);
  [[noreturn]] void bite(const Watch& watch) const;

  const Duration patience_;
  std::mutex mutex_;
  std::condition_variable_any stopping_;
  std::vector<Watch*> watches_;
  std::jthread thread_;  // last: it uses all of the above
};

}  // namespace trellis
