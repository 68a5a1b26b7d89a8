// ours.h: what the framework's side of the rows has in common: a loop, the framework with the default policy, and two
// Connections that face each other.
#pragma once
#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "laps.h"
#include "raw_sockets.h"
#include "trellis/loop.h"
#include "trellis/preconnection.h"

namespace trellis::bench {

/// The value, or the end of the process with the Error's text.
template <class T>
T expect(Result<T> result, const char* what);
[[noreturn]] void fail_measurement(const char* what, const Error& error);

/// What an application makes once: with the default policy, or others. The loop outlives the framework.
struct Ours {
  std::unique_ptr<Loop> loop = make_loop();
  std::unique_ptr<Framework> framework;
  explicit Ours(std::vector<std::string> policies = {});
  /// Turns until `done()`.
  template <class Done>
  void run_until(Done done) {
    while (!done()) loop->run_once(true);
  }
};

/// An endpoint on the loopback; port 0: the system chooses.
Endpoint loopback(std::uint16_t port);

/// Listens on a port of its own and keeps what comes, after showing it to `received`.
struct OurListener {
  std::function<void(Connection&)> received;
  std::vector<Connection> accepted;
  Listener listener;
  std::uint16_t port = 0;
  OurListener(Ours& ours, std::string_view stack, std::function<void(Connection&)> received = {});
};

/// A Connection that is ready.
Connection dial(Ours& ours, std::string_view stack, std::uint16_t port);

/// Connects so often to a plain listening socket, one after the other, and drops both ends. A lap is from initiate() to
/// ready, or from `begun`, if that is given: somebody else notes there when the lap began.
void connect_often(Loop& loop, Preconnection& to, const RawListener& listener, std::size_t times, Laps& laps,
                   const std::atomic<double>* begun = nullptr);

/// Both ends of one Connection, on one loop.
struct OurPair : Ours {
  explicit OurPair(std::string_view stack);
  Connection client, server;
};

template <class T>
T expect(Result<T> result, const char* what) {
  if (!result) fail_measurement(what, result.error());
  if constexpr (!std::is_void_v<T>) return std::move(*result);
}

}  // namespace trellis::bench
