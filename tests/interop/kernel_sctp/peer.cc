// The kernel's SCTP as a peer, by its socket calls alone: runs inside a user-mode Linux, tells on standard output what
// comes, and sends it back.
//   kernel-sctp-peer load MODULE               loads a module into the kernel (not every machine has insmod)
//   kernel-sctp-peer listen PORT [OWN]         echoes what comes in one association, until it ends
//   kernel-sctp-peer connect ADDRESS PORT UDP  connects, over this UDP port or, where it is 0, over IP, sends messages
//                                              and waits for their echoes
//   kernel-sctp-peer serve ADDRESS PORT UDP OWN  connects from an address and echoes what comes
// OWN is the only address of its own. A message "add ADDRESS", "remove ADDRESS" or "prefer ADDRESS" changes those of
// the association (RFC 5061), "end" ends it.
#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/sctp.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "pattern.h"

namespace {

constexpr std::size_t kMost = 1 << 20;

/// Says what the kernel refused and ends.
int checked(int result, const char* what) {
  if (result >= 0) return result;
  std::printf("failed: %s: %s\n", what, std::strerror(errno));
  std::exit(1);
}

template <class T>
void set(int socket, int option, const T& value, const char* what, int level = IPPROTO_SCTP) {
  checked(setsockopt(socket, level, option, &value, sizeof value), what);
}

sockaddr_in address(const char* text, int port) {
  sockaddr_in all{};
  all.sin_family = AF_INET;
  all.sin_port = htons(static_cast<std::uint16_t>(port));
  if (inet_pton(AF_INET, text, &all.sin_addr) != 1) checked(-1, "inet_pton");
  return all;
}

/// A socket that tells the stream of each message and how it travelled, and lets streams be added and reset.
int make_socket() {
  const int made = checked(socket(AF_INET, SOCK_STREAM, IPPROTO_SCTP), "socket");
  for (const int buffer : {SO_SNDBUFFORCE, SO_RCVBUFFORCE})  // a message that does not fit is refused
    set(made, buffer, static_cast<int>(2 * kMost), "SO_SNDBUFFORCE", SOL_SOCKET);
  set(made, SCTP_RECVRCVINFO, 1, "SCTP_RECVRCVINFO");
  set(made, SCTP_INITMSG,
      sctp_initmsg{
          .sinit_num_ostreams = 64, .sinit_max_instreams = 4096, .sinit_max_attempts = 0, .sinit_max_init_timeo = 0},
      "SCTP_INITMSG");
  constexpr unsigned kAll = SCTP_ENABLE_RESET_STREAM_REQ | SCTP_ENABLE_RESET_ASSOC_REQ | SCTP_ENABLE_CHANGE_ASSOC_REQ;
  set(made, SCTP_ENABLE_STREAM_RESET, sctp_assoc_value{.assoc_id = SCTP_FUTURE_ASSOC, .assoc_value = kAll},
      "SCTP_ENABLE_STREAM_RESET");
  for (const std::uint16_t kind : {SCTP_STREAM_RESET_EVENT, SCTP_STREAM_CHANGE_EVENT})
    set(made, SCTP_EVENT, sctp_event{.se_assoc_id = SCTP_FUTURE_ASSOC, .se_type = kind, .se_on = 1}, "SCTP_EVENT");
  set(made, SCTP_EVENT, sctp_event{.se_assoc_id = SCTP_FUTURE_ASSOC, .se_type = SCTP_PEER_ADDR_CHANGE, .se_on = 1},
      "SCTP_EVENT");
  return made;
}

struct Message {
  std::string bytes;
  sctp_rcvinfo info{};
  bool notification = false;
};

/// The next whole message; false: the association is over, and how.
bool receive(int socket, Message& message) {
  message = {};
  std::vector<char> part(65536);
  for (;;) {
    alignas(cmsghdr) char control[256];
    iovec room{part.data(), part.size()};
    msghdr header{};
    header.msg_iov = &room;
    header.msg_iovlen = 1;
    header.msg_control = control;
    header.msg_controllen = sizeof control;
    const ssize_t got = recvmsg(socket, &header, 0);
    if (got <= 0) {
      // After a shutdown from here the kernel has no other word for a good end.
      std::printf("over: %s\n", got == 0 || errno == ENOTCONN ? "shut down" : std::strerror(errno));
      return false;
    }
    for (cmsghdr* c = CMSG_FIRSTHDR(&header); c; c = CMSG_NXTHDR(&header, c))
      if (c->cmsg_level == IPPROTO_SCTP && c->cmsg_type == SCTP_RCVINFO)
        std::memcpy(&message.info, CMSG_DATA(c), sizeof message.info);
    message.notification = header.msg_flags & MSG_NOTIFICATION;
    message.bytes.append(part.data(), static_cast<std::size_t>(got));
    if (message.bytes.size() > kMost) checked((errno = EMSGSIZE, -1), "a message");
    if (header.msg_flags & MSG_EOR) return true;
  }
}

void send(int socket, const std::string& bytes, unsigned stream, unsigned protocol, bool unordered) {
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(sctp_sndinfo))]{};
  iovec room{const_cast<char*>(bytes.data()), bytes.size()};
  msghdr header{};
  header.msg_iov = &room;
  header.msg_iovlen = 1;
  header.msg_control = control;
  header.msg_controllen = sizeof control;
  cmsghdr* c = CMSG_FIRSTHDR(&header);
  c->cmsg_level = IPPROTO_SCTP;
  c->cmsg_type = SCTP_SNDINFO;
  c->cmsg_len = CMSG_LEN(sizeof(sctp_sndinfo));
  sctp_sndinfo info{};
  info.snd_sid = static_cast<std::uint16_t>(stream);
  info.snd_flags = unordered ? SCTP_UNORDERED : 0;
  info.snd_ppid = htonl(protocol);
  std::memcpy(CMSG_DATA(c), &info, sizeof info);
  checked(static_cast<int>(sendmsg(socket, &header, 0)), "sendmsg");
}

