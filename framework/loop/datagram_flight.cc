// datagram_flight.cc: see datagram_flight.h.
#include "loop/datagram_flight.h"

#include <netinet/udp.h>

#include <cerrno>
#include <cstring>

namespace trellis {

void Flight::begin_message(const Course& course) noexcept {
  msghdr& header = messages_[count_].msg_hdr;
  header = {};
  header.msg_iov = &vectors_[used_];
  if (course.remote) {
    header.msg_namelen = to_kernel(course.remote, names_[count_]);
    header.msg_name = &names_[count_];
  }
  if (course.local) note_local(course);
  if (course.hop_limit != 0) {
    const int hops = course.hop_limit;
    note(course.ipv6 ? IPPROTO_IPV6 : IPPROTO_IP, course.ipv6 ? IPV6_HOPLIMIT : IP_TTL, hops);
  }
  if (course.traffic_class >= 0)
    note(course.ipv6 ? IPPROTO_IPV6 : IPPROTO_IP, course.ipv6 ? IPV6_TCLASS : IP_TOS, course.traffic_class);
}

void Flight::note_local(const Course& course) noexcept {
  if (course.local.family == Address::Family::ipv6) {
    in6_pktinfo info{};
    std::memcpy(&info.ipi6_addr, course.local.ip.data(), sizeof info.ipi6_addr);
    info.ipi6_ifindex = course.local.scope;
    note(IPPROTO_IPV6, IPV6_PKTINFO, info);
  } else {
    in_pktinfo info{};
    std::memcpy(&info.ipi_spec_dst, course.local.ip.data(), sizeof info.ipi_spec_dst);
    note(IPPROTO_IP, IP_PKTINFO, info);
  }
}

template <class T>
void Flight::note(int level, int type, const T& value) noexcept {
  msghdr& header = messages_[count_].msg_hdr;
  Control& control = controls_[count_];
  cmsghdr entry{};
  entry.cmsg_level = level;
  entry.cmsg_type = type;
  entry.cmsg_len = CMSG_LEN(sizeof value);
  std::byte* at = control.bytes + header.msg_controllen;
  std::memcpy(at, &entry, sizeof entry);
  std::memcpy(at + CMSG_LEN(0), &value, sizeof value);
  header.msg_control = &control;
  header.msg_controllen += CMSG_SPACE(sizeof value);
}

void Flight::end_message(std::uint16_t segment, std::uint32_t chunks, std::uint32_t bytes) noexcept {
  if (segment != 0) note(SOL_UDP, UDP_SEGMENT, segment);
  msghdr& header = messages_[count_].msg_hdr;
  header.msg_iovlen = static_cast<std::size_t>(&vectors_[used_] - header.msg_iov);
  parts_[count_] = {chunks, bytes, segment};
  ++count_;
}

int Flight::send(int descriptor) noexcept {
  int sent;
  do {
    sent = ::sendmmsg(descriptor, messages_.data(), static_cast<unsigned>(count_), MSG_NOSIGNAL);
  } while (sent < 0 && errno == EINTR);
  return sent;
}

std::size_t Flight::settle(std::size_t n, Batch& from) const noexcept {
  std::size_t bytes = 0;
  for (std::size_t i = 0; i < n; ++i) {
    bytes += messages_[i].msg_len;
    if (parts_[i].chunks == 0) from.front().data.drop_front(parts_[i].bytes);
    for (std::uint32_t chunk = 0; chunk < parts_[i].chunks; ++chunk) from.pop();
  }
  return bytes;
}

}  // namespace trellis
