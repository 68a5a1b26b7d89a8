#include "hosts_file.h"

#include <arpa/inet.h>
#include <net/if.h>

#include <algorithm>
#include <charconv>

namespace trellis::hosts {
namespace {

constexpr std::string_view kSpace = " \t\r\f\v";

/// Takes the first word off the line.
std::string_view word(std::string_view& line) noexcept {
  line.remove_prefix(std::min(line.find_first_not_of(kSpace), line.size()));
  const std::string_view first = line.substr(0, line.find_first_of(kSpace));
  line.remove_prefix(first.size());
  return first;
}

std::string quoted(std::string_view text) {
  std::string out = "\"";
  for (const char c : text.substr(0, 64)) out += c >= ' ' && c <= '~' ? c : '?';
  return out + (text.size() > 64 ? "...\"" : "\"");
}

Address read_address(std::string_view text) {
  const std::string literal(text.substr(0, text.find('%')));
  Address address;
  if (inet_pton(AF_INET, literal.c_str(), address.ip.data()) == 1 && literal.size() == text.size())
    address.family = Address::Family::ipv4;
  else if (inet_pton(AF_INET6, literal.c_str(), address.ip.data()) == 1)
    address.family = Address::Family::ipv6;
  if (literal.size() == text.size() || !address) return address;
  const std::string zone(text.substr(literal.size() + 1));
  const auto [end, error] = std::from_chars(zone.data(), zone.data() + zone.size(), address.scope);
  if (error != std::errc() || end != zone.data() + zone.size()) address.scope = if_nametoindex(zone.c_str());
  return address.scope == 0 ? Address{} : address;
}

bool is_name(std::string_view name) {
  if (name.ends_with('.')) name.remove_suffix(1);
  if (name.empty() || name.size() > 253) return false;
  std::size_t label = 0;
  for (const char c : name) {
    const bool letter =
        (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
    if (c != '.' && !letter) return false;
    if (c == '.' && label == 0) return false;
    label = c == '.' ? 0 : label + 1;
    if (label > 63) return false;
  }
  return label > 0;
}

class Reader {
 public:
  Reader(HostsTable& table, const std::string& file) : table_(table), file_(file) {}
  void line(std::string_view text, std::size_t number) {
    number_ = number;
    std::string_view rest = text.substr(0, text.find('#'));
    const std::string_view literal = word(rest);
    if (literal.empty()) return;
    const Address address = read_address(literal);
    if (!address) return fault("found " + quoted(literal) + ", expected an address like 192.0.2.1 or 2001:db8::1");
    bool named = false;
    for (std::string_view name = word(rest); !name.empty(); name = word(rest), named = true) add(address, name);
    if (!named) fault("found an address without a name, expected at least one name behind it");
  }

 private:
  void add(const Address& address, std::string_view name) {
    if (!is_name(name))
      return fault("found " + quoted(name) + ", expected a name: labels of 1 to 63 letters, digits, - and _");
    if (table_.names.size() >= kNamesMost) {
      if (!std::exchange(full_, true))
        fault("found more than " + std::to_string(kNamesMost) + " names, the rest is left out");
      return;
    }
    std::vector<Address>& addresses = table_.names[canonical(name)];
    if (std::ranges::contains(addresses, address)) return;
    if (addresses.size() >= kAddressesMost)
      return fault("found more than " + std::to_string(kAddressesMost) + " addresses of " + quoted(name));
    addresses.push_back(address);
  }
  void fault(const std::string& what) {
    if (++table_.faults_in_all <= kFaultsMost)
      table_.faults.push_back(file_ + ":" + std::to_string(number_) + ": " + what);
  }
  HostsTable& table_;
  const std::string& file_;
  std::size_t number_ = 0;
  bool full_ = false;
};

}  // namespace

std::string canonical(std::string_view name) {
  if (name.ends_with('.')) name.remove_suffix(1);
  std::string text(name);
  for (char& c : text) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return text;
}

HostsTable parse_hosts(std::string_view text, const std::string& file) {
  HostsTable table;
  Reader reader(table, file);
  for (std::size_t number = 1; !text.empty(); ++number) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    reader.line(text.substr(0, end), number);
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return table;
}

}  // namespace trellis::hosts
