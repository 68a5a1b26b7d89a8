#include "dtls_acceptor.h"

namespace trellis::dtls {

void DtlsAcceptor::open(const OpenArgs& args) noexcept {
  if (auto opened = door_.open(shared_, host_.security()); !opened) return host_.failed(std::move(opened.error()));
  host_.listening(args.route.local);
}

void DtlsAcceptor::close(const CloseArgs&) noexcept {
  stopping_ = true;
  host_.closed();
}

void DtlsAcceptor::on_up(LowerPort from, Batch& batch) noexcept {
  while (!batch.empty()) take(batch.pop());
  from.grant_to(Door::kWindow);
}

void DtlsAcceptor::take(Chunk&& chunk) noexcept {
  if (!chunk.info) return;
  const Flow flow = Flow::of(*chunk.info.get());
  const auto found = peers_.find(flow);
  DtlsInstance* const known = found == peers_.end() ? nullptr : found->second;
  if (is_client_hello(chunk.data.bytes())) return take_hello(std::move(chunk), flow, known);
  if (known != nullptr) known->input(std::move(chunk));
}

// A client that has lost its state begins anew from the same addresses (RFC 6347 section 4.2.8).
void DtlsAcceptor::take_hello(Chunk&& chunk, const Flow& flow, DtlsInstance* known) noexcept {
  if (stopping_) return known != nullptr ? known->input(std::move(chunk)) : void();
  auto hello = door_.judge(chunk.data.bytes(), flow, host_.executor());
  if (!hello) return;
  if (known != nullptr && known->began_with(*hello)) return known->input(std::move(chunk));
  if (known != nullptr) {
    known->replaced();
    peers_.erase(flow);
  }
  admit(flow, std::move(*hello));
}

void DtlsAcceptor::admit(const Flow& flow, FirstHello&& hello) noexcept {
  if (peers_.size() >= shared_.settings.peers) return;
  Seat* const seat = host_.seat(flow.remote, lower_);
  if (seat == nullptr) return;
  auto made = std::make_unique<DtlsInstance>(*seat, shared_, *this, flow, std::move(hello));
  peers_.emplace(flow, made.get());
  host_.seated(seat, std::move(made));
}

void DtlsAcceptor::unseated(ProtocolInstance& instance) noexcept {
  auto& gone = static_cast<DtlsInstance&>(instance);
  std::erase(waiting_, &gone);
  const auto found = peers_.find(gone.flow());
  if (found != peers_.end() && found->second == &gone) peers_.erase(found);
}

void DtlsAcceptor::wants_room(DtlsInstance& instance) {
  if (!std::exchange(instance.waits_for_room, true)) waiting_.push_back(&instance);
}

void DtlsAcceptor::on_credit(LowerPort) noexcept {
  for (DtlsInstance* const one : std::exchange(waiting_, {})) {
    if (std::exchange(one->waits_for_room, false)) one->room();
  }
}

}  // namespace trellis::dtls
