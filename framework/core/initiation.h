// initiation.h: an active open by a plan: the Connection, and what establishes it.
#pragma once
#include <memory>

#include "core/connection_core.h"
#include "core/framework_core.h"

namespace trellis {

/// Whether there is anything in what initiate() was given to send.
bool is_something(const Message& early) noexcept;

struct Initiated {
  ConnectionCore& core;
  Connection connection;  // the handle of it
};
/// `ready` is called once, later. `deadline`: until when, if the plan allows more time.
Initiated initiate(FrameworkCore& framework, Executor& loop, std::shared_ptr<const Plan> plan, Message early,
                   Connection::Done ready, TimePoint deadline = TimePoint::max());

}  // namespace trellis