void tell(const Message& message) {
  std::printf("message stream=%u protocol=%u%s bytes=%zu\n", unsigned{message.info.rcv_sid},
              ntohl(message.info.rcv_ppid), message.info.rcv_flags & SCTP_UNORDERED ? " unordered" : "",
              message.bytes.size());
}

void address_changed(const Message& message) {
  sctp_paddr_change event{};
  std::memcpy(&event, message.bytes.data(), std::min(sizeof event, message.bytes.size()));
  char text[INET_ADDRSTRLEN] = "";
  inet_ntop(AF_INET, &reinterpret_cast<const sockaddr_in*>(&event.spc_aaddr)->sin_addr, text, sizeof text);
  const char* const states[] = {"available", "unreachable", "removed", "added", "primary", "confirmed", "suspected"};
  const auto state = static_cast<std::size_t>(event.spc_state);
  std::printf("peer's address %s: %s\n", text, state < std::size(states) ? states[state] : "?");
}

/// Does what a message asks for, if it does.
void change_addresses(int socket, const std::string& words) {
  const std::size_t gap = words.find(' ');
  if (gap == std::string::npos || words.size() > 32) return;
  const std::string verb = words.substr(0, gap);
  if (verb != "add" && verb != "remove" && verb != "prefer") return;
  sockaddr_in bound{};
  socklen_t size = sizeof bound;
  checked(getsockname(socket, reinterpret_cast<sockaddr*>(&bound), &size), "getsockname");
  const sockaddr_in one = address(words.substr(gap + 1).c_str(), ntohs(bound.sin_port));
  if (verb == "prefer") {
    sctp_setpeerprim primary{};
    std::memcpy(&primary.sspp_addr, &one, sizeof one);
    return set(socket, SCTP_SET_PEER_PRIMARY_ADDR, primary, "SCTP_SET_PEER_PRIMARY_ADDR");
  }
  set(socket, verb == "add" ? SCTP_SOCKOPT_BINDX_ADD : SCTP_SOCKOPT_BINDX_REM, one, "sctp_bindx");
}

