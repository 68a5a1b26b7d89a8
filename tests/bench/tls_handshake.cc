// tls_handshake.cc: full and resumed handshakes, both ends in one process on one processor, each over a TCP connection
// of its own.
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
namespace tls_handshake_row {

constexpr std::size_t kHandshakes = 300;

// The tickets come before the first byte, so whoever has that has them.
void take_tickets(Ours& ours, Connection& client, Connection& server) {
  bool got = false;
  client.receive(1, 1, [&got](Result<Message> message) { got = message.has_value(); });
  Slice byte = server.allocate(1);
  byte.edit()[0] = std::byte{1};
  server.send(std::move(byte));
  ours.run_until([&got] { return got; });
}

void expect_resumption(Connection& client, bool expected) {
  const auto resumed = client.get("tls.resumed");
  errno = 0;
  if (!resumed || std::get<bool>(*resumed) != expected) die("tls-handshakes: a handshake of the wrong kind");
}

double ours(bool resume) {
  Ours ours;
  const std::string stack = tls_stack(resume ? "" : ",resumption=false");
  OurListener listener(ours, stack);
  Preconnection to(*ours.framework);
  to.stack(stack).remote(loopback(listener.port));
  Laps laps(kHandshakes);
  for (bool first = true; laps.count() < kHandshakes; first = false) {
    laps.begin();
    bool ready = false;
    Connection client = to.initiate(*ours.loop, [&ready](Result<void> how) {
      expect(std::move(how), "initiate");
      ready = true;
    });
    ours.run_until([&] { return ready && !listener.accepted.empty(); });
    if (!first) laps.lap();
    expect_resumption(client, resume && !first);
    if (resume) take_tickets(ours, client, listener.accepted.front());
    listener.accepted.front().abort();
    client.abort();
    listener.accepted.clear();
    ours.loop->run_once(false);
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

double baseline(bool resume) {
  Laps laps(kHandshakes);
  for (bool first = true; laps.count() < kHandshakes; first = false) {
    laps.begin();
    const auto [left, right] = raw_pair();
    ChannelEnd client(false, resume), server(true);
    write_output(left, client);
    read_input(right, server);
    write_output(right, server);
    read_input(left, client);
    write_output(left, client);
    read_input(right, server);
    write_output(right, server);  // its tickets
    if (!first) laps.lap();
    errno = 0;
    if (!client.channel().is_handshake_complete() || !server.channel().is_handshake_complete()) {
      die("tls-handshakes: the baseline's handshake is not complete");
    }
    if (server.resumed != (resume && !first)) die("tls-handshakes: the baseline's handshake is of the wrong kind");
    if (resume) read_input(left, client);
    raw_reset(left);
    raw_reset(right);
  }
  return 1 / laps.typical();
}

}  // namespace tls_handshake_row

Row tls_handshakes() {
  using namespace tls_handshake_row;
  return {.name = "tls-handshakes",
          .about = "full handshakes a second, both ends, over loopback TCP; baseline: Botan's channel on plain sockets",
          .unit = "/s",
          .better = Better::higher,
          .target = 0.95,
          .ours = [] { return ours(false); },
          .baseline = [] { return baseline(false); },
          .pairs = kPairsNoisy};
}

Row tls_resumptions() {
  using namespace tls_handshake_row;
  return {.name = "tls-resumptions",
          .about = "the same for handshakes that go on where an earlier one ended, a ticket for each",
          .unit = "/s",
          .better = Better::higher,
          .target = 0.95,
          .ours = [] { return ours(true); },
          .baseline = [] { return baseline(true); },
          .pairs = kPairsNoisy};
}

}  // namespace trellis::bench
