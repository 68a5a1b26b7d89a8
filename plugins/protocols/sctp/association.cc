// association.cc: the calls of usrsctp's socket interface (RFC 6458).
#include "association.h"

#include <arpa/inet.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace trellis::sctp {
namespace {

constexpr std::uint32_t kCommonHeader = 12;  // usrsctp's path MTU leaves it out
constexpr std::uint32_t kRoom = 64 << 10;    // of a block that is received into
constexpr std::uint32_t kLeastRoom = 4 << 10;
constexpr int kBacklog = 128;
constexpr int kInterleavingSupported = 0x1206;       // SCTP_INTERLEAVING_SUPPORTED, missing in the header of 0.9.5
constexpr int kPluggableCongestionControl = 0x1202;  // SCTP_PLUGGABLE_CC, missing too

sockaddr_conn address(PeerKey peer, std::uint16_t port) noexcept {
  sockaddr_conn a{};
  a.sconn_family = AF_CONN;
  a.sconn_port = htons(port);
  a.sconn_addr = reinterpret_cast<void*>(peer);
  return a;
}

sctp_assoc_value future(std::uint32_t value) noexcept { return {.assoc_id = SCTP_FUTURE_ASSOC, .assoc_value = value}; }

std::uint32_t scheduler_number(Scheduler scheduler) noexcept {
  switch (scheduler) {
    case Scheduler::first_come: return SCTP_SS_FIRST_COME;
    case Scheduler::round_robin: return SCTP_SS_ROUND_ROBIN;
    case Scheduler::fair: return SCTP_SS_FAIR_BANDWITH;
    case Scheduler::priority: return SCTP_SS_PRIORITY;
  }
  return SCTP_SS_DEFAULT;
}

std::string errno_text() {
  const char* text = strerrordesc_np(errno);
  return text != nullptr ? text : "unknown error";
}

}  // namespace

Association& Association::operator=(Association&& other) noexcept {
  if (this != &other) {
    drop();
    socket_ = std::exchange(other.socket_, nullptr);
  }
  return *this;
}

Result<Association> Association::make(const Settings& settings) {
  Association made(usrsctp_socket(AF_CONN, SOCK_STREAM, IPPROTO_SCTP, nullptr, nullptr, 0, nullptr));
  if (!made)
    return fail(Reason::exhausted, "a socket cannot be made: " + errno_text(), static_cast<std::uint64_t>(errno),
                kLayer);
  made.prepare(settings);
  return made;
}

void Association::prepare(const Settings& settings) noexcept {
  constexpr int kOn = 1, kAcrossStreams = 2;
  usrsctp_set_non_blocking(socket_, 1);
  const int send_buffer = static_cast<int>(settings.send_buffer), window = static_cast<int>(settings.window);
  usrsctp_setsockopt(socket_, SOL_SOCKET, SO_SNDBUF, &send_buffer, sizeof send_buffer);
  usrsctp_setsockopt(socket_, SOL_SOCKET, SO_RCVBUF, &window, sizeof window);
  set(SCTP_NODELAY, kOn);
  set(SCTP_RECVRCVINFO, kOn);
  set(SCTP_EXPLICIT_EOR, kOn);
  set(SCTP_FRAGMENT_INTERLEAVE, kAcrossStreams);
  set(kInterleavingSupported, future(settings.interleaving ? 1 : 0));
  set(SCTP_ENABLE_STREAM_RESET, future(SCTP_ENABLE_RESET_STREAM_REQ | SCTP_ENABLE_CHANGE_ASSOC_REQ));
  schedule_by(settings.scheduler);
  set(SCTP_MAX_BURST, future(0));
  set(SCTP_INITMSG, sctp_initmsg{.sinit_num_ostreams = settings.streams,
                                 .sinit_max_instreams = settings.streams_most,
                                 .sinit_max_attempts = settings.init_attempts,
                                 .sinit_max_init_timeo = static_cast<std::uint16_t>(
                                     std::min<std::uint32_t>(settings.rto_max, UINT16_MAX))});
  set(SCTP_RTOINFO, sctp_rtoinfo{.srto_assoc_id = SCTP_FUTURE_ASSOC,
                                 .srto_initial = std::clamp(settings.rto_initial, settings.rto_min, settings.rto_max),
                                 .srto_max = std::max(settings.rto_min, settings.rto_max),
                                 .srto_min = settings.rto_min});
  sctp_assocparams limits{};
  limits.sasoc_asocmaxrxt = settings.retransmissions;
  set(SCTP_ASSOCINFO, limits);
  sctp_paddrparams path{};
  path.spp_address.ss_family = AF_CONN;
  path.spp_flags = SPP_PMTUD_DISABLE | (settings.heartbeat > 0 ? SPP_HB_ENABLE : SPP_HB_DISABLE);
  path.spp_hbinterval = settings.heartbeat;
  path.spp_pathmtu = settings.packet - kCommonHeader;
  path.spp_pathmaxrxt = settings.retransmissions;
  set(SCTP_PEER_ADDR_PARAMS, path);
  for (const int type : {SCTP_ASSOC_CHANGE, SCTP_SHUTDOWN_EVENT, SCTP_STREAM_RESET_EVENT, SCTP_STREAM_CHANGE_EVENT,
                         SCTP_SEND_FAILED_EVENT, SCTP_PARTIAL_DELIVERY_EVENT})
    set(SCTP_EVENT,
        sctp_event{.se_assoc_id = SCTP_FUTURE_ASSOC, .se_type = static_cast<std::uint16_t>(type), .se_on = 1});
}

