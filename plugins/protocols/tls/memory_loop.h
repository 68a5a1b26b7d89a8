// memory_loop.h: what layers need of their surroundings, in memory, for tests and fuzzers: a loop whose time the test
// moves, a state, options.
#pragma once
#include <botan/system_rng.h>

#include <cstdlib>
#include <map>
#include <string>
#include <vector>

#include "still_loop.h"
#include "tls_settings.h"
#include "trellis/option.h"
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

/// The options of a layer that says nothing but these; `specs`: of the layer.
class Given final : public Options {
 public:
  explicit Given(std::map<std::string, OptionValue> values = {}, std::span<const OptionSpec> specs = tls_options())
      : values_(std::move(values)), specs_(specs) {}
  bool flag(std::string_view name) const noexcept override { return std::get<bool>(value(name)); }
  std::int64_t number(std::string_view name) const noexcept override { return std::get<std::int64_t>(value(name)); }
  std::string_view text(std::string_view name) const noexcept override {
    return std::get<std::string_view>(value(name));
  }

 private:
  OptionValue value(std::string_view name) const {
    if (const auto found = values_.find(std::string(name)); found != values_.end()) return found->second;
    for (const OptionSpec& spec : specs_) {
      if (spec.name == name) return spec.fallback;
    }
    std::abort();
  }
  std::map<std::string, OptionValue> values_;
  std::span<const OptionSpec> specs_;
};

}  // namespace trellis::tls
