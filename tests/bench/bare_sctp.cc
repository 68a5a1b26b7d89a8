#include "bare_sctp.h"

#include <arpa/inet.h>
#include <netinet/udp.h>
#include <poll.h>
#include <sys/socket.h>
#include <usrsctp.h>

#include <cerrno>
#include <cstring>

#include "process.h"
#include "raw_sockets.h"
#include "sctp/crc32c.h"

namespace trellis::bench {
namespace {

constexpr std::uint16_t kPort = 5000;     // of SCTP
constexpr std::uint32_t kPayload = 1440;  // of a packet without its common header: 1452 bytes in a datagram
constexpr int kAssociationBuffer = 1 << 20;
constexpr int kTickMs = 10;

int send_packet(void* path, void* packet, size_t size, uint8_t, uint8_t) {
  const std::span bytes(static_cast<std::byte*>(packet), size);
  sctp::seal_packet(bytes);
  static_cast<BarePath*>(path)->add(bytes);
  return 0;
}

sockaddr_conn address(void* path) {
  sockaddr_conn made{};
  made.sconn_family = AF_CONN;
  made.sconn_port = htons(kPort);
  made.sconn_addr = path;
  return made;
}

template <class T>
void set(struct socket* of, int option, const T& value) {
  check(usrsctp_setsockopt(of, IPPROTO_SCTP, option, &value, sizeof value), "usrsctp_setsockopt");
}

// As the plugin has them.
struct socket* make_socket() {
  struct socket* const made = usrsctp_socket(AF_CONN, SOCK_STREAM, IPPROTO_SCTP, nullptr, nullptr, 0, nullptr);
  if (made == nullptr) die("usrsctp_socket");
  usrsctp_set_non_blocking(made, 1);
  usrsctp_setsockopt(made, SOL_SOCKET, SO_SNDBUF, &kAssociationBuffer, sizeof kAssociationBuffer);
  usrsctp_setsockopt(made, SOL_SOCKET, SO_RCVBUF, &kAssociationBuffer, sizeof kAssociationBuffer);
  set(made, SCTP_NODELAY, 1);
  set(made, SCTP_MAX_BURST, sctp_assoc_value{.assoc_id = SCTP_FUTURE_ASSOC, .assoc_value = 0});
  set(made, SCTP_INITMSG,
      sctp_initmsg{.sinit_num_ostreams = 64,
                   .sinit_max_instreams = 4096,
                   .sinit_max_attempts = 8,
                   .sinit_max_init_timeo = 10'000});
  sctp_paddrparams way{};
  way.spp_address.ss_family = AF_CONN;
  way.spp_flags = SPP_PMTUD_DISABLE;
  way.spp_pathmtu = kPayload;
  set(made, SCTP_PEER_ADDR_PARAMS, way);
  return made;
}

}  // namespace

ssize_t bare_sctp_read(struct socket* from) {
  static std::array<char, 256 << 10> buffer;
  sctp_rcvinfo info{};
  socklen_t size = sizeof info;
  unsigned type = 0;
  int flags = 0;
  return usrsctp_recvv(from, buffer.data(), buffer.size(), nullptr, nullptr, &info, &size, &type, &flags);
}

int bare_sctp_udp() {
  constexpr int kOn = 1, kRoom = 4 << 20;
  const int udp = raw_udp();
  check(setsockopt(udp, SOL_UDP, UDP_GRO, &kOn, sizeof kOn), "UDP_GRO");
  setsockopt(udp, SOL_SOCKET, SO_RCVBUF, &kRoom, sizeof kRoom);
  setsockopt(udp, SOL_SOCKET, SO_SNDBUF, &kRoom, sizeof kRoom);
  return udp;
}

BarePath::BarePath(int udp, const sockaddr_in& peer) : udp_(udp), peer_(peer) { usrsctp_register_address(this); }
BarePath::~BarePath() { usrsctp_deregister_address(this); }

void BarePath::add(std::span<const std::byte> packet) {
  const bool fits = used_ % std::max<std::size_t>(segment_, 1) == 0 && packet.size() <= segment_ &&
                    used_ + packet.size() <= kBlock && used_ < segment_ * kSegmentsMost;
  if (!fits) flush();
  if (used_ == 0) segment_ = packet.size();
  std::memcpy(block_.data() + used_, packet.data(), packet.size());
  used_ += packet.size();
}

// What does not fit into the socket is as good as lost on the way.
void BarePath::flush() {
  if (used_ == 0) return;
  iovec part{.iov_base = block_.data(), .iov_len = used_};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(std::uint16_t))] = {};
  msghdr message{};
  message.msg_name = &peer_;
  message.msg_namelen = sizeof peer_;
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  if (used_ > segment_) {
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    cmsghdr* const header = CMSG_FIRSTHDR(&message);
    *header = {.cmsg_len = CMSG_LEN(sizeof(std::uint16_t)), .cmsg_level = SOL_UDP, .cmsg_type = UDP_SEGMENT};
    const auto segment = static_cast<std::uint16_t>(segment_);
    std::memcpy(CMSG_DATA(header), &segment, sizeof segment);
  }
  if (sendmsg(udp_, &message, 0) < 0 && errno != EAGAIN && errno != ECONNREFUSED) die("sendmsg");
  used_ = 0;
}

BareSctp::BareSctp() : told_(now()) {
  usrsctp_init_nothreads(0, send_packet, nullptr);
  usrsctp_enable_crc32c_offload();
  usrsctp_sysctl_set_sctp_auto_asconf(0);
  usrsctp_sysctl_set_sctp_max_chunks_on_queue(65'536);
  usrsctp_sysctl_set_sctp_max_burst_default(0);
}
BareSctp::~BareSctp() = default;  // the process ends with it

BarePath& BareSctp::path(int udp, const sockaddr_in& peer) {
  auto& known = paths_[{udp, peer.sin_port}];
  if (!known) known = std::make_unique<BarePath>(udp, peer);
  return *known;
}

struct socket* BareSctp::dial(int udp, const sockaddr_in& peer) {
  struct socket* const made = make_socket();
  auto own = address(&path(udp, peer)), to = own;
  own.sconn_port = 0;
  check(usrsctp_bind(made, reinterpret_cast<sockaddr*>(&own), sizeof own), "usrsctp_bind");
  if (usrsctp_connect(made, reinterpret_cast<sockaddr*>(&to), sizeof to) < 0 && errno != EINPROGRESS)
    die("usrsctp_connect");
  return made;
}

struct socket* BareSctp::listen() {
  struct socket* const made = make_socket();
  auto any = address(nullptr);
  check(usrsctp_bind(made, reinterpret_cast<sockaddr*>(&any), sizeof any), "usrsctp_bind");
  check(usrsctp_listen(made, 16), "usrsctp_listen");
  return made;
}

void BareSctp::abort(struct socket* association, int udp, const sockaddr_in& peer) {
  const linger at_once{.l_onoff = 1, .l_linger = 0};
  usrsctp_setsockopt(association, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
  usrsctp_close(association);
  const auto known = paths_.find({udp, peer.sin_port});
  if (known == paths_.end()) return;
  known->second->flush();
  paths_.erase(known);
}

void BareSctp::turn(std::span<const int> sockets) {
  std::array<pollfd, 2> wanted{};
  for (std::size_t i = 0; i < sockets.size(); ++i) wanted[i] = {.fd = sockets[i], .events = POLLIN, .revents = 0};
  for (auto& [key, path] : paths_) path->flush();
  check(poll(wanted.data(), sockets.size(), kTickMs), "poll");
  for (std::size_t i = 0; i < sockets.size(); ++i) {
    if ((wanted[i].revents & POLLIN) != 0) read(sockets[i]);
  }
  run_timers();
  for (auto& [key, path] : paths_) path->flush();
}

void BareSctp::read(int udp) {
  static std::array<std::byte, 1 << 16> buffer;
  constexpr int kInOneTurn = 16;
  for (int i = 0; i < kInOneTurn; ++i) {
    sockaddr_in from{};
    iovec part{.iov_base = buffer.data(), .iov_len = buffer.size()};
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))];
    msghdr message{};
    message.msg_name = &from;
    message.msg_namelen = sizeof from;
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    const ssize_t got = recvmsg(udp, &message, MSG_DONTWAIT);
    if (got <= 0) return;
    std::span bytes(buffer.data(), static_cast<std::size_t>(got));
    std::size_t segment = bytes.size();
    if (const cmsghdr* const header = CMSG_FIRSTHDR(&message); header != nullptr) {
      int size = 0;
      std::memcpy(&size, CMSG_DATA(header), sizeof size);
      segment = static_cast<std::size_t>(size);
    }
    BarePath* const way = &path(udp, from);
    while (!bytes.empty()) {
      const auto packet = bytes.first(std::min(segment, bytes.size()));
      bytes = bytes.subspan(packet.size());
      if (sctp::packet_is_sound(packet)) usrsctp_conninput(way, packet.data(), packet.size(), 0);
    }
  }
}

void BareSctp::run_timers() {
  const auto passed = static_cast<std::uint32_t>((now() - told_) * 1e3);
  if (passed < kTickMs) return;
  told_ += passed * 1e-3;
  usrsctp_handle_timers(passed);
}

}  // namespace trellis::bench
