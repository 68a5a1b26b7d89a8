#include "core/remote_gathering.h"

#include <algorithm>
#include <utility>

#include "core/service_endpoint.h"

namespace trellis {

RemoteGathering::RemoteGathering(FrameworkCore& framework, Executor& loop, std::shared_ptr<const Plan> plan,
                                 std::function<void()> over)
    : loop_(loop),
      plan_(std::move(plan)),
      over_(std::move(over)),
      race_({.remote = plan_->target}, plan_->race_limits(), plan_->racing, *this),
      gathering_(framework, loop, *plan_, race_, [&loop] { return loop.now(); }) {}

RemoteGathering::~RemoteGathering() { gathering_.stop(); }

void RemoteGathering::begin() noexcept {
  deadline_ = loop_.now() + plan_->connect_timeout;
  if (auto misfit = gathering_.misfit()) return end(std::move(*misfit));
  race_.begin(loop_.now());
  if (!race_.over()) arm_next();
}

// Each is let go at once, so that the next one comes: nothing is tried.
void RemoteGathering::start_leaf(NodeIndex leaf) noexcept {
  Endpoint remote = *identified(plan_->wishes.remote, race_.tree()[leaf].candidate.remote);
  if (!std::ranges::contains(found_, remote.address, &Endpoint::address)) found_.push_back(std::move(remote));
  race_.leaf_failed(loop_.now(), leaf, {Reason::canceled, 0, "core", "it was only to be found"});
}

void RemoteGathering::wake_at(TimePoint when) noexcept {
  wake_ = when;
  if (!race_.over()) arm_next();
}

void RemoteGathering::on_alarm() noexcept {
  if (loop_.now() >= deadline_) {
    race_.cancel(loop_.now(), "the time to find endpoints is over");
    return end({Reason::timed_out, 0, "core", "no address was found in time"});
  }
  wake_ = TimePoint::max();
  race_.wake(loop_.now());
  if (!race_.over()) arm_next();
}

void RemoteGathering::lost(const Error& error) noexcept { end(error); }

void RemoteGathering::end(Error why) noexcept {
  if (found_.empty()) failure_ = std::move(why);
  disarm();
  loop_.queue(*this);
}

void RemoteGathering::run() noexcept {
  gathering_.stop();
  over_();
}

}  // namespace trellis
