// passed_over.h: wrong input that plugins have passed over, told to the application's log and never so often that it
// floods it.
#pragma once
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "trellis/clock.h"
#include "trellis/framework.h"

namespace trellis {

/// Each line once in kWhile, and few lines of one plugin. Thread-safe.
class PassedOver {
 public:
  static constexpr Duration kWhile = std::chrono::minutes(10);
  static constexpr std::size_t kLinesMost = 8;  // of one plugin in kWhile

  void tell(const Log& log, std::string_view who, std::string_view what, TimePoint now);

 private:
  struct Told {
    TimePoint since{};
    std::vector<std::string> lines = {};
    std::size_t unsaid = 0;  // since then, and not told yet that they were
  };
  std::string line(std::string_view who, std::string_view what, TimePoint now);  // empty: nothing is to be said

  std::mutex mutex_;
  std::map<std::string, Told, std::less<>> told_;  // by plugin
};

}  // namespace trellis
