// xml.h: strict reading of XML files: policies, and the worlds of simulations. Only core/xml.cc knows tinyxml2.
//
// The first fault is kept and everything read after it is a default value, so that the functions for the elements of a
// file need no error handling of their own: whoever started asks for the fault at the end.
#pragma once
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "trellis/result.h"

namespace tinyxml2 {
class XMLElement;
class XMLNode;
}  // namespace tinyxml2

namespace trellis {

/// The file that is being read, and the first thing wrong with it.
class XmlFile {
 public:
  /// `kind`: what it must be, "policy"; a static text.
  XmlFile(std::string name, const char* kind) : name_(std::move(name)), kind_(kind) {}
  const std::string& name() const noexcept { return name_; }
  std::string where(int line) const;
  void fault(int line, std::string_view detail);  // "found X, expected Y"
  bool failed() const noexcept { return fault_.has_value(); }
  const std::optional<Error>& error() const noexcept { return fault_; }

 private:
  std::string name_;
  const char* kind_;
  std::optional<Error> fault_;
};

/// One element. What is not asked for is refused: attributes() and children() are called once for every element.
class XmlElement {
 public:
  XmlElement(XmlFile& file, const tinyxml2::XMLElement& element) : file_(&file), element_(&element) {}

  std::string where() const;  // "file:line"
  void fault(std::string_view detail) const;

  /// Refuses attributes that are not among the names, are written twice or hold what XML does not allow.
  void attributes(std::initializer_list<std::string_view> names) const;
  bool has(const char* name) const;
  std::string value(const char* name) const;  // empty when it is not there
  std::string text(const char* name) const;   // must be there and not be empty
  std::string word(const char* name) const;   // kebab-case
  std::string word(const char* name, std::span<const std::string_view> words) const;
  std::uint32_t number(const char* name, std::uint32_t least, std::uint32_t most, std::uint32_t fallback) const;
  void fault_in(const char* name, std::string_view detail) const;  // with the attribute's line

  /// One kind of child.
  struct Child {
    std::string_view name;
    std::function<void(const XmlElement&)> read;
    int most = INT32_MAX;  ///< how often it may stand there
  };
  /// Reads the children in their order; refuses other elements and text.
  void children(std::initializer_list<Child> kinds) const;
  void no_children() const { children({}); }

 private:
  void other_node(const tinyxml2::XMLNode& node) const;
  std::string tag() const;  // "<policy>"

  XmlFile* file_;
  const tinyxml2::XMLElement* element_;
};

/// Parses the text and hands over its only element, which must be called `root`.
void read_xml(XmlFile& file, std::string_view text, std::string_view root,
              const std::function<void(const XmlElement&)>& read);

}  // namespace trellis
