#include "forwarder.h"

#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>

#include <algorithm>
#include <array>

namespace trellis::netlab {
namespace {

using Clock = Channel::Clock;

constexpr int kBatch = 64;  // packets read in one go
constexpr std::size_t kPacketMost = 65536;
constexpr std::size_t kWaitingMost = 64 * 1024;  // packets that a direction holds; beyond that it is a leak
constexpr std::size_t kSpareMost = 1024;
constexpr std::size_t kHeadersMost = 80;  // of IPv6 and TCP
constexpr std::size_t kWord = 2;          // what checksums add up

}  // namespace

Channel::Channel(int from, int to, const Shape& shape, std::uint64_t seed)
    : shape(shape), from_(from), to_(to), random_(seed) {}

bool Channel::read() {
  static thread_local std::array<std::byte, kPacketMost> buffer;
  for (int i = 0; i < kBatch; ++i) {
    const ssize_t size = ::read(from_, buffer.data(), buffer.size());
    if (size <= 0) return false;
    take(std::span(buffer).first(static_cast<std::size_t>(size)), Clock::now());
  }
  return true;
}

// What has no chance takes no random number from the others.
bool Channel::happens(double chance) { return chance > 0 && std::uniform_real_distribution<>()(random_) < chance; }

bool Channel::survives(std::size_t size) {
  if (shape.mtu != 0 && size > shape.mtu) return ++counters.oversize, false;
  const bool unlucky = happens(shape.loss);
  if (shape.black_hole || cut || unlucky) return ++counters.lost, false;
  return true;
}

Clock::duration Channel::serialization(std::size_t size) const {
  if (shape.bits_per_second == 0) return {};
  return std::chrono::nanoseconds(size * 8 * std::nano::den / shape.bits_per_second);
}

void Channel::take(std::span<const std::byte> bytes, Clock::time_point now) {
  if (!survives(bytes.size())) return;
  busy_until_ = std::max(busy_until_, now);
  const bool full = busy_until_ - now > serialization(shape.queue_bytes) && shape.bits_per_second != 0;
  if (full || waiting_.size() >= kWaitingMost) {
    ++counters.overflow;
    return;
  }
  busy_until_ += serialization(bytes.size());
  Clock::time_point due = busy_until_ + shape.delay;
  if (shape.jitter.count() > 0)
    due += std::chrono::microseconds(std::uniform_int_distribution<std::int64_t>(0, shape.jitter.count())(random_));
  enqueue(bytes, due);
  if (happens(shape.duplication)) {
    ++counters.doubled;
    enqueue(bytes, due);
  }
}

void Channel::enqueue(std::span<const std::byte> bytes, Clock::time_point due) {
  Packet packet{due, ++order_, {}};
  if (!spare_.empty()) {
    packet.bytes = std::move(spare_.back());
    spare_.pop_back();
  }
  packet.bytes.assign(bytes.begin(), bytes.end());
  if (happens(shape.corruption)) corrupt(packet.bytes);
  waiting_.push_back(std::move(packet));
  std::ranges::push_heap(waiting_, later);
}

// Two 16-bit words behind the headers change places: their sum, which is the checksum of UDP and TCP, stays the same,
// and the kernel at the far end does not drop the packet. Short packets have nothing there.
void Channel::corrupt(Bytes& bytes) {
  if (bytes.size() < kHeadersMost + 2 * kWord) return;
  ++counters.corrupted;
  const auto words = (bytes.size() - kHeadersMost) / kWord;
  const auto place = [&](std::size_t n) {
    return bytes.begin() + static_cast<std::ptrdiff_t>(kHeadersMost + n * kWord);
  };
  const std::size_t one = std::uniform_int_distribution<std::size_t>(0, words - 2)(random_);
  std::swap_ranges(place(one), place(one + 1), place(one + 1));
}

Clock::time_point Channel::deliver(Clock::time_point now) {
  while (!waiting_.empty() && waiting_.front().due <= now) {
    std::ranges::pop_heap(waiting_, later);
    Bytes bytes = std::move(waiting_.back().bytes);
    waiting_.pop_back();
    if (shape.black_hole || cut) {
      ++counters.lost;
    } else if (::write(to_, bytes.data(), bytes.size()) < 0) {
      ++counters.refused;
    } else {
      ++counters.packets;
      counters.bytes += bytes.size();
    }
    if (spare_.size() < kSpareMost) spare_.push_back(std::move(bytes));
  }
  return waiting_.empty() ? Clock::time_point::max() : waiting_.front().due;
}

Forwarder::Forwarder() : wake_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), "an eventfd is needed") {
  thread_ = std::thread([this] { run(); });
}

Forwarder::~Forwarder() {
  {
    const std::lock_guard lock(mutex_);
    over_ = true;
  }
  wake();
  thread_.join();
}

void Forwarder::wake() const { eventfd_write(wake_.get(), 1); }

Channel& Forwarder::add(int from, int to, const Shape& shape, std::uint64_t seed) {
  const std::lock_guard lock(mutex_);
  Channel& added = *channels_.emplace_back(std::make_unique<Channel>(from, to, shape, seed));
  wake();
  return added;
}

Shape Forwarder::shape(const Channel& channel) const {
  const std::lock_guard lock(mutex_);
  return channel.shape;
}

Counters Forwarder::counters(const Channel& channel) const {
  const std::lock_guard lock(mutex_);
  return channel.counters;
}

void Forwarder::set(Channel& channel, const Shape& shape) {
  const std::lock_guard lock(mutex_);
  channel.shape = shape;
}

void Forwarder::cut(Channel& channel, bool cut) {
  const std::lock_guard lock(mutex_);
  channel.cut = cut;
}

void Forwarder::sleep(Clock::time_point until) {
  std::vector<pollfd> descriptors{{wake_.get(), POLLIN, 0}};
  {
    const std::lock_guard lock(mutex_);
    for (const auto& channel : channels_) descriptors.push_back({channel->from(), POLLIN, 0});
  }
  const auto left = std::max(until - Clock::now(), Clock::duration::zero());
  const auto seconds = std::chrono::floor<std::chrono::seconds>(left);
  const timespec wait{seconds.count(), static_cast<long>((left - seconds).count())};
  ::ppoll(descriptors.data(), descriptors.size(), until == Clock::time_point::max() ? nullptr : &wait, nullptr);
  eventfd_t ignored = 0;
  if (descriptors[0].revents != 0) eventfd_read(wake_.get(), &ignored);
}

void Forwarder::run() {
  prctl(PR_SET_NAME, "netlab");
  prctl(PR_SET_TIMERSLACK, 1);  // ns
  const sched_param first{.sched_priority = 1};
  pthread_setschedparam(pthread_self(), SCHED_FIFO, &first);  // refused to ordinary users, who get what there is
  for (;;) {
    Clock::time_point next = Clock::time_point::max();
    {
      const std::lock_guard lock(mutex_);
      if (over_) return;
      bool more = false;
      for (const auto& channel : channels_) more |= channel->read();
      for (const auto& channel : channels_) next = std::min(next, channel->deliver(Clock::now()));
      if (more) next = Clock::now();
    }
    sleep(next);
  }
}

}  // namespace trellis::netlab
