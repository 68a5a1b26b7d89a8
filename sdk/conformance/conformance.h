// conformance.h: holds a layer to its own claims and to the contract, in virtual time and in both roles.
//
//   int main(int argc, char** argv) {
//     return trellis::conformance::run({.plugin = TRELLIS_PLUGIN_FILE, .layer = "ping", .below = {"udp"}}, argc, argv);
//   }
//
// trellis_add_plugin (sdk/cmake) defines TRELLIS_PLUGIN_FILE, and TRELLIS_PLUGINS: where the shipped plugins are.
// A failed check says what was expected, what happened, at which seed, and prints the command that repeats exactly
// that.
#pragma once
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "trellis/plugin.h"
#include "trellis/protocol.h"

namespace trellis::conformance {

/// What a framer may do besides framing (trellis/framer.h).
enum class Hook : std::uint8_t {
  speaks_first,    ///< send() before it is ready
  speaks_last,     ///< send() when the application sends nothing more
  delivers,        ///< deliver(): messages that it has made, or made anew
  passes_through,  ///< pass_through()
  prepends,        ///< prepend()
};

/// What is examined, and on what it stands.
struct Subject {
  std::string plugin{};              ///< path of its shared object
  std::string layer{};               ///< which protocol or framer of it
  std::vector<std::string> below{};  ///< layers under it, top first, with settings: "tls(trust='a')", "tcp"
  std::string options{};             ///< its settings as in the name of a stack: "probe-interval-ms=50,retries=3"
  bool text = false;                 ///< it carries printable text without line ends only
  Face face = Face::none;            ///< which of its faces; none: the first that fits
  std::vector<Hook> hooks{};         ///< framers: what it does besides framing in a usual conversation
  /// Checks that make no sense for it, each with its reason: "T2: the protocol has no half-close". The reason is
  /// printed.
  std::vector<std::string> not_applicable{};
  std::vector<std::string> directories{};  ///< where the plugins below are, besides the plugin's own directory
  std::shared_ptr<const Security> client_security{};  ///< for layers that need certificates or keys
  std::shared_ptr<const Security> server_security{};  ///< as above
  /// Instead of a file: registers the layer from this program. For tests of the kit; group D then has nothing to read.
  std::function<void(Registrar&)> linked{};
};

/// Runs the checks as the command line says (--help lists its flags). Returns what main() returns: 0 when all passed.
int run(const Subject& subject, int argc, char** argv);

}  // namespace trellis::conformance
