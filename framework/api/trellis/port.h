// port.h: where two layers meet. A layer never calls another layer: it pushes onto a port and returns,
// and the loop moves the batch. So depth is bounded, nothing re-enters, and any layer can be removed.
//
// Ports are handles: copy them, compare them. Each side may leave a mark on its own end, so that a layer with
// ten thousand streams finds its stream without a look-up.
//
// Credit. What may be pushed is what the other side has granted; the last push may overshoot it. A chunk costs its
// bytes on a bytestream and at least kLeastCharge on the other faces, so that credit bounds memory and not only bytes.
#pragma once
#include <algorithm>

#include "trellis/buffer.h"
#include "trellis/traits.h"

namespace trellis {

struct Link;
struct Route;  // path.h

/// Layers in one stack at most.
inline constexpr int kStackDepthMax = 16;
/// What a chunk costs at least on a datagram or message face, in bytes of credit.
inline constexpr std::size_t kLeastCharge = 256;

/// The links of one loop that changed in this turn, by level. One per loop and not per stack, so that many connections
/// over one UDP socket still end in one sendmmsg. Filled by ports, emptied by the engine.
struct Schedule {
  std::uint32_t up_levels = 0;                  ///< bit n: level n has work for the layer above
  std::uint32_t down_levels = 0;                ///< bit n: level n has work for the layer below
  Link* up[kStackDepthMax] = {};                ///< links to visit upwards
  Link* down[kStackDepthMax] = {};              ///< links to visit downwards
  void (*begin)(Schedule&) noexcept = nullptr;  ///< first work after idleness: a turn must follow
  bool awake = false;                           ///< a turn is running or will
  /// Makes sure that a turn follows.
  void wake() noexcept {
    if (!std::exchange(awake, true)) begin(*this);
  }
};

/// One join of two layers. A multiplexer has one link per stream above it, all on the same level. Made by the engine;
/// layers see it through their ports only.
struct Link {
  /// One direction.
  struct Way {
    Batch batch;              ///< pushed and not yet taken
    std::int64_t credit = 0;  ///< bytes the receiving side is ready to take; below 0: overshot
    Link* next = nullptr;     ///< in the schedule
    bool finished = false;    ///< nothing more will be pushed
    bool queued = false;      ///< in the schedule
    bool refilled = false;    ///< credit was granted since on_credit was last called
  };
  Way up;                        ///< from the layer below to the one above
  Way down;                      ///< from the layer above to the one below
  void* above = nullptr;         ///< the mark of the layer above
  void* below = nullptr;         ///< the mark of the layer below
  const Route* route = nullptr;  ///< path and addresses of the branch below; null above a layer with several lowers
  Schedule* schedule = nullptr;  ///< of its loop
  std::uint8_t level = 0;        ///< of the layer below, the lowest is 0
  Face face = Face::none;        ///< what travels here
  bool segments = false;         ///< both sides handle Chunk::segment_size

  /// Schedules on_up and on_credit of the layer above.
  void visit_above() noexcept {
    if (std::exchange(up.queued, true)) return;
    up.next = std::exchange(schedule->up[level], this);
    schedule->up_levels |= 1u << level;
    schedule->wake();
  }
  /// Schedules on_down and on_credit of the layer below.
  void visit_below() noexcept {
    if (std::exchange(down.queued, true)) return;
    down.next = std::exchange(schedule->down[level], this);
    schedule->down_levels |= 1u << level;
    schedule->wake();
  }
  /// What a chunk costs here, in bytes of credit.
  std::size_t charge(const Chunk& chunk) const noexcept {
    const std::size_t size = chunk.data.size();
    return face == Face::bytestream ? size : std::max(size, kLeastCharge);
  }
  /// What a batch costs here, in bytes of credit.
  std::size_t charge(const Batch& batch) const noexcept {
    std::size_t n = 0;
    for (const Chunk& chunk : batch) n += charge(chunk);
    return n;
  }
};

/// A layer's face to the layer above, or to the application.
class UpperPort {
 public:
  UpperPort() = default;
  /// For the engine.
  explicit UpperPort(Link& link) : link_(&link) {}
  /// For the engine. Precondition: not empty.
  Link& link() const noexcept { return *link_; }
  explicit operator bool() const noexcept { return link_ != nullptr; }  ///< false: no port
  bool operator==(const UpperPort&) const = default;

