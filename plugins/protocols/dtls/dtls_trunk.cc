#include "dtls_trunk.h"

#include <algorithm>

#include "dtls_error.h"

namespace trellis::dtls {

void DtlsTrunk::open(const OpenArgs& args) noexcept {
  if (auto opened = door_.open(shared_, host_.security()); !opened) return host_.failed(std::move(opened.error()));
  args_ = &args;
  datagram_most_ = Association::datagram_most(args.route.path);
  upper_.grant_to(Door::kWindow);
  host_.ready();
}

void DtlsTrunk::on_up(LowerPort from, Batch& batch) noexcept {
  while (!batch.empty()) take(batch.pop());
  sweep();
  from.grant_to(Door::kWindow);
  if (from.finished()) upper_.finish();
}

void DtlsTrunk::take(Chunk&& chunk) noexcept {
  if (!chunk.info) return;
  const Flow flow = Flow::of(*chunk.info.get());
  const auto found = peers_.find(flow);
  Peer* const known = found == peers_.end() ? nullptr : found->second.get();
  if (is_client_hello(chunk.data.bytes())) return take_hello(std::move(chunk), flow, known);
  if (known != nullptr) known->association.take(std::move(chunk));
}

void DtlsTrunk::take_hello(Chunk&& chunk, const Flow& flow, Peer* known) noexcept {
  auto hello = door_.judge(chunk.data.bytes(), flow, host_.executor());
  if (!hello) return;
  if (known != nullptr && known->association.began_with(*hello)) return known->association.take(std::move(chunk));
  if (known != nullptr) {
    known->association.replaced();
    replaced_.push_back(std::move(peers_.extract(flow).mapped()));
  }
  admit(flow, *hello);
}

void DtlsTrunk::admit(const Flow& flow, const FirstHello& hello) noexcept {
  if (peers_.size() >= shared_.settings.peers) return;
  Peer& peer = *peers_.emplace(flow, std::make_unique<Peer>(*this, flow)).first->second;
  peer.association.open({.remote = peer.remote, .route = args_->route, .alpn = args_->alpn, .passive = true}, &hello,
                        datagram_most_);
}

// The layer above keeps the addresses and the label that came along, and sends back to them.
void DtlsTrunk::arrived(Association& from, Slice&& content, std::uint8_t ecn) noexcept {
  if (upper_.credit() == 0) return;
  upper_.push(Chunk{.data = std::move(content), .info = from.to(), .ecn = ecn, .end_of_message = true});
}

void DtlsTrunk::on_down(UpperPort from, Batch& batch) noexcept {
  while (!batch.empty() && lower_.credit() > 0) {
    Chunk chunk = batch.pop();
    if (!chunk.info) continue;
    const auto found = peers_.find(Flow::of(*chunk.info.get()));
    if (found == peers_.end() || !found->second->association.is_open()) continue;  // lost, as datagrams may be
    // For whoever was there before, and not for this one.
    if (chunk.info->label != found->second->association.to()->label) continue;
    if (chunk.data.size() <= kFragmentMost) found->second->association.send(std::move(chunk));
  }
  sweep();
  if (batch.empty()) from.grant_to(Door::kWindow);
}

// ---- time

void DtlsTrunk::deadline(Association& of, TimePoint at) noexcept {
  const auto found = peers_.find(Flow::of(*of.to().get()));
  if (found == peers_.end() || &found->second->association != &of) return;
  found->second->deadline = at;
  if (at >= next_deadline_) return;
  next_deadline_ = at;
  host_.deadline(at);
}

void DtlsTrunk::on_deadline() noexcept {
  const TimePoint now = host_.executor().now();
  next_deadline_ = TimePoint::max();
  for (const auto& [flow, peer] : peers_) {
    if (peer->deadline <= now) peer->association.on_deadline();
  }
  sweep();
  for (const auto& [flow, peer] : peers_) next_deadline_ = std::min(next_deadline_, peer->deadline);
  host_.deadline(next_deadline_);
}

void DtlsTrunk::on_wake() noexcept {
  for (const auto& [flow, peer] : peers_) peer->association.on_wake();
  sweep();
}

// ---- the end

void DtlsTrunk::ended(Association&, std::optional<Error> why) noexcept {
  if (why) host_.log(Severity::trace, why->detail);
  some_ended_ = true;
}

void DtlsTrunk::sweep() noexcept {
  replaced_.clear();
  if (!std::exchange(some_ended_, false)) return;
  std::erase_if(peers_, [](const auto& entry) { return entry.second->association.is_over(); });
}

void DtlsTrunk::close() noexcept {
  for (const auto& [flow, peer] : peers_) peer->association.close(false);
}

}  // namespace trellis::dtls
