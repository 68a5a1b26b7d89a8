// Names and plugins without files; tests/broken-plugins has the ones with files.
#include "core/registry.h"

#include <gtest/gtest.h>

#include "fake_protocols.h"

namespace trellis {
namespace {

class FakeResolver final : public Resolver {
 public:
  std::string_view name() const noexcept override { return "fake-dns"; }
  Result<std::unique_ptr<Lookup>> resolve(Executor&, const Options&, const Query&, AnswerSink&) noexcept override {
    return fail(Reason::unsupported);
  }
};
class FakePaths final : public PathProvider {
 public:
  std::string_view name() const noexcept override { return "fake-paths"; }
  Result<std::unique_ptr<Watch>> watch(Executor&, const Options&, PathObserver&) noexcept override {
    return fail(Reason::unsupported);
  }
};
class FakeRacing final : public RacingPolicy {
 public:
  std::string_view name() const noexcept override { return "fake-racing"; }
  std::unique_ptr<Race> begin(Branch, const Options&) const noexcept override { return nullptr; }
};
class FakeStore final : public StateStore {
 public:
  std::string_view name() const noexcept override { return "fake-store"; }
  Result<std::unique_ptr<OpenStore>> open(const Options&) noexcept override { return fail(Reason::unsupported); }
};

TEST(Registry, KnowsEveryKind) {
  Registry registry;
  ASSERT_TRUE(registry.link("all", [](Registrar& registrar) {
    fakes::add_all(registrar);
    registrar.add(std::make_unique<FakeResolver>());
    registrar.add(std::make_unique<FakePaths>());
    registrar.add(std::make_unique<FakeRacing>());
    registrar.add(std::make_unique<FakeStore>());
  }));
  EXPECT_EQ((*registry.protocol("tcp"))->name(), "tcp");
  EXPECT_EQ((*registry.framer("length-prefix"))->name(), "length-prefix");
  EXPECT_EQ((*registry.resolver("fake-dns"))->name(), "fake-dns");
  EXPECT_EQ((*registry.paths("fake-paths"))->name(), "fake-paths");
  EXPECT_EQ((*registry.racing("fake-racing"))->name(), "fake-racing");
  EXPECT_EQ((*registry.store("fake-store"))->name(), "fake-store");
  EXPECT_TRUE(std::holds_alternative<const ProtocolKind*>(*registry.layer("tcp")));
  EXPECT_TRUE(std::holds_alternative<const FramerKind*>(*registry.layer("length-prefix")));
  const std::vector<std::string> protocols = {"quic", "tcp", "tls", "udp"};
  EXPECT_EQ(registry.names(PluginKind::protocol), protocols);
  EXPECT_EQ(registry.provider(PluginKind::store, "fake-store"), "all");
  EXPECT_EQ(registry.provider(PluginKind::store, "other"), "");
  const auto files = registry.files();
  ASSERT_EQ(files.size(), 1u);
  EXPECT_EQ(files[0].file, "");
  EXPECT_TRUE(files[0].opened);
  EXPECT_EQ(files[0].info.provides.size(), 9u);
}

TEST(Registry, UnknownNames) {
  Registry empty({"/nonexistent/trellis", "/nonexistent/plugins"});
  EXPECT_EQ(empty.protocol("tcp").error().detail,
            "found protocol \"tcp\", which no plugin provides, expected one in /nonexistent/trellis, "
            "/nonexistent/plugins: install it, or add its directory to TRELLIS_PLUGIN_PATH");
  Registry registry;
  ASSERT_TRUE(registry.link("all", fakes::add_all));
  EXPECT_EQ(registry.protocol("tpc").error().detail,
            "found protocol \"tpc\", which no plugin provides, expected quic, tcp, tls or udp: did you mean \"tcp\"?");
  EXPECT_EQ(registry.framer("tcp").error().detail,
            "found framer \"tcp\", expected protocol \"tcp\", which is what its plugin provides");
  EXPECT_EQ(
      registry.layer("lenght-prefix").error().detail,
      "found layer \"lenght-prefix\", which no plugin provides, expected length-prefix, quic, tcp, tls or udp: did "
      "you mean \"length-prefix\"?");
  EXPECT_EQ(registry.resolver("dns\n").error().detail,
            "found resolver \"dns?\", which no plugin provides, expected one in some directory: install it, or add its "
            "directory to TRELLIS_PLUGIN_PATH");
}

TEST(Registry, LinkedPluginsAreCheckedToo) {
  Registry registry;
  const auto add = [](std::string name) {
    return [name](Registrar& registrar) { registrar.add(std::make_unique<FakeFramerKind>(name)); };
  };
  ASSERT_TRUE(registry.link("one", add("line")));
  EXPECT_EQ(
      registry.link("one", add("other")).error().detail,
      "plugin \"one\": found plugin name \"one\", which the application has, expected a name that is free: remove "
      "one of the two");
  EXPECT_EQ(registry.link("two", add("line")).error().detail,
            "plugin \"two\": found framer:line, which plugin \"one\" of the application has as framer:line, expected a "
            "name that is free: remove one of the two");
  EXPECT_EQ(registry.link("three", add("Line")).error().detail,
            "plugin \"three\": found \"Line\" registered, expected a name in lower case and hyphens: correct its "
            "registration");
  EXPECT_EQ(registry.link("four", [](Registrar& registrar) { registrar.refuse("not today"); }).error().detail,
            "plugin \"four\": found that the plugin refuses to register (not today), expected no objection: remove the "
            "cause, or the plugin");
  EXPECT_EQ(registry.files().size(), 1u);
}

}  // namespace
}  // namespace trellis
