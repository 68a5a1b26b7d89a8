// tcpls_join.cc: what one more connection of a TCPLS session costs the server, compared with the first one. Both with
// everything that belongs to them: the TCP connection, the tokens, the end.
#include <cerrno>

#include "ours.h"
#include "process.h"
#include "rows.h"
#include "tls_ends.h"
#include "transfer.h"

namespace trellis::bench {
namespace tcpls_join_row {

constexpr int kSessions = 200;
constexpr int kJoins = 7;  // of each session
constexpr double kMicroseconds = 1e6;

void serve(const std::string& stack, const Outlet& out) {
  Ours ours;
  OurListener listener(ours, stack);
  out.put(listener.port);
  const Meter meter;
  for (int i = 0; i < kSessions; ++i) {
    ours.run_until([&] { return !listener.accepted.empty(); });
    Connection& connection = listener.accepted.front();
    bool closed = false;
    connection.receive(1, 1, [&](Result<Message> end) {
      expect(std::move(end), "receive");
      connection.close([&](Result<void>) { closed = true; });
    });
    ours.run_until([&] { return closed; });
    listener.accepted.clear();
  }
  out.put(meter.used());
}

bool has_joined(const Connection& connection, int joins) {
  const auto list = connection.get("tcpls.connections");
  if (!list) return false;
  const auto& text = std::get<std::string>(*list);
  return !text.contains("joining") && std::ranges::count(text, ';') == joins;
}

// Seconds of the server's processor time for all sessions.
double server_cpu(int joins) {
  const std::string stack = tls_stack(joins != 0 ? ",tokens=8,standby=" + std::to_string(joins) : ",tokens=0", "tcpls");
  constexpr auto kDeadline = std::chrono::seconds(kSecondsMax);
  Child server(kServerCpu, [&](const Outlet& out) { serve(stack, out); });
  const auto port = server.take<std::uint16_t>(kDeadline);
  errno = 0;
  if (!port) die("tcpls-join: the server ended");
  Ours ours;
  for (int i = 0; i < kSessions; ++i) {
    Connection connection = dial(ours, stack, *port);
    ours.run_until([&] { return has_joined(connection, joins); });
    bool closed = false;
    connection.close([&](Result<void>) { closed = true; });
    ours.run_until([&] { return closed; });
  }
  const auto used = server.take<Used>(kDeadline);
  if (!used) die("tcpls-join: the server ended");
  return used->cpu;
}

}  // namespace tcpls_join_row

Row tcpls_join() {
  using namespace tcpls_join_row;
  return {.name = "tcpls-join",
          .about = "server's processor time for a connection that joins; baseline: a session with a full handshake",
          .unit = "us",
          .better = Better::lower,
          .target = 0.15,
          .ours = [] { return (server_cpu(kJoins) - server_cpu(0)) / (kSessions * kJoins) * kMicroseconds; },
          .baseline = [] { return server_cpu(0) / kSessions * kMicroseconds; },
          .pairs = kPairsNoisy};
}

}  // namespace trellis::bench
