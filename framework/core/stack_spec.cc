// stack_spec.cc: the one-line form of a stack, for command lines and Preconnection::stack().
#include "core/stack_spec.h"

#include <format>

#include "core/text.h"

namespace trellis {
namespace {

/// Reads from the front; the first thing that does not fit is kept as the error.
class Reader {
 public:
  explicit Reader(std::string_view text) : text_(text), rest_(text) {}

  Result<StackSpec> read() {
    StackSpec stack{.name = std::string(text_), .layers = {}};
    do {
      if (stack.layers.size() == kLayersMax) return refuse("more layers", std::format("at most {}", kLayersMax));
      auto layer = read_layer();
      if (!layer) return fail(std::move(layer));
      stack.layers.push_back(std::move(*layer));
    } while (take('/'));
    if (!rest_.empty()) return refuse(found(), "\"/\" or the end");
    return stack;
  }

 private:
  Result<LayerSpec> read_layer() {
    LayerSpec layer{.name = std::string(word("/(),='"))};
    if (!is_kebab_case(layer.name)) {
      return refuse(layer.name.empty() ? found() : in_quotes(layer.name), "the name of a layer");
    }
    if (!take('(')) return layer;
    do {
      auto option = read_option();
      if (!option) return fail(std::move(option));
      layer.options.push_back(std::move(*option));
    } while (take(','));
    if (!take(')')) return refuse(found(), "\",\" or \")\"");
    return layer;
  }

  Result<OptionText> read_option() {
    OptionText option{.name = std::string(word("/(),='")), .value = {}};
    if (!is_kebab_case(option.name)) {
      return refuse(option.name.empty() ? found() : in_quotes(option.name), "the name of an option");
    }
    if (!take('=')) return refuse(found(), "\"=\" and a value after " + in_quotes(option.name));
    if (!take('\'')) {
      option.value = word(",)'");
      return option;
    }
    const std::size_t end = rest_.find('\'');
    if (end == std::string_view::npos) return refuse("the end", "a \"'\" that closes the value");
    option.value = rest_.substr(0, end);
    rest_.remove_prefix(end + 1);
    skip_spaces();
    return option;
  }

  std::string_view word(std::string_view ends) {
    skip_spaces();
    const std::size_t length = std::min(rest_.find_first_of(ends), rest_.size());
    std::string_view taken = rest_.substr(0, length);
    rest_.remove_prefix(length);
    while (taken.ends_with(' ')) taken.remove_suffix(1);
    return taken;
  }
  bool take(char wanted) {
    skip_spaces();
    if (!rest_.starts_with(wanted)) return false;
    rest_.remove_prefix(1);
    return true;
  }
  void skip_spaces() {
    while (rest_.starts_with(' ')) rest_.remove_prefix(1);
  }
  std::string found() const { return rest_.empty() ? "the end" : in_quotes(rest_); }
  std::unexpected<Error> refuse(std::string_view found, std::string_view expected) const {
    return fail(Reason::invalid_argument,
                std::format("stack {}: found {}, expected {}: write it like length-prefix/tcp(no-delay=false)",
                            in_quotes(text_), found, expected));
  }

  std::string_view text_, rest_;
};

}  // namespace

Result<StackSpec> parse_stack(std::string_view text) { return Reader(text).read(); }

std::string stack_text(const StackSpec& stack) {
  std::string text;
  for (const LayerSpec& layer : stack.layers) text += (text.empty() ? "" : "/") + layer.name;
  return text;
}

}  // namespace trellis
