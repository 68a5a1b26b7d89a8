// library.cc: usrsctp without threads of its own.
#include "library.h"

#include <usrsctp.h>

#include <algorithm>
#include <cerrno>

#include "crc32c.h"
#include "library_memory.h"
#include "sctp_settings.h"

namespace trellis::sctp {
namespace {

using namespace std::chrono_literals;

constexpr Duration kTick = 10ms;    // what usrsctp's own thread would do
constexpr Duration kSlowTick = 1s;  // after long silence
constexpr int kLateness = 8;        // a timer that was set at the last traffic is late by this part of its time at most
constexpr auto kEpoch = 1'000'000s;  // usrsctp takes the time zero for "never"
constexpr PeerKey kOwnAddress = 1;   // which all sockets share; no peer has it

}  // namespace

Library& Library::of_process() noexcept {
  static Library library;
  return library;
}

Library::~Library() { finish(); }

Result<void> Library::join(Executor& loop, LibraryDriver* driver) {
  if (!users_.empty() && thread_ != std::this_thread::get_id())
    return fail(Reason::unsupported,
                "all SCTP of a process runs on one loop, because the library behind it has process-wide state; it is "
                "in use on another thread",
                0, kLayer);
  const LibraryHooks hooks{
      .time = read_time, .random = read_random, .own_address = reinterpret_cast<void*>(kOwnAddress)};
  if (!redirected_) redirected_ = redirect_library(hooks);
  if (!redirected_)
    return fail(Reason::unsupported,
                "usrsctp is not the shared object libusrsctp.so that this plugin knows (0.9.5), so it cannot be led to "
                "the loop's clock; install it",
                0, kLayer);
  const bool first = users_.empty();
  users_.push_back({&loop, driver});
  if (first) {
    thread_ = std::this_thread::get_id();
    told_ = now();
    start();
  }
  if (driver_ == nullptr) choose_driver();
  stir();
  return {};
}

void Library::leave(Executor& loop, LibraryDriver* driver) noexcept {
  const auto gone = std::ranges::find_if(users_, [&](User& u) { return u.loop == &loop && u.driver == driver; });
  if (users_.size() == 1) finish();
  *gone = users_.back();
  users_.pop_back();
  if (driver != nullptr && driver_ == driver) choose_driver();
}

// The timers stand still while there is no association.
void Library::choose_driver() noexcept {
  const auto next = std::ranges::find_if(users_, [](const User& u) { return u.driver != nullptr; });
  if (driver_ == nullptr && !users_.empty()) advance();
  driver_ = next != users_.end() ? next->driver : nullptr;
  wait();
}

TimePoint Library::now() const noexcept { return users_.empty() ? told_ : users_.front().loop->now(); }

void Library::start() noexcept {
  if (running_) return;
  running_ = true;
  usrsctp_init_nothreads(0, &Library::output, nullptr);
  last_key_ = kOwnAddress;
  usrsctp_register_address(reinterpret_cast<void*>(kOwnAddress));
  usrsctp_enable_crc32c_offload();  // the checksum is ours
  usrsctp_sysctl_set_sctp_no_csum_on_loopback(0);
  usrsctp_sysctl_set_sctp_auto_asconf(0);  // one address for each peer
  usrsctp_sysctl_set_sctp_asconf_enable(0);
  usrsctp_sysctl_set_sctp_auth_enable(0);
  usrsctp_sysctl_set_sctp_nrsack_enable(0);
  usrsctp_sysctl_set_sctp_pktdrop_enable(0);
  usrsctp_sysctl_set_sctp_max_chunks_on_queue(65'536);
  usrsctp_sysctl_set_sctp_max_burst_default(0);  // 4 would cap a path of 50 ms at 20 Mbit/s
}

// Sockets that are closed are freed by timers. What does not go stays for the next start.
void Library::finish() noexcept {
  constexpr int kTries = 50;
  for (int i = 0; running_ && i < kTries; ++i) {
    if (usrsctp_finish() == 0)
      running_ = false;
    else
      usrsctp_handle_timers(100);
  }
  release_library_memory();
}

void Library::enroll(PeerKey key, PacketSink& sink) { sinks_[key] = &sink; }

void Library::retire(PeerKey key) noexcept { sinks_.erase(key); }

void Library::input(PeerKey key, std::span<const std::byte> packet, std::uint8_t ecn) noexcept {
  if (!packet_is_sound(packet)) return;
  stir();
  usrsctp_conninput(reinterpret_cast<void*>(key), packet.data(), packet.size(), ecn);
}

void Library::stir() noexcept {
  stirred_ = now();
  if (driver_ == nullptr || next_tick_ <= stirred_ + 2 * kTick) return;
  advance();
  wait();
}

void Library::advance() noexcept {
  const auto passed = std::chrono::floor<std::chrono::milliseconds>(now() - told_);
  if (passed <= 0ms) return;
  told_ += passed;
  in_timers_ = true;
  usrsctp_handle_timers(static_cast<std::uint32_t>(passed.count()));
  in_timers_ = false;
}

void Library::wait() noexcept {
  if (driver_ == nullptr) return;
  next_tick_ = now() + std::clamp((now() - stirred_) / kLateness, kTick, kSlowTick);
  driver_->wake_at(next_tick_);
}

void Library::tick() noexcept {
  next_tick_ = now();  // so that what stirs now does not run the timers again
  advance();
  wait();
}

int Library::output(void* key, void* packet, std::size_t bytes, std::uint8_t tos, std::uint8_t) noexcept {
  Library& self = of_process();
  const auto sink = self.sinks_.find(reinterpret_cast<PeerKey>(key));
  if (sink == self.sinks_.end()) return 0;  // its owner has gone silently
  self.stirred_ = self.now();
  const std::span all(static_cast<std::byte*>(packet), bytes);
  seal_packet(all);
  return sink->second->take_packet(all, tos & 3) ? 0 : ENOBUFS;
}

void Library::read_time(timeval& now) noexcept {
  const Library& self = of_process();
  const Duration since = kEpoch + self.now().time_since_epoch();
  const auto micros = std::chrono::floor<std::chrono::microseconds>(since).count();
  now.tv_sec = micros / 1'000'000;
  now.tv_usec = micros % 1'000'000;
}

bool Library::read_random(void* into, std::size_t bytes) noexcept {
  const Library& self = of_process();
  if (self.users_.empty()) return false;
  self.users_.front().loop->secret(std::span(static_cast<std::byte*>(into), bytes));
  return true;
}

}  // namespace trellis::sctp
