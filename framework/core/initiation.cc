#include "core/initiation.h"

#include "core/establishment.h"

namespace trellis {

bool is_something(const Message& early) noexcept { return early.data.size() != 0 || early.final || early.end; }

Initiated initiate(FrameworkCore& framework, Executor& loop, std::shared_ptr<const Plan> plan, Message early,
                   Connection::Done ready, TimePoint deadline) {
  Turn& turn = framework.turn(loop);
  auto& core = turn.make<ConnectionCore>(turn, plan->face, plan->limits);
  Connection connection = core.handle();
  if (is_something(early)) core.send_early(std::move(early));
  auto& establishment = turn.make<Establishment>(framework, turn, std::move(plan), core);
  core.establishing(establishment, std::move(ready));
  establishment.begin(deadline);
  return {core, std::move(connection)};
}

}  // namespace trellis
