#include "core/nothing.h"

namespace trellis {

State& no_state() noexcept {
  static class : public State {
    StateValue take(StateKind, std::string_view) noexcept override { return {}; }
    StateValue peek(StateKind, std::string_view) noexcept override { return {}; }
    void put(StateKind, std::string_view, StateValue, Duration) noexcept override {}
  } nothing;
  return nothing;
}

const Security& no_security() noexcept {
  static const Security kNothing;
  return kNothing;
}

}  // namespace trellis
