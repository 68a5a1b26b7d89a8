#include "core/prepended_framer.h"

namespace trellis {
namespace {

Link between(Schedule& schedule, UpperPort upper) noexcept {
  schedule.awake = true;  // nobody is to be told: move() follows each call
  Link link;
  link.schedule = &schedule;
  link.route = upper.link().route;
  link.face = upper.face();
  return link;
}

}  // namespace

PrependedFramer::PrependedFramer(LayerHost& host, FramerLayer& below, UpperPort upper, std::string name,
                                 const Framing& framing)
    : host_(host),
      below_(below),
      name_(std::move(name)),
      link_(between(schedule_, upper)),
      layer_(Seat{*this, upper, LowerPort(link_)}, name_, framing) {}

void PrependedFramer::open(const OpenArgs& args) noexcept {
  if (std::exchange(opened_, true)) return;
  layer_.open(args);
  link_.visit_above();
}

void PrependedFramer::offer_down() noexcept {
  if (!link_.down.batch.empty()) link_.visit_below();
  move();
}

void PrependedFramer::move() noexcept {
  if (std::exchange(moving_, true)) return;
  while (link_.up.queued || link_.down.queued) {
    schedule_.up[0] = schedule_.down[0] = nullptr;
    if (std::exchange(link_.up.queued, false)) move_up();
    if (std::exchange(link_.down.queued, false)) move_down();
  }
  moving_ = false;
  if (closed_ && !std::exchange(told_closed_, true)) below_.close(CloseArgs{});
}

void PrependedFramer::move_up() noexcept {
  if (!opened_) return;  // open() visits again
  if (std::exchange(link_.down.refilled, false)) layer_.on_credit(LowerPort(link_));
  if (!link_.up.batch.empty() || link_.up.finished) layer_.on_up(LowerPort(link_), link_.up.batch);
}

void PrependedFramer::move_down() noexcept {
  if (std::exchange(link_.up.refilled, false)) {
    below_.want_more();
    if (!below_.lower_.empty()) host_.wake();  // what waits there is offered again
  }
  if (!link_.down.batch.empty() || link_.down.finished) below_.take(link_.down.batch);
}

void PrependedFramer::failed(Error error) noexcept {
  below_.over_ = true;
  host_.failed(std::move(error));
}

}  // namespace trellis
