// sctp_paths_fuzz.cc: any packets, from the peer and from the library, pass the paths of an association, and time
// passes; any bytes are read as the addresses of a handshake. Data always have a path, one that was confirmed.
#include <algorithm>
#include <cstdlib>
#include <vector>

#include "../../../tests/support/given.h"
#include "../tls/still_loop.h"
#include "path_set.h"
#include "peer_addresses.h"

namespace {

using namespace trellis;
using namespace trellis::sctp;

struct FuzzedLoop final : tls::StillLoop {
  void secret(std::span<std::byte> out) noexcept override { std::ranges::fill(out, std::byte{7}); }
};

struct Paths final : PathSetOwner {
  Paths() {
    for (std::uint8_t i = 1; i <= 3; ++i) {
      const Address at{.family = Address::Family::ipv4, .ip = {10, 0, 0, i}};
      SctpPath& path = *set.add(at, at, i == 1 ? PathState::active : PathState::unconfirmed);
      path.out = &path.own_out.emplace(loop.pool(), LowerPort(link), MessageRef());
    }
  }
  void has_packets(SctpPath&) noexcept override {}
  void path_became(const SctpPath&, PathState) noexcept override {}
  void data_moved(const SctpPath&, bool) noexcept override {}
  void check() const {
    if (set.in_use().health.state() == PathState::unconfirmed || set.text().empty()) std::abort();
  }

  FuzzedLoop loop;
  const Settings settings{test::Given(sctp_options(), {})};
  Link link;
  static constexpr std::byte kHeader[kPacketHeader] = {};
  PathSet set{*this, loop, settings, kHeader};
};

void read_any(std::span<const std::byte> packet) {
  const Address known{.family = Address::Family::ipv4, .ip = {10, 0, 0, 1}};
  if (addresses_in(packet, known).size() > kAddressesMost) std::abort();
  if (facts_in_cookie(packet, known).addresses.size() > kAddressesMost) std::abort();
  std::vector<std::byte> room(packet.size() + kAddressRoom);
  if (const auto with = with_addresses(packet, std::span(&known, 1), room); !with.empty()) {
    if (with.size() > room.size()) std::abort();
  }
}

}  // namespace

// Of each packet the first byte says what happens, the second how long it is.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Paths paths;
  for (; size >= 2;) {
    const std::uint8_t how = data[0];
    const std::size_t length = std::min<std::size_t>(data[1] * 4u, size - 2);
    std::vector<std::byte> packet(kPacketHeader);
    for (const std::uint8_t byte : std::span(data + 2, length)) packet.push_back(static_cast<std::byte>(byte));
    read_any(packet);
    SctpPath& path = *paths.set.all()[how % paths.set.all().size()];
    if ((how & 0x10) != 0) paths.set.came(path, packet);
    if ((how & 0x20) != 0) paths.set.take_packet(packet, 0, (how & 0x40) != 0);
    if ((how & 0x80) != 0) paths.loop.time += std::chrono::milliseconds(how * 20);
    paths.set.left();
    if (how == 3) paths.set.prefer(path);
    if (how == 5) paths.set.vanish(path);
    if (how == 7) paths.set.probe(path);
    if (how == 11) paths.set.remove(path);
    paths.set.run();
    paths.check();
    data += 2 + length;
    size -= 2 + length;
  }
  return 0;
}
