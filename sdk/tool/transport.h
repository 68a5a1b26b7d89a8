// transport.h: the options that `connect` and `listen` share, and what they come to.
#pragma once
#include <memory>
#include <string>

#include "arguments.h"
#include "report.h"
#include "trellis/framework.h"
#include "trellis/preconnection.h"

namespace trellis::tool {

/// What the command line says about policy, stack and addresses.
struct Transport {
  std::string policy, stack, interface_name;
  std::string state_file = default_state_file();  ///< empty: nothing outlives the process
  Address::Family family = Address::Family::none;
  std::shared_ptr<const Security> security{};  ///< null: nothing was said
  Duration patience{};                         ///< zero: not said
  std::vector<KnownHost> hosts = {};           ///< --resolve
  bool json = false, verbose = false;

  /// Adds the options to a command.
  static void declare(Arguments& arguments);
  /// Adds --resolve, for commands that look names up.
  static void declare_resolve(Arguments& arguments);
  /// Adds --state.
  static void declare_state(Arguments& arguments);
  /// Reads them; `listening`: for a server. Errors: invalid_argument.
  static Result<Transport> from(const Arguments& arguments, bool listening);

  /// Loads policy and plugins. With -v log lines go to the report, which must outlive the framework.
  Result<std::unique_ptr<Framework>> load(const Report& report) const;
  /// Tells a Preconnection what was said here.
  void apply(Preconnection& preconnection) const;
  /// How long a silent peer is waited for after the end of the input (Pump).
  Duration patience_with(const Connection& connection) const;
};

/// The way a number of seconds from the command line becomes a Duration.
Duration to_duration(double seconds);

}  // namespace trellis::tool
