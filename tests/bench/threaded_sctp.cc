#include "threaded_sctp.h"

#include <netinet/in.h>
#include <unistd.h>
#include <usrsctp.h>

#include <vector>

#include "bare_sctp.h"
#include "raw_sockets.h"

namespace trellis::bench {
namespace {

constexpr std::uint16_t kSctpPort = 5001;

// Starts the library; the UDP port that it has.
std::uint16_t threaded_start() {
  const int udp = raw_udp();
  const std::uint16_t port = ntohs(local_address(udp).sin_port);
  close(udp);
  usrsctp_init(port, nullptr, nullptr);
  return port;
}

struct socket* threaded_socket() {
  struct socket* const made = usrsctp_socket(AF_INET, SOCK_STREAM, IPPROTO_SCTP, nullptr, nullptr, 0, nullptr);
  if (made == nullptr) die("usrsctp_socket");
  return made;
}

std::size_t threaded_read(struct socket* from) {
  return static_cast<std::size_t>(check(bare_sctp_read(from), "usrsctp_recvv"));
}

void threaded_send(struct socket* to, const std::vector<char>& bytes) {
  check(usrsctp_sendv(to, bytes.data(), bytes.size(), nullptr, 0, nullptr, 0, SCTP_SENDV_NOINFO, 0), "usrsctp_sendv");
}

void receive_all(const Outlet& out, std::size_t bytes) {
  const std::uint16_t udp = threaded_start();
  struct socket* const listener = threaded_socket();
  sockaddr_in own = raw_address(kSctpPort);
  check(usrsctp_bind(listener, reinterpret_cast<sockaddr*>(&own), sizeof own), "usrsctp_bind");
  check(usrsctp_listen(listener, 1), "usrsctp_listen");
  out.put(udp);
  struct socket* const peer = usrsctp_accept(listener, nullptr, nullptr);
  if (peer == nullptr) die("usrsctp_accept");
  const Meter meter;
  for (std::size_t got = 0; got < bytes;) got += threaded_read(peer);
  out.put(meter.used());
  threaded_send(peer, {'!'});  // tells the sender
  threaded_read(peer);         // its end
  _exit(0);
}

Used send_all(std::uint16_t to, std::size_t bytes, std::uint32_t size) {
  threaded_start();
  struct socket* const peer = threaded_socket();
  sctp_udpencaps wrapped{};
  wrapped.sue_address.ss_family = AF_INET;
  wrapped.sue_port = htons(to);
  check(usrsctp_setsockopt(peer, IPPROTO_SCTP, SCTP_REMOTE_UDP_ENCAPS_PORT, &wrapped, sizeof wrapped),
        "SCTP_REMOTE_UDP_ENCAPS_PORT");
  sockaddr_in remote = raw_address(kSctpPort);
  check(usrsctp_connect(peer, reinterpret_cast<sockaddr*>(&remote), sizeof remote), "usrsctp_connect");
  const std::vector<char> message(size);
  const Meter meter;
  for (std::size_t sent = 0; sent < bytes; sent += size) threaded_send(peer, message);
  threaded_read(peer);
  const Used used = meter.used();
  usrsctp_close(peer);
  return used;
}

}  // namespace

Transfer threaded_sctp(std::size_t bytes, std::uint32_t message) {
  return transfer(
      bytes, [=](const Outlet& out) { receive_all(out, bytes); },
      [=](std::uint16_t port) { return send_all(port, bytes, message); });
}

}  // namespace trellis::bench
