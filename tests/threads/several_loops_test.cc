// Several loops in one process: listeners share a port, and every Connection stays on its loop's thread.
#include <gtest/gtest.h>

#include <atomic>
#include <cstring>
#include <latch>
#include <memory>
#include <thread>
#include <vector>

#include "trellis/loop.h"
#include "trellis/preconnection.h"

namespace trellis {
namespace {

constexpr unsigned kLoops = 3;
constexpr int kClients = 60;

struct Server {
  std::unique_ptr<Loop> loop;
  Listener listener;
  std::vector<std::unique_ptr<Connection>> connections;
  std::thread::id thread;
  std::atomic<int> received = 0;
  std::atomic<bool> wrong_thread = false;
  std::atomic<std::uint16_t> port = 0;
};

void echo(Server& server, Connection& connection) {
  connection.receive(1, 65536, [&server, &connection](Result<Message> message) {
    if (std::this_thread::get_id() != server.thread) server.wrong_thread = true;
    if (!message || message->final) return;
    connection.send(std::move(message->data));
    echo(server, connection);
  });
}

void listen(Server& server, Framework& framework, std::uint16_t port) {
  Preconnection p(framework);
  p.stack("tcp").local({.host = "127.0.0.1", .port = port});
  server.listener =
      p.listen(*server.loop, {.listening = [&](const Address& a) { server.port = a.port; },
                              .received =
                                  [&](Connection c) {
                                    ++server.received;
                                    server.connections.push_back(std::make_unique<Connection>(std::move(c)));
                                    echo(server, *server.connections.back());
                                  },
                              .failed = [](const Error& e) { ADD_FAILURE() << e.detail; }});
}

// IMPL-69
TEST(SeveralLoops, ShareAPortAndKeepToTheirThreads) {
  std::vector<std::unique_ptr<Server>> servers;
  for (unsigned i = 0; i < kLoops; ++i) {
    servers.push_back(std::make_unique<Server>());
    servers[i]->loop = make_loop({.index = i, .count = kLoops});
  }
  auto framework = Framework::create({.policies = {TRELLIS_SOURCE_DIR "/policies/default.xml"},
                                      .plugin_directories = {TRELLIS_BUILD_DIR "/plugins"},
                                      .log = {}});
  ASSERT_TRUE(framework) << framework.error().detail;
  std::vector<std::thread> threads;
  listen(*servers[0], **framework, 0);
  while (servers[0]->port == 0) servers[0]->loop->run_once(false);
  std::latch up(kLoops);
  for (unsigned i = 0; i < kLoops; ++i) {
    threads.emplace_back([&, i] {
      Server& s = *servers[i];
      s.thread = std::this_thread::get_id();
      if (i != 0) listen(s, **framework, servers[0]->port);
      while (s.port == 0) s.loop->run_once(true);
      up.count_down();
      s.loop->run();
      s.listener = {};
      s.connections.clear();
      s.loop->run_once(false);
    });
  }
  up.wait();

  auto loop = make_loop();
  auto client_framework = Framework::create({.policies = {TRELLIS_SOURCE_DIR "/policies/default.xml"},
                                             .plugin_directories = {TRELLIS_BUILD_DIR "/plugins"},
                                             .plugin_patience = std::chrono::seconds(60),  // a thread that watches
                                             .log = {}});
  std::vector<std::unique_ptr<Connection>> clients;
  int answered = 0;
  for (int i = 0; i < kClients; ++i) {
    Preconnection p(**client_framework);
    p.stack("tcp").remote({.host = "127.0.0.1", .port = servers[0]->port});
    clients.push_back(std::make_unique<Connection>(p.initiate(*loop, [](Result<void> r) { EXPECT_TRUE(r); })));
    Slice ping = clients.back()->allocate(4);
    std::memcpy(ping.edit().data(), "ping", 4);
    clients.back()->send(std::move(ping));
    clients.back()->receive(4, 4, [&](Result<Message> m) { answered += m && m->data.size() == 4; });
  }
  while (answered < kClients) loop->run_once(true);
  clients.clear();

  int received = 0, busy = 0;
  for (auto& s : servers) {
    s->loop->stop();
    received += s->received;
    busy += s->received > 0;
    EXPECT_FALSE(s->wrong_thread);
  }
  for (std::thread& t : threads) t.join();
  EXPECT_EQ(received, kClients);
  EXPECT_GT(busy, 1) << "the kernel spreads connections over the listeners";
  client_framework->reset();
  framework->reset();
}

}  // namespace
}  // namespace trellis
