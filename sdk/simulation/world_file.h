// world_file.h: a world file (policies/worlds/world.xsd) as checked values: the network that a simulated client lives
// in, and what is wrong with it.
//
// Whatever may differ between runs is a range, "8..40": each run draws its own value. The reader is strict: unknown
// elements, attributes and words are refused with "file:line: message".
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "loop/seeded_random.h"
#include "loop/sim_link.h"
#include "loop/sim_resolver.h"
#include "trellis/address.h"
#include "trellis/result.h"

namespace trellis::simulation {

inline constexpr std::size_t kWorldBytesMax = 1 << 20;
inline constexpr int kPathsMax = 8;
inline constexpr int kHostsMax = 32;
inline constexpr int kAddressesMax = 32;  ///< of one host
inline constexpr int kBlocksMax = 32;     ///< of one path or address; the same for outages and changes

/// A number that each run draws anew, both ends included. Kept in thousandths.
struct Range {
  std::uint32_t least = 0, most = 0;
  std::uint32_t draw(SeededRandom random) const noexcept {
    return least + static_cast<std::uint32_t>(random.below(std::uint64_t{most} - least + 1));
  }
  /// Of a range of milliseconds.
  Duration draw_ms(SeededRandom random) const noexcept { return std::chrono::microseconds(draw(random)); }
  /// Of a range of percents: 0 … 1.
  double draw_share(SeededRandom random) const noexcept { return draw(random) / 100'000.0; }
};
inline constexpr Range kAlways{100'000, 100'000};  ///< as a chance in percent

/// <block>: packets that do not get through, always or for a while.
struct WorldBlock {
  PacketFilter packets;
  Range chance = kAlways;           ///< that a run has it
  Range from{};                     ///< milliseconds from the beginning of the race
  std::optional<Range> until = {};  ///< none: for ever
};

/// <down>: the link of a path is away, as in a tunnel.
struct WorldOutage {
  Range chance = kAlways;
  Range from{};
  std::optional<Range> until = {};
};

/// <change>: other conditions from a moment on.
struct WorldChange {
  Range at{};
  std::optional<Range> delay = {}, jitter = {}, loss = {};
  std::optional<std::uint32_t> rate_kbps = {};
};

/// <path>: an interface of the client and the link behind it.
struct WorldPath {
  std::string interface_name;
  bool ipv6 = true, ipv4 = true;
  Range delay{}, jitter{}, loss{};  ///< one way; milliseconds, milliseconds, percent
  std::uint32_t rate_kbps = 0;      ///< 0: unlimited
  std::uint32_t mtu = 1500;
  Range lookup{};  ///< milliseconds that a question to the name servers of this path takes
  std::vector<WorldBlock> blocks = {};
  std::vector<WorldOutage> outages = {};
  std::vector<WorldChange> changes = {};
};

/// <records>: what the name servers say about one family of a host's addresses.
struct WorldRecords {
  SimRecords::Outcome outcome = SimRecords::Outcome::answer;
  Range chance = kAlways;  ///< that a run has this outcome; otherwise they answer
  Range after{};           ///< milliseconds besides the lookup time of the path
};

/// <address>: of a host; somebody listens there on the port of <connect>.
struct WorldAddress {
  Address ip{};
  Range delay{};  ///< milliseconds one way, besides those of the path
  std::vector<WorldBlock> blocks = {};
};

/// <host>: a name with addresses.
struct WorldHost {
  std::string name;
  WorldRecords ipv6, ipv4;
  std::vector<WorldAddress> addresses = {};
};

struct WorldFile {
  std::string file;
  std::string name;
  std::string summary;
  std::string connect_host;  ///< <connect>: whom the client wants to reach; a host of this world
  std::uint16_t connect_port = 443;
  /// <names>: each path has a name server, which the policy's resolver `dns` asks with packets. Without it answers come
  /// by themselves.
  bool name_servers = false;
  std::vector<WorldPath> paths;  ///< the first one that is up is the default route
  std::vector<WorldHost> hosts;
};

Result<WorldFile> load_world(const std::string& path);
/// `file` is for messages.
Result<WorldFile> parse_world(std::string_view xml, const std::string& file);

/// The file behind a word of the command line: a path, or the name of a world that is shipped with Trellis. Errors name
/// the nearest world.
Result<std::string> find_world(const std::string& word);

/// Names of the worlds that are shipped.
std::vector<std::string> shipped_worlds();

/// The addresses that the client has on its n-th path: they are taken.
Address client_address(std::size_t path, Address::Family family) noexcept;
/// That of the name server of the n-th path.
Address name_server_address(std::size_t path, Address::Family family) noexcept;

}  // namespace trellis::simulation
