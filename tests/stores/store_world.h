// store_world.h: a store plugin on a real loop.
#pragma once
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "core/option_values.h"
#include "core/registry.h"
#include "support/process.h"
#include "trellis/loop.h"

namespace trellis::test {

using namespace std::chrono_literals;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

inline StateKey ticket_key(std::string endpoint = "a.example 443") {
  return {StateKind::session_ticket, "p", "eth0", std::move(endpoint), "tls", "h2"};
}
inline StateKey history_key(std::string endpoint = "a.example 443") {
  return {StateKind::performance, "p", "eth0", std::move(endpoint), "tls/tcp", "race"};
}
inline StateValue value(std::string_view text) {
  const auto* bytes = reinterpret_cast<const std::byte*>(text.data());
  return {bytes, bytes + text.size()};
}
inline std::string text(const StateValue& v) { return {reinterpret_cast<const char*>(v.data()), v.size()}; }
inline StateEntry entry(StateKey key, std::string_view v, std::chrono::seconds keep = 600s) {
  return {std::move(key), value(v), std::chrono::system_clock::now() + keep};
}

/// As a process has it.
struct StoreUser {
  StoreUser(Registry& registry, const std::string& name, const std::vector<OptionText>& options) {
    StateStore* kind = registry.store(name).value();
    const auto checked = OptionValues::check("store", kind->options(), options);
    EXPECT_TRUE(checked) << checked.error().detail;
    auto opened = kind->open(*checked);
    EXPECT_TRUE(opened) << opened.error().detail;
    store = std::move(*opened);
  }
  /// What an answer holds, or "no answer" alone when nobody can be asked.
  std::vector<std::string> ask(const std::vector<StatePlace>& places = {{"p", "a.example 443"}}) {
    std::vector<std::string> found;
    bool over = false;
    const auto fetch = store->fetch(*loop, places, [&](std::vector<StateEntry> entries) {
      for (const StateEntry& e : entries) found.push_back(text(e.value));
      over = true;
    });
    if (!fetch) return {"no answer"};
    while (!over) loop->run_once(true);
    return found;
  }
  std::unique_ptr<Loop> loop = make_loop();
  std::unique_ptr<OpenStore> store;
};

}  // namespace trellis::test
