// Policies that are edited while the program runs: what new Connections get, what old ones keep, what a bad edit does.
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <thread>

#include "../stacks/world.h"
#include "core/framework_core.h"

namespace trellis::tests {
namespace {

constexpr char kTcp[] = "<stacks><stack name='tcp'><layer protocol='tcp'/></stack></stacks>";
constexpr char kMessages[] =
    "<stacks><stack name='m'><layer framer='length-prefix'/><layer protocol='tcp'/></stack></stacks>";

std::string messages_up_to(int bytes) {
  return "<stacks><stack name='m'><layer framer='length-prefix'><option name='max-bytes' value='" +
         std::to_string(bytes) + "'/></layer><layer protocol='tcp'/></stack></stacks>";
}

struct Reload : testing::Test {
  Reload() {
    std::string name = testing::TempDir() + "trellis-reload-" + std::string(6, 'X');
    directory = mkdtemp(name.data());
  }
  ~Reload() override { std::filesystem::remove_all(directory); }
  std::string write(const std::string& name, const std::string& body) const {
    const std::string file = directory + "/" + name + ".xml";
    std::ofstream(file) << "<policy xmlns='urn:trellis:policy:1' name='" << name << "'>\n" << body << "</policy>";
    return file;
  }
  void start(const std::vector<std::string>& files) {
    auto made = Framework::create({.policies = files, .plugin_directories = {TRELLIS_BUILD_DIR "/plugins"}});
    ASSERT_TRUE(made) << made.error().detail;
    world.framework = std::move(*made);
  }
  std::string reload() {
    return world.framework->reload()
        .transform([] { return std::string("loaded"); })
        .or_else([](const Error& error) -> Result<std::string> { return error.detail; })
        .value();
  }
  Listener listen() { return world.listen(""); }
  /// The stack that a new Connection to the listener gets, with its server's end.
  std::pair<Connection, Connection> pair(const Listener& listener) { return world.pair("", listener); }
  static std::uint64_t largest(const Connection& connection) {
    return std::get<std::uint64_t>(connection.get("sendMsgMaxLen").value());
  }

