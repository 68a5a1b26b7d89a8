#include "example_instance.h"

namespace example_plugin {

using namespace trellis;

ExampleInstance::ExampleInstance(const Seat& seat, const Settings& settings)
    : host_(seat.host), upper_(seat.upper), lower_(seat.lower), settings_(settings) {}

// A handshake begins here. When it is complete, and not before, comes host_.ready().
void ExampleInstance::open(const OpenArgs&) noexcept {
  host_.ready();
  on_credit(lower_);
  on_credit(upper_);
}

// What the layer holds is sent first, then its goodbye; host_.closed() may come later, but not when args.abort is set.
void ExampleInstance::close(const CloseArgs&) noexcept { host_.closed(); }

// Data from above: headers are put in front here. What stays in the batch is offered again when there is credit below.
void ExampleInstance::on_down(UpperPort from, Batch& batch) noexcept {
  while (!batch.empty() && lower_.credit() > 0) lower_.push(take(batch));
  if (batch.empty() && from.finished()) lower_.finish();
  on_credit(lower_);
}

// Data from below: headers are read and dropped here. A peer can send anything: what makes no sense ends the connection
// with host_.failed(), or is ignored.
void ExampleInstance::on_up(LowerPort from, Batch& batch) noexcept {
  while (!batch.empty() && upper_.credit() > 0) upper_.push(take(batch));
  if (batch.empty() && from.finished()) upper_.finish();
  on_credit(upper_);
}

// What the layer below takes, the layer above may push; but what waits in the batch has been paid for already.
void ExampleInstance::on_credit(LowerPort) noexcept {
  if (upper_.empty()) upper_.grant_to(lower_.credit());
}

// What the layer above takes, the layer below may push.
void ExampleInstance::on_credit(UpperPort) noexcept {
  if (lower_.empty()) lower_.grant_to(upper_.credit());
}

Chunk ExampleInstance::take(Batch& batch) noexcept {
  Chunk& front = batch.front();
  if (upper_.face() != Face::bytestream || front.data.size() <= settings_.chunk_bytes) return batch.pop();
  return Chunk{.data = front.data.split_front(settings_.chunk_bytes), .info = front.info};
}

}  // namespace example_plugin
