#include "link_question.h"

#include <algorithm>
#include <array>
#include <optional>

#include "records.h"

namespace trellis::dns {
namespace {

using std::chrono::seconds;

// After which time it is asked again; the last one ends it (RFC 6762 section 5.2: at least a second, then twice that).
constexpr std::array<Duration, 3> kPauses{seconds(1), seconds(2), seconds(1)};
constexpr std::size_t kMessageMost = 9000;  // RFC 6762 section 17
constexpr std::size_t kNameMost = 255, kLabelMost = 63;
constexpr std::uint8_t kHops = 255;  // RFC 6762 section 11

constexpr Address kGroup4{
    .family = Address::Family::ipv4, .hop_limit = kHops, .port = LinkQuestion::kPort, .ip = {224, 0, 0, 251}};
constexpr Address kGroup6{.family = Address::Family::ipv6,
                          .hop_limit = kHops,
                          .port = LinkQuestion::kPort,
                          .ip = {0xff, 0x02, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xfb}};

bool is_digit(char c) noexcept { return c >= '0' && c <= '9'; }

/// The next label of a name, its escapes taken out (RFC 1035 section 5.1); none: it is malformed.
std::optional<std::string> take_label(std::string_view& name) {
  std::string label;
  while (!name.empty() && name.front() != '.') {
    if (name.front() != '\\') {
      label += name.front();
      name.remove_prefix(1);
    } else if (name.size() >= 4 && std::ranges::all_of(name.substr(1, 3), is_digit)) {
      const int byte = (name[1] - '0') * 100 + (name[2] - '0') * 10 + (name[3] - '0');
      if (byte > 255) return std::nullopt;
      label += static_cast<char>(byte);
      name.remove_prefix(4);
    } else if (name.size() >= 2) {
      label += name[1];
      name.remove_prefix(2);
    } else {
      return std::nullopt;
    }
  }
  if (!name.empty()) name.remove_prefix(1);
  if (label.empty() || label.size() > kLabelMost) return std::nullopt;
  return label;
}

void put16(std::vector<std::byte>& out, unsigned value) {
  out.push_back(std::byte(value >> 8));
  out.push_back(std::byte(value));
}

}  // namespace

bool is_of_the_link(std::string_view name) noexcept {
  if (name.ends_with('.')) name.remove_suffix(1);
  constexpr std::string_view kLocal = "local";
  if (name.size() < kLocal.size()) return false;
  const auto same = [](char a, char b) { return (a | 0x20) == b; };
  if (!std::ranges::equal(name.substr(name.size() - kLocal.size()), kLocal, same)) return false;
  return name.size() == kLocal.size() || name[name.size() - kLocal.size() - 1] == '.';
}

std::vector<std::byte> write_question(std::uint16_t id, std::string_view name, ares_dns_rec_type_t type) {
  std::vector<std::byte> out;
  put16(out, id);
  put16(out, 0);  // a standard query
  put16(out, 1);  // with one question
  out.resize(12);
  if (name.ends_with('.') && !name.ends_with("\\.")) name.remove_suffix(1);
  do {
    const auto label = take_label(name);
    if (!label) return {};
    out.push_back(std::byte(label->size()));
    for (const char c : *label) out.push_back(std::byte(c));
  } while (!name.empty());
  out.push_back(std::byte{0});
  if (out.size() > 12 + kNameMost) return {};
  put16(out, type);
  put16(out, ARES_CLASS_IN);
  return out;
}

LinkQuestion::LinkQuestion(Executor& executor, const AresSockets::Binding& binding, Owner& owner)
    : executor_(executor), binding_(binding), owner_(owner) {
  std::array<std::byte, 2> drawn{};
  executor.secret(drawn);
  id_ = static_cast<std::uint16_t>(std::to_integer<unsigned>(drawn[0]) << 8 | std::to_integer<unsigned>(drawn[1]));
  groups_.push_back({kGroup6, nullptr});
  groups_.push_back({kGroup4, nullptr});
  // Only an interface says which link is meant by IPv6; IPv4 goes where its routes lead.
  if (binding_.interface_name.empty()) groups_.erase(groups_.begin());
}

LinkQuestion::~LinkQuestion() { *alive_ = false; }

Result<void> LinkQuestion::ask(std::string_view name, ares_dns_rec_type_t type) {
  question_ = write_question(id_, name, type);
  if (question_.empty())
    return fail(Reason::invalid_argument, "the name cannot be asked for: labels have 1 to 63 bytes, names 253 at most",
                0, "dns");
  return send();
}

// One family may not be there; a link that takes neither is none.
Result<void> LinkQuestion::send() {
  Result<void> worst;
  std::size_t sent = 0;
  for (Group& group : groups_) {
    auto how = send_to(group);
    if (how)
      ++sent;
    else
      worst = std::move(how);
  }
  if (sent == 0) return worst;
  arm(executor_, executor_.now() + kPauses[sent_++]);
  return {};
}

Result<void> LinkQuestion::send_to(Group& group) {
  if (group.socket == nullptr) {
    SocketSpec spec{.kind = SocketSpec::Kind::datagram,
                    .role = SocketSpec::Role::unconnected,
                    .family = group.address.family,
                    .interface_name = binding_.interface_name};
    if (binding_.local.family == group.address.family) spec.local = binding_.local;
    auto opened = executor_.sockets().open(spec);
    if (!opened) return fail(std::move(opened));
    group.socket = std::move(*opened);
    if (auto watched = group.socket->watch(*this, Ready::readable); !watched) return watched;
  }
  Chunk chunk{.data = executor_.pool().allocate(0, static_cast<std::uint32_t>(question_.size()), 0),
              .info = new_message(),
              .end_of_message = true};
  std::ranges::copy(question_, chunk.data.edit().begin());
  chunk.info->remote = group.address;
  Batch batch;
  batch.add(std::move(chunk));
  auto io = group.socket->send(batch);
  if (!io) return fail(std::move(io));
  return {};  // what is blocked is asked again
}

void LinkQuestion::on_ready(Socket& socket, Ready) noexcept {
  const std::shared_ptr<bool> alive = alive_;
  Batch come;
  if (const auto io = socket.receive(come, kMessageMost); !io && come.empty()) return;  // an error of ICMP's
  while (!come.empty() && *alive && read_ < kMessagesMost) {
    const Chunk datagram = come.pop();
    if (!take(datagram)) return;
  }
  if (*alive && read_ >= kMessagesMost) {
    groups_.clear();
    arm(executor_, executor_.now());
  }
}

// Whoever answers does so from the port of multicast DNS and repeats the id (RFC 6762 section 6.7). False: it is gone.
bool LinkQuestion::take(const Chunk& datagram) {
  ++read_;
  const auto bytes = datagram.data.bytes();
  const Address from = datagram.info ? datagram.info->remote : Address{};
  if (from.port != kPort) return pass_over("another port than 5353");
  if (bytes.size() > kMessageMost) return pass_over("more than 9000 bytes");
  ares_dns_record_t* parsed = nullptr;
  const auto* data = reinterpret_cast<const unsigned char*>(bytes.data());
  if (ares_dns_parse(data, bytes.size(), 0, &parsed) != ARES_SUCCESS) return pass_over("a malformed message");
  const std::unique_ptr<ares_dns_record_t, decltype(&ares_dns_record_destroy)> message(parsed, ares_dns_record_destroy);
  const bool answers = (ares_dns_record_get_flags(parsed) & ARES_FLAG_QR) != 0;
  if (!answers) return pass_over("no answer");
  if (ares_dns_record_get_id(parsed) != id_) return pass_over("another id");
  if (ares_dns_record_get_rcode(parsed) != ARES_RCODE_NOERROR) return true;  // RFC 6762 section 18.11
  const std::shared_ptr<bool> alive = alive_;
  owner_.link_answered(*this, *parsed, from);
  return *alive;
}

bool LinkQuestion::pass_over(const char* why) {
  ++passed_over_;
  fault_ = why;
  return true;
}

std::string LinkQuestion::faults() const {
  if (passed_over_ == 0) return {};
  return "passed over " + std::to_string(passed_over_) + " datagrams, the last one for " + fault_;
}

void LinkQuestion::on_alarm() noexcept {
  if (sent_ < kPauses.size() && !groups_.empty() && send()) return;
  owner_.link_silent(*this);
}

}  // namespace trellis::dns
