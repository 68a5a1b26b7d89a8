// Several loops in one process: listeners share a port, and every Connection stays on its loop's thread.
#include <gtest/gtest.h>

#include <cstring>
#include <memory>
#include <numeric>
#include <vector>

#include "threads/loop_servers.h"

namespace trellis {
namespace {

constexpr int kClients = 60;

// IMPL-69
TEST(SeveralLoops, ShareAPortAndKeepToTheirThreads) {
  const tests::LoopServers servers(3, "tcp");
  auto loop = make_loop();
  auto framework = Framework::create({.policies = {TRELLIS_SOURCE_DIR "/policies/default.xml"},
                                      .plugin_directories = {TRELLIS_BUILD_DIR "/plugins"},
                                      .plugin_patience = std::chrono::seconds(60),  // a thread that watches
                                      .log = {}});
  ASSERT_TRUE(framework) << framework.error().detail;
  std::vector<std::unique_ptr<Connection>> clients;
  int answered = 0;
  for (int i = 0; i < kClients; ++i) {
    Preconnection p(**framework);
    p.stack("tcp").remote({.host = "127.0.0.1", .port = servers.port()});
    clients.push_back(std::make_unique<Connection>(p.initiate(*loop, [](Result<void> r) { EXPECT_TRUE(r); })));
    Slice ping = clients.back()->allocate(4);
    std::memcpy(ping.edit().data(), "ping", 4);
    clients.back()->send(std::move(ping));
    clients.back()->receive(4, 4, [&](Result<Message> m) { answered += m && m->data.size() == 4; });
  }
  while (answered < kClients) loop->run_once(true);
  clients.clear();

  const std::vector<int> received = servers.received();
  EXPECT_EQ(std::accumulate(received.begin(), received.end(), 0), kClients);
  EXPECT_GT(std::ranges::count_if(received, [](int n) { return n > 0; }), 1)
      << "the kernel spreads connections over the listeners";
}

}  // namespace
}  // namespace trellis
