// run_until.h: a loop that runs until something has happened, or the deadline of a failing test is over.
#pragma once
#include <functional>

#include "process.h"
#include "trellis/loop.h"

namespace trellis::test {

/// False: it does not hold after kDeadline.
inline bool run_until(Loop& loop, const std::function<bool()>& holds) {
  struct Late final : Alarm {
    void on_alarm() noexcept override {}
  } late;
  late.arm(loop, loop.now() + kDeadline);
  while (!holds() && late.armed()) loop.run_once(true);
  return holds();
}

}  // namespace trellis::test
