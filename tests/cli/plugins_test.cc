#include <Poco/JSON/Array.h>
#include <Poco/JSON/Object.h>

#include <filesystem>

#include "json.h"
#include "tool.h"

namespace trellis::test {
namespace {

using testing::ContainsRegex;
using testing::HasSubstr;
using testing::Not;

Poco::JSON::Object::Ptr find(const Poco::JSON::Object::Ptr& all, const std::string& key, const std::string& value) {
  const auto files = all->getArray("plugins");
  for (std::size_t i = 0; i < files->size(); ++i) {
    auto file = files->getObject(static_cast<unsigned>(i));
    if (file->optValue<std::string>(key, "") == value) return file;
  }
  return nullptr;
}

TEST(Plugins, AreListedWithWhatTheySay) {
  const Outcome outcome = run({"plugins"});
  EXPECT_EQ(outcome.code, 0) << outcome.error;
  EXPECT_THAT(outcome.output, ContainsRegex("NAME +VERSION +LICENCE +MATURITY +PROVIDES +FILE\n"));
  EXPECT_THAT(outcome.output, ContainsRegex("\ntcp +[0-9.]+ +[A-Za-z0-9.-]+ +[a-z]+ +protocol:tcp +[^\n]*/tcp\\.so\n"));
  EXPECT_THAT(outcome.output,
              ContainsRegex("\nline +[0-9.]+ +[A-Za-z0-9.-]+ +[a-z]+ +framer:line +[^\n]*/line\\.so\n"));
  EXPECT_THAT(outcome.output, Not(HasSubstr("refused")));
}

TEST(Plugins, AreListedAsJson) {
  const Outcome outcome = run({"plugins", "--json"});
  EXPECT_EQ(outcome.code, 0) << outcome.error;
  const auto all = parse(outcome.output);
  const auto tcp = find(all, "name", "tcp");
  ASSERT_FALSE(tcp.isNull());
  EXPECT_EQ(tcp->getValue<std::string>("state"), "usable");
  EXPECT_NE(tcp->getValue<std::string>("license"), "");
  EXPECT_EQ(tcp->getArray("provides")->getElement<std::string>(0), "protocol:tcp");
  EXPECT_THAT(tcp->getValue<std::string>("file"), HasSubstr("/plugins/tcp.so"));
  EXPECT_FALSE(tcp->has("refusal"));
  EXPECT_GE(all->getArray("directories")->size(), 1u);
}

TEST(Plugins, RefusedFilesSayWhy) {
  const TemporaryDirectory directory;
  const std::string bad = directory.write("bad.so", "this is no plugin");
  const Outcome text = run({"plugins", "--directory", directory.path()});
  EXPECT_EQ(text.code, 0) << text.error;
  EXPECT_THAT(text.output, HasSubstr("refused: " + bad + ": found "));
  EXPECT_THAT(text.output, HasSubstr("expected "));

  const auto all = parse(run({"plugins", "--json", "--directory", directory.path()}).output);
  const auto file = find(all, "file", bad);
  ASSERT_FALSE(file.isNull());
  EXPECT_EQ(file->getValue<std::string>("state"), "refused");
  EXPECT_THAT(file->getValue<std::string>("refusal"), HasSubstr("found "));
  EXPECT_FALSE(file->has("name"));
}

TEST(Plugins, FilesThatOthersCanWriteAreRefused) {
  namespace fs = std::filesystem;
  const TemporaryDirectory directory;
  const fs::path copy = fs::path(directory.path()) / "tcp.so";
  fs::copy_file(std::string(TRELLIS_BUILD_DIR) + "/plugins/tcp.so", copy);
  fs::permissions(copy, fs::perms::others_write, fs::perm_options::add);
  const Outcome outcome = run({"plugins", "--directory", directory.path()});
  EXPECT_THAT(outcome.output, HasSubstr("refused: " + copy.string() + ": found "));
}

TEST(Plugins, ThePolicyDecidesWhatIsAllowed) {
  const TemporaryDirectory directory;
  const std::string policy = directory.write("only-udp.xml", R"(<?xml version="1.0" encoding="utf-8"?>
<policy xmlns="urn:trellis:policy:1" name="only-udp" summary="Allows one plugin">
  <plugins><allow plugin="udp"/></plugins>
  <requirements face="datagram"/>
  <stacks><stack name="udp"><layer protocol="udp"/></stack></stacks>
</policy>
)");
  const auto all = parse(run({"plugins", "--json", "--policy", policy}).output);
  EXPECT_EQ(find(all, "name", "udp")->getValue<std::string>("state"), "usable");
  EXPECT_EQ(find(all, "name", "tcp")->getValue<std::string>("state"), "refused");
}

// A listing says what loading would say.
TEST(Plugins, AnotherFileThanPinnedIsRefused) {
  const TemporaryDirectory directory;
  const std::string pin(64, '0');
  const std::string policy = directory.write("pinned.xml", R"(<?xml version="1.0" encoding="utf-8"?>
<policy xmlns="urn:trellis:policy:1" name="pinned" summary="Pins one plugin">
  <plugins><allow plugin="udp" sha256=")" + pin + R"("/><allow plugin="tcp"/></plugins>
  <requirements face="datagram"/>
  <stacks><stack name="udp"><layer protocol="udp"/></stack></stacks>
</policy>
)");
  const auto all = parse(run({"plugins", "--json", "--policy", policy}).output);
  const auto udp = find(all, "name", "udp");
  EXPECT_EQ(udp->getValue<std::string>("state"), "refused");
  const auto refusal = udp->getValue<std::string>("refusal");
  EXPECT_THAT(refusal, ContainsRegex("/udp\\.so: found sha256 [0-9a-f]+, expected " + pin + " as [^ ]+ pins it: "));
  EXPECT_EQ(find(all, "name", "tcp")->getValue<std::string>("state"), "usable");
  EXPECT_THAT(run({"plugins", "--policy", policy}).output, HasSubstr("refused: " + refusal + "\n"));
  const Outcome used = run({"connect", "--policy", policy, "127.0.0.1:9"});
  EXPECT_NE(used.code, 0);
  EXPECT_THAT(used.error, HasSubstr(refusal));
}

TEST(Plugins, ABadPolicyIsRefusedWithItsLine) {
  const TemporaryDirectory directory;
  const std::string policy = directory.write("bad.xml", "<policy>\n<nosuch/>\n</policy>\n");
  const Outcome outcome = run({"plugins", "--policy", policy});
  EXPECT_EQ(outcome.code, 5);
  EXPECT_THAT(outcome.error, HasSubstr(policy + ":"));
}

}  // namespace
}  // namespace trellis::test
