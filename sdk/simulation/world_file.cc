// world_file.cc: one small function for each element of a world.
#include "simulation/world_file.h"

#include <netinet/in.h>

#include <algorithm>
#include <charconv>
#include <format>

#include "core/nearest.h"
#include "core/text.h"
#include "core/text_file.h"
#include "core/xml.h"
#include "loop/sim_address.h"
#include "trellis/address_text.h"

namespace trellis::simulation {
namespace {

constexpr const char* kKind = "world";
constexpr std::string_view kNamespace = "urn:trellis:world:1";

// The same numbers stand in policies/worlds/world.xsd.
constexpr std::uint32_t kMillisecondsMax = 600'000;
constexpr std::uint32_t kRateMax = 100'000'000;
constexpr std::uint32_t kMtuLeast = 1280;
constexpr std::uint32_t kMtuMax = 65'535;

/// "8" and "0.25" in thousandths; none: it is no such number.
std::optional<std::uint32_t> thousandths(std::string_view text) {
  const std::size_t point = std::min(text.find('.'), text.size());
  const std::string_view whole = text.substr(0, point);
  const std::string_view part = point == text.size() ? std::string_view("0") : text.substr(point + 1);
  const auto digits = [](std::string_view word, std::size_t most) {
    return !word.empty() && word.size() <= most && word.find_first_not_of("0123456789") == std::string_view::npos;
  };
  if (!digits(whole, 6) || !digits(part, 3)) return std::nullopt;
  std::uint32_t value = 0;
  for (const char c : whole) value = value * 10 + static_cast<std::uint32_t>(c - '0');
  for (std::size_t i = 0; i < 3; ++i) {
    value = value * 10 + (i < part.size() ? static_cast<std::uint32_t>(part[i] - '0') : 0);
  }
  return value;
}

/// "8", or "8..40" where each run draws its own.
Range read_range(const XmlElement& element, const char* name, std::uint32_t most, std::string_view unit,
                 Range otherwise = {}) {
  if (!element.has(name)) return otherwise;
  const std::string text = element.text(name);
  const std::size_t dots = text.find("..");
  const auto least = thousandths(std::string_view(text).substr(0, dots));
  const auto last = dots == std::string::npos ? least : thousandths(std::string_view(text).substr(dots + 2));
  if (!least || !last || *least > most * 1000 || *last > most * 1000) {
    element.fault_in(name, std::format("found {}={}, expected {} from 0 to {} such as \"8\", or a range such as "
                                       "\"8..40\" of which each run draws one",
                                       name, in_quotes(text), unit, most));
    return otherwise;
  }
  if (*least > *last) {
    element.fault_in(name, std::format("found {}={}, expected the smaller number first", name, in_quotes(text)));
    return otherwise;
  }
  return {*least, *last};
}

Range read_ms(const XmlElement& element, const char* name) {
  return read_range(element, name, kMillisecondsMax, "milliseconds");
}
Range read_percent(const XmlElement& element, const char* name, Range otherwise = {}) {
  return read_range(element, name, 100, "percent", otherwise);
}
template <class T>
std::optional<T> if_given(const XmlElement& element, const char* name, T value) {
  return element.has(name) ? std::optional(value) : std::nullopt;
}

/// from-ms and until-ms; `what` is for messages.
void read_window(const XmlElement& element, Range& from, std::optional<Range>& until) {
  from = read_ms(element, "from-ms");
  until = if_given(element, "until-ms", read_ms(element, "until-ms"));
  if (until && until->least <= from.most) {
    element.fault_in("until-ms",
                     std::format("found until-ms={} with from-ms={}, expected it to end later than it begins",
                                 in_quotes(element.value("until-ms")),
                                 in_quotes(element.has("from-ms") ? element.value("from-ms") : "0")));
  }
}

constexpr std::string_view kNameResolvers[] = {"dns"};
constexpr std::string_view kProtocols[] = {"any", "tcp", "udp"};
constexpr int kProtocolNumbers[] = {0, IPPROTO_TCP, IPPROTO_UDP};
constexpr std::string_view kFamilies[] = {"any", "ipv4", "ipv6"};
constexpr Address::Family kFamilyValues[] = {Address::Family::none, Address::Family::ipv4, Address::Family::ipv6};
constexpr std::string_view kDoes[] = {"drop", "refuse", "unreachable", "reset", "swallow"};
constexpr Verdict kVerdicts[] = {Verdict::drop, Verdict::refuse, Verdict::unreachable, Verdict::reset, Verdict::drop};

template <std::size_t N>
std::size_t index_of(const std::string& word, const std::string_view (&words)[N]) {
  const auto found = std::ranges::find(words, word);
  return found == std::end(words) ? 0 : static_cast<std::size_t>(found - std::begin(words));
}

void read_block(const XmlElement& element, bool of_path, std::vector<WorldBlock>& out) {
  if (of_path) {
    element.attributes({"does", "protocol", "family", "port", "chance-percent", "from-ms", "until-ms"});
  } else {
    element.attributes({"does", "protocol", "port", "chance-percent", "from-ms", "until-ms"});
  }
  element.no_children();
  WorldBlock block;
  const std::string does = element.word("does", kDoes);
  block.packets.verdict = kVerdicts[index_of(does, kDoes)];
  if (element.has("protocol"))
    block.packets.protocol = kProtocolNumbers[index_of(element.word("protocol", kProtocols), kProtocols)];
  if (element.has("family"))
    block.packets.family = kFamilyValues[index_of(element.word("family", kFamilies), kFamilies)];
  block.packets.port = static_cast<std::uint16_t>(element.number("port", 1, 65'535, 0));
  block.packets.with_payload = does == "reset" || does == "swallow";
  block.chance = read_percent(element, "chance-percent", kAlways);
  read_window(element, block.from, block.until);
  out.push_back(block);
}

void read_down(const XmlElement& element, WorldPath& out) {
  element.attributes({"chance-percent", "from-ms", "until-ms"});
  element.no_children();
  WorldOutage outage;
  outage.chance = read_percent(element, "chance-percent", kAlways);
  read_window(element, outage.from, outage.until);
  out.outages.push_back(outage);
}

void read_change(const XmlElement& element, WorldPath& out) {
  element.attributes({"at-ms", "delay-ms", "jitter-ms", "loss-percent", "rate-kbps"});
  element.no_children();
  WorldChange change;
  element.text("at-ms");
  change.at = read_ms(element, "at-ms");
  change.delay = if_given(element, "delay-ms", read_ms(element, "delay-ms"));
  change.jitter = if_given(element, "jitter-ms", read_ms(element, "jitter-ms"));
  change.loss = if_given(element, "loss-percent", read_percent(element, "loss-percent"));
  change.rate_kbps = if_given(element, "rate-kbps", element.number("rate-kbps", 0, kRateMax, 0));
  if (!change.delay && !change.jitter && !change.loss && !change.rate_kbps) {
    element.fault(
        "found <change> that changes nothing, expected one of \"delay-ms\", \"jitter-ms\", "
        "\"loss-percent\", \"rate-kbps\"");
  }
  out.changes.push_back(change);
}

constexpr std::string_view kBoth[] = {"both", "ipv4", "ipv6"};

void read_path(const XmlElement& element, WorldFile& out) {
  element.attributes(
      {"interface", "families", "delay-ms", "jitter-ms", "loss-percent", "rate-kbps", "mtu", "lookup-ms"});
  WorldPath path;
  path.interface_name = element.word("interface");
  if (element.has("families")) {
    const std::string families = element.word("families", kBoth);
    path.ipv6 = families != "ipv4";
    path.ipv4 = families != "ipv6";
  }
  path.delay = read_ms(element, "delay-ms");
  path.jitter = read_ms(element, "jitter-ms");
  path.loss = read_percent(element, "loss-percent");
  path.rate_kbps = element.number("rate-kbps", 0, kRateMax, 0);
  path.mtu = element.number("mtu", kMtuLeast, kMtuMax, path.mtu);
  path.lookup = read_ms(element, "lookup-ms");
  element.children({{"block", [&](const XmlElement& one) { read_block(one, true, path.blocks); }, kBlocksMax},
                    {"down", [&](const XmlElement& one) { read_down(one, path); }, kBlocksMax},
                    {"change", [&](const XmlElement& one) { read_change(one, path); }, kBlocksMax}});
  if (std::ranges::contains(out.paths, path.interface_name, &WorldPath::interface_name)) {
    element.fault_in("interface",
                     std::format("found interface={} twice, expected another name", in_quotes(path.interface_name)));
  }
  out.paths.push_back(std::move(path));
}

constexpr std::string_view kOneFamily[] = {"ipv4", "ipv6"};
constexpr std::string_view kOutcomes[] = {"answer", "fail", "ignore"};

void read_records(const XmlElement& element, WorldHost& out, bool (&seen)[2]) {
  element.attributes({"family", "does", "after-ms", "chance-percent"});
  element.no_children();
  const bool ipv6 = element.word("family", kOneFamily) == "ipv6";
  if (std::exchange(seen[ipv6], true)) {
    element.fault(std::format("found <records family=\"{}\"> twice, expected it once", ipv6 ? "ipv6" : "ipv4"));
  }
  WorldRecords& records = ipv6 ? out.ipv6 : out.ipv4;
  if (element.has("does")) {
    records.outcome = static_cast<SimRecords::Outcome>(index_of(element.word("does", kOutcomes), kOutcomes));
  }
  records.after = read_ms(element, "after-ms");
  records.chance = read_percent(element, "chance-percent", kAlways);
}

bool is_ordinary(const Address& ip) {
  const bool ipv4 = ip.family == Address::Family::ipv4;
  const bool special = ipv4 ? ip.ip[0] == 0 || ip.ip[0] >= 224
                            : ip.ip[0] == 0xff || std::ranges::all_of(ip.ip, [](std::uint8_t b) { return b == 0; });
  return !special && !is_loopback(ip) && !is_link_local(ip);
}

bool is_client(const Address& ip) {
  const Address first = client_address(0, ip.family);
  return std::equal(ip.ip.begin(), ip.ip.begin() + (ip.family == Address::Family::ipv4 ? 2 : 6), first.ip.begin());
}

void read_address(const XmlElement& element, const WorldFile& world, WorldHost& out) {
  element.attributes({"ip", "delay-ms"});
  WorldAddress address;
  const std::string literal = element.text("ip");
  const auto parsed = literal.contains('%') ? std::nullopt : parse_address(literal, 0);
  if (!parsed || !is_ordinary(*parsed)) {
    element.fault_in("ip", std::format("found ip={}, expected the address of a host such as \"192.0.2.1\" or "
                                       "\"2001:db8::1\"",
                                       in_quotes(literal)));
  } else if (is_client(*parsed)) {
    element.fault_in("ip",
                     std::format("found ip={}, expected one outside of the client's own network", in_quotes(literal)));
  }
  address.ip = parsed.value_or(Address{});
  address.delay = read_ms(element, "delay-ms");
  element.children({{"block", [&](const XmlElement& one) { read_block(one, false, address.blocks); }, kBlocksMax}});
  const auto taken = [&](const WorldHost& host) {
    return std::ranges::any_of(host.addresses,
                               [&](const WorldAddress& other) { return same_ip(other.ip, address.ip); });
  };
  if (taken(out) || std::ranges::any_of(world.hosts, taken)) {
    element.fault_in("ip", std::format("found ip={} twice, expected another address", in_quotes(literal)));
  }
  out.addresses.push_back(std::move(address));
}

bool is_host_name(std::string_view text) {
  return !text.empty() && text.size() <= 253 && !parse_address(text, 0) &&
         text.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789-.") == std::string_view::npos;
}

std::string read_host_name(const XmlElement& element, const char* name) {
  std::string host = element.text(name);
  if (!host.empty() && !is_host_name(host)) {
    element.fault_in(name,
                     std::format("found {}={}, expected a name such as \"www.example.net\"", name, in_quotes(host)));
  }
  return host;
}

void read_host(const XmlElement& element, WorldFile& out) {
  element.attributes({"name"});
  WorldHost host;
  host.name = read_host_name(element, "name");
  bool seen[2] = {};
  element.children({{"records", [&](const XmlElement& one) { read_records(one, host, seen); }, 2},
                    {"address", [&](const XmlElement& one) { read_address(one, out, host); }, kAddressesMax}});
  if (std::ranges::contains(out.hosts, host.name, &WorldHost::name)) {
    element.fault_in("name", std::format("found host {} twice, expected another name", in_quotes(host.name)));
  }
  out.hosts.push_back(std::move(host));
}

void check_connect(const XmlElement& element, const WorldFile& world) {
  std::vector<std::string_view> names;
  names.reserve(world.hosts.size());
  for (const WorldHost& host : world.hosts) names.push_back(host.name);
  if (names.empty()) return element.fault("found <world> without a <host>, expected the one to connect to");
  if (std::ranges::contains(names, world.connect_host)) return;
  element.fault(std::format("found host={} in <connect>, {}", in_quotes(world.connect_host),
                            expected_one_of(world.connect_host, names)));
}

void read_world(const XmlElement& element, WorldFile& out) {
  element.attributes({"xmlns", "name", "summary", "xmlns:xsi", "xsi:schemaLocation"});  // the last two are for editors
  if (const std::string space = element.text("xmlns"); !space.empty() && space != kNamespace) {
    element.fault_in("xmlns", std::format("found xmlns={}, expected \"{}\"", in_quotes(space), kNamespace));
  }
  out.name = element.word("name");
  out.summary = element.value("summary");
  std::optional<XmlElement> connect;
  element.children({
      {"connect",
       [&](const XmlElement& child) {
         child.attributes({"host", "port"});
         child.no_children();
         out.connect_host = read_host_name(child, "host");
         out.connect_port = static_cast<std::uint16_t>(child.number("port", 1, 65'535, out.connect_port));
         connect = child;
       },
       1},
      {"names",
       [&](const XmlElement& child) {
         child.attributes({"resolver"});
         child.no_children();
         child.word("resolver", kNameResolvers);
         out.name_servers = true;
       },
       1},
      {"path", [&](const XmlElement& child) { read_path(child, out); }, kPathsMax},
      {"host", [&](const XmlElement& child) { read_host(child, out); }, kHostsMax},
  });
  if (out.paths.empty()) element.fault("found <world> without a <path>, expected the ways that the client has");
  if (!connect) return element.fault("found <world> without <connect>, expected whom the client wants to reach");
  check_connect(*connect, out);
}

}  // namespace

Address client_address(std::size_t path, Address::Family family) noexcept {
  // Global scope in both families: from a unique local address RFC 6724 rule 5 would prefer IPv4.
  Address address = family == Address::Family::ipv4 ? ip("100.64.0.2") : ip("2001:2::2");
  address.ip[family == Address::Family::ipv4 ? 2 : 7] = static_cast<std::uint8_t>(path + 1);
  return address;
}

Address name_server_address(std::size_t path, Address::Family family) noexcept {
  Address address = client_address(path, family);
  address.ip[family == Address::Family::ipv4 ? 3 : 15] = 53;
  return address;
}

Result<WorldFile> parse_world(std::string_view xml, const std::string& file) {
  if (xml.size() > kWorldBytesMax) return std::unexpected(too_large(file, kKind, kWorldBytesMax));
  WorldFile world;
  world.file = file;
  XmlFile reader(file, kKind);
  read_xml(reader, xml, kKind, [&](const XmlElement& root) { read_world(root, world); });
  if (reader.error()) return std::unexpected(*reader.error());
  return world;
}

Result<WorldFile> load_world(const std::string& path) {
  auto text = read_text_file(path, kKind, kWorldBytesMax);
  if (!text) return fail(std::move(text));
  return parse_world(*text, path);
}

}  // namespace trellis::simulation
