// shape.h: what one direction of a link does to the packets that it carries.
#pragma once
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace trellis::netlab {

/// One direction of a link. The default is a perfect one.
struct Shape {
  std::chrono::microseconds delay{0};    ///< added to each packet; half of the round trip when both directions have it
  std::chrono::microseconds jitter{0};   ///< up to so much more, at random, so that packets overtake each other
  double loss = 0;                       ///< the part of the packets that is lost, 0 to 1
  double corruption = 0;                 ///< the part whose content is changed, in a way that checksums do not notice
  double duplication = 0;                ///< the part that arrives twice
  std::uint64_t bits_per_second = 0;     ///< of IP packets; 0: as fast as they come
  std::size_t queue_bytes = 256 * 1024;  ///< what waits for its turn at that rate; packets beyond it are dropped
  std::size_t mtu = 0;                   ///< larger packets vanish, without a word to the sender; 0: none does
  bool black_hole = false;               ///< all packets vanish, those on their way too
  bool operator==(const Shape&) const = default;
};

/// Changes what the text names: "delay=20ms,jitter=1ms,loss=0.5%,corruption=1%,duplication=1%,rate=25mbit,queue=64k,
/// mtu=1280,blackhole=on", any of them, in any order. Times are in us, ms or s; rates in kbit, mbit or gbit; sizes in
/// bytes or k. Returns what is wrong with the text; nothing when it was understood. `shape` is changed only then.
std::optional<std::string> apply(std::string_view text, Shape& shape);

/// What became of the packets of one direction.
struct Counters {
  std::uint64_t packets = 0, bytes = 0;      ///< that arrived
  std::uint64_t lost = 0;                    ///< by chance, or in a black hole
  std::uint64_t corrupted = 0, doubled = 0;  ///< whatever became of them then
  std::uint64_t overflow = 0;                ///< dropped, because the queue was full
  std::uint64_t oversize = 0;                ///< vanished, because they were larger than the mtu
  std::uint64_t refused = 0;                 ///< the interface at the far end was down
};

}  // namespace trellis::netlab
