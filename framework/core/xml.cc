// xml.cc: tinyxml2 is lenient; what it lets pass although XML forbids it is refused here, so that the readers and their
// schemas agree.
#include "core/xml.h"

#include <tinyxml2.h>

#include <algorithm>
#include <charconv>
#include <format>
#include <utility>
#include <vector>

#include "core/nearest.h"
#include "core/text.h"

namespace trellis {
namespace {

int line_of(std::string_view text, std::size_t at) {
  return 1 + static_cast<int>(std::ranges::count(text.substr(0, at), '\n'));
}

bool is_forbidden(char c) {
  const auto byte = static_cast<unsigned char>(c);
  return (byte < 0x20 && c != '\t' && c != '\n' && c != '\r') || byte == 0x7f;
}

/// The entity behind an '&' is one that XML knows without a document type.
bool is_entity(std::string_view text) {
  const std::string_view name = text.substr(0, std::min(text.find(';'), text.size()));
  if (name.size() == text.size()) return false;
  if (!name.starts_with("&#")) {
    return name == "&amp" || name == "&lt" || name == "&gt" || name == "&quot" || name == "&apos";
  }
  const bool hex = name.starts_with("&#x");
  const std::string_view digits = name.substr(hex ? 3 : 2);
  const char* const begin = digits.data();
  std::uint32_t value = 0;
  const auto [end, error] = std::from_chars(begin, begin + digits.size(), value, hex ? 16 : 10);
  return error == std::errc() && end == begin + digits.size() && value >= 0x20 && value <= 0x10ffff;
}

void check_bytes(XmlFile& file, std::string_view text) {
  if (const std::size_t bad = find_bad_utf8(text); bad != std::string_view::npos) {
    return file.fault(line_of(text, bad),
                      "found bytes that are not UTF-8, expected UTF-8: save the file with that encoding");
  }
  for (std::size_t at = 0; at < text.size(); ++at) {
    if (is_forbidden(text[at])) {
      return file.fault(line_of(text, at), "found a control character, expected text: remove it");
    }
    if (text.substr(at).starts_with("<!--")) {
      at = std::min(text.find("-->", at + 4), text.size() - 1);
    } else if (text[at] == '&' && !is_entity(text.substr(at, 16))) {
      return file.fault(line_of(text, at), "found \"&\" without an entity that XML knows, expected \"&amp;\"");
    }
  }
}

constexpr int kAttributesMax = 64;  // the parser compares each with all before it
constexpr std::size_t kWordMax = 64;

/// Where a node that begins with "<!" or "<?" ends for the parser; npos: it is something else.
std::size_t end_of_special(std::string_view text) {
  constexpr std::pair<std::string_view, std::string_view> kKinds[] = {
      {"<!--", "-->"}, {"<![CDATA[", "]]>"}, {"<!", ">"}, {"<?", "?>"}};
  for (const auto& [begin, end] : kKinds) {
    if (text.starts_with(begin)) return std::min(text.find(end, begin.size()), text.size() - 1);
  }
  return std::string_view::npos;
}

void check_attributes(XmlFile& file, std::string_view text) {
  bool in_tag = false;
  char quote = '\0';
  int attributes = 0;
  for (std::size_t at = 0; at < text.size(); ++at) {
    const char c = text[at];
    if (quote != '\0') {
      if (c == quote) quote = '\0';
    } else if (!in_tag && c == '<') {
      const std::size_t end = end_of_special(text.substr(at));
      in_tag = end == std::string_view::npos;
      if (!in_tag) at += end;
      attributes = 0;
    } else if (in_tag && (c == '"' || c == '\'')) {
      quote = c;
    } else if (in_tag && c == '=' && ++attributes > kAttributesMax) {
      return file.fault(line_of(text, at), std::format("found an element with more than {} attributes, expected those "
                                                       "that are known",
                                                       kAttributesMax));
    } else if (c == '>') {
      in_tag = false;
    }
  }
}

/// A name that somebody else wrote, of one line and not too long.
std::string shown(std::string_view name) {
  const std::string quoted = in_quotes(name);
  return quoted.substr(1, quoted.size() - 2);
}

constexpr std::string_view kBadAttribute = "found a malformed or repeated attribute, expected name=\"value\" once";

std::string sentence(tinyxml2::XMLError error, std::string_view root) {
  switch (error) {
    case tinyxml2::XML_ERROR_EMPTY_DOCUMENT: return std::format("found nothing, expected a <{}>", root);
    case tinyxml2::XML_ERROR_MISMATCHED_ELEMENT:
      return "found an element that is not closed, or closed by another name";
    case tinyxml2::XML_ERROR_PARSING_ATTRIBUTE: return std::string(kBadAttribute);
    case tinyxml2::XML_ERROR_PARSING_COMMENT: return "found a comment without its end, expected \"-->\"";
    case tinyxml2::XML_ERROR_PARSING_DECLARATION: return "found an XML declaration out of place or without its end";
    case tinyxml2::XML_ELEMENT_DEPTH_EXCEEDED:
      return std::format("found elements nested hundreds deep, expected a {}", root);
    default: return "found malformed XML, expected elements with attributes";
  }
}

std::string normalized(std::string_view value) {
  std::string text(value);
  for (char& c : text) {
    if (c == '\t' || c == '\n' || c == '\r') c = ' ';
  }
  return text;
}

}  // namespace

std::string XmlFile::where(int line) const { return std::format("{}:{}", name_, line); }

void XmlFile::fault(int line, std::string_view detail) {
  if (fault_) return;
  fault_ = Error{Reason::configuration, 0, kind_, std::format("{}: {}", printable(where(line)), detail)};
}

std::string XmlElement::where() const { return file_->where(element_->GetLineNum()); }

void XmlElement::fault(std::string_view detail) const { file_->fault(element_->GetLineNum(), detail); }

std::string XmlElement::tag() const { return std::format("<{}>", shown(element_->Name())); }

void XmlElement::fault_in(const char* name, std::string_view detail) const {
  const auto* const attribute = element_->FindAttribute(name);
  file_->fault(attribute == nullptr ? element_->GetLineNum() : attribute->GetLineNum(), detail);
}

void XmlElement::attributes(std::initializer_list<std::string_view> names) const {
  std::vector<std::string_view> seen;
  for (const auto* one = element_->FirstAttribute(); one != nullptr && !file_->failed(); one = one->Next()) {
    const std::string_view name = one->Name();
    if (!std::ranges::contains(names, name)) {
      const auto expected = expected_one_of(name, std::span(names.begin(), names.size()));
      file_->fault(one->GetLineNum(), std::format("found attribute {} of {}, {}", in_quotes(name), tag(), expected));
    }
    if (std::ranges::contains(seen, name)) file_->fault(one->GetLineNum(), kBadAttribute);  // tinyxml2 before 11
    if (std::string_view(one->Value()).contains('<')) {
      file_->fault(one->GetLineNum(), std::format("found \"<\" in attribute {} of {}, expected none", name, tag()));
    }
    seen.push_back(name);
  }
}

bool XmlElement::has(const char* name) const { return element_->FindAttribute(name) != nullptr; }

std::string XmlElement::value(const char* name) const {
  const char* const value = element_->Attribute(name);
  return value == nullptr ? std::string() : normalized(value);
}

std::string XmlElement::text(const char* name) const {
  const char* const value = element_->Attribute(name);
  if (value == nullptr || *value == '\0') {
    fault_in(name, std::format("found {} {} attribute \"{}\", expected it", tag(),
                               value == nullptr ? "without" : "with an empty", name));
    return {};
  }
  return normalized(value);
}

std::string XmlElement::word(const char* name) const {
  std::string value = text(name);
  if (!value.empty() && !is_kebab_case(value)) {
    fault_in(name, std::format("found {}={}, expected a name of lower-case letters, digits and hyphens", name,
                               in_quotes(value)));
  }
  if (value.size() > kWordMax) {
    fault_in(name, std::format("found {}={}, expected at most {} letters", name, in_quotes(value), kWordMax));
  }
  return value;
}

std::string XmlElement::word(const char* name, std::span<const std::string_view> words) const {
  std::string value = text(name);
  if (!value.empty() && !std::ranges::contains(words, value)) {
    fault_in(name, std::format("found {}={}, {}", name, in_quotes(value), expected_one_of(value, words)));
  }
  return value;
}

std::uint32_t XmlElement::number(const char* name, std::uint32_t least, std::uint32_t most,
                                 std::uint32_t fallback) const {
  const char* const attribute = element_->Attribute(name);
  if (attribute == nullptr) return fallback;
  const std::string_view value = attribute;
  std::uint32_t number = 0;
  const auto [end, error] = std::from_chars(attribute, attribute + value.size(), number);
  if (error == std::errc() && end == attribute + value.size() && number >= least && number <= most) return number;
  fault_in(name,
           std::format("found {}={}, expected a whole number from {} to {}", name, in_quotes(value), least, most));
  return fallback;
}

void XmlElement::children(std::initializer_list<Child> kinds) const {
  std::vector<int> counts(kinds.size());
  for (const auto* node = element_->FirstChild(); node != nullptr && !file_->failed(); node = node->NextSibling()) {
    if (node->ToComment() != nullptr) continue;
    const auto* const element = node->ToElement();
    if (element == nullptr) return other_node(*node);
    const auto kind = std::ranges::find(kinds, std::string_view(element->Name()), &Child::name);
    if (kind == kinds.end()) {
      std::vector<std::string_view> names;
      for (const Child& one : kinds) names.push_back(one.name);
      return file_->fault(element->GetLineNum(), std::format("found <{}> in {}, {}", shown(element->Name()), tag(),
                                                             expected_one_of(element->Name(), names)));
    }
    if (++counts[static_cast<std::size_t>(kind - kinds.begin())] > kind->most) {
      return file_->fault(element->GetLineNum(),
                          std::format("found one more <{}> in {}, expected at most {}", kind->name, tag(), kind->most));
    }
    kind->read(XmlElement(*file_, *element));
  }
}

void XmlElement::other_node(const tinyxml2::XMLNode& node) const {
  const bool is_text = node.ToText() != nullptr;
  std::string text = normalized(node.Value());
  text.erase(0, std::min(text.find_first_not_of(' '), text.size()));
  text.erase(text.find_last_not_of(' ') + 1);
  file_->fault(node.GetLineNum(), std::format("found {} in {}, expected elements only",
                                              is_text ? "text " + in_quotes(text) : "a declaration", tag()));
}

void read_xml(XmlFile& file, std::string_view text, std::string_view root,
              const std::function<void(const XmlElement&)>& read) {
  check_bytes(file, text);
  check_attributes(file, text);
  if (file.failed()) return;
  tinyxml2::XMLDocument document;
  if (document.Parse(text.data(), text.size()) != tinyxml2::XML_SUCCESS) {
    return file.fault(std::max(document.ErrorLineNum(), 1), sentence(document.ErrorID(), root));
  }
  const tinyxml2::XMLElement* only = nullptr;
  for (const auto* node = document.FirstChild(); node != nullptr; node = node->NextSibling()) {
    const auto* const element = node->ToElement();
    if (node->ToComment() != nullptr || (node->ToDeclaration() != nullptr && node->PreviousSibling() == nullptr))
      continue;
    if (element == nullptr || only != nullptr || element->Name() != root) {
      const std::string found =
          element == nullptr ? "a declaration or text" : std::format("<{}>", shown(element->Name()));
      return file.fault(node->GetLineNum(), std::format("found {}, expected one <{}> and nothing else", found, root));
    }
    only = element;
  }
  if (only == nullptr) return file.fault(1, std::format("found no element, expected <{}>", root));
  read(XmlElement(file, *only));
}

}  // namespace trellis
