// resolve.cc: `trellis resolve`: which local endpoints there are, and what remote ones come to, before connecting.
#include <cstdlib>
#include <optional>

#include "commands.h"
#include "transport.h"
#include "trellis/address_text.h"
#include "trellis/endpoint_text.h"
#include "trellis/loop.h"

namespace trellis::tool {

namespace {

constexpr const char* kPasswordVariable = "TRELLIS_STUN_PASSWORD";

struct ResolveWanted {
  Transport transport;
  std::vector<Endpoint> remotes;
  std::optional<Endpoint> local;
  StunServer stun;
};

Arguments resolve_arguments() {
  Arguments arguments("resolve", "[HOST:PORT...]",
                      "Says which addresses of this host a peer could be told, and what the names of peers come to. "
                      "Nothing is connected: only name servers are asked, and the STUN server if there is one.");
  arguments
      .value("stun-server", "HOST:PORT[,USER[:PASSWORD]]",
             "ask this server how it sees us, and as USER for relayed addresses too (TURN); a password that is not "
             "given is that of $TRELLIS_STUN_PASSWORD, which other users of this host do not see")
      .value("local", "ADDRESS", "our address, with or without a port")
      .value("policy", "FILE", "the policy that finds paths and resolves names (default: the shipped default.xml)",
             "stack")
      .value("stack", "LAYERS", "as if this stack were to be used: tcp, udp", "stack")
      .value("interface", "IF", "this interface only")
      .flag("ipv4", "4", "IPv4 only", "family")
      .flag("ipv6", "6", "IPv6 only", "family")
      .flag("json", "", "report in JSON, one object per line");
  Transport::declare_resolve(arguments);
  arguments.footer(
      "Prints a line for each: \"local kind=host address=192.0.2.1:40000 …\", kinds as in SDP (host, srflx, relay), "
      "and "
      "\"remote address=192.0.2.7:443 name=example.net\". What a server would not say is told on standard error.\n"
      "Exits with 0 when done, 1 for a wrong command line, 2 when a peer has no address or this host has none, 5 when "
      "a policy or a plugin was refused.");
  return arguments;
}

Result<StunServer> parse_stun_server(const std::string& text) {
  const std::size_t comma = text.find(',');
  auto endpoint = parse_remote(text.substr(0, comma));
  if (!endpoint) return fail(std::move(endpoint));
  StunServer server{.endpoint = std::move(*endpoint)};
  if (comma == std::string::npos) return server;
  const std::string user = text.substr(comma + 1);
  const std::size_t colon = user.find(':');
  server.username = user.substr(0, colon);
  const char* const told = std::getenv(kPasswordVariable);
  server.password = colon != std::string::npos ? user.substr(colon + 1) : told != nullptr ? told : "";
  if (server.username.empty() || server.password.empty())
    return fail(Reason::invalid_argument, "--stun-server needs a user and a password behind the comma");
  return server;
}

Result<ResolveWanted> understand_resolve(const Arguments& arguments) {
  auto transport = Transport::from(arguments, false);
  if (!transport) return fail(std::move(transport));
  ResolveWanted wanted{.transport = std::move(*transport), .remotes = {}, .local = {}, .stun = {}};
  for (const std::string& operand : arguments.operands()) {
    auto remote = parse_remote(operand);
    if (!remote) return fail(std::move(remote));
    wanted.remotes.push_back(std::move(*remote));
  }
  if (arguments.has("local")) {
    auto local = parse_local(arguments.text("local"));
    if (!local) return fail(std::move(local));
    wanted.local = std::move(*local);
  }
  if (arguments.has("stun-server")) {
    auto server = parse_stun_server(arguments.text("stun-server"));
    if (!server) return fail(std::move(server));
    wanted.stun = std::move(*server);
  }
  return wanted;
}

void print_resolved(const Report& report, const Resolved& resolved) {
  for (const LocalCandidate& local : resolved.local) {
    Report::Fields fields{{"kind", std::string(to_string(local.kind))}, {"address", to_text(local.address)}};
    if (local.base != local.address) fields.emplace_back("base", to_text(local.base));
    if (!local.interface_name.empty()) fields.emplace_back("interface", local.interface_name);
    if (local.server) fields.emplace_back("server", to_text(local.server));
    report.event(stdout, "local", fields);
  }
  for (const Endpoint& remote : resolved.remote) {
    const bool known = bool(remote.address);
    Report::Fields fields{{"address", known ? to_text(remote.address) : to_text(remote)}};
    if (known && !remote.host.empty()) fields.emplace_back("name", remote.host);
    report.event(stdout, "remote", fields);
  }
  for (const Error& trouble : resolved.trouble) report.warning(trouble.layer, trouble.detail);
}

}  // namespace

int resolve(std::span<char* const> words) {
  Arguments arguments = resolve_arguments();
  if (const auto over = read_command_line(arguments, words)) return *over;
  const Report report("resolve", arguments.has("json"));
  auto wanted = understand_resolve(arguments);
  if (!wanted) return report.usage(wanted.error());

  wanted->transport.state_file.clear();  // nothing is connected, so nothing is learnt
  const auto loop = make_loop();
  const auto framework = wanted->transport.load(report);
  if (!framework) return report.error(framework.error(), kRefused);
  Preconnection preconnection(**framework);
  wanted->transport.apply(preconnection);
  preconnection.add_remote(wanted->remotes).stun_server(wanted->stun);
  if (wanted->local) preconnection.local(*wanted->local);
  ExitCode code = kDone;
  const Resolving resolving = preconnection.resolve(*loop, [&](Result<Resolved> resolved) {
    if (resolved) print_resolved(report, *resolved);
    if (resolved && resolved->local.empty())
      code =
          report.error({Reason::unreachable, 0, "core", "this host has no address that could be told"}, kNotConnected);
    if (!resolved) code = report.error(resolved.error(), kNotConnected);
    loop->stop();
  });
  loop->run();
  return code;
}

}  // namespace trellis::tool
