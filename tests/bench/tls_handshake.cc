// tls_handshake.cc: full handshakes, both ends in one process on one processor, each over a TCP connection of its own.
//
// The baseline is the library that runs our handshakes, on plain sockets. What we add is the stack, the checks and the
// take-over of the keys.
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "laps.h"
#include "ours.h"
#include "process.h"
#include "raw_sockets.h"
#include "rows.h"
#include "tls_ends.h"

namespace trellis::bench {
namespace {

constexpr std::size_t kHandshakes = 300;

double ours() {
  Ours ours;
  const std::string stack = tls_stack(",resumption=false");
  OurListener listener(ours, stack);
  Laps laps(kHandshakes);
  laps.begin();
  while (laps.count() < kHandshakes) {
    Connection client = dial(ours, stack, listener.port);
    ours.run_until([&] { return !listener.accepted.empty(); });
    laps.lap();
    listener.accepted.front().abort();
    client.abort();
    listener.accepted.clear();
    ours.loop->run_once(false);
    laps.begin();
  }
  return 1 / laps.typical();
}

void write_output(int descriptor, ChannelEnd& end) {
  check(send(descriptor, end.output.data(), end.output.size(), 0), "send");
  end.output.clear();
}

void read_input(int descriptor, ChannelEnd& end) {
  std::array<std::uint8_t, 16384> buffer;
  const ssize_t n = check(recv(descriptor, buffer.data(), buffer.size(), 0), "recv");
  end.feed(std::span(buffer).first(static_cast<std::size_t>(n)));
}

double baseline() {
  Laps laps(kHandshakes);
  laps.begin();
  while (laps.count() < kHandshakes) {
    const auto [left, right] = raw_pair();
    ChannelEnd client(false), server(true);
    write_output(left, client);
    read_input(right, server);
    write_output(right, server);
    read_input(left, client);
    write_output(left, client);
    read_input(right, server);
    write_output(right, server);  // its tickets
    if (!client.channel().is_handshake_complete() || !server.channel().is_handshake_complete()) {
      errno = 0;
      die("tls-handshakes: the baseline's handshake is not complete");
    }
    laps.lap();
    raw_reset(left);
    raw_reset(right);
    laps.begin();
  }
  return 1 / laps.typical();
}

}  // namespace

Row tls_handshakes() {
  return {.name = "tls-handshakes",
          .about = "full handshakes a second, both ends, over loopback TCP; baseline: Botan's channel on plain sockets",
          .unit = "/s",
          .better = Better::higher,
          .target = 0.95,
          .ours = ours,
          .baseline = baseline,
          .pairs = kPairsNoisy};
}

}  // namespace trellis::bench
