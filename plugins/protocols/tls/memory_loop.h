// memory_loop.h: what layers need of their surroundings, in memory, for tests and fuzzers: a loop whose time the test
// moves, a state, a host, options.
#pragma once
#include <botan/system_rng.h>

#include <memory>
#include <string>
#include <vector>

#include "../../../tests/support/given.h"
#include "still_loop.h"
#include "tls_settings.h"
#include "trellis/lowers.h"
#include "trellis/protocol.h"
#include "trellis/state.h"

namespace trellis::tls {

/// What a layer needs of a loop: random bytes, the time, memory.
class TestLoop : public StillLoop {
 public:
  std::chrono::system_clock::time_point wall_clock() const noexcept override { return wall; }
  void post(std::move_only_function<void()>) noexcept override {}  // what nobody waits for
  void secret(std::span<std::byte> out) noexcept override {
    Botan::system_rng().randomize({reinterpret_cast<std::uint8_t*>(out.data()), out.size()});
  }

  std::chrono::system_clock::time_point wall = std::chrono::sys_days(std::chrono::year(2026) / 1 / 1);
};

/// Entries in the order in which they were put; the newest is taken first.
class TestState final : public State {
 public:
  StateValue take(StateKind, std::string_view detail) noexcept override {
    auto& list = entries[std::string(detail)];
    if (list.empty()) return {};
    StateValue value = std::move(list.back());
    list.pop_back();
    return value;
  }
  StateValue peek(StateKind, std::string_view) noexcept override { std::abort(); }
  void put(StateKind, std::string_view detail, StateValue value, Duration) noexcept override {
    entries[std::string(detail)].push_back(std::move(value));
  }
  std::size_t size() const {
    std::size_t n = 0;
    for (const auto& [detail, list] : entries) n += list.size();
    return n;
  }
  std::map<std::string, std::vector<StateValue>> entries;
};

/// The host of a layer: keeps what it is told, and has one layer below, which answers no question.
class TestHost : public LayerHost, private LowerHost {
 public:
  /// Both outlive it.
  TestHost(State& state, const Security& security) : state_(state), security_(security) {}
  bool over() const { return failure != nullptr || is_closed; }

  Executor& executor() noexcept override { return loop; }
  State& state() noexcept override { return state_; }
  const Security& security() noexcept override { return security_; }
  void log(Severity, std::string_view) noexcept override {}
  void deadline(TimePoint) noexcept override {}
  void wake() noexcept override {}
  void answered(unsigned) noexcept override {}
  void early() noexcept override {}
  void ready() noexcept override { is_ready = true; }
  void closed() noexcept override { is_closed = true; }
  void failed(Error error) noexcept override { failure = std::make_unique<Error>(std::move(error)); }
  void notify(Notice, Error) noexcept override {}
  StreamHost& streams() noexcept override { std::abort(); }
  LowerHost& lowers() noexcept override { return *this; }
  void* extension(std::string_view) noexcept override { return nullptr; }

  TestLoop loop;
  std::unique_ptr<Error> failure;
  bool is_ready = false, is_closed = false;

 private:
  Result<LowerPort> want_lower(const LowerWish&) noexcept override { return fail(Reason::unsupported); }
  void drop_lower(LowerPort, const CloseArgs&) noexcept override {}
  Result<PropertyValue> ask(LowerPort, std::string_view) noexcept override { return fail(Reason::unsupported); }
  Result<void> tell(LowerPort, std::string_view, const PropertyValue&) noexcept override {
    return fail(Reason::unsupported);
  }
  State& state_;
  const Security& security_;
};

using test::Given;

}  // namespace trellis::tls
