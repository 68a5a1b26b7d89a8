// lab.h: the subject, loaded and composed: what all runs of one process share. Worlds (world.h) come and go in it.
#pragma once
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "conformance/conformance.h"
#include "conformance/scene.h"
#include "core/framework_core.h"
#include "trellis/framework.h"

namespace trellis::conformance {

/// Bytes that a Connection of the kit's policy holds at most.
inline constexpr std::uint32_t kReceiveBuffer = 64 * 1024;
inline constexpr std::uint32_t kSendBuffer = 32 * 1024;

/// What checks ask about the subject.
struct Facts {
  std::string name;          ///< of the layer
  LayerTraits layer;         ///< for the face that is examined
  StackTraits stack;         ///< of the subject and all below it
  bool bottom = false;       ///< it has no layer below: it talks to sockets
  bool text = false;         ///< it carries text only
  bool framer = false;       ///< it is one
  unsigned framer_rtts = 0;  ///< that it claims for its own set-up
  bool listens = false;      ///< some layer of the stack accepts
  bool has(Feature feature) const { return stack.have.has(feature); }
  /// Nothing is lost and nothing overtakes.
  bool exact() const { return has(Feature::reliability) && has(Feature::ordering); }
};

class Lab {
 public:
  /// Loads the plugins and composes the stack. Errors say what does not fit.
  static Result<std::unique_ptr<Lab>> open(const Subject& subject);
  ~Lab();

  const Subject& subject() const { return subject_; }
  const Facts& facts() const { return facts_; }
  Framework& framework() { return *framework_; }
  Registry& registry() { return framework_->core().registry; }
  SceneHolder& holder() { return holder_; }
  /// The stack as a text for Preconnection::stack(): with taps around the subject, or only what is below it.
  const std::string& examined() const { return examined_; }
  const std::string& below() const { return below_; }
  std::span<const OptionSpec> options() const { return options_; }
  /// The subject's kind with other settings, not wrapped. Errors are the plugin's.
  Result<std::unique_ptr<const Protocol>> configure(const Options& options) const;

 private:
  explicit Lab(const Subject& subject) : subject_(subject) {}
  Result<void> load();
  Result<void> wrap();
  Result<void> compose_all();

  Subject subject_;
  Facts facts_;
  SceneHolder holder_;
  std::unique_ptr<Framework> framework_;
  Registry::LayerKind kind_{};
  std::span<const OptionSpec> options_;
  std::string examined_, below_;
};

}  // namespace trellis::conformance
