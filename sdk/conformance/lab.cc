#include "conformance/lab.h"

#include <algorithm>
#include <filesystem>
#include <format>

#include "conformance/tap.h"
#include "conformance/watched_framer.h"
#include "conformance/watched_layer.h"
#include "core/compose.h"
#include "core/framer_layer.h"
#include "trellis/racing.h"

namespace trellis::conformance {
namespace {

constexpr const char* kLayer = "conformance";
constexpr Duration kConnectTimeout = std::chrono::seconds(15);

/// One after the other: there is one candidate, and the kit shall not need a racing plugin for it.
class KitRacing final : public RacingPolicy {
  struct InTurn final : Race {
    RacePlan decide(RaceEvent, ChildId, const RaceView& view) noexcept override {
      RacePlan plan;
      const auto next = std::ranges::find(view.children, Child::State::waiting, &Child::state);
      const bool busy = std::ranges::any_of(view.children, [](const Child& child) {
        return child.state > Child::State::waiting && child.state < Child::State::failed;
      });
      if (!busy && next != view.children.end()) plan.start.push_back(next->id);
      return plan;
    }
  };
  std::string_view name() const noexcept override { return "staggered"; }
  std::unique_ptr<Race> begin(Branch, const Options&) const noexcept override { return std::make_unique<InTurn>(); }
};

std::string watched_name(std::string_view layer) { return std::string(layer) + "-under-test"; }

/// The subject's kind under another name, so that a stack can say "the wrapped one".
class WatchedKind final : public ProtocolKind {
 public:
  WatchedKind(Lab& lab, std::string name) : lab_(lab), name_(std::move(name)) {}
  std::string_view name() const noexcept override { return name_; }
  std::span<const OptionSpec> options() const noexcept override { return lab_.options(); }
  Result<std::unique_ptr<Protocol>> configure(const Options& options) const noexcept override {
    auto real = lab_.configure(options);
    if (!real) return fail(std::move(real));
    return std::make_unique<WatchedProtocol>(std::move(*real), lab_.holder());
  }

 private:
  Lab& lab_;
  std::string name_;
};

}  // namespace

Result<std::unique_ptr<Lab>> Lab::open(const Subject& subject) {
  std::unique_ptr<Lab> lab(new Lab(subject));
  if (auto done = lab->load(); !done) return fail(std::move(done));
  if (auto done = lab->wrap(); !done) return fail(std::move(done));
  if (auto done = lab->compose_all(); !done) return fail(std::move(done));
  return lab;
}

Lab::~Lab() = default;

Result<void> Lab::load() {
  FrameworkOptions options;
  if (!subject_.plugin.empty()) {
    options.plugin_directories.push_back(std::filesystem::absolute(subject_.plugin).parent_path());
  }
  for (const std::string& directory : subject_.directories) options.plugin_directories.push_back(directory);
  auto core = std::make_unique<FrameworkCore>(std::move(options), std::vector<PluginRules>{});
  auto linked = core->registry.link("conformance-racing",
                                    [](Registrar& registrar) { registrar.add(std::make_unique<KitRacing>()); });
  if (!linked) return linked;
  Policy policy;
  policy.name = "conformance";
  policy.limits.connect_timeout = kConnectTimeout;
  policy.limits.receive_buffer = kReceiveBuffer;
  policy.limits.send_buffer = kSendBuffer;
  std::vector<Policy> policies;
  policies.push_back(std::move(policy));
  if (auto loaded = core->load(std::move(policies)); !loaded) return loaded;
  framework_ = std::make_unique<Framework>(std::move(core));
  if (!subject_.linked) return {};
  return registry().link("linked-" + subject_.layer, subject_.linked);
}

Result<void> Lab::wrap() {
  auto kind = registry().layer(subject_.layer);
  if (!kind) return fail(std::move(kind));
  kind_ = *kind;
  options_ = std::visit([](const auto* one) { return one->options(); }, kind_);
  return registry().link("conformance", [this](Registrar& registrar) {
    add_taps(registrar, holder_);
    registrar.add(std::make_unique<WatchedKind>(*this, watched_name(subject_.layer)));
  });
}

Result<std::unique_ptr<const Protocol>> Lab::configure(const Options& options) const {
  if (const auto* const protocol = std::get_if<const ProtocolKind*>(&kind_)) {
    auto made = (*protocol)->configure(options);
    if (!made) return fail(std::move(made));
    return std::unique_ptr<const Protocol>(std::move(*made));
  }
  auto made = std::get<const FramerKind*>(kind_)->configure(options);
  if (!made) return fail(std::move(made));
  return std::make_unique<const FramerProtocol>(subject_.layer,
                                                std::make_unique<WatchedFraming>(std::move(*made), holder_));
}

Result<void> Lab::compose_all() {
  for (const std::string& layer : subject_.below) below_ += (below_.empty() ? "" : "/") + layer;
  const std::string settings = subject_.options.empty() ? "" : "(" + subject_.options + ")";
  const std::string self = watched_name(subject_.layer) + settings;
  examined_ = "kit-above/" + self + (below_.empty() ? "" : "/kit-below/" + below_);
  const std::string plain = self + (below_.empty() ? "" : "/" + below_);
  const auto spec = parse_stack(plain);
  if (!spec) return fail(Result<StackSpec>(spec));
  auto composed = compose(registry(), *spec, subject_.face);
  if (!composed) return fail(std::move(composed));
  const ComposedStack& stack = **composed;
  const LayerTraits& top = stack.layers.back().traits;
  if (below_.empty() && top.below != Face::none) {
    return trellis::fail(Reason::invalid_argument,
                         std::format("{} wants a layer below it: name one, for example --below udp", subject_.layer), 0,
                         kLayer);
  }
  facts_ = Facts{.name = subject_.layer,
                 .layer = top,
                 .stack = stack.traits,
                 .bottom = top.below == Face::none,
                 .text = subject_.text,
                 .framer = std::holds_alternative<const FramerKind*>(kind_),
                 .framer_rtts = top.handshake_rtts,
                 .listens = stack.acceptor >= 0};
  subject_.face = stack.traits.face;
  return {};
}

}  // namespace trellis::conformance
