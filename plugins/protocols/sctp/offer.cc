// offer.cc: reading and writing it.
#include "offer.h"

#include <usrsctp.h>

#include <algorithm>

#include "crc32c.h"

namespace trellis::sctp {
namespace {

constexpr std::uint16_t kRandom = 0x8002, kChunks = 0x8003, kHmacs = 0x8004, kExtensions = 0x8008;
constexpr std::byte kChanging[] = {std::byte{SCTP_ASCONF}, std::byte{SCTP_ASCONF_ACK}};
constexpr std::byte kAlgorithms[] = {std::byte{0}, std::byte{kSha256}, std::byte{0}, std::byte{kSha1}};

void append_padded(std::vector<std::byte>& to, std::uint16_t type, std::span<const std::byte> value) {
  append_item(to, type, value);
  pad(to);
}

bool has(const Item& list, std::uint8_t chunk) noexcept {
  return std::ranges::contains(list.value, static_cast<std::byte>(chunk));
}

std::uint16_t best_hmac(std::span<const std::byte> list) noexcept {
  for (; list.size() >= 2; list = list.subspan(2)) {
    const std::uint16_t one = read_16(list, 0);
    if (one == kSha1 || one == kSha256) return one;
  }
  return 0;
}

// Behind the extensions that the library has listed.
void append_own(std::vector<std::byte>& to, std::vector<std::byte> extensions, const Random& random) {
  for (const int chunk : {SCTP_ASCONF, SCTP_ASCONF_ACK, SCTP_AUTHENTICATION})
    extensions.push_back(static_cast<std::byte>(chunk));
  append_padded(to, kExtensions, extensions);
  append_padded(to, kRandom, random);
  append_padded(to, kChunks, kChanging);
  append_padded(to, kHmacs, kAlgorithms);
}

}  // namespace

Offer offer_in(std::span<const std::byte> parameters) {
  Item random, chunks, hmacs;
  bool asconf = false, ack = false, auth = false;
  while (const auto parameter = take_item(parameters)) {
    for (Item* const one : {&random, &chunks, &hmacs}) {
      const std::uint16_t type = one == &random ? kRandom : one == &chunks ? kChunks : kHmacs;
      if (parameter->type == type && one->type == 0) *one = *parameter;
    }
    if (parameter->type != kExtensions) continue;
    asconf |= has(*parameter, SCTP_ASCONF);
    ack |= has(*parameter, SCTP_ASCONF_ACK);
    auth |= has(*parameter, SCTP_AUTHENTICATION);
  }
  Offer offer;
  offer.hmac = best_hmac(hmacs.value);
  const bool demands =
      std::ranges::all_of(kChanging, [&](std::byte c) { return std::ranges::contains(chunks.value, c); });
  offer.complete = asconf && ack && auth && demands && offer.hmac != 0 && random.value.size() == sizeof(Random);
  offer.demands_more =
      std::ranges::any_of(chunks.value, [](std::byte c) { return !std::ranges::contains(kChanging, c); });
  if (!offer.complete) return offer;
  for (const Item* const one : {&random, &chunks, &hmacs}) append_item(offer.key_vector, one->type, one->value);
  return offer;
}

Offer own_offer(const Random& random) {
  std::vector<std::byte> parameters;
  append_own(parameters, {}, random);
  return offer_in(parameters);
}

Offer offer_in_packet(std::span<const std::byte> packet) {
  auto rest = chunks_of(packet);
  const auto init = take_item(rest);
  const bool is_init = init && (init->chunk() == SCTP_INITIATION || init->chunk() == SCTP_INITIATION_ACK);
  return is_init && init->value.size() >= kInitFields ? offer_in(init->value.subspan(kInitFields)) : Offer();
}

// The library's list of extensions goes on with ours: there is to be one.
std::vector<std::byte> with_offer(std::span<const std::byte> packet, const Random& random) {
  auto rest = chunks_of(packet);
  const auto init = take_item(rest);
  if (!init || init->value.size() < kInitFields || !rest.empty()) return {};
  constexpr std::size_t kFront = kPacketHeader + kChunkHeader + kInitFields;
  std::vector<std::byte> made(packet.begin(), packet.begin() + kFront), extensions;
  auto parameters = init->value.subspan(kInitFields);
  while (const auto parameter = take_item(parameters)) {
    if (parameter->type == kExtensions)
      extensions.insert(extensions.end(), parameter->value.begin(), parameter->value.end());
    else
      append_padded(made, parameter->type, parameter->value);
  }
  append_own(made, extensions, random);
  write_16(made, kPacketHeader + 2, made.size() - kPacketHeader);
  seal_packet(made);
  return made;
}

}  // namespace trellis::sctp
