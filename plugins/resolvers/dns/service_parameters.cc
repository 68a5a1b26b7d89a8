#include "service_parameters.h"

#include <algorithm>

namespace trellis::dns {
namespace {

enum Key : std::uint16_t {
  mandatory = 0,
  alpn = 1,
  no_default_alpn = 2,
  port = 3,
  ipv4hint = 4,
  ech = 5,
  ipv6hint = 6
};

constexpr std::size_t kHintsMost = 16;  // of one family

unsigned number(std::span<const unsigned char> two) noexcept { return static_cast<unsigned>(two[0] << 8 | two[1]); }

std::string size_fault(const char* what, std::size_t found, const char* expected) {
  return std::string(what) + " has " + std::to_string(found) + " bytes, expected " + expected;
}

bool has(std::span<const ServiceParameter> all, unsigned key) noexcept {
  return std::ranges::any_of(all, [&](const ServiceParameter& p) { return p.key == key; });
}

// Keys that must be understood; ech is not, so a service that insists on it is not for us.
std::string read_mandatory(std::span<const unsigned char> value, std::span<const ServiceParameter> all,
                           ServiceRecord& out) {
  if (value.empty() || value.size() % 2 != 0) return size_fault("mandatory", value.size(), "pairs of bytes");
  int last = -1;
  for (; !value.empty(); value = value.subspan(2)) {
    const unsigned key = number(value);
    if (static_cast<int>(key) <= last || key == mandatory) return "mandatory lists keys twice, out of order, or itself";
    last = static_cast<int>(key);
    if (!has(all, key)) return "mandatory lists key" + std::to_string(key) + ", which is not there";
    const bool known = key == alpn || key == no_default_alpn || key == port || key == ipv4hint || key == ipv6hint;
    if (!known) out.compatible = false;
  }
  return {};
}

std::string read_alpn(std::span<const unsigned char> value, ServiceRecord& out) {
  if (value.empty()) return "alpn is empty, expected at least one protocol";
  while (!value.empty()) {
    const std::size_t size = value[0];
    if (size == 0 || size >= value.size()) return "a protocol of alpn reaches beyond its end, or is empty";
    if (out.alpn.size() < kAlpnMost) out.alpn.emplace_back(reinterpret_cast<const char*>(value.data()) + 1, size);
    value = value.subspan(size + 1);
  }
  return {};
}

std::string read_hints(std::span<const unsigned char> value, Address::Family family, ServiceRecord& out) {
  const std::size_t size = family == Address::Family::ipv4 ? 4 : 16;
  if (value.empty() || value.size() % size != 0)
    return size_fault(size == 4 ? "ipv4hint" : "ipv6hint", value.size(), size == 4 ? "4 for each" : "16 for each");
  for (std::size_t count = 0; !value.empty(); value = value.subspan(size)) {
    if (++count > kHintsMost) continue;
    Address& address = out.hints.emplace_back();
    address.family = family;
    std::ranges::copy(value.first(size), address.ip.begin());
  }
  return {};
}

std::string read_one(const ServiceParameter& parameter, std::span<const ServiceParameter> all, ServiceRecord& out) {
  const auto value = parameter.value;
  switch (parameter.key) {
    case mandatory: return read_mandatory(value, all, out);
    case alpn: return read_alpn(value, out);
    case no_default_alpn:
      out.default_alpn = false;
      if (!value.empty()) return size_fault("no-default-alpn", value.size(), "none");
      return has(all, alpn) ? "" : "no-default-alpn stands without alpn";
    case port:
      if (value.size() != 2) return size_fault("port", value.size(), "2");
      out.port = static_cast<std::uint16_t>(number(value));
      return out.port == 0 ? "port is 0" : "";
    case ipv4hint: return read_hints(value, Address::Family::ipv4, out);
    case ipv6hint: return read_hints(value, Address::Family::ipv6, out);
    default: return {};  // ech and what else there is: not for us
  }
}

}  // namespace

std::string read_parameters(std::span<const ServiceParameter> parameters, ServiceRecord& out) {
  int last = -1;
  for (const ServiceParameter& parameter : parameters) {
    if (parameter.key <= last) return "key" + std::to_string(parameter.key) + " is not behind the one before it";
    last = parameter.key;
    if (std::string fault = read_one(parameter, parameters, out); !fault.empty()) return fault;
  }
  return {};
}

}  // namespace trellis::dns
