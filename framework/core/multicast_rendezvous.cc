#include "core/multicast_rendezvous.h"

#include <utility>

#include "core/initiation.h"
#include "core/listener_core.h"

namespace trellis {

MulticastRendezvous::MulticastRendezvous(FrameworkCore& framework, Executor& loop, Result<Plan> plan, Message early,
                                         RendezvousEvents events)
    : framework_(framework),
      loop_(loop),
      plan_(std::move(plan)),
      early_(std::move(early)),
      events_(std::move(events)) {}
MulticastRendezvous::~MulticastRendezvous() = default;

void MulticastRendezvous::begin() {
  if (!plan_) return loop_.queue(*this);
  join();
}

void MulticastRendezvous::run() noexcept { failed(std::move(plan_).error()); }

Result<void> MulticastRendezvous::add_remote(std::vector<Endpoint>) {
  return fail(Reason::invalid_argument, "found more remote endpoints of a rendezvous of groups, expected one group");
}

// The group is joined before anything is sent, so that no answer is missed.
void MulticastRendezvous::join() {
  Plan plan = *plan_;
  plan.wishes.remote = {};  // beside a group it would be its only source
  ListenerCore::choose_stacks(plan);
  ListenerEvents events{.listening = [this](const Address&) { connect(); },
                        .failed = [this](const Error& why) { failed(why); }};
  Turn& turn = framework_.turn(loop_);
  auto& core = turn.make<ListenerCore>(framework_, turn, std::move(plan), std::move(events));
  listener_ = core.handle();
  core.begin();
}

void MulticastRendezvous::connect() {
  auto plan = std::make_shared<Plan>(*plan_);
  plan->wishes.local = {};  // the system chooses what is sent from; the interface stays
  auto begun = initiate(framework_, loop_, std::move(plan), std::move(early_), [this](Result<void> how) {
    if (!how) return failed(std::move(how).error());
    auto hear = std::exchange(events_, {});  // the application may destroy this when it hears of it
    if (hear.group_done) hear.group_done(std::move(connection_), std::move(listener_));
  });
  connection_ = std::move(begun.connection);
}

void MulticastRendezvous::failed(Error why) {
  const Error told = std::move(why);  // whose it was may end here
  listener_ = {};
  connection_ = {};
  auto hear = std::exchange(events_, {});
  if (hear.failed) hear.failed(told);
}

}  // namespace trellis
