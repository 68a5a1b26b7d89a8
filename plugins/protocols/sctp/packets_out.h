// packets_out.h: packets to one peer, gathered in blocks that the layer below may cut (GSO).
#pragma once
#include <span>

#include "trellis/port.h"

namespace trellis::sctp {

class PacketsOut {
 public:
  /// `to`: addresses that travel with what is sent; empty: the port's.
  PacketsOut(BlockPool& pool, LowerPort lower, MessageRef to) : pool_(pool), lower_(lower), to_(std::move(to)) {}
  /// Copies. False: too much waits for room below.
  bool add(std::span<const std::byte> packet, std::uint8_t ecn) noexcept;
  /// Hands down what there is room for.
  void emit() noexcept;
  const MessageRef& to() const noexcept { return to_; }
  /// Where what is added from now on goes.
  void go_to(MessageRef to) noexcept;
  bool empty() const noexcept { return used_ == 0 && closed_.empty(); }  ///< nothing waits

  bool listed = false;  ///< its owner knows that something waits

 private:
  void close_block() noexcept;

  BlockPool& pool_;
  LowerPort lower_;
  MessageRef to_;
  Batch closed_;  // blocks that are complete
  std::size_t closed_bytes_ = 0;
  Slice block_;                // the block that is being filled
  std::uint32_t used_ = 0;     // bytes of it
  std::uint32_t segment_ = 0;  // bytes of each packet in it; the last may be shorter
  std::uint8_t ecn_ = 0;
  bool many_ = false;  // the last block had many packets, so the next one is large
};

}  // namespace trellis::sctp
