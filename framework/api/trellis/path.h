// path.h: ways out of this host, and the plugins that find them.
#pragma once
#include <array>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "trellis/executor.h"
#include "trellis/option.h"

namespace trellis {

/// A name, an address, or both: an address that came from a name keeps it (RFC 9622 section 6.1).
struct Endpoint {
  std::string host = {};   ///< name or address literal; empty for local endpoints without one
  std::uint16_t port = 0;  ///< host byte order; 0: unset
  /// Of a multicast group: how many hops what is sent to it may go (RFC 9622 section 6.1.1: WithHopLimit). 1: the link;
  /// 0: this host, which Linux obeys only where it is a member; none: the system's default, 1 (RFC 1112 section 6.1).
  std::optional<std::uint8_t> hop_limit = {};
  /// Unset: still to be resolved. A multicast address is a group (RFC 9622 section 6.1.1): of a remote endpoint, whom
  /// initiate() sends to (WithMulticastGroupIP); of a local one, what listen() joins (WithAnySourceMulticastGroupIP).
  Address address{};
  /// Which service of the host (RFC 9622 section 6.1): "https", or one with SRV records, "chat" or "sip/udp"; empty:
  /// the port says it.
  std::string service = {};
  /// Which of several who offer the service in the domain `host` (DNS-SD, RFC 6763 section 4): "Office printer"; "*":
  /// any of them; empty: the host itself offers it.
  std::string instance = {};
  /// The layer that a stack must have to use it, "quic" (RFC 9622 section 6.1.3: WithProtocol); empty: any stack may.
  std::string protocol = {};
};

/// What kind of link an interface has (RFC 9622 section 6.2.11). Says nothing about costs: Path::metered does.
enum class InterfaceType : std::uint8_t { unknown, wired, wifi, cellular, loopback, tunnel };

/// Where a path leads to.
struct PathRoute {
  Address destination{};           ///< first address of the prefix
  std::uint8_t prefix_length = 0;  ///< bits; 0: everything of this family (a default route)
  std::uint32_t metric = 0;        ///< lower is preferred by the host
  bool operator==(const PathRoute&) const = default;
};

/// The IPv6 prefix behind which a network's NAT64 shows IPv4 addresses (RFC 6052).
struct Nat64Prefix {
  std::array<std::uint8_t, 16> prefix{};  ///< behind `bits` all are zero
  std::uint8_t bits = 96;                 ///< 32, 40, 48, 56, 64 or 96
  bool operator==(const Nat64Prefix&) const = default;
};

/// What a provisioning domain offers to those who use it (RFC 7556), as far as it is known.
struct Provisioning {
  std::vector<Address> dns_servers = {};         ///< in order of preference; port 0: 53
  std::vector<std::string> search_domains = {};  ///< in order, without a dot at the end
  /// In order of preference, "socks5://host:port" or "http://host:port"; empty: none is needed.
  std::vector<std::string> proxies = {};
  std::vector<Nat64Prefix> nat64 = {};  ///< of its NAT64, told by routers (RFC 8781) or in the policy
  bool operator==(const Provisioning&) const = default;
};

/// A way out of this host: an interface with an address of ours, in one provisioning domain.
struct Path {
  std::uint32_t id = 0;                         ///< stable while the path lives; 0: none
  std::string interface_name = {};              ///< "eth0"; empty: routing decides
  Address local{};                              ///< address to bind to; unset: routing decides
  std::string provisioning_domain = {};         ///< RFC 7556; results of name resolution belong to it
  InterfaceType type = InterfaceType::unknown;  ///< of the link
  std::uint32_t mtu = 1500;                     ///< bytes
  bool metered = false;                         ///< costs by volume
  bool temporary = false;                       ///< a temporary address (RFC 8981)
  bool deprecated = false;                      ///< an address that nothing new should begin from (RFC 4862)
  /// Until when new things may begin from the address, and until when it is ours (RFC 4862); max(): for ever. Renewed
  /// by routers all the time: news of these alone are not told to Connections.
  TimePoint preferred_until = TimePoint::max(), valid_until = TimePoint::max();
  Duration smoothed_rtt{};  ///< zero: unknown
  /// Where it leads to, shared by the paths of an interface; null: everywhere.
  std::shared_ptr<const std::vector<PathRoute>> routes = {};
  /// What its provisioning domain offers, shared by its paths; null: nothing is known.
  std::shared_ptr<const Provisioning> provisioning = {};

  /// What is known of its provisioning domain; valid as long as `provisioning`.
  const Provisioning& provisioned() const noexcept {
    static const Provisioning kNothing;
    return provisioning ? *provisioning : kNothing;
  }
};

/// Where one branch of a stack goes. Made by the engine, shared by all links of the branch.
struct Route {
  Path path;  ///< the way out
  /// Before open: what was asked for. The bottom layer writes what it got, or tells it when it is asked
  /// (ProtocolInstance::local_address()).
  Address local{};
  Address remote{};  ///< unset: unconnected
};

/// Who hears of paths.
class PathObserver {
 public:
  virtual void path_added(const Path&) noexcept = 0;         ///< a new path is usable
  virtual void path_changed(const Path&) noexcept = 0;       ///< same id, other facts
  virtual void path_removed(std::uint32_t id) noexcept = 0;  ///< it is gone
  virtual void settled() noexcept = 0;                       ///< the first full listing is complete
  /// Input of the kernel, of routers or of a file that was wrong and counts for nothing: one line that says where it
  /// is, what was found, what was expected and what comes of it. Goes to FrameworkOptions::log, seldom.
  virtual void passed_over(std::string_view) noexcept {}

 protected:
  ~PathObserver() = default;
};

/// A plugin that finds paths.
class PathProvider {
 public:
  virtual ~PathProvider() = default;
  virtual std::string_view name() const noexcept = 0;                          ///< as in provides and policies
  virtual std::span<const OptionSpec> options() const noexcept { return {}; }  ///< its settings
  /// Runs until destroyed.
  struct Watch {
    virtual ~Watch() = default;
  };
  /// Tells the observer all paths, then every change.
  virtual Result<std::unique_ptr<Watch>> watch(Executor&, const Options&, PathObserver&) noexcept = 0;
  /// Called when a policy is loaded: what the schema cannot say about the settings.
  virtual Result<void> check(const Options&) const noexcept { return {}; }
};

}  // namespace trellis
