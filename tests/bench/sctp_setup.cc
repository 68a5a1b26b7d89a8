// sctp_setup.cc: SCTP associations, one after the other, both ends on one loop; baseline: a bare loop on usrsctp. Each
// has a UDP socket of its own at the client, comes to be at both ends, and is aborted.
#include <unistd.h>
#include <usrsctp.h>

#include <array>

#include "bare_sctp.h"
#include "ours.h"
#include "rows.h"

namespace trellis::bench {
namespace sctp_setup_row {

constexpr std::size_t kTimes = 600;

double bare() {
  BareSctp sctp;
  const int server = bare_sctp_udp();
  const sockaddr_in to = local_address(server);
  struct socket* const listener = sctp.listen();
  Laps laps(kTimes);
  for (std::size_t i = 0; i < kTimes; ++i) {
    laps.begin();
    const int udp = bare_sctp_udp();
    const sockaddr_in from = local_address(udp);
    struct socket* const client = sctp.dial(udp, to);
    struct socket* peer = nullptr;
    while (peer == nullptr || (usrsctp_get_events(client) & SCTP_EVENT_WRITE) == 0) {
      sctp.turn(std::array{server, udp});
      if (peer == nullptr) peer = usrsctp_accept(listener, nullptr, nullptr);
    }
    sctp.abort(client, udp, to);
    sctp.turn(std::array{server});
    sctp.abort(peer, server, from);
    close(udp);
    laps.lap();
  }
  return 1 / laps.typical();
}

double ours() {
  Ours ours;
  OurListener listener(ours, "sctp/udp");
  Laps laps(kTimes);
  for (std::size_t i = 0; i < kTimes; ++i) {
    laps.begin();
    Connection client = dial(ours, "sctp/udp", listener.port);
    ours.run_until([&] { return !listener.accepted.empty(); });
    bool gone = false;
    listener.accepted.front().on_failed([&](const Error&) { gone = true; });
    client.abort();
    ours.run_until([&] { return gone; });
    listener.accepted.clear();
    laps.lap();
  }
  return 1 / laps.typical();
}

}  // namespace sctp_setup_row

Row sctp_setup() {
  using namespace sctp_setup_row;
  return {.name = "sctp-setup",
          .about = "SCTP associations a second, set up and aborted, both ends on one loop; baseline: bare usrsctp",
          .unit = "/s",
          .better = Better::higher,
          .target = 0.9,
          .ours = ours,
          .baseline = bare};
}

}  // namespace trellis::bench