  std::string directory;
  World world;
};

// IMPL-13
TEST_F(Reload, NewConnectionsGetWhatTheFileSaysNow) {
  const std::string file = write("p", messages_up_to(1000));
  start({file});
  Listener listener = listen();
  auto [old_client, old_server] = pair(listener);
  write("p", messages_up_to(2000));
  EXPECT_EQ(reload(), "loaded");
  auto [client, server] = pair(listener);
  EXPECT_EQ(largest(client), 2000u);
  EXPECT_EQ(largest(server), 2000u) << "also of a listener that was there before";
  EXPECT_EQ(largest(old_client), 1000u) << "what exists stays as it is";
  EXPECT_EQ(largest(old_server), 1000u);
  Reader at_server(old_server);
  old_client.send(slice(old_client, "still there"));
  EXPECT_TRUE(world.run_until([&] { return at_server.all == "still there"; }));
}

TEST_F(Reload, ABadEditLeavesTheOldPolicyInForceAndSaysSo) {
  const std::string file = write("p", messages_up_to(1000));
  start({file});
  Listener listener = listen();
  const std::pair<std::string, std::string> edits[] = {
      {"<stakcs/>",
       file + ":2: found <stakcs> in <policy>, expected applies-to, plugins, requirements, paths, names, stacks, "
              "equivalence, racing, limits or state: did you mean \"stacks\"?"},
      {"<stacks><stack name='s'><layer protocol='tpc'/></stack></stacks>",
       file + ":2: found protocol \"tpc\", which no plugin provides, expected "},
      {"<requirements><require feature='confidentiality'/></requirements>" + std::string(kTcp),
       file + ":2: stack 'tcp' does not do what the policy requires: lacks what is required: confidentiality"},
      {"", file + ":1: found <policy> without <stacks>, expected the stacks that may be used"},
  };
  for (const auto& [edit, sentence] : edits) {
    write("p", edit);
    const std::string told = reload();
    EXPECT_TRUE(told.starts_with(sentence)) << told;
    EXPECT_TRUE(told.ends_with("; the policies loaded before stay in force")) << told;
  }
  std::filesystem::remove(file);
  EXPECT_TRUE(reload().starts_with(file + ": found no file to read"));
  auto [client, server] = pair(listener);
  EXPECT_EQ(largest(client), 1000u);
  EXPECT_EQ(largest(server), 1000u);
  write("p", messages_up_to(3000));
  EXPECT_EQ(reload(), "loaded") << "once it is repaired";
}

TEST_F(Reload, OfSeveralFilesAllOrNone) {
  const std::string a = write("a", kTcp), b = write("b", kTcp);
  start({a, b});
  write("a", kMessages);
  write("b", "<stacks/>");
  EXPECT_TRUE(reload().starts_with(b + ":2: found <stacks> without a <stack>"));
  EXPECT_EQ(world.framework->core().profiles()[0]->stacks[0]->text, "tcp") << "the good file waits for the bad one";
}

// IMPL-11, IMPL-13
TEST_F(Reload, NobodyIsLetInByAStackThatThePolicyNoLongerHas) {
  start({write("p", kTcp)});
  Listener listener = listen();
  auto [old_client, old_server] = pair(listener);
  write("p", kMessages);
  EXPECT_EQ(reload(), "loaded");
  Connection late = world.dial("tcp", listener);
  ASSERT_TRUE(world.run_until([&] { return world.listener_error.has_value(); }));
  EXPECT_EQ(world.listener_error->detail,
            "since the policies were loaded anew, tcp is not listened with: the policies do not have it any more");
  EXPECT_TRUE(world.accepted.empty());
  Reader at_server(old_server);
  old_client.send(slice(old_client, "still there"));
  EXPECT_TRUE(world.run_until([&] { return at_server.all == "still there"; }));
  world.listener_error.reset();
  Listener again = listen();
  EXPECT_EQ(again.stack(), "length-prefix/tcp");
}

TEST_F(Reload, WhatMayBeOpenedIsDecidedOnce) {
  const std::string file = write("p", "<plugins><allow plugin='*'/></plugins>" + std::string(kTcp));
  start({file});
  EXPECT_EQ(reload(), "loaded");
  write("p", kTcp);
  EXPECT_EQ(reload(), file +
                          ":1: found another <plugins> than at the start, expected the same: what may be opened is "
                          "decided once, start the program again; the policies loaded before stay in force");
}

TEST_F(Reload, RulesAreReadAgainToo) {
  const std::string a = write("a", kTcp),
                    b = write("b", "<applies-to><endpoint port='1'/></applies-to>" + std::string(kTcp));
  start({a, b});
  const auto chosen = [&] { return world.framework->core().plan({.remote = {"x", 2}}).value().profile->policy.name; };
  EXPECT_EQ(chosen(), "a");
  write("b", "<applies-to><endpoint port='2'/></applies-to>" + std::string(kTcp));
  EXPECT_EQ(reload(), "loaded");
  EXPECT_EQ(chosen(), "b");
}

// For the thread sanitizer: plans on some threads, loads on others.
TEST_F(Reload, FromAnyThread) {
  const std::string file = write("p", kTcp);
  start({file});
  std::atomic<int> plans = 0, loads = 0;
  std::atomic<bool> over = false;
  const auto plan = [&] {
    while (!over) {
      if (world.framework->core().plan({.remote = {"x", 2}})) ++plans;
    }
  };
  const auto load = [&] {
    for (int i = 0; i < 50; ++i) {
      if (world.framework->reload()) ++loads;
    }
  };
  std::thread planning(plan), loading(load);
  load();
  loading.join();
  while (plans == 0) std::this_thread::yield();
  over = true;
  planning.join();
  EXPECT_EQ(loads, 100);
}

}  // namespace
}  // namespace trellis::tests
