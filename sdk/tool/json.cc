// json.cc: see json.h. Boost.JSON is compiled here, once: nothing of it is a library that had to be loaded.
#include "json.h"

#include <boost/json/src.hpp>
#include <cmath>
#include <format>

namespace trellis::tool {
namespace {

using json::kind;
using json::value;

class Writer {
 public:
  explicit Writer(bool lines) : lines_(lines) {}
  std::string take() { return std::move(out_); }

  void put(const value& v) {
    switch (v.kind()) {
      case kind::object: return put(v.get_object());
      case kind::array: return put(v.get_array());
      case kind::double_:
        if (!std::isfinite(v.get_double()))
          out_ += "null";  // JSON has no word for it
        else
          out_ += std::format("{}", v.get_double());
        return;
      default: out_ += json::serialize(v);
    }
  }
  void put(const json::object& object) {
    each('{', '}', object, [&](const auto& member) {
      out_ += json::serialize(member.key());
      out_ += lines_ ? ": " : ":";
      put(member.value());
    });
  }

 private:
  void put(const json::array& array) {
    each('[', ']', array, [&](const value& one) { put(one); });
  }
  template <class All, class Put>
  void each(char first, char last, const All& all, Put put_one) {
    out_ += first;
    ++depth_;
    for (bool more = false; const auto& one : all) {
      if (std::exchange(more, true)) out_ += ',';
      new_line();
      put_one(one);
    }
    --depth_;
    if (!all.empty()) new_line();
    out_ += last;
  }
  void new_line() {
    if (lines_) out_.append(1, '\n').append(2 * depth_, ' ');
  }

  bool lines_;
  std::size_t depth_ = 0;
  std::string out_;
};

std::string written(const json::object& object, bool lines) {
  Writer writer(lines);
  writer.put(object);
  return writer.take();
}

}  // namespace

std::string to_line(const json::object& object) { return written(object, false); }
std::string to_lines(const json::object& object) { return written(object, true); }

}  // namespace trellis::tool
