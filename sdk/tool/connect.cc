// connect.cc: `trellis connect`: standard input to a peer, what comes back to standard output.
#include <optional>

#include "commands.h"
#include "pump.h"
#include "race_files.h"
#include "race_json.h"
#include "transport.h"
#include "trellis/endpoint_text.h"
#include "trellis/loop.h"

namespace trellis::tool {

namespace {

struct ConnectWanted {
  Transport transport;
  Endpoint remote;
  std::optional<Endpoint> local;
  Duration timeout{};
};

Arguments connect_arguments() {
  Arguments arguments(
      "connect", "HOST:PORT",
      "Sends standard input to a peer and writes what comes back to standard output. The end of the input is "
      "passed on to the peer; the command ends when both directions have ended. On message stacks each "
      "read from the input is one message, under the framer \"line\" each line.");
  arguments.value("timeout", "S", "seconds until it must be connected (default: the policy's)")
      .value("local", "ADDRESS", "our address, with or without a port")
      .value("hop-limit", "N",
             "how many hops what is sent to a multicast group may go, 0 to 255 (default: 1, the link)");
  Transport::declare(arguments);
  Transport::declare_resolve(arguments);
  Transport::declare_state(arguments);
  RaceFiles::declare(arguments);
  arguments.footer(
      "An IPv6 address is written in brackets: [::1]:7000. To a multicast group is only sent: --stack udp "
      "239.1.2.3:7000.\n"
      "Exits with 0 when done, 1 for a wrong command line, 2 when it could not connect, 3 when the connection (or "
      "standard input or output) broke, 4 when the peer is not who it must be, 5 when a policy or a plugin was "
      "refused.");
  return arguments;
}

Result<ConnectWanted> understand_connect(const Arguments& arguments) {
  ConnectWanted wanted;
  auto transport = Transport::from(arguments, false);
  if (!transport) return fail(std::move(transport));
  wanted.transport = std::move(*transport);
  if (const std::size_t count = arguments.operands().size(); count != 1) {
    return fail(Reason::invalid_argument, "expected one HOST:PORT, found " + std::to_string(count) + " operands");
  }
  auto remote = parse_remote(arguments.operands().front());
  if (!remote) return fail(std::move(remote));
  wanted.remote = std::move(*remote);
  if (arguments.has("local")) {
    auto local = parse_local(arguments.text("local"));
    if (!local) return fail(std::move(local));
    wanted.local = std::move(*local);
  }
  if (arguments.has("hop-limit")) {
    const auto hops = parse_count("hop-limit", arguments.text("hop-limit"));
    if (!hops) return std::unexpected(hops.error());
    if (*hops > UINT8_MAX)
      return fail(Reason::invalid_argument, "found --hop-limit " + std::to_string(*hops) + ", expected 0 to 255");
    wanted.remote.hop_limit = static_cast<std::uint8_t>(*hops);
  }
  if (arguments.has("timeout")) {
    const auto seconds = parse_seconds("timeout", arguments.text("timeout"));
    if (!seconds) return std::unexpected(seconds.error());
    wanted.timeout = to_duration(*seconds);
  }
  return wanted;
}

// Tells how the race went, as far as somebody wants to know.
void watch_race(const ConnectWanted& wanted, Preconnection& preconnection, RaceFiles& files, const Report& report,
                ExitCode& code) {
  if (!files.wanted() && !wanted.transport.json && !wanted.transport.verbose) return;
  preconnection.on_race([&](const RaceReport& race) {
    const bool tell = race.failure.has_value() || (wanted.transport.json && wanted.transport.verbose);
    if (tell && (wanted.transport.json || wanted.transport.verbose)) report.race(race);
    if (auto written = files.write(race); !written) code = report.error(written.error(), kBroken);
  });
}

// What the connection tells of itself.
void watch_connection(const ConnectWanted& wanted, Connection& connection, Loop& loop, RaceFiles& files,
                      const Report& report, TimePoint began) {
  connection.on_notice([&, began](Notice notice, const Error& detail) {
    if (notice == Notice::soft_error) report.warning(detail.layer, detail.detail);
    if (notice != Notice::path_change) return;
    if (files.wanted()) {
      const bool lost = detail.reason != Reason{} && detail.reason != Reason::canceled;
      files.add({.at = loop.now(), .lost = lost, .layer = std::string(detail.layer), .detail = detail.detail});
    }
    if (!wanted.transport.verbose) return;
    report.event(
        stderr, "path",
        {{"layer", std::string(detail.layer)}, {"detail", detail.detail}, {"ms", milliseconds(loop.now() - began)}});
  });
}

// The whole life of the connection; the result is the process's.
Task<void> carry(const ConnectWanted& wanted, Preconnection& preconnection, Loop& loop, RaceFiles& files,
                 const Report& report, ExitCode& code) {
  const TimePoint began = loop.now();
  Result<Connection> connection = co_await preconnection.initiate_async(loop);
  if (!connection) {
    code = report.error(connection.error(), kNotConnected);
    co_return loop.stop();
  }
  watch_connection(wanted, *connection, loop, files, report, began);
  if (wanted.transport.verbose) {
    auto fields = Report::describe(*connection);
    fields.emplace_back("ms", milliseconds(loop.now() - began));
    report.event(stderr, "connected", fields);
  }
  Result<void> how;
  {
    Pump pump(*connection, wanted.transport.patience_with(*connection));
    how = co_await pump.carry();
  }
  if (how) how = co_await connection->close_async();
  if (!how) code = report.error(how.error(), kBroken);
  if (auto drawn = files.finish(); !drawn) code = report.error(drawn.error(), kBroken);
  loop.stop();
}

}  // namespace

int connect(std::span<char* const> words) {
  Arguments arguments = connect_arguments();
  if (const auto over = read_command_line(arguments, words)) return *over;
  const Report report("connect", arguments.has("json"));
  const auto wanted = understand_connect(arguments);
  if (!wanted) return report.usage(wanted.error());

  RaceFiles files;
  if (auto opened = files.open(arguments); !opened) return report.error(opened.error(), kBroken);
  const auto loop = make_loop();
  const auto framework = wanted->transport.load(report);
  if (!framework) return report.error(framework.error(), kRefused);
  Preconnection preconnection(**framework);
  wanted->transport.apply(preconnection);
  preconnection.remote(wanted->remote);
  if (wanted->local) preconnection.local(*wanted->local);
  if (wanted->timeout > Duration{}) preconnection.connect_timeout(wanted->timeout);

  ExitCode code = kDone;
  watch_race(*wanted, preconnection, files, report, code);
  Task<void> task = carry(*wanted, preconnection, *loop, files, report, code);
  task.start();
  loop->run();
  return code;
}

}  // namespace trellis::tool