Result<Association> Association::dial(const Settings& settings, PeerKey peer, std::uint16_t port,
                                      std::uint16_t own_port) {
  auto made = make(settings);
  if (!made) return made;
  auto own = address(0, own_port);
  auto to = address(peer, port);
  if (usrsctp_bind(made->socket_, reinterpret_cast<sockaddr*>(&own), sizeof own) < 0 ||
      (usrsctp_connect(made->socket_, reinterpret_cast<sockaddr*>(&to), sizeof to) < 0 && errno != EINPROGRESS))
    return fail(Reason::exhausted, "an association cannot be made: " + errno_text(), static_cast<std::uint64_t>(errno),
                kLayer);
  return made;
}

Result<Association> Association::listen(const Settings& settings, std::uint16_t port) {
  auto made = make(settings);
  if (!made) return made;
  auto any = address(0, port);
  if (usrsctp_bind(made->socket_, reinterpret_cast<sockaddr*>(&any), sizeof any) < 0 ||
      usrsctp_listen(made->socket_, kBacklog) < 0)
    return fail(Reason::exhausted,
                "the SCTP port " + std::to_string(port) + " cannot be listened on: " + errno_text() +
                    "; listeners of one process need different ones (option port)",
                static_cast<std::uint64_t>(errno), kLayer);
  return made;
}

Association Association::accept(PeerKey& peer, std::uint16_t& port) noexcept {
  sockaddr_conn from{};
  socklen_t size = sizeof from;
  Association accepted(usrsctp_accept(socket_, reinterpret_cast<sockaddr*>(&from), &size));
  if (accepted) usrsctp_set_non_blocking(accepted.socket_, 1);
  peer = reinterpret_cast<PeerKey>(from.sconn_addr);
  port = ntohs(from.sconn_port);
  return accepted;
}

std::uint16_t Association::own_port() const noexcept {
  sockaddr* own = nullptr;
  if (usrsctp_getladdrs(socket_, SCTP_FUTURE_ASSOC, &own) <= 0) return 0;
  sockaddr_conn first;
  std::memcpy(&first, own, sizeof first);
  usrsctp_freeladdrs(own);
  return ntohs(first.sconn_port);
}

void Association::watch(void (*stirred)(struct socket*, void*, int), void* argument) noexcept {
  usrsctp_set_upcall(socket_, stirred, argument);
}

Result<std::size_t> Association::send(std::span<const std::byte> bytes, const Outgoing& how) noexcept {
  sctp_sendv_spa info{};
  info.sendv_flags = SCTP_SEND_SNDINFO_VALID | SCTP_SEND_PRINFO_VALID;
  info.sendv_sndinfo.snd_sid = how.stream;
  info.sendv_sndinfo.snd_flags =
      static_cast<std::uint16_t>((how.ordered ? 0 : SCTP_UNORDERED) | (how.end ? SCTP_EOR : 0));
  info.sendv_sndinfo.snd_ppid = htonl(how.label);
  info.sendv_sndinfo.snd_context = how.context;
  info.sendv_prinfo = how.given_up;
  const ssize_t n =
      usrsctp_sendv(socket_, bytes.data(), bytes.size(), nullptr, 0, &info, sizeof info, SCTP_SENDV_SPA, 0);
  if (n >= 0) return static_cast<std::size_t>(n);
  // A full buffer that is smaller than the rest of a message is "message too long", although it may come in parts.
  if (errno == EWOULDBLOCK || errno == EAGAIN || errno == EMSGSIZE) return 0;
  return fail(Reason::reset, "the association takes nothing more: " + errno_text(), static_cast<std::uint64_t>(errno),
              kLayer);
}

