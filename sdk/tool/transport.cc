#include "transport.h"

#include <net/if.h>

#include <algorithm>
#include <filesystem>

#include "core/text.h"
#include "core/watchdog.h"
#include "secure.h"
#include "trellis/endpoint_text.h"

namespace trellis::tool {

namespace {

constexpr Duration kDatagramPatience = std::chrono::seconds(1);

}  // namespace

Duration to_duration(double seconds) {
  return std::chrono::duration_cast<Duration>(std::chrono::duration<double>(seconds));
}

void Transport::declare(Arguments& arguments) {
  arguments.value("policy", "FILE", "the policy that chooses the stack (default: the shipped default.xml)", "stack")
      .value("stack", "LAYERS", "use this stack instead, top first: tcp, length-prefix/tcp, udp", "stack")
      .value("interface", "IF", "use this interface only")
      .value("wait", "S",
             "seconds to wait for a silent peer after the end of the input (default: for ever; 1 for datagrams, "
             "whose sender cannot say that it has finished, other than those of a multicast group)")
      .flag("ipv4", "4", "IPv4 only", "family")
      .flag("ipv6", "6", "IPv6 only", "family")
      .flag("json", "", "report in JSON, one object per line")
      .flag("verbose", "v", "report each connection on standard error");
  declare_security(arguments);
}

void Transport::declare_resolve(Arguments& arguments) {
  arguments.list("resolve", "HOST:PORT:ADDR[,ADDR...]",
                 "use these addresses for this name and port, as curl does; what is given several times adds up");
}

void Transport::declare_state(Arguments& arguments) {
  arguments.value("state", "FILE",
                  "where tickets and what attempts taught are kept; none: nowhere (default: $TRELLIS_STATE, or "
                  "trellis/state.sqlite in $XDG_STATE_HOME)");
}

Result<Transport> Transport::from(const Arguments& arguments, bool listening) {
  Transport said{.policy = arguments.text("policy"),
                 .stack = arguments.text("stack"),
                 .interface_name = arguments.text("interface"),
                 .json = arguments.has("json"),
                 .verbose = arguments.has("verbose")};
  if (arguments.has("state")) {
    said.state_file = arguments.text("state") == "none" ? "" : arguments.text("state");
    std::error_code error;
    if (!said.state_file.empty()) said.state_file = std::filesystem::absolute(said.state_file, error);
  }
  if (arguments.has("ipv4")) said.family = Address::Family::ipv4;
  if (arguments.has("ipv6")) said.family = Address::Family::ipv6;
  for (const char* option : {"policy", "stack", "interface", "state"}) {
    if (arguments.has(option) && arguments.text(option).empty()) {
      return fail(Reason::invalid_argument, std::string("--") + option + " needs a value");
    }
  }
  if (arguments.has("interface") && if_nametoindex(said.interface_name.c_str()) == 0) {
    return fail(Reason::invalid_argument, "this host has no interface " + in_quotes(said.interface_name));
  }
  for (const std::string& text : arguments.texts("resolve")) {
    auto known = parse_known_host(text);
    if (!known) return fail(std::move(known));
    const auto same = std::ranges::find_if(said.hosts, [&](const KnownHost& host) {
      return same_word(host.host, known->host) && host.port == known->port;
    });
    if (same == said.hosts.end())
      said.hosts.push_back(std::move(*known));
    else
      same->addresses.insert(same->addresses.end(), known->addresses.begin(), known->addresses.end());
  }
  auto security = read_security(arguments, listening);
  if (!security) return fail(std::move(security));
  said.security = std::move(*security);
  if (arguments.has("wait")) {
    const auto seconds = parse_seconds("wait", arguments.text("wait"));
    if (!seconds) return std::unexpected(seconds.error());
    said.patience = to_duration(*seconds);
  }
  return said;
}

Result<std::unique_ptr<Framework>> Transport::load(const Report& report) const {
  FrameworkOptions options;
  options.hosts = hosts;
  options.state_file = state_file;
  options.plugin_patience = kPluginPatience;
  if (!policy.empty()) options.policies.push_back(policy);
  if (verbose) {
    options.log = [&report](Severity severity, std::string_view who, std::string_view text) {
      if (severity != Severity::trace) report.warning(who, text);
    };
  }
  return Framework::create(std::move(options));
}

void Transport::apply(Preconnection& preconnection) const {
  // Who names a stack by hand knows what it does to messages.
  if (!stack.empty()) preconnection.stack(stack).set(kSafelyReplayable.name, true);
  if (security) preconnection.security(security);
  if (!interface_name.empty()) preconnection.interface_name(interface_name);
  if (family != Address::Family::none) preconnection.family(family);
}

Duration Transport::patience_with(const Connection& connection) const {
  if (patience > Duration{} || is_multicast(connection.local()))
    return patience;  // what a group's senders do is theirs
  return connection.face() == Face::datagram ? kDatagramPatience : Duration{};
}

}  // namespace trellis::tool
