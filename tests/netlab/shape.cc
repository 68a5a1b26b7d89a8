#include "shape.h"

#include <array>
#include <charconv>
#include <span>

namespace trellis::netlab {
namespace {

struct Unit {
  std::string_view name;
  double factor;
};
constexpr Unit kTimes[] = {{"us", 1}, {"ms", 1e3}, {"s", 1e6}};
constexpr Unit kRates[] = {{"kbit", 1e3}, {"mbit", 1e6}, {"gbit", 1e9}};
constexpr Unit kSizes[] = {{"", 1}, {"k", 1024}};
constexpr Unit kParts[] = {{"%", 0.01}, {"", 1}};

// A number from 0 to `most` with one of the units.
std::optional<double> measure(std::string_view text, std::span<const Unit> units, double most) {
  double number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number, std::chars_format::fixed);
  if (error != std::errc()) return std::nullopt;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  for (const Unit& unit : units) {
    const double value = number * unit.factor;
    if (text == unit.name && value >= 0 && value <= most) return value;
  }
  return std::nullopt;
}

constexpr double kTimeMost = 60e6;  // a minute
constexpr double kRateMost = 100e9;
constexpr double kSizeMost = 1024 * 1024 * 1024;

template <class T, class Make>
bool assign(T& out, const std::optional<double>& value, Make make) {
  if (value) out = make(*value);
  return value.has_value();
}

bool set(std::string_view key, std::string_view value, Shape& shape) {
  const auto time = [](double us) { return std::chrono::microseconds(static_cast<std::int64_t>(us)); };
  const auto part = [](double of_one) { return of_one; };
  const auto size = [](double bytes) { return static_cast<std::size_t>(bytes); };
  if (key == "delay") return assign(shape.delay, measure(value, kTimes, kTimeMost), time);
  if (key == "jitter") return assign(shape.jitter, measure(value, kTimes, kTimeMost), time);
  if (key == "loss") return assign(shape.loss, measure(value, kParts, 1), part);
  if (key == "corruption") return assign(shape.corruption, measure(value, kParts, 1), part);
  if (key == "duplication") return assign(shape.duplication, measure(value, kParts, 1), part);
  if (key == "rate") return assign(shape.bits_per_second, measure(value, kRates, kRateMost), size);
  if (key == "queue") return assign(shape.queue_bytes, measure(value, kSizes, kSizeMost), size);
  if (key == "mtu") return assign(shape.mtu, measure(value, kSizes, kSizeMost), size);
  if (key != "blackhole" || (value != "on" && value != "off")) return false;
  shape.black_hole = value == "on";
  return true;
}

}  // namespace

std::optional<std::string> apply(std::string_view text, Shape& shape) {
  Shape changed = shape;
  while (!text.empty()) {
    const std::string_view item = text.substr(0, text.find(','));
    text.remove_prefix(std::min(item.size() + 1, text.size()));
    const std::size_t equals = item.find('=');
    if (equals == std::string_view::npos || !set(item.substr(0, equals), item.substr(equals + 1), changed))
      return "'" + std::string(item) +
             "' is not understood; expected delay=20ms, jitter=1ms, loss=0.5%, corruption=1%, "
             "duplication=1%, rate=25mbit, queue=64k, mtu=1280 or blackhole=on";
  }
  shape = changed;
  return std::nullopt;
}

}  // namespace trellis::netlab