/// A stream that the peer resets is reset from here too; what else happens is told.
void notified(int socket, const Message& message) {
  sctp_stream_reset_event event{};
  std::memcpy(&event, message.bytes.data(), std::min(sizeof event, message.bytes.size()));
  if (event.strreset_type == SCTP_PEER_ADDR_CHANGE) return address_changed(message);
  if (event.strreset_type == SCTP_STREAM_CHANGE_EVENT) {
    std::printf("streams added\n");
    return;
  }
  if (event.strreset_type != SCTP_STREAM_RESET_EVENT) return;
  if (!(event.strreset_flags & SCTP_STREAM_RESET_INCOMING_SSN)) return;
  const std::size_t count = (message.bytes.size() - sizeof event) / sizeof(std::uint16_t);
  std::vector<std::uint16_t> streams(count);
  std::memcpy(streams.data(), message.bytes.data() + sizeof event, count * sizeof(std::uint16_t));
  for (const std::uint16_t stream : streams) {
    std::printf("reset stream=%u\n", unsigned{stream});
    std::vector<char> request(sizeof(sctp_reset_streams) + sizeof stream);
    sctp_reset_streams head{};
    head.srs_flags = SCTP_STREAM_RESET_OUTGOING;
    head.srs_number_streams = 1;
    std::memcpy(request.data(), &head, sizeof head);
    std::memcpy(request.data() + sizeof head, &stream, sizeof stream);
    if (setsockopt(socket, IPPROTO_SCTP, SCTP_RESET_STREAMS, request.data(), socklen_t(request.size())) < 0)
      std::printf("reset stream=%u: %s\n", unsigned{stream}, std::strerror(errno));
  }
}

void echo(int peer) {
  for (Message message; receive(peer, message);) {
    if (message.notification) {
      notified(peer, message);
      continue;
    }
    tell(message);
    change_addresses(peer, message.bytes);
    send(peer, message.bytes, message.info.rcv_sid, ntohl(message.info.rcv_ppid),
         message.info.rcv_flags & SCTP_UNORDERED);
    if (message.bytes == "end") checked(shutdown(peer, SHUT_WR), "shutdown");
  }
}

void listen_at(const char* where, int port) {
  const int listener = make_socket();
  const sockaddr_in own = address(where, port);
  checked(bind(listener, reinterpret_cast<const sockaddr*>(&own), sizeof own), "bind");
  checked(listen(listener, 8), "listen");
  std::printf("listening\n");
  const int peer = checked(accept(listener, nullptr, nullptr), "accept");
  std::printf("accepted\n");
  echo(peer);
}

int connected_to(const char* where, int port, int udp, const char* from) {
  const int peer = make_socket();
  const sockaddr_in own = address(from, 0);
  checked(bind(peer, reinterpret_cast<const sockaddr*>(&own), sizeof own), "bind");
  const sockaddr_in remote = address(where, port);
  sctp_udpencaps wrapped{};
  wrapped.sue_address.ss_family = AF_INET;
  wrapped.sue_port = htons(static_cast<std::uint16_t>(udp));
  set(peer, SCTP_REMOTE_UDP_ENCAPS_PORT, wrapped, "SCTP_REMOTE_UDP_ENCAPS_PORT");
  checked(connect(peer, reinterpret_cast<const sockaddr*>(&remote), sizeof remote), "connect");
  std::printf("connected\n");
  return peer;
}

void send_messages(int peer) {
  for (const std::size_t length : {std::size_t{1}, std::size_t{1200}, std::size_t{1 << 16}, std::size_t{150'000}}) {
    const std::string sent = trellis::tests::pattern(length);
    send(peer, sent, 0, 51, length == 1200);
    Message back;
    do
      if (!receive(peer, back)) std::exit(1);
    while (back.notification);
    tell(back);
    std::printf(back.bytes == sent ? "equal\n" : "DIFFERENT\n");
  }
  checked(shutdown(peer, SHUT_WR), "shutdown");
  for (Message last; receive(peer, last);) tell(last);
}

}  // namespace

int main(int count, char** words) {
  setvbuf(stdout, nullptr, _IOLBF, 0);
  const std::string task = count > 1 ? words[1] : "";
  if (task == "load" && count == 3) {
    const int file = checked(open(words[2], O_RDONLY | O_CLOEXEC), words[2]);
    checked(static_cast<int>(syscall(SYS_finit_module, file, "", 0)), words[2]);
    return 0;
  }
  if (task == "listen" && (count == 3 || count == 4)) {
    listen_at(count == 4 ? words[3] : "0.0.0.0", std::atoi(words[2]));
  } else if (task == "connect" && count == 5) {
    send_messages(connected_to(words[2], std::atoi(words[3]), std::atoi(words[4]), "0.0.0.0"));
  } else if (task == "serve" && count == 6) {
    echo(connected_to(words[2], std::atoi(words[3]), std::atoi(words[4]), words[5]));
  } else {
    std::fprintf(stderr,
                 "usage: kernel-sctp-peer load MODULE | listen PORT [OWN] | connect ADDRESS PORT UDP |\n"
                 "  serve ADDRESS PORT UDP OWN\n");
    return 2;
  }
  std::printf("done\n");
  return 0;
}
