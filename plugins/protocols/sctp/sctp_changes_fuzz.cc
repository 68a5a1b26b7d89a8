// sctp_changes_fuzz.cc: any chunks, signed with the key of an association or not, ask it to change addresses or answer
// what it has asked; and any bytes are read as an offer, a request, an answer.
#include <algorithm>
#include <cstdlib>

#include "../../../tests/support/given.h"
#include "../tls/still_loop.h"
#include "crc32c.h"
#include "offer.h"
#include "peer_addresses.h"
#include "reconfiguration.h"

namespace {

using namespace trellis;
using namespace trellis::sctp;

struct QuietLoop final : tls::StillLoop {
  void secret(std::span<std::byte> out) noexcept override { std::ranges::fill(out, std::byte{7}); }
};

struct Changes final : ReconfigurationOwner {
  Changes() {
    const AddressRequest all[] = {{Change::add, known_address()}, {Change::remove, known_address()}};
    changing.ask(all);
  }
  Cause peer_asks(const AddressRequest& request) noexcept override {
    return request.address ? Cause{request.address.ip[3]} : Cause::none;
  }
  void peer_answered(const AddressRequest& request, Cause) noexcept override {
    if (!asking) std::abort();
    if (request.change == Change::add && changing.can(Change::add)) changing.ask(std::span(&request, 1));
  }
  Duration send_asconf(std::span<const std::byte> packet, unsigned) noexcept override {
    asking = true;
    check(packet);
    return std::chrono::seconds(1);
  }
  void send_asconf_ack(std::span<const std::byte> packet) noexcept override { check(packet); }
  void peer_is_silent() noexcept override { asking = false; }
  void peer_answers_nothing() noexcept override {}
  Address known_address() const noexcept override { return {.family = Address::Family::ipv4, .ip = {10, 0, 0, 1}}; }
  /// What goes out is whole, and signed.
  void check(std::span<const std::byte> packet) const {
    if (!packet_is_sound(packet) || !key.verify(chunks_of(packet)) || packet.size() > 1452) std::abort();
  }

  bool asking = false;
  QuietLoop loop;
  const Settings settings{test::Given(sctp_options(), {})};
  static constexpr std::byte kHeader[kPacketHeader] = {};
  const Authenticator key{own_offer({}).key_vector, own_offer({std::byte{1}}).key_vector, kSha256};
  Reconfiguration changing{*this, loop, settings, kHeader, key, 1, 1};
};

void read_all(std::span<const std::byte> bytes) {
  std::ignore = offer_in(bytes);
  std::ignore = read_asconf(bytes);
  std::ignore = read_asconf_ack(bytes, 3);
  std::ignore = facts_in_answer(bytes);
  if (const auto with = with_offer(bytes, Random()); !with.empty() && !offer_in_packet(with).key_vector.empty()) {
    if (!packet_is_sound(with)) std::abort();
  }
}

}  // namespace

// Of each packet the first byte says what happens, the second how long it is.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Changes all;
  while (size >= 2) {
    const std::uint8_t how = data[0];
    const std::size_t length = std::min<std::size_t>(data[1] * 2u, size - 2);
    const bool is_signed = (how & 1) != 0;
    std::vector<std::byte> packet(kPacketHeader + (is_signed ? all.key.chunk_bytes() : 0));
    for (const std::uint8_t byte : std::span(data + 2, length)) packet.push_back(static_cast<std::byte>(byte));
    read_all(std::span(packet).subspan(kPacketHeader));
    read_all(packet);
    if (is_signed) all.key.sign(std::span(packet).subspan(kPacketHeader));
    seal_packet(packet);
    std::vector<std::byte> room(packet.size());
    const auto left = all.changing.take(packet, room);
    if (!left.empty() && (!packet_is_sound(left) || Reconfiguration::concerns(left))) std::abort();
    if ((how & 2) != 0) all.loop.time += std::chrono::seconds(how);
    all.changing.run();
    data += 2 + length;
    size -= 2 + length;
  }
  return 0;
}
