// stack_spec.h: a stack as somebody wrote it, before any plugin was asked about it.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/option_values.h"
#include "trellis/port.h"
#include "trellis/result.h"

namespace trellis {

/// One layer of a stack.
struct LayerSpec {
  enum class Kind : std::uint8_t { protocol, framer, either };
  Kind kind = Kind::either;  ///< either: the registry knows
  std::string name;
  std::vector<OptionText> options = {};
  std::string where = {};  ///< "file:line"; empty: not from a file
};

/// A stack, top layer first, as RFC 9623 writes them.
struct StackSpec {
  std::string name;
  std::vector<LayerSpec> layers;
  std::string where = {};
};

/// Layers of a stack at most: the application's end of it takes one level of the schedule.
inline constexpr int kLayersMax = kStackDepthMax - 1;

/// Reads "length-prefix/tcp(no-delay=false,dscp=46)", top layer first: layers are separated by '/', settings stand in
/// parentheses, separated by ','. Spaces around words are ignored. A value that holds ',' or ')' is put between single
/// quotes: tls(trust='a,b'). The stack is named by the text.
Result<StackSpec> parse_stack(std::string_view text);

/// "length-prefix/tcp": the names alone.
std::string stack_text(const StackSpec& stack);

}  // namespace trellis
