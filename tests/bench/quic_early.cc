// quic_early.cc: from initiate() to the first byte at the server's application, both ends on one loop: with early data,
// and after a full handshake.
#include <cerrno>

#include "laps.h"
#include "ours.h"
#include "process.h"
#include "rows.h"
#include "tls_ends.h"

namespace trellis::bench {
namespace quic_early_row {

constexpr std::size_t kTimes = 300;
constexpr double kMicroseconds = 1e6;

// The ticket follows the handshake, so whoever has an answer to what was sent after it has the ticket.
void answer(Ours& ours, Connection& client, Connection& server, Slice& byte) {
  bool asked = false, answered = false;
  server.receive(1, 1, [&](Result<Message> message) { asked = message.has_value(); });
  client.receive(1, 1, [&](Result<Message> message) { answered = message.has_value(); });
  client.send(byte.share());
  ours.run_until([&] { return asked; });
  server.send(byte.share());
  ours.run_until([&] { return answered; });
}

double first_byte(bool early) {
  Ours ours;
  const std::string stack = quic_stack(early ? ",tickets=1" : ",resumption=false,tickets=0");
  double came = 0;
  bool was_early = false;
  OurListener listener(ours, stack, [&](Connection& connection) {
    connection.receive(1, 1, [&](Result<Message> message) {
      came = now();
      was_early = expect(std::move(message), "receive").early;
    });
  });
  Preconnection to(*ours.framework);
  to.stack(stack).remote(loopback(listener.port));
  Laps laps(kTimes);
  Slice byte = ours.loop->pool().allocate(0, 1, 0);
  byte.edit()[0] = std::byte{1};
  for (bool first = true; laps.count() < kTimes; first = false) {
    came = 0;
    bool ready = false;
    Message message{.data = byte.share()};
    message.properties.replayable = early;
    const double begin = now();
    Connection client = to.initiate(
        *ours.loop,
        [&ready](Result<void> how) {
          expect(std::move(how), "initiate");
          ready = true;
        },
        std::move(message));
    ours.run_until([&] { return came != 0; });
    errno = 0;
    if (!first && was_early != early) die("quic-early-data: the byte came in the wrong way");
    if (!first) laps.add(came - begin);
    ours.run_until([&] { return ready; });
    answer(ours, client, listener.accepted.front(), byte);
    client.abort();
    ours.loop->run_once(false);
    listener.accepted.clear();
    ours.loop->run_once(false);
  }
  return laps.typical() * kMicroseconds;
}

}  // namespace quic_early_row

Row quic_early_data() {
  using namespace quic_early_row;
  return {.name = "quic-early-data",
          .about = "from initiate() to the first byte at the server, with early data; baseline: after a full handshake",
          .unit = "us",
          .better = Better::lower,
          .target = 0.6,
          .ours = [] { return first_byte(true); },
          .baseline = [] { return first_byte(false); },
          .pairs = kPairsNoisy};
}

}  // namespace trellis::bench