  /// Hands a chunk to the layer above. Push while there is credit; the last push may overshoot it.
  void push(Chunk&& chunk) noexcept {
    link_->up.credit -= static_cast<std::int64_t>(link_->charge(chunk));
    link_->up.batch.add(std::move(chunk));
    link_->visit_above();
  }
  /// Hands all chunks of a batch to the layer above and leaves it empty.
  void push(Batch& batch) noexcept {
    link_->up.credit -= static_cast<std::int64_t>(link_->charge(batch));
    link_->up.batch.append(batch);
    link_->visit_above();
  }
  /// Nothing more will come up.
  void finish() noexcept {
    link_->up.finished = true;
    link_->visit_above();
  }
  /// Bytes that the layer above is ready to take.
  std::size_t credit() const noexcept { return static_cast<std::size_t>(std::max<std::int64_t>(0, link_->up.credit)); }
  /// Lets the layer above push `bytes` more.
  void grant(std::size_t bytes) noexcept {
    link_->down.credit += static_cast<std::int64_t>(bytes);
    link_->down.refilled = true;
    link_->visit_above();
  }
  /// Raises what the layer above may push to `level` bytes: grants what is missing, and what its last push overshot.
  void grant_to(std::size_t level) noexcept {
    const std::int64_t missing = static_cast<std::int64_t>(level) - link_->down.credit;
    if (missing > 0) grant(static_cast<std::size_t>(missing));
  }
  /// Bytes that the layer above may still push; 0 also when it has overshot.
  std::size_t granted() const noexcept {
    return static_cast<std::size_t>(std::max<std::int64_t>(0, link_->down.credit));
  }
  /// What a chunk or batch that came from above has cost there, to grant it back.
  template <class T>
  std::size_t charge(const T& what) const noexcept {
    return link_->charge(what);
  }
  bool finished() const noexcept { return link_->down.finished; }    ///< the side above is done sending
  bool empty() const noexcept { return link_->down.batch.empty(); }  ///< nothing from above is left in its batch
  Face face() const noexcept { return link_->face; }                 ///< what travels here
  bool takes_segments() const noexcept { return link_->segments; }   ///< Chunk::segment_size is understood above
  void mark(void* own) noexcept { link_->below = own; }              ///< leaves a mark on this end
  /// The mark that was left, null at first.
  template <class T>
  T* mark() const noexcept {
    return static_cast<T*>(link_->below);
  }

 private:
  Link* link_ = nullptr;
};

/// A layer's face to the layer below.
class LowerPort {
 public:
  LowerPort() = default;
  /// For the engine.
  explicit LowerPort(Link& link) : link_(&link) {}
  /// For the engine. Precondition: not empty.
  Link& link() const noexcept { return *link_; }
  explicit operator bool() const noexcept { return link_ != nullptr; }  ///< false: no port (the bottom layer)
  bool operator==(const LowerPort&) const = default;

  /// Hands a chunk to the layer below. Push while there is credit; the last push may overshoot it.
  void push(Chunk&& chunk) noexcept {
    link_->down.credit -= static_cast<std::int64_t>(link_->charge(chunk));
    link_->down.batch.add(std::move(chunk));
    link_->visit_below();
  }
  /// Hands all chunks of a batch to the layer below and leaves it empty.
  void push(Batch& batch) noexcept {
    link_->down.credit -= static_cast<std::int64_t>(link_->charge(batch));
    link_->down.batch.append(batch);
    link_->visit_below();
  }
  /// Half-close: nothing more will go down.
  void finish() noexcept {
    link_->down.finished = true;
    link_->visit_below();
  }
  /// Bytes that the layer below is ready to take.
  std::size_t credit() const noexcept {
    return static_cast<std::size_t>(std::max<std::int64_t>(0, link_->down.credit));
  }
  /// Lets the layer below push `bytes` more.
  void grant(std::size_t bytes) noexcept {
    link_->up.credit += static_cast<std::int64_t>(bytes);
    link_->up.refilled = true;
    link_->visit_below();
  }
  /// Raises what the layer below may push to `level` bytes: grants what is missing, and what its last push overshot.
  void grant_to(std::size_t level) noexcept {
    const std::int64_t missing = static_cast<std::int64_t>(level) - link_->up.credit;
    if (missing > 0) grant(static_cast<std::size_t>(missing));
  }
  /// Bytes that the layer below may still push; 0 also when it has overshot.
  std::size_t granted() const noexcept { return static_cast<std::size_t>(std::max<std::int64_t>(0, link_->up.credit)); }
  /// What a chunk or batch that came from below has cost there, to grant it back.
  template <class T>
  std::size_t charge(const T& what) const noexcept {
    return link_->charge(what);
  }
  bool finished() const noexcept { return link_->up.finished; }    ///< the peer is done sending
  bool empty() const noexcept { return link_->up.batch.empty(); }  ///< nothing from below is left in its batch
  Face face() const noexcept { return link_->face; }               ///< what travels here
  /// Path and addresses below. Precondition: this layer has one lower.
  const Route& route() const noexcept {
    assert(link_->route != nullptr);
    return *link_->route;
  }
  bool takes_segments() const noexcept { return link_->segments; }  ///< Chunk::segment_size is understood below
  void mark(void* own) noexcept { link_->above = own; }             ///< leaves a mark on this end
  /// The mark that was left, null at first.
  template <class T>
  T* mark() const noexcept {
    return static_cast<T*>(link_->above);
  }

 private:
  Link* link_ = nullptr;
};

}  // namespace trellis
