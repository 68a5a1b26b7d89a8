// plugin.h: how a shared object says what it is, before any of its code runs, and what it offers.
#pragma once
#include <cstddef>
#include <exception>
#include <memory>
#include <string>
#include <string_view>

#include "trellis/abi.h"

namespace trellis {

class ProtocolKind;  // protocol.h
class StateStore;    // state.h
class PathProvider;  // path.h
class Resolver;      // resolver.h
class RacingPolicy;  // racing.h
class FramerKind;    // framer.h

/// How far a plugin is, as its author claims; shown by `trellis plugins`, never decides anything.
enum class Maturity : std::uint8_t { experimental, beta, stable };

/// What a plugin says of itself: the arguments of TRELLIS_PLUGIN, by name. The lengths are those of PluginDescriptor.
struct PluginFacts {
  std::string_view name;                       ///< kebab-case, unique
  std::string_view version;                    ///< semantic version
  std::string_view license;                    ///< SPDX expression
  std::string_view provides;                   ///< what it registers: "protocol:tcp framer:length-prefix"
  std::string_view summary;                    ///< one line
  Maturity maturity = Maturity::experimental;  ///< how far it is
};

/// Lies in the ELF section .trellis_plugin. Only numbers and inline text: no relocations, so the loader
/// reads it from the file and can refuse a plugin, or find who provides "tcp", without dlopen.
struct PluginDescriptor {
  char magic[8] = {'T', 'R', 'E', 'L', 'L', 'I', 'S', '\0'};  ///< says that it is one
  std::uint32_t size = sizeof(PluginDescriptor);              ///< bytes; later fields are appended
  std::uint32_t abi = kAbi;                                   ///< of the headers it was built with
  char toolchain[32] = {};                                    ///< kToolchain of its compiler
  char name[32] = {};                                         ///< PluginFacts::name, and so on
  char version[16] = {};
  char license[32] = {};
  char provides[192] = {};
  char summary[128] = {};
  std::uint32_t maturity = 0;  ///< a Maturity
};
static_assert(sizeof(PluginDescriptor) == 452, "part of the ABI");

/// Makes the descriptor; a text that is too long is a compile-time error.
consteval PluginDescriptor describe(const PluginFacts& facts) {
  PluginDescriptor d;
  auto put = [](std::string_view text, char* out, std::size_t room) {
    if (text.size() + 1 > room) throw "plugin descriptor: text too long";
    for (std::size_t i = 0; i < text.size(); ++i) out[i] = text[i];
  };
  put(kToolchain, d.toolchain, sizeof d.toolchain);
  put(facts.name, d.name, sizeof d.name);
  put(facts.version, d.version, sizeof d.version);
  put(facts.license, d.license, sizeof d.license);
  put(facts.provides, d.provides, sizeof d.provides);
  put(facts.summary, d.summary, sizeof d.summary);
  d.maturity = static_cast<std::uint32_t>(facts.maturity);
  return d;
}

/// Handed to the plugin; there is no global registry. Everything added must be named in `provides`.
class Registrar {
 public:
  virtual void add(std::unique_ptr<ProtocolKind>) = 0;     ///< "protocol:NAME"
  virtual void add(std::unique_ptr<StateStore>) = 0;       ///< "store:NAME"
  virtual void add(std::unique_ptr<PathProvider>) = 0;     ///< "paths:NAME"
  virtual void add(std::unique_ptr<Resolver>) = 0;         ///< "resolver:NAME"
  virtual void add(std::unique_ptr<RacingPolicy>) = 0;     ///< "racing:NAME"
  virtual void add(std::unique_ptr<FramerKind>) = 0;       ///< "framer:NAME"
  virtual void refuse(std::string_view why) noexcept = 0;  ///< e.g. a missing kernel module: nothing is used

 protected:
  ~Registrar() = default;
};

}  // namespace trellis

/// Declares the plugin of a shared object; the body registers what it provides:
///   TRELLIS_PLUGIN(.name = "echo", .version = "0.1.0", .license = "MIT", .provides = "protocol:echo",
///                  .summary = "Sends everything back") {
///     registrar.add(kind<Echo>("echo"));
///   }
#define TRELLIS_PLUGIN(...)                                                                         \
  extern "C" {                                                                                      \
  TRELLIS_EXPORT extern const ::trellis::PluginDescriptor trellis_plugin_descriptor;                \
  [[gnu::section(".trellis_plugin"),                                                                \
    gnu::used]] constinit const ::trellis::PluginDescriptor trellis_plugin_descriptor =             \
      ::trellis::describe({__VA_ARGS__});                                                           \
  TRELLIS_EXPORT void trellis_plugin_register(::trellis::Registrar&) noexcept;                      \
  }                                                                                                 \
  static void trellis_plugin_add(::trellis::Registrar& registrar);                                  \
  void trellis_plugin_register(::trellis::Registrar& registrar) noexcept try {                      \
    trellis_plugin_add(registrar);                                                                  \
  } catch (const std::exception& thrown) {                                                          \
    registrar.refuse(std::string("an exception left the registration function: ") + thrown.what()); \
  } catch (...) {                                                                                   \
    registrar.refuse("an exception left the registration function");                                \
  }                                                                                                 \
  static void trellis_plugin_add([[maybe_unused]] ::trellis::Registrar& registrar)
