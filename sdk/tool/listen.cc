// listen.cc: `trellis listen`: one peer joined with standard input and output, or a small service for many.
#include <csignal>
#include <list>

#include "commands.h"
#include "pump.h"
#include "services.h"
#include "signals.h"
#include "transport.h"
#include "trellis/address_text.h"
#include "trellis/endpoint_text.h"
#include "trellis/loop.h"

namespace trellis::tool {

namespace {

enum class Mode { join, echo, discard, source };

struct ListenWanted {
  Transport transport;
  Endpoint local;
  Address source{};  // of a multicast group as `local`; unset: any
  Mode mode = Mode::join;
  std::uint64_t bytes = 0;  // of Mode::source
  bool once = false;
};

Arguments listen_arguments() {
  Arguments arguments(
      "listen", "PORT",
      "Waits for one peer and joins it with standard input and output, as `trellis connect` does; or serves "
      "any number of peers with --echo, --discard or --source. Port 0 lets the system choose.");
  arguments.flag("echo", "", "send everything back", "mode")
      .flag("discard", "", "receive and forget", "mode")
      .value("source", "BYTES", "send this many bytes, then finish", "mode")
      .flag("once", "", "end after the first connection, with its exit code (always so without a service)")
      .value("address", "ADDRESS", "listen on this address of ours (default: all)", "local")
      .value("group", "GROUP[@SOURCE]",
             "join this multicast group and receive from its senders, or from SOURCE alone; needs --stack udp or a "
             "policy with it; on --interface, or where routing leads",
             "local");
  Transport::declare(arguments);
  arguments.footer(
      "When peers can come it prints one line: listening stack=LAYERS address=ADDRESS:PORT. The line goes to standard "
      "output when that carries no data (--echo, --discard, --source), else to standard error.\n"
      "SIGHUP makes a service read its policy again: connections that exist keep what they have, and a policy with a "
      "fault changes nothing.\n"
      "Exits with 0 when done or ended by SIGTERM, 1 for a wrong command line, 2 when it could not listen, 3 when the "
      "connection (or standard input or output) broke, 4 when the peer is not who it must be, 5 when a policy or a "
      "plugin was refused, 129 or 130 when ended by SIGHUP or SIGINT.");
  return arguments;
}

Result<ListenWanted> understand_listen(const Arguments& arguments) {
  ListenWanted wanted;
  auto transport = Transport::from(arguments, true);
  if (!transport) return fail(std::move(transport));
  wanted.transport = std::move(*transport);
  if (const std::size_t count = arguments.operands().size(); count != 1) {
    return fail(Reason::invalid_argument, "expected one PORT, found " + std::to_string(count) + " operands");
  }
  const auto port = parse_port(arguments.operands().front(), 0);
  if (!port) return std::unexpected(port.error());
  if (arguments.has("address")) {
    auto local = parse_local(arguments.text("address"));
    if (!local) return fail(std::move(local));
    if (local->port != 0) return fail(Reason::invalid_argument, "--address takes no port; PORT is the last word");
    wanted.local = std::move(*local);
  }
  if (arguments.has("group")) {
    auto group = parse_group(arguments.text("group"));
    if (!group) return fail(std::move(group));
    if (arguments.has("echo") || arguments.has("source")) {
      return fail(Reason::invalid_argument,
                  "found --group with --echo or --source, expected --discard or none: nothing is sent to its senders");
    }
    wanted.local = std::move(group->group);
    wanted.source = group->source;
  }
  // Without an address: all of the family that was asked for, if one was.
  if (!wanted.local.address) wanted.local.address.family = wanted.transport.family;
  wanted.local.port = wanted.local.address.port = *port;
  if (arguments.has("echo")) wanted.mode = Mode::echo;
  if (arguments.has("discard")) wanted.mode = Mode::discard;
  if (arguments.has("source")) {
    const auto bytes = parse_count("source", arguments.text("source"));
    if (!bytes) return std::unexpected(bytes.error());
    wanted.mode = Mode::source;
    wanted.bytes = *bytes;
  }
  wanted.once = arguments.has("once") || wanted.mode == Mode::join;
  return wanted;
}

// The listener and its connections.
class Server {
 public:
  Server(const ListenWanted& wanted, Loop& loop, const Report& report)
      : wanted_(wanted), loop_(loop), report_(report) {}

