// virtual_world.cc: what happens next in a world, and its event log.
#include "loop/virtual_world.h"

#include <algorithm>
#include <bit>
#include <cassert>
#include <cstring>
#include <format>

#include "loop/socket_address.h"
#include "loop/virtual_loop.h"

namespace trellis {

/// A function that the world calls once.
struct VirtualWorld::Task final : WorldEvent {
  Task(VirtualWorld& where, std::size_t place, std::move_only_function<void()> what)
      : WorldEvent(where), world(where), index(place), run(std::move(what)) {}
  void happen() noexcept override {
    auto& tasks = world.tasks_;
    const std::unique_ptr<Task> self = std::move(tasks[index]);  // lives until the function has returned
    tasks.back().swap(tasks[index]);
    if (tasks[index]) tasks[index]->index = index;
    tasks.pop_back();
    run();
  }

  VirtualWorld& world;
  std::size_t index;
  std::move_only_function<void()> run;
};

void WorldEvent::schedule(TimePoint when) noexcept {
  cancel();
  if (when == TimePoint::max()) return;
  when_ = std::max(when, world_.now_);
  order_ = ++world_.scheduled_;
  world_.events_.emplace(std::pair(when_, order_), this);
}

void WorldEvent::cancel() noexcept {
  if (!scheduled()) return;
  world_.events_.erase({when_, order_});
  order_ = 0;
}

VirtualWorld::VirtualWorld(std::uint64_t seed) noexcept
    : seed_(seed),
      wall_start_(std::chrono::sys_days(std::chrono::year(2026) / std::chrono::January / 1)),
      digest_(mix(seed)),
      payload_digest_(mix(seed)) {}

VirtualWorld::~VirtualWorld() {
  assert(loops_.empty() && "a world must be destroyed after its loops");
  tasks_.clear();
}

std::chrono::system_clock::time_point VirtualWorld::wall_clock() const noexcept {
  return wall_start_ + std::chrono::duration_cast<std::chrono::system_clock::duration>(elapsed());
}

void VirtualWorld::after(Duration delay, std::move_only_function<void()> task) {
  tasks_.push_back(std::make_unique<Task>(*this, tasks_.size(), std::move(task)));
  tasks_.back()->schedule(now_ + delay);
}

VirtualWorld::Next VirtualWorld::next() noexcept {
  Next next{events_.empty() ? TimePoint::max() : events_.begin()->first.first, nullptr};
  for (VirtualLoop* loop : loops_) {
    const TimePoint due = loop->due();
    if (due < next.at) next = {due, loop};
  }
  return next;
}

bool VirtualWorld::step(TimePoint limit) noexcept {
  assert(!in_step_ && "a world cannot be run from inside one of its own callbacks");
  const Next found = next();
  if (found.at == TimePoint::max() || found.at > limit) return false;
  in_step_ = true;
  now_ = std::max(now_, found.at);
  if (found.loop != nullptr) {
    found.loop->turn();
  } else {
    happen();
  }
  in_step_ = false;
  return true;
}

void VirtualWorld::happen() noexcept {
  WorldEvent& event = *events_.begin()->second;
  events_.erase(events_.begin());
  event.order_ = 0;
  ++events_happened_;
  event.happen();
}

bool VirtualWorld::run_once() noexcept {
  const std::uint64_t before = turns();
  while (turns() == before) {
    if (!step()) return false;
  }
  return true;
}

void VirtualWorld::run_for(Duration duration) noexcept {
  run_until([] { return false; }, duration);
}

bool VirtualWorld::run_until_idle(Duration within) noexcept {
  const TimePoint deadline = now_ + within;
  while (step(deadline)) {
  }
  return idle();
}

std::uint64_t VirtualWorld::turns() const noexcept {
  std::uint64_t sum = turns_of_gone_loops_;
  for (const VirtualLoop* loop : loops_) sum += loop->turns();
  return sum;
}

namespace {

std::uint64_t hash(std::uint64_t state, const void* data, std::size_t size) noexcept {
  const auto* at = static_cast<const unsigned char*>(data);
  for (; size >= 8; at += 8, size -= 8) {
    std::uint64_t word;
    std::memcpy(&word, at, 8);
    state = std::rotl((state ^ word) * 0x9e3779b97f4a7c15u, 29);
  }
  std::uint64_t last = 0;
  if (size > 0) std::memcpy(&last, at, size);
  return mix(state ^ last ^ (std::uint64_t{size} << 56));
}

std::uint64_t hash(std::uint64_t state, const Address& address) noexcept {
  const std::uint64_t head =
      static_cast<std::uint64_t>(address.family) << 48 | std::uint64_t{address.port} << 32 | address.scope;
  return hash(mix(state ^ head), address.ip.data(), address.ip.size());
}

}  // namespace

void VirtualWorld::trace(std::string_view who, std::string_view what, std::uint64_t number, const Address& from,
                         const Address& to) noexcept {
  digest_ = mix(digest_ ^ static_cast<std::uint64_t>(elapsed().count()));
  digest_ = hash(digest_, who.data(), who.size());
  digest_ = hash(digest_, what.data(), what.size());
  digest_ = mix(digest_ ^ number);
  if (from) digest_ = hash(digest_, from);
  if (to) digest_ = hash(digest_, to);
  if (observer_) observer_({now_, who, what, number, from, to});
}

void VirtualWorld::trace_payload(std::span<const std::byte> bytes) noexcept {
  payload_digest_ = hash(payload_digest_, bytes.data(), bytes.size());
}

std::string to_string(const TraceEvent& event, TimePoint start) {
  const auto since = (event.at - start).count();
  std::string line =
      std::format("+{}.{:09} {} {}", since / 1'000'000'000, since % 1'000'000'000, event.who, event.what);
  if (event.from) line += " " + describe(event.from);
  if (event.to) line += " > " + describe(event.to);
  return line + std::format(" {}", event.number);
}

}  // namespace trellis
