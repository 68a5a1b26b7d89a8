// The plugin udp, spoiled: layers that claim multicast and do not join what they were asked to join.
#include <dlfcn.h>

#include "kit.h"
#include "trellis/plugin.h"

namespace trellis::tests {
namespace {

/// What the built plugin registers, taken out of it.
class PluginTaker final : public Registrar {
 public:
  void add(std::unique_ptr<ProtocolKind> kind) override { protocol = std::move(kind); }
  void add(std::unique_ptr<StateStore>) override {}
  void add(std::unique_ptr<PathProvider>) override {}
  void add(std::unique_ptr<Resolver>) override {}
  void add(std::unique_ptr<RacingPolicy>) override {}
  void add(std::unique_ptr<FramerKind>) override {}
  void refuse(std::string_view) noexcept override {}
  std::unique_ptr<ProtocolKind> protocol;
};

/// An acceptor that is told something else than was asked for.
class Misled final : public Acceptor {
 public:
  using Spoil = void (*)(Endpoint& remote, Route& route);
  Misled(std::unique_ptr<Acceptor> real, Spoil spoil) : real_(std::move(real)), spoil_(spoil) {}
  void open(const OpenArgs& args) noexcept override {
    remote_ = args.remote;
    route_ = args.route;
    spoil_(remote_, route_);
    args_.emplace(OpenArgs{remote_, route_, args.alpn, args.passive});
    real_->open(*args_);
  }
  void close(const CloseArgs& args) noexcept override { real_->close(args); }
  void on_deadline() noexcept override { real_->on_deadline(); }
  void on_wake() noexcept override { real_->on_wake(); }
  void flush() noexcept override { real_->flush(); }
  void unseated(ProtocolInstance& instance) noexcept override { real_->unseated(instance); }

 private:
  std::unique_ptr<Acceptor> real_;
  Spoil spoil_;
  Endpoint remote_;
  Route route_;
  std::optional<OpenArgs> args_;
};

class SpoiledUdp final : public Protocol {
 public:
  SpoiledUdp(std::unique_ptr<Protocol> real, Misled::Spoil spoil) : real_(std::move(real)), spoil_(spoil) {}
  LayerTraits traits(Face above) const noexcept override { return real_->traits(above); }
  Result<std::unique_ptr<ProtocolInstance>> connect(const Seat& seat) const noexcept override {
    return real_->connect(seat);
  }
  Result<std::unique_ptr<Acceptor>> listen(AcceptHost& host, LowerPort lower) const noexcept override {
    auto real = real_->listen(host, lower);
    if (!real) return real;
    return std::make_unique<Misled>(std::move(*real), spoil_);
  }

 private:
  std::unique_ptr<Protocol> real_;
  Misled::Spoil spoil_;
};

class SpoiledKind final : public ProtocolKind {
 public:
  SpoiledKind(std::unique_ptr<ProtocolKind> real, Misled::Spoil spoil) : real_(std::move(real)), spoil_(spoil) {}
  std::string_view name() const noexcept override { return "broken"; }
  std::span<const OptionSpec> options() const noexcept override { return real_->options(); }
  Result<std::unique_ptr<Protocol>> configure(const Options& options) const noexcept override {
    auto real = real_->configure(options);
    if (!real) return real;
    return std::make_unique<SpoiledUdp>(std::move(*real), spoil_);
  }

 private:
  std::unique_ptr<ProtocolKind> real_;
  Misled::Spoil spoil_;
};

conformance::Subject spoiled_udp(Misled::Spoil spoil) {
  return {.layer = "broken", .directories = {TRELLIS_BUILD_DIR "/plugins"}, .linked = [spoil](Registrar& registrar) {
            void* const file = dlopen(TRELLIS_BUILD_DIR "/plugins/udp.so", RTLD_NOW | RTLD_LOCAL);
            ASSERT_NE(file, nullptr) << dlerror();
            PluginTaker taker;
            reinterpret_cast<void (*)(Registrar&) noexcept>(dlsym(file, "trellis_plugin_register"))(taker);
            registrar.add(std::make_unique<SpoiledKind>(std::move(taker.protocol), spoil));
          }};
}

TEST(BrokenMulticast, UnspoiltUdpPasses) {
  const conformance::Subject udp = spoiled_udp([](Endpoint&, Route&) {});
  for (const char* id : {"M1", "M2"})
    EXPECT_EQ(outcome_of(udp, id).kind, conformance::Outcome::Kind::passed) << outcome_of(udp, id).text;
}
TEST(BrokenMulticast, JoinsAnotherGroup) {
  expect_caught(spoiled_udp([](Endpoint&, Route& route) { route.local.ip[3] = 77; }), "M1",
                "to hear \"[one][two]\" and nothing else; found: it heard \"\"");
}
TEST(BrokenMulticast, HearsEveryGroup) {
  expect_caught(spoiled_udp([](Endpoint&, Route& route) { route.local.ip = {}; }), "M1",
                "found: it heard \"[one][for somebody else][two]\"");
}
TEST(BrokenMulticast, HearsEverySource) {
  expect_caught(spoiled_udp([](Endpoint& remote, Route&) { remote.address = {}; }), "M2",
                "found: it heard \"[not heard][heard]\"");
}
TEST(BrokenMulticast, ARelayClaimsNone) {
  EXPECT_EQ(outcome_of(subject<Relay>("udp"), "M1").kind, conformance::Outcome::Kind::not_applicable);
}

}  // namespace
}  // namespace trellis::tests
