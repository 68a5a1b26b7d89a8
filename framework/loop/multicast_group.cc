// multicast_group.cc: see multicast_group.h.
#include "loop/multicast_group.h"

#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <format>

#include "loop/socket_address.h"
#include "loop/socket_error.h"

namespace trellis {
namespace {

/// A question for the route to one address (rtnetlink(7): RTM_GETROUTE).
struct RouteQuestion {
  nlmsghdr head{};
  rtmsg route{};
  rtattr attribute{};
  std::array<std::uint8_t, 16> destination{};

  explicit RouteQuestion(const Address& to) noexcept : destination(to.ip) {
    const unsigned size = to.family == Address::Family::ipv6 ? 16 : 4;
    head.nlmsg_len = static_cast<unsigned>(NLMSG_LENGTH(sizeof route) + RTA_LENGTH(size));
    head.nlmsg_type = RTM_GETROUTE;
    head.nlmsg_flags = NLM_F_REQUEST;
    route.rtm_family = static_cast<unsigned char>(kernel_family(to.family));
    route.rtm_dst_len = static_cast<unsigned char>(size * 8);
    attribute.rta_type = RTA_DST;
    attribute.rta_len = static_cast<unsigned short>(RTA_LENGTH(size));
  }
};

/// The index of the interface in the kernel's answer; 0: errno says why there is none.
unsigned interface_in(std::span<const std::byte> answer) noexcept {
  nlmsghdr head{};
  if (answer.size() < sizeof head) return 0;
  std::memcpy(&head, answer.data(), sizeof head);
  if (head.nlmsg_type == NLMSG_ERROR && answer.size() >= NLMSG_LENGTH(sizeof(nlmsgerr))) {
    nlmsgerr error{};
    std::memcpy(&error, answer.data() + NLMSG_HDRLEN, sizeof error);
    errno = -error.error;
    return 0;
  }
  for (std::size_t at = NLMSG_LENGTH(sizeof(rtmsg)); at + sizeof(rtattr) <= answer.size();) {
    rtattr attribute{};
    std::memcpy(&attribute, answer.data() + at, sizeof attribute);
    if (attribute.rta_len < sizeof attribute || at + attribute.rta_len > answer.size()) break;
    unsigned index = 0;
    if (attribute.rta_type == RTA_OIF && attribute.rta_len == RTA_LENGTH(sizeof index)) {
      std::memcpy(&index, answer.data() + at + RTA_LENGTH(0), sizeof index);
      return index;
    }
    at += RTA_ALIGN(attribute.rta_len);
  }
  errno = ENETUNREACH;
  return 0;
}

/// The index of the interface by which the kernel sends to this address; 0: errno says why there is none.
unsigned interface_towards(const Address& to) noexcept {
  const int descriptor = ::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
  if (descriptor < 0) return 0;
  const RouteQuestion question(to);
  std::array<std::byte, 4096> answer{};
  // The kernel answers inside send(): nothing is waited for.
  const bool asked = ::send(descriptor, &question, question.head.nlmsg_len, 0) > 0;
  const ssize_t size = asked ? ::recv(descriptor, answer.data(), answer.size(), MSG_DONTWAIT) : -1;
  const unsigned found = size > 0 ? interface_in(std::span(answer).first(static_cast<std::size_t>(size))) : 0;
  const int error = errno;
  ::close(descriptor);
  errno = error;
  return found;
}

unsigned receiving_interface(const SocketSpec& spec) noexcept {
  if (!spec.interface_name.empty()) return if_nametoindex(std::string(spec.interface_name).c_str());
  if (spec.local.scope != 0) return spec.local.scope;
  return interface_towards(spec.source ? spec.source : spec.local);
}

std::string doing_with(std::string_view what, const SocketSpec& spec) {
  const std::string source = spec.source ? " with the source " + describe(spec.source) : "";
  const std::string_view where = spec.interface_name.empty() ? "the interface that routing says" : spec.interface_name;
  return std::format("{} the multicast group {}{} on {}", what, describe(spec.local), source, where);
}

}  // namespace

Result<unsigned> prepare_group(int descriptor, const SocketSpec& spec) {
  const int one = 1;
  if (setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) < 0)
    return std::unexpected(socket_error(errno, "set SO_REUSEADDR"));
  const unsigned interface = receiving_interface(spec);
  if (interface == 0) return std::unexpected(socket_error(errno, doing_with("join", spec)));
  const int index = static_cast<int>(interface);
  // What others of this host have joined elsewhere is not for this socket.
  if (spec.interface_name.empty() && setsockopt(descriptor, SOL_SOCKET, SO_BINDTOIFINDEX, &index, sizeof index) < 0)
    return std::unexpected(socket_error(errno, doing_with("join", spec)));
  return interface;
}

Result<void> join_group(int descriptor, const SocketSpec& spec, unsigned interface) {
  const int level = spec.family == Address::Family::ipv6 ? IPPROTO_IPV6 : IPPROTO_IP;
  const auto fill = [](const Address& address, sockaddr_storage& out) {
    SocketAddress made;
    const socklen_t size = to_kernel(address, made);
    std::memcpy(&out, &made, size);
  };
  int done = 0;
  if (spec.source) {
    group_source_req request{};
    request.gsr_interface = interface;
    fill(spec.local, request.gsr_group);
    fill(spec.source, request.gsr_source);
    done = setsockopt(descriptor, level, MCAST_JOIN_SOURCE_GROUP, &request, sizeof request);
  } else {
    group_req request{};
    request.gr_interface = interface;
    fill(spec.local, request.gr_group);
    done = setsockopt(descriptor, level, MCAST_JOIN_GROUP, &request, sizeof request);
  }
  if (done < 0) return std::unexpected(socket_error(errno, doing_with("join", spec)));
  return {};
}

}  // namespace trellis
