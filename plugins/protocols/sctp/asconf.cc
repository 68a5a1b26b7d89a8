// asconf.cc: reading and writing them.
#include "asconf.h"

#include <algorithm>

#include "peer_addresses.h"

namespace trellis::sctp {
namespace {

constexpr std::uint16_t kErrorCauses = 0xc003, kSuccess = 0xc005;
constexpr std::size_t kNumber = 4;         // bytes of a serial number or correlation
constexpr std::size_t kAckMost = 1024;     // bytes: it fits every packet
constexpr std::size_t kRequestsMost = 16;  // of a chunk that are looked at
constexpr std::uint16_t kReport = 0x4000;  // bits of a type that is unknown: say so (RFC 9260 section 3.2.1)
constexpr std::uint16_t kGoOn = 0x8000;    // and what follows counts

std::vector<std::byte> number(std::uint32_t value) {
  std::vector<std::byte> made(kNumber);
  write_32(made, 0, value);
  return made;
}

bool is_zero(const Address& a) noexcept {
  return std::ranges::all_of(a.ip, [](std::uint8_t octet) { return octet == 0; });
}

// Of a parameter whose value is a correlation and an address.
std::optional<AddressRequest> request_in(const Item& parameter) noexcept {
  const auto change = static_cast<Change>(parameter.type);
  if (change != Change::add && change != Change::remove && change != Change::prefer) return {};
  if (parameter.value.size() < kNumber) return {};
  auto inside = parameter.value.subspan(kNumber);
  const auto item = take_item(inside);
  auto address = item ? read_address(*item) : std::nullopt;
  if (!address || !inside.empty()) return {};
  return AddressRequest{change, is_zero(*address) ? Address() : *address};
}

}  // namespace

std::string_view text_of(Cause cause) noexcept {
  switch (cause) {
    case Cause::none: return "it is done";
    case Cause::unresolvable_address: return "the address cannot be used";
    case Cause::unrecognized_parameters: return "the peer does not know how";
    case Cause::last_address: return "it is the last one";
    case Cause::resource_shortage: return "the peer has no room for it";
    case Cause::source_address: return "it was used to ask";
    case Cause::illegal_ack: return "the peer was not asked";
    case Cause::no_authorization: return "the peer does not allow it";
  }
  return "the peer does not say why";
}

std::vector<std::byte> write_asconf(std::uint32_t serial, const Address& known, std::span<const AddressRequest> all) {
  std::vector<std::byte> value = number(serial);
  append_address(value, known);
  for (std::uint32_t i = 0; i < all.size(); ++i) {
    std::vector<std::byte> asked = number(i);
    append_address(asked, all[i].address);
    append_item(value, static_cast<std::uint16_t>(all[i].change), asked);
  }
  return value;
}

std::optional<Asconf> read_asconf(std::span<const std::byte> value) {
  if (value.size() < kNumber) return {};
  Asconf read{.serial = read_32(value, 0)};
  auto rest = value.subspan(kNumber);
  const auto known = take_item(rest);
  if (!known || !read_address(*known)) return {};
  while (read.requests.size() < kRequestsMost) {
    const auto whole = rest;
    const auto parameter = take_item(rest);
    if (!parameter) break;
    const auto& asked = parameter->value;
    read.requests.push_back({.correlation = asked.size() < kNumber ? 0 : read_32(asked, 0),
                             .request = request_in(*parameter),
                             .type = parameter->type,
                             .parameter = whole.first(kChunkHeader + asked.size())});
    const auto& last = read.requests.back();
    if (!last.request && (last.type & kGoOn) == 0) break;
  }
  return read;
}

AsconfAck::AsconfAck(std::uint32_t serial) : value_(number(serial)) {}

bool AsconfAck::add(const ReceivedRequest& asked, Cause cause) {
  if (cause == Cause::unrecognized_parameters && (asked.type & kReport) == 0) return true;
  const bool good = cause == Cause::none;
  std::vector<std::byte> word = number(asked.correlation);
  if (!good) append_item(word, static_cast<std::uint16_t>(cause), asked.parameter);
  if (value_.size() + kChunkHeader + padded(word.size()) > kAckMost) return false;
  append_item(value_, good ? kSuccess : kErrorCauses, word);
  pad(value_);
  return true;
}

// Before a failure no word is success, behind it no word is failure.
std::optional<std::vector<Cause>> read_asconf_ack(std::span<const std::byte> value, std::size_t requests) {
  if (value.size() < kNumber) return {};
  std::vector<std::optional<Cause>> said(requests);
  auto rest = value.subspan(kNumber);
  while (const auto parameter = take_item(rest)) {
    const auto& about = parameter->value;
    if (about.size() < kNumber || read_32(about, 0) >= requests) continue;
    auto& one = said[read_32(about, 0)];
    if (parameter->type == kSuccess) one = Cause::none;
    if (parameter->type != kErrorCauses || about.size() < kNumber + kChunkHeader) continue;
    const auto cause = static_cast<Cause>(read_16(about, kNumber));
    one = cause == Cause::none ? Cause::no_authorization : cause;
  }
  std::vector<Cause> all;
  Cause silence = Cause::none;
  for (const auto& one : said) {
    if (one && *one != Cause::none) silence = *one;
    all.push_back(one.value_or(silence));
  }
  return all;
}

}  // namespace trellis::sctp
