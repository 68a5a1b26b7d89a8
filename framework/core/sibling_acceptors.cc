#include "core/sibling_acceptors.h"

#include <algorithm>

namespace trellis {
namespace {

// A datagram between two loops: it belongs to neither.
struct Parcel {
  explicit Parcel(const Chunk& datagram)
      : bytes(datagram.data.bytes().begin(), datagram.data.bytes().end()),
        segment_size(datagram.segment_size),
        ecn(datagram.ecn) {
    if (!datagram.info) return;
    remote = datagram.info->remote;
    local = datagram.info->local;
  }
  Chunk unpacked(BlockPool& pool) const {
    Slice slice = pool.allocate(0, static_cast<std::uint32_t>(bytes.size()), 0);
    std::ranges::copy(bytes, slice.edit().begin());
    MessageRef info = new_message();
    info->remote = remote;
    info->local = local;
    return {.data = std::move(slice),
            .info = std::move(info),
            .segment_size = segment_size,
            .ecn = ecn,
            .end_of_message = true};
  }
  std::vector<std::byte> bytes;
  Address remote{}, local{};
  std::uint16_t segment_size;
  std::uint8_t ecn;
};

}  // namespace

SiblingAcceptors::Membership::Membership(SiblingAcceptors& all, ForwardTaker& taker, Executor& executor,
                                         std::string name)
    : all_(all), executor_(executor), name_(std::move(name)), door_(std::make_shared<Door>(&taker)) {
  const std::scoped_lock lock(all_.mutex_);
  all_.members_.push_back(this);
}

SiblingAcceptors::Membership::~Membership() {
  door_->taker = nullptr;
  const std::scoped_lock lock(all_.mutex_);
  std::erase(all_.members_, this);
}

void SiblingAcceptors::Membership::forward(unsigned loop, const Chunk& datagram) noexcept {
  const std::scoped_lock lock(all_.mutex_);
  const auto found = std::ranges::find_if(all_.members_, [&](const Membership* one) {
    return one->executor_.loop() == loop && one != this && one->name_ == name_;
  });
  if (found == all_.members_.end()) return;
  Executor& there = (*found)->executor_;
  const std::shared_ptr<Door>& door = (*found)->door_;
  if (door->under_way.load(std::memory_order_relaxed) >= kMost) return;
  door->under_way.fetch_add(1, std::memory_order_relaxed);
  there.post([door, &there, parcel = Parcel(datagram)] {
    door->under_way.fetch_sub(1, std::memory_order_relaxed);
    if (door->taker != nullptr) door->taker->forwarded(parcel.unpacked(there.pool()));
  });
}

}  // namespace trellis
