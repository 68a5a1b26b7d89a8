#include "datagram/datagram_peer.h"

#include "datagram/datagram_acceptor.h"

namespace trellis {

DatagramPeer::DatagramPeer(const Seat& seat, DatagramAcceptor& acceptor, DatagramDoor& door, const DatagramFlow& flow)
    : host_(seat.host), upper_(seat.upper), acceptor_(acceptor), door_(door), flow_(flow), to_(new_message()) {
  to_->remote = flow.remote;
  to_->local = flow.local;
}

DatagramPeer::~DatagramPeer() { acceptor_.unseated(*this); }

void DatagramPeer::open(const OpenArgs& args) noexcept {
  route_ = &args.route;
  args.route.remote = flow_.remote;
  if (flow_.local) args.route.local = flow_.local;
  host_.ready();
  upper_.grant(acceptor_.settings().send_queue);
  hand_up();
}

bool DatagramPeer::take(Chunk&& chunk) noexcept {
  if (over_) return true;
  const std::size_t charge = upper_.charge(chunk);
  if (inbox_charge_ + charge > acceptor_.settings().peer_queue && !inbox_.empty()) return false;
  inbox_charge_ += charge;
  inbox_.add(std::move(chunk));
  hand_up();
  return true;
}

void DatagramPeer::hand_up() noexcept {
  if (route_ == nullptr) return;  // not open yet
  while (!inbox_.empty() && upper_.credit() > 0) {
    inbox_charge_ -= upper_.charge(inbox_.front());
    upper_.push(inbox_.pop());
  }
}

void DatagramPeer::on_down(UpperPort, Batch& batch) noexcept {
  if (over_) return;
  if (!batch.empty()) acceptor_.active(*this);
  while (!batch.empty() && acceptor_.has_room(door_, *this)) {
    Chunk chunk = batch.pop();
    if (!chunk.info) chunk.info = to_;
    if (!chunk.info->remote) chunk.info->remote = flow_.remote;
    if (!chunk.info->local) chunk.info->local = flow_.local;
    forbid_splitting(chunk);
    if (profile_ != CapacityProfile::best_effort) chunk.dscp = code_point(profile_, acceptor_.settings().dscp);
    mark_profile(chunk, acceptor_.settings());
    door_.out.add(std::move(chunk));
  }
  if (!batch.empty()) return;
  refill(upper_, acceptor_.settings().send_queue);
}

// All visits to peers come before the first flush of a turn: that one sends what all of them have.
void DatagramPeer::flush() noexcept { acceptor_.send(door_); }

void DatagramPeer::close(const CloseArgs&) noexcept {
  acceptor_.send(door_);
  over_ = true;
  host_.closed();
}

void DatagramPeer::end_idle() noexcept {
  over_ = true;
  host_.closed();
}

DatagramPlace DatagramPeer::place() const noexcept {
  return {.settings = acceptor_.settings(),
          .socket = nullptr,
          .family = flow_.remote.family,
          .mtu = route_ != nullptr ? route_->path.mtu : Path{}.mtu,
          .shared = true};
}

Result<PropertyValue> DatagramPeer::get(UpperPort, std::string_view name) noexcept {
  return get_datagram(place(), profile_, name);
}

Result<void> DatagramPeer::set(UpperPort, std::string_view name, const PropertyValue& value) noexcept {
  return set_datagram(place(), profile_, name, value);
}

}  // namespace trellis
