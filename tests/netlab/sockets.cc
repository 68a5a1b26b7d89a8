// sockets.cc: by the kernel's sock_diag(7).
#include "sockets.h"

#include <arpa/inet.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>
#include <vector>

namespace trellis::netlab {
namespace {

struct Request {
  nlmsghdr header;
  inet_diag_req_v2 what;
};

Request request(unsigned type, unsigned flags) {
  Request made{};
  made.header.nlmsg_len = sizeof made;
  made.header.nlmsg_type = static_cast<std::uint16_t>(type);
  made.header.nlmsg_flags = static_cast<std::uint16_t>(NLM_F_REQUEST | flags);
  made.what.sdiag_family = AF_INET;
  made.what.sdiag_protocol = IPPROTO_TCP;
  made.what.idiag_states = 1u << TCP_ESTABLISHED | 1u << TCP_SYN_SENT;
  return made;
}

void send(const Descriptor& kernel, const Request& what) {
  if (::send(kernel.get(), &what, sizeof what, 0) < 0) refuse("the kernel takes no question about sockets");
}

std::vector<inet_diag_msg> connections(const Descriptor& kernel) {
  send(kernel, request(SOCK_DIAG_BY_FAMILY, NLM_F_DUMP));
  std::vector<inet_diag_msg> all;
  alignas(nlmsghdr) char bytes[1 << 16];
  for (;;) {
    auto left = static_cast<std::size_t>(std::max<ssize_t>(::recv(kernel.get(), bytes, sizeof bytes, 0), 0));
    if (left == 0) refuse("the kernel does not tell its sockets");
    for (auto* one = reinterpret_cast<nlmsghdr*>(bytes); NLMSG_OK(one, left); one = NLMSG_NEXT(one, left)) {
      if (one->nlmsg_type == NLMSG_DONE || one->nlmsg_type == NLMSG_ERROR) return all;
      all.push_back(*static_cast<inet_diag_msg*>(NLMSG_DATA(one)));
    }
  }
}

}  // namespace

unsigned end_connections(const Host& host, std::uint16_t to_port) {
  const Inside inside(host);
  const char* const why = "a socket of sock_diag(7) is needed";
  const Descriptor kernel(socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC, NETLINK_SOCK_DIAG), why);
  unsigned ended = 0;
  for (const inet_diag_msg& one : connections(kernel)) {
    if (one.id.idiag_dport != htons(to_port)) continue;
    Request end = request(SOCK_DESTROY, 0);
    end.what.id = one.id;
    send(kernel, end);  // done when it returns; one that has ended by itself meanwhile is as good
    ++ended;
  }
  return ended;
}

}  // namespace trellis::netlab
