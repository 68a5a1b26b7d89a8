// framework.h: plugins and policies, loaded once and shared by all loops of an application.
//
//   auto loop = trellis::make_loop();                       // outlives the framework
//   auto framework = trellis::Framework::create({});        // the default policy
//   auto connection = trellis::Preconnection(**framework).remote({"example.net", 7000}).initiate(*loop, on_ready);
//   loop->run();
#pragma once
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "trellis/executor.h"
#include "trellis/protocol.h"

namespace trellis {

/// A name whose addresses are known: no resolver is asked for them (curl's --resolve).
struct KnownHost {
  std::string host;                ///< compared as DNS does; "*": every name
  std::uint16_t port = 0;          ///< for this port only
  std::vector<Address> addresses;  ///< in order of preference; their ports are not used
};

/// Hears log lines of layers and of the framework: how serious it is, who says it, one line.
using Log = std::function<void(Severity, std::string_view who, std::string_view text)>;

/// What to load.
struct FrameworkOptions {
  std::vector<std::string> policies = {};            ///< XML files, one profile each; empty: the shipped default.xml
  std::vector<std::string> plugin_directories = {};  ///< searched after the policy's and before the defaults
  std::vector<KnownHost> hosts = {};                 ///< asked before any resolver; the first that fits counts
  std::string application = {};  ///< the name that rules of policies know it by; empty: the program's file name
  /// Where tickets and what attempts taught outlive the process, for policies that name no store: a file, kept by the
  /// plugin `sqlite`; empty: nowhere. A file that cannot be used is told to `log` and changes nothing else.
  std::string state_file = {};
  /// How long a racing policy may take to decide. One that takes longer cannot be stopped: the process ends (abort())
  /// with a line on standard error that names it. Costs a thread. Zero: nobody watches, and it would hang its loop.
  Duration plugin_patience = {};
  Log log = {};  ///< called on the loop on which something happens; null: log lines are dropped
};

/// The file for FrameworkOptions::state_file that programs of a user share: $TRELLIS_STATE, else
/// $XDG_STATE_HOME/trellis/state.sqlite, else ~/.local/state/trellis/state.sqlite. Empty when TRELLIS_STATE is "none".
std::string default_state_file();

/// A plugin that was opened.
struct LoadedPlugin {
  std::string name;     ///< as in its descriptor
  std::string version;  ///< as in its descriptor
  std::string file;     ///< where it was found
};

struct FrameworkCore;  // core/framework_core.h

/// Plugins and policies. Thread-safe. Destroyed after its Connections and Listeners and before its loops, when no loop
/// runs any more.
class Framework {
 public:
  /// Reads the policies, opens the plugins that they name and checks all their stacks. Errors are one line, with
  /// file:line where they come from a policy.
  static Result<std::unique_ptr<Framework>> create(FrameworkOptions options);
  ~Framework();
  /// Reads the policy files again, on any thread. Connections that exist keep what they have; new ones, also of a
  /// Listener, get what the files say now. On an Error nothing has changed, and it says so. What may not change is
  /// <plugins>, and plugins that were installed meanwhile are not seen: both take a new Framework.
  [[nodiscard]] Result<void> reload();
  std::vector<LoadedPlugin> plugins() const;         ///< opened so far, in the order of opening
  std::vector<std::string> profiles() const;         ///< names of the loaded policies, in their order
  FrameworkCore& core() noexcept { return *core_; }  ///< for the framework's own parts
  /// For the framework's own parts: of a core that was put together without policy files.
  explicit Framework(std::unique_ptr<FrameworkCore> core);

 private:
  std::unique_ptr<FrameworkCore> core_;
};

}  // namespace trellis