// Blocks are filled one after the other, so that small messages do not take a block each.
std::optional<Incoming> Association::receive(BlockPool& pool, Slice& room) noexcept {
  if (room.size() < kLeastRoom) room = pool.allocate(0, kRoom, 0);
  sctp_rcvinfo info{};
  socklen_t info_size = sizeof info;
  unsigned info_type = 0;
  int flags = 0;
  sockaddr_conn from;
  socklen_t from_size = sizeof from;
  const ssize_t n = usrsctp_recvv(socket_, room.edit().data(), room.size(), reinterpret_cast<sockaddr*>(&from),
                                  &from_size, &info, &info_size, &info_type, &flags);
  if (n <= 0) return {};
  return Incoming{.bytes = room.split_front(static_cast<std::uint32_t>(n)),
                  .stream = info.rcv_sid,
                  .label = ntohl(info.rcv_ppid),
                  .id = info.rcv_tsn,
                  .ordered = (info.rcv_flags & SCTP_UNORDERED) == 0,
                  .end = (flags & MSG_EOR) != 0,
                  .notification = (flags & MSG_NOTIFICATION) != 0};
}

bool Association::has_failed() const noexcept { return (usrsctp_get_events(socket_) & SCTP_EVENT_ERROR) != 0; }

void Association::finish() noexcept { usrsctp_shutdown(socket_, SHUT_WR); }

void Association::abort(std::string_view reason) noexcept {
  sctp_sndinfo info{};
  info.snd_flags = SCTP_ABORT;
  reason = reason.substr(0, kReasonMost);
  usrsctp_sendv(socket_, reason.data(), reason.size(), nullptr, 0, &info, sizeof info, SCTP_SENDV_SNDINFO, 0);
  drop();
}

void Association::drop() noexcept {
  if (socket_ == nullptr) return;
  usrsctp_set_upcall(socket_, nullptr, nullptr);
  const linger now{.l_onoff = 1, .l_linger = 0};
  usrsctp_setsockopt(socket_, SOL_SOCKET, SO_LINGER, &now, sizeof now);
  usrsctp_close(std::exchange(socket_, nullptr));
}

bool Association::reset(std::uint16_t stream, std::uint16_t direction) noexcept {
  alignas(sctp_reset_streams) std::byte request[sizeof(sctp_reset_streams) + sizeof stream] = {};
  auto* const fields = reinterpret_cast<sctp_reset_streams*>(request);
  fields->srs_flags = direction;
  fields->srs_number_streams = 1;
  std::memcpy(request + sizeof(sctp_reset_streams), &stream, sizeof stream);
  return usrsctp_setsockopt(socket_, IPPROTO_SCTP, SCTP_RESET_STREAMS, request, sizeof request) == 0;
}

bool Association::add_streams(std::uint16_t outgoing, std::uint16_t incoming) noexcept {
  return set(SCTP_ADD_STREAMS, sctp_add_streams{.sas_assoc_id = 0, .sas_instrms = incoming, .sas_outstrms = outgoing});
}

void Association::prioritize(std::uint16_t stream, std::uint16_t value) noexcept {
  set(SCTP_SS_VALUE, sctp_stream_value{.assoc_id = 0, .stream_id = stream, .stream_value = value});
}

void Association::tell_when_dry(bool wanted) noexcept {
  set(SCTP_EVENT, sctp_event{.se_assoc_id = 0, .se_type = SCTP_SENDER_DRY_EVENT, .se_on = wanted});
}

std::optional<sctp_status> Association::status() const noexcept {
  sctp_status status{};
  socklen_t size = sizeof status;
  if (socket_ == nullptr || usrsctp_getsockopt(socket_, IPPROTO_SCTP, SCTP_STATUS, &status, &size) != 0) return {};
  return status;
}

void Association::schedule_by(Scheduler scheduler) noexcept {
  set(SCTP_PLUGGABLE_SS, future(scheduler_number(scheduler)));
}

void Association::acknowledge_at_once(bool at_once) noexcept {
  constexpr std::uint32_t kDelay = 200;  // milliseconds
  set(SCTP_DELAYED_SACK, sctp_sack_info{.sack_assoc_id = SCTP_FUTURE_ASSOC,
                                        .sack_delay = kDelay,
                                        .sack_freq = at_once ? std::uint32_t{1} : std::uint32_t{2}});
}

// To name the algorithm, even the same one, begins it anew.
void Association::begin_slowly() noexcept { set(kPluggableCongestionControl, future(SCTP_CC_RFC2581)); }

void Association::heartbeat_every(std::uint32_t milliseconds) noexcept {
  sctp_paddrparams path{};
  path.spp_flags = milliseconds > 0 ? SPP_HB_ENABLE : SPP_HB_DISABLE;
  path.spp_hbinterval = milliseconds;
  set(SCTP_PEER_ADDR_PARAMS, path);
}

}  // namespace trellis::sctp
