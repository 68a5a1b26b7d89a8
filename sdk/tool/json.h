// json.h: JSON as the tool writes and reads it: the values of Boost.JSON, which keep the order of their members.
#pragma once
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <string>

namespace trellis::tool {

namespace json = boost::json;

/// An object on one line, or with a line per member. Numbers are written as people do, 12.5 and not 1.25E1.
std::string to_line(const json::object& object);
std::string to_lines(const json::object& object);

}  // namespace trellis::tool
