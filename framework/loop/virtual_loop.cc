// virtual_loop.cc: what a loop does when the world gives it a turn.
#include "loop/virtual_loop.h"

#include <algorithm>
#include <cstring>

namespace trellis {

namespace {

class NoSockets final : public Sockets {
 public:
  Result<std::unique_ptr<Socket>> open(const SocketSpec&) noexcept override {
    return fail(Reason::unsupported, "this virtual loop belongs to no simulated host; take the loop of a SimHost");
  }
  std::string interface_name(const Address&) const override { return {}; }
};
NoSockets no_sockets;

}  // namespace

void Pollable::enlist() noexcept {
  if (listed_) return;
  listed_ = true;
  loop_.polled_.push_back(this);
}

Pollable::~Pollable() {
  if (!listed_) return;
  const auto place = std::ranges::find(loop_.polled_, this);
  if (loop_.polling_) {
    *place = nullptr;
  } else {
    loop_.polled_.erase(place);
  }
}

VirtualLoop::VirtualLoop(VirtualWorld& world, Settings settings)
    : world_(world),
      settings_(std::move(settings)),
      random_(world.random(settings_.name + "/random")),
      secrets_(world.random(settings_.name + "/secret")) {
  if (settings_.sockets == nullptr) settings_.sockets = &no_sockets;
  world_.loops_.push_back(this);
}

VirtualLoop::~VirtualLoop() {
  world_.turns_of_gone_loops_ += turns_;
  std::erase(world_.loops_, this);
}

void VirtualLoop::post(std::move_only_function<void()> task) noexcept {
  const std::lock_guard guard(posted_mutex_);
  posted_.push_back(std::move(task));
  has_posted_ = true;
}

void VirtualLoop::secret(std::span<std::byte> out) noexcept {
  while (!out.empty()) {
    const std::uint64_t bits = secrets_.next();
    const std::size_t size = std::min(out.size(), sizeof bits);
    std::memcpy(out.data(), &bits, size);
    out = out.subspan(size);
  }
}

void VirtualLoop::run() noexcept {
  while (!stopped_ && world_.step()) {
  }
  stopped_ = false;
}

void VirtualLoop::run_once(bool wait) noexcept {
  const TimePoint limit = wait ? TimePoint::max() : std::max(world_.now(), rest_until_);
  const std::uint64_t before = turns_;
  while (turns_ == before && world_.step(limit)) {
  }
}

// Asked before every step of the world, so it looks no further than the first that is ready.
bool VirtualLoop::something_ready() noexcept {
  const auto first = std::ranges::find_if(polled_, [](Pollable* socket) {
    socket->listed_ = socket->ready() != Ready::none;
    return socket->listed_;
  });
  polled_.erase(polled_.begin(), first);
  return !polled_.empty();
}

TimePoint VirtualLoop::due() noexcept {
  const bool now = has_posted_ || jobs_.waiting() || jobs_.wants_poll() || something_ready();
  const TimePoint wanted = now ? world_.now() : timers_.first();
  return wanted == TimePoint::max() ? wanted : std::max(wanted, rest_until_);
}

void VirtualLoop::turn() noexcept {
  ++turns_;
  world_.trace(settings_.name, "turn", turns_);
  jobs_.polled();
  poll();
  timers_.ring(world_.now());
  run_posted();
  jobs_.run();
  rest_until_ = world_.now() + VirtualWorld::kTurnTime;
}

void VirtualLoop::poll() noexcept {
  polling_ = true;
  const std::size_t found = polled_.size();  // what becomes ready meanwhile is for the next poll
  for (std::size_t i = 0; i < found; ++i) {
    Pollable* socket = polled_[i];
    if (socket == nullptr) continue;
    const Ready what = socket->ready();
    if (what != Ready::none) socket->tell(what);
  }
  polling_ = false;
  std::erase(polled_, nullptr);
}

void VirtualLoop::run_posted() noexcept {
  if (!has_posted_) return;
  std::vector<std::move_only_function<void()>> tasks;
  {
    const std::lock_guard guard(posted_mutex_);
    tasks.swap(posted_);
    has_posted_ = false;
  }
  for (auto& task : tasks) task();
}

}  // namespace trellis
