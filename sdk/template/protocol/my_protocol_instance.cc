#include "my_protocol_instance.h"

MyProtocolInstance::MyProtocolInstance(const trellis::Seat& seat, bool chatty)
    : host_(seat.host), upper_(seat.upper), lower_(seat.lower), chatty_(chatty) {}

// The layer below is ready. A protocol with a handshake begins it here, and says ready() when it is over.
void MyProtocolInstance::open(const trellis::OpenArgs&) noexcept {
  if (chatty_) host_.log(trellis::Severity::info, "opened");
  host_.ready();
  on_credit(lower_);
  on_credit(upper_);
}

// Everything that was taken has been pushed down, so there is nothing left to say to the peer.
void MyProtocolInstance::close(const trellis::CloseArgs&) noexcept { host_.closed(); }

// Takes what the layer below has credit for; what stays in the batch is offered again.
void MyProtocolInstance::on_down(trellis::UpperPort from, trellis::Batch& batch) noexcept {
  while (!batch.empty() && lower_.credit() > 0) lower_.push(batch.pop());
  if (batch.empty()) upper_.grant_to(lower_.credit());
  if (batch.empty() && from.finished()) lower_.finish();
}

void MyProtocolInstance::on_up(trellis::LowerPort from, trellis::Batch& batch) noexcept {
  while (!batch.empty() && upper_.credit() > 0) upper_.push(batch.pop());
  if (batch.empty()) lower_.grant_to(upper_.credit());
  if (batch.empty() && from.finished()) upper_.finish();
}

// Credit is demand: what the layer above wants is asked for below, and what the layer below takes is offered above.
void MyProtocolInstance::on_credit(trellis::UpperPort) noexcept { lower_.grant_to(upper_.credit()); }
void MyProtocolInstance::on_credit(trellis::LowerPort) noexcept { upper_.grant_to(lower_.credit()); }
