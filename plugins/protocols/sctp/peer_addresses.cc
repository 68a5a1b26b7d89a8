// peer_addresses.cc: reading and writing them.
#include "peer_addresses.h"

#include <arpa/inet.h>
#include <usrsctp.h>

#include <algorithm>
#include <cstring>
#include <format>
#include <ranges>
#include <string>

#include "crc32c.h"
#include "sctp_settings.h"

namespace trellis::sctp {
namespace {

constexpr std::uint16_t kIpv4Parameter = 5, kIpv6Parameter = 6, kCookieParameter = 7;
constexpr std::size_t kCookieFields = 112;  // usrsctp's struct sctp_state_cookie (0.9.5); the INIT is behind it

std::size_t bytes_of(const Address& address) noexcept { return address.family == Address::Family::ipv6 ? 16 : 4; }

std::uint16_t parameter_of(const Address& address) noexcept {
  return address.family == Address::Family::ipv6 ? kIpv6Parameter : kIpv4Parameter;
}

enum class Reach : std::uint8_t { nowhere, host, site, everywhere };

Reach reach_of(const Address& a) noexcept {
  if (!a || is_multicast(a)) return Reach::nowhere;
  const auto& ip = a.ip;
  if (a.family == Address::Family::ipv6) {
    const bool zeros = std::ranges::all_of(std::span(ip).first(15), [](std::uint8_t b) { return b == 0; });
    if (zeros) return ip[15] == 1 ? Reach::host : Reach::nowhere;
    if (ip[0] == 0xfe && (ip[1] & 0xc0) == 0x80) return Reach::nowhere;  // of one link
    return (ip[0] & 0xfe) == 0xfc ? Reach::site : Reach::everywhere;
  }
  if (ip[0] == 0 || ip[0] == 255 || (ip[0] == 169 && ip[1] == 254)) return Reach::nowhere;
  if (ip[0] == 127) return Reach::host;
  const bool ours = ip[0] == 10 || (ip[0] == 172 && (ip[1] & 0xf0) == 16) || (ip[0] == 192 && ip[1] == 168);
  return ours ? Reach::site : Reach::everywhere;
}

std::vector<Address> addresses_of(std::span<const std::byte> parameters, const Address& known) {
  std::vector<Address> all;
  while (const auto parameter = take_item(parameters)) {
    auto one = read_address(*parameter);
    if (!one || !may_be_told(*one, known) || same_host(*one, known) || has_host(all, *one)) continue;
    one->port = known.port;
    all.push_back(*one);
    if (all.size() == kAddressesMost) break;
  }
  return all;
}

std::span<const std::byte> parameters_of(const Item& init) noexcept {
  return init.value.size() < kInitFields ? std::span<const std::byte>() : init.value.subspan(kInitFields);
}

// Behind the fields of a cookie are the peer's INIT and our INIT ACK, the length of which is not written yet.
CookieFacts facts_in(std::span<const std::byte> cookie, const Address* known) {
  if (cookie.size() < kCookieFields) return {};
  auto inside = cookie.subspan(kCookieFields);
  const auto init = take_item(inside);
  if (!init || init->chunk() != SCTP_INITIATION || init->value.size() < kInitFields) return {};
  if (inside.size() < kChunkHeader + kInitFields || inside[0] != std::byte{SCTP_INITIATION_ACK}) return {};
  const auto parameters = parameters_of(*init);
  return {.peer_tag = read_32(init->value, 0),
          .peer_tsn = read_32(init->value, kTsnInInit),
          .own_tsn = read_32(inside, kChunkHeader + kTsnInInit),
          .addresses = known != nullptr ? addresses_of(parameters, *known) : std::vector<Address>(),
          .offer = offer_in(parameters)};
}

}  // namespace

bool same_host(const Address& a, const Address& b) noexcept { return a.family == b.family && a.ip == b.ip; }

Address host_of(const Address& address) noexcept { return {.family = address.family, .ip = address.ip}; }

bool has_host(std::span<const Address> all, const Address& one) noexcept {
  return std::ranges::any_of(all, [&](const Address& a) { return same_host(a, one); });
}

std::string text_of(const Address& address) {
  if (!address) return "any";
  char text[INET6_ADDRSTRLEN] = "";
  inet_ntop(address.family == Address::Family::ipv6 ? AF_INET6 : AF_INET, address.ip.data(), text, sizeof text);
  return text;
}

bool may_be_told(const Address& address, const Address& known) noexcept {
  const Reach reach = reach_of(address);
  return reach != Reach::nowhere && (reach == Reach::host) == (reach_of(known) == Reach::host) &&
         reach >= reach_of(known);
}

std::optional<Address> read_address(const Item& parameter) noexcept {
  Address one;
  if (parameter.type == kIpv4Parameter) one.family = Address::Family::ipv4;
  if (parameter.type == kIpv6Parameter) one.family = Address::Family::ipv6;
  if (!one || parameter.value.size() != bytes_of(one)) return {};
  std::memcpy(one.ip.data(), parameter.value.data(), parameter.value.size());
  return one;
}

void append_address(std::vector<std::byte>& to, const Address& address) {
  append_item(to, parameter_of(address), std::as_bytes(std::span(address.ip).first(bytes_of(address))));
}

Result<std::vector<Address>> read_addresses(std::string_view text) {
  std::vector<Address> all;
  for (const auto& part : std::views::split(text, ' ')) {
    const std::string word(std::string_view(part.begin(), part.end()));
    if (word.empty()) continue;
    Address one{.family = word.contains(':') ? Address::Family::ipv6 : Address::Family::ipv4};
    const int family = one.family == Address::Family::ipv6 ? AF_INET6 : AF_INET;
    const bool good = inet_pton(family, word.c_str(), one.ip.data()) == 1 && reach_of(one) != Reach::nowhere;
    if (!good || all.size() == kAddressesMost) {
      return fail(Reason::configuration,
                  std::format("found addresses='{}', expected up to {} addresses of this host like 192.0.2.7 or "
                              "2001:db8::7",
                              text, kAddressesMost),
                  0, kLayer);
    }
    all.push_back(one);
  }
  return all;
}

std::vector<Address> addresses_in(std::span<const std::byte> packet, const Address& known) {
  auto chunks = chunks_of(packet);
  const auto init = take_item(chunks);
  const bool is_init = init && (init->chunk() == SCTP_INITIATION || init->chunk() == SCTP_INITIATION_ACK);
  return is_init ? addresses_of(parameters_of(*init), known) : std::vector<Address>();
}

std::span<std::byte> with_addresses(std::span<const std::byte> packet, std::span<const Address> addresses,
                                    std::span<std::byte> room) noexcept {
  auto rest = chunks_of(packet);
  const auto init = take_item(rest);
  std::size_t end = padded(packet.size());
  if (!init || !rest.empty() || room.size() < end + addresses.size() * 20) return {};
  std::ranges::copy(packet, room.begin());
  std::fill(room.begin() + static_cast<std::ptrdiff_t>(packet.size()), room.begin() + static_cast<std::ptrdiff_t>(end),
            std::byte());
  for (const Address& one : addresses) {
    const std::size_t bytes = bytes_of(one);
    write_16(room, end, parameter_of(one));
    write_16(room, end + 2, kChunkHeader + bytes);
    std::memcpy(room.data() + end + kChunkHeader, one.ip.data(), bytes);
    end += kChunkHeader + bytes;
  }
  write_16(room, kPacketHeader + 2, end - kPacketHeader);
  seal_packet(room.first(end));
  return room.first(end);
}

CookieFacts facts_in_cookie(std::span<const std::byte> packet, const Address& known) {
  auto chunks = chunks_of(packet);
  const auto echo = take_item(chunks);
  return echo && echo->chunk() == SCTP_COOKIE_ECHO ? facts_in(echo->value, &known) : CookieFacts();
}

CookieFacts facts_in_answer(std::span<const std::byte> packet) {
  auto chunks = chunks_of(packet);
  const auto answer = take_item(chunks);
  if (!answer || answer->chunk() != SCTP_INITIATION_ACK) return {};
  auto parameters = parameters_of(*answer);
  while (const auto parameter = take_item(parameters)) {
    if (parameter->type == kCookieParameter) return facts_in(parameter->value, nullptr);
  }
  return {};
}

}  // namespace trellis::sctp