  void start(Preconnection& preconnection) {
    listener_ = preconnection.listen(loop_, {.listening = [this](const Address& address) { listening(address); },
                                             .received = [this](Connection peer) { received(std::move(peer)); },
                                             .failed = [this](const Error& error) { failed(error); }});
    if (wanted_.once) listener_.new_connection_limit(1);
  }
  ExitCode code() const { return code_; }

 private:
  void listening(const Address& address) {
    std::FILE* where = wanted_.mode == Mode::join ? stderr : stdout;
    report_.event(where, "listening", {{"stack", std::string(listener_.stack())}, {"address", to_text(address)}});
  }

  void received(Connection peer) {
    std::erase_if(tasks_, [](const Task<void>& task) { return task.done(); });
    tasks_.push_back(serve(std::move(peer)));
    tasks_.back().start();
  }

  void failed(const Error& error) { finish(report_.error(error, kNotConnected)); }

  void finish(ExitCode code) {
    code_ = code;
    loop_.stop();
  }

  Task<void> serve(Connection given) {
    Connection connection = std::move(given);
    auto fields = Report::describe(connection);
    if (wanted_.transport.verbose) report_.event(stderr, "accepted", fields);
    Result<void> how = co_await carry(connection);
    if (how) how = co_await connection.close_async();
    ExitCode code = kDone;
    if (!how) {
      Error error = std::move(how).error();
      if (wanted_.mode != Mode::join) error.detail = std::get<std::string>(fields[1].second) + ": " + error.detail;
      code = report_.error(error, kBroken);
    }
    if (wanted_.once) finish(code);
  }

  Task<Result<void>> carry(Connection& connection) {
    if (wanted_.mode == Mode::echo) co_return co_await echo(connection);
    if (wanted_.mode == Mode::discard) co_return co_await discard(connection);
    if (wanted_.mode == Mode::source) co_return co_await source(connection, wanted_.bytes);
    Pump pump(connection, wanted_.transport.patience_with(connection));
    co_return co_await pump.carry();
  }

  const ListenWanted& wanted_;
  Loop& loop_;
  const Report& report_;
  Listener listener_;
  std::list<Task<void>> tasks_;
  ExitCode code_ = kDone;
};

ExitCode exit_code_of(int signal, ExitCode otherwise) {
  if (signal == SIGINT) return kInterrupted;
  if (signal == SIGHUP) return kHungUp;
  return signal == SIGTERM ? kDone : otherwise;
}

}  // namespace

int listen(std::span<char* const> words) {
  Arguments arguments = listen_arguments();
  if (const auto over = read_command_line(arguments, words)) return *over;
  const Report report("listen", arguments.has("json"));
  const auto wanted = understand_listen(arguments);
  if (!wanted) return report.usage(wanted.error());

  const auto loop = make_loop();
  Signals signals(*loop);
  const auto framework = wanted->transport.load(report);
  if (!framework) return report.error(framework.error(), kRefused);
  Preconnection preconnection(**framework);
  wanted->transport.apply(preconnection);
  preconnection.local(wanted->local, wanted->source);

  Server server(*wanted, *loop, report);
  server.start(preconnection);
  if (!wanted->once) {
    signals.on_hangup = [&] {
      const auto loaded = (*framework)->reload();
      report.warning("policy", loaded ? "loaded anew: new connections use it" : loaded.error().detail);
    };
  }
  loop->run();
  return exit_code_of(signals.received(), server.code());
}

}  // namespace trellis::tool
