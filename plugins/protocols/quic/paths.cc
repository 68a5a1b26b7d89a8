// paths.cc: a connection goes on by another path. A client asks the engine for another way down when the one in use
// has gone, when the engine knows a better one, or when the application wants it; the library tries it (RFC 9000
// section 9), and what is in use stays so until the peer has answered there. A server follows its peer.

#include <algorithm>
#include <format>

#include "net_path.h"
#include "preferred_address.h"
#include "quic_error.h"
#include "quic_instance.h"

namespace trellis::quic {
namespace {

using namespace std::chrono_literals;
constexpr Duration kLookPause = 200ms;  // after a way that led nowhere; doubles
constexpr unsigned kDoublings = 6;
constexpr std::size_t kWayWindow = 1 << 20;

bool same_place(const Path& a, const Path& b) noexcept {
  return a.interface_name == b.interface_name && a.local == b.local && a.provisioning_domain == b.provisioning_domain;
}

bool goes_by(LowerPort port, const ngtcp2_path& path) noexcept {
  const NetPath own(port.route().local, port.route().remote);
  return address_of(own.get()->local) == address_of(path.local);
}

std::string name_of(LowerPort port) {
  const Route& route = port.route();
  return std::format("the path {} from {}", route.path.interface_name, text_of(route.local));
}

}  // namespace

LowerPort QuicInstance::port_of(const ngtcp2_path& path) const noexcept {
  if (server_ || (!ways_.next && !ways_.last)) return lower_;
  for (const LowerPort port : {lower_, ways_.next, ways_.last}) {
    if (port && goes_by(port, path)) return port;
  }
  return {};
}

// ---- when

// The order of the engine follows the rules of the application, the policy and the host.
void QuicInstance::paths(std::span<const Path> all) noexcept {
  const bool first_time = !std::exchange(ways_.known, true);
  const Path& own = lower_.route().path;
  const auto is_own = [&](const Path& path) { return path.id == own.id || same_place(path, own); };
  ways_.lost = own.id != 0 && std::ranges::none_of(all, is_own);
  if (all.empty()) return;  // there is nothing else: it may come back
  const bool better = !first_time && !is_own(all.front());
  if (!ways_.lost && !better) return;
  ways_.failed = 0;
  ways_.look_at = host_.executor().now();  // flush() follows
}

// QUIC-68, QUIC-74
Result<void> QuicInstance::may_move() const noexcept {
  if (server_) return fail(Reason::unsupported, "only a client changes the path of a connection", 0, kLayer);
  if (!shared_.settings.migration)
    return fail(Reason::prohibited, "option migration is false: the connection stays where it is", 0, kLayer);
  if (stage_ != Stage::open || !confirmed_)
    return fail(Reason::unsupported, "only an open connection changes its path, expected a confirmed handshake", 0,
                kLayer);
  if (ngtcp2_conn_get_remote_transport_params(connection_)->disable_active_migration != 0)
    return fail(Reason::prohibited, "the server forbids that the connection changes its path", 0, kLayer);
  return {};
}

Result<void> QuicInstance::move_to(std::uint32_t path) noexcept {
  if (auto may = may_move(); !may) return may;
  if (path != 0 && lower_.route().path.id == path) return {};
  auto wish = host_.lowers().want_lower(
      {.purpose = LowerWish::Purpose::replace, .path = path, .remote = lower_.route().remote});
  if (!wish) return fail(std::move(wish));
  if (ways_.wish) host_.lowers().drop_lower(ways_.wish, {.abort = true});
  ways_.wish = *wish;
  ways_.asked = path != 0;
  return {};
}

// From flush(), so that no port goes while it is read.
void QuicInstance::watch_paths() noexcept {
  if (server_) return;
  const TimePoint now = host_.executor().now();
  if (ways_.last && ways_.leave_at <= now) host_.lowers().drop_lower(std::exchange(ways_.last, {}), {});
  if (const auto judged = std::exchange(ways_.judged, std::nullopt); judged && ways_.next) {
    if (*judged)
      moved();
    else
      stay("the peer has not answered there");
  }
  if (ways_.next && !ways_.trying) validate_next();
  if (std::exchange(ways_.server_asks, false)) go_where_asked();
  if (ways_.look_at > now || ways_.wish || ways_.next || stage_ != Stage::open || !confirmed_) return;
  ways_.look_at = TimePoint::max();
  if (auto begun = move_to(0); !begun) host_.log(Severity::info, "no other path is used: " + begun.error().detail);
}

// RFC 9000 section 9.6. A server that forbids other moves is not followed: the library makes no difference. QUIC-68
void QuicInstance::go_where_asked() noexcept {
  const auto& told = ngtcp2_conn_get_remote_transport_params(connection_)->preferred_addr;
  const Address there = preferred_of(told, lower_.route().remote.family);
  if (!there || there == lower_.route().remote || ways_.wish || ways_.next || !may_move()) return;
  auto wish = host_.lowers().want_lower({.purpose = LowerWish::Purpose::replace, .remote = there});
  if (!wish) return host_.log(Severity::info, "the server is not spoken to where it asks for: " + wish.error().detail);
  ways_.wish = *wish;
  ways_.asked = true;
}

// An id of its own belongs to the address.
void QuicInstance::offer_own_address(ngtcp2_transport_params& parameters) noexcept {
  if (shared_.settings.preferred.empty() || one_path_) return;
  ngtcp2_preferred_addr& own = parameters.preferred_addr;
  parameters.preferred_addr_present = 1;
  offer_preferred(shared_.settings.preferred, own);
  own.cid = new_id();
  write_reset_token(own.stateless_reset_token, own.cid);
}

TimePoint QuicInstance::path_work_at() const noexcept {
  const bool looks = !ways_.wish && !ways_.next && stage_ == Stage::open && confirmed_;
  return std::min(looks ? ways_.look_at : TimePoint::max(), ways_.last ? ways_.leave_at : TimePoint::max());
}

// ---- the ways

void QuicInstance::lower_ready(LowerPort port) noexcept {
  ways_.wish = {};
  const bool same = !ways_.asked && same_place(port.route().path, lower_.route().path);
  if (same || !may_move()) return host_.lowers().drop_lower(port, {.abort = true});
  if (ways_.next) host_.lowers().drop_lower(ways_.next, {.abort = true});
  ways_.next = port;
  ways_.trying = false;
  ways_.judged.reset();
  port.grant_to(kWayWindow);
}

bool QuicInstance::lower_failed(LowerPort port, const Error& error) noexcept {
  if (port == lower_) return false;
  if (port == ways_.last) {
    ways_.last = {};
  } else if (port == ways_.next) {
    ways_.next = {};
    stay(error.detail);
  } else if (port == ways_.wish) {
    ways_.wish = {};
    stay(error.detail);
  }
  return true;
}

// An id of the peer's that nobody has seen yet is used there (QUIC-73); without one it waits for the next flush().
void QuicInstance::validate_next() noexcept {
  const NetPath path(ways_.next.route().local, ways_.next.route().remote);
  const int done = ngtcp2_conn_initiate_migration(connection_, path.get(), now());
  ways_.trying = done == 0;
  ways_.linger = linger();  // of the old path: the library knows nothing yet of the new one
  ways_.judged.reset();     // of what was tried before
  if (done != 0 && done != NGTCP2_ERR_CONN_ID_BLOCKED) stay(ngtcp2_strerror(done));
}

void QuicInstance::path_judged(const ngtcp2_path& path, bool good) noexcept {
  if (server_) {
    if (good) peer_moved(address_of(path.remote));
  } else if (ways_.next && ways_.trying && goes_by(ways_.next, path)) {
    ways_.judged = good;
  }
}

void QuicInstance::moved() noexcept {
  if (ways_.last) host_.lowers().drop_lower(ways_.last, {});
  ways_.last = std::exchange(lower_, std::exchange(ways_.next, {}));
  ways_.leave_at = host_.executor().now() + ways_.linger;
  ways_.trying = ways_.lost = false;
  ways_.failed = 0;
  host_.notify(Notice::path_change, {Reason{}, 0, kLayer, "the connection goes on by " + name_of(lower_)});
}

void QuicInstance::stay(const std::string& why) noexcept {
  const std::string what = ways_.next ? name_of(ways_.next) : "another path";
  if (ways_.next) host_.lowers().drop_lower(std::exchange(ways_.next, {}), {.abort = true});
  ways_.trying = false;
  host_.notify(Notice::soft_error, {Reason::unreachable, 0, kLayer, std::format("{} cannot be used: {}", what, why)});
  if (ways_.lost) ways_.look_at = host_.executor().now() + kLookPause * (1 << std::min(ways_.failed++, kDoublings));
}

// Its NAT has given it another port, or it has moved. QUIC-71
void QuicInstance::peer_moved(const Address& remote) noexcept {
  Address& known = args_->route.remote;
  known.hop_limit = 0;
  if (known == remote) return;
  known = remote;
  give_token();
  host_.notify(Notice::path_change,
               {Reason{}, 0, kLayer, std::format("the peer goes on from {}, port {}", text_of(remote), remote.port)});
}

}  // namespace trellis::quic
