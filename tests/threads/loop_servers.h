// loop_servers.h: one Listener on each of several loops, which share a port and send back what they receive.
#pragma once
#include <gtest/gtest.h>

#include <atomic>
#include <latch>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "trellis/loop.h"
#include "trellis/preconnection.h"

namespace trellis::tests {

/// Runs from its construction to its destruction, with a thread for each loop.
class LoopServers {
 public:
  LoopServers(unsigned loops, std::string stack) : stack_(std::move(stack)) {
    for (unsigned i = 0; i < loops; ++i) {
      servers_.push_back(std::make_unique<Server>());
      servers_[i]->loop = make_loop({.index = i, .count = loops});
    }
    auto made = Framework::create({.policies = {TRELLIS_SOURCE_DIR "/policies/default.xml"},
                                   .plugin_directories = {TRELLIS_BUILD_DIR "/plugins"},
                                   .log = {}});
    EXPECT_TRUE(made) << made.error().detail;
    framework_ = std::move(*made);
    listen(*servers_[0], 0);
    while (servers_[0]->port == 0) servers_[0]->loop->run_once(false);
    std::latch up(loops);
    for (unsigned i = 0; i < loops; ++i) {
      threads_.emplace_back([this, &up, i] { run(*servers_[i], i == 0, up); });
    }
    up.wait();
  }
  ~LoopServers() {
    for (auto& s : servers_) s->loop->stop();
    for (std::thread& t : threads_) t.join();
    for (auto& s : servers_) EXPECT_FALSE(s->wrong_thread) << "a Connection stays on its loop's thread";
    framework_.reset();
  }
  std::uint16_t port() const { return servers_[0]->port; }
  std::vector<int> received() const {  // Connections, by loop
    std::vector<int> all;
    for (const auto& s : servers_) all.push_back(s->received);
    return all;
  }

 private:
  struct Server {
    std::unique_ptr<Loop> loop;
    Listener listener;
    std::vector<std::unique_ptr<Connection>> connections;
    std::thread::id thread;
    std::atomic<int> received = 0;
    std::atomic<bool> wrong_thread = false;
    std::atomic<std::uint16_t> port = 0;
  };
  static void echo(Server& server, Connection& connection) {
    connection.receive(1, 65536, [&server, &connection](Result<Message> message) {
      if (std::this_thread::get_id() != server.thread) server.wrong_thread = true;
      if (!message || message->final) return;
      connection.send(std::move(message->data));
      echo(server, connection);
    });
  }
  void listen(Server& server, std::uint16_t port) {
    Preconnection p(*framework_);
    p.stack(stack_).local({.host = "127.0.0.1", .port = port});
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
  void run(Server& s, bool listens, std::latch& up) {
    s.thread = std::this_thread::get_id();
    if (!listens) listen(s, port());
    while (s.port == 0) s.loop->run_once(true);
    up.count_down();
    s.loop->run();
    s.listener = {};
    s.connections.clear();
    s.loop->run_once(false);
  }

  std::string stack_;
  std::vector<std::unique_ptr<Server>> servers_;
  std::unique_ptr<Framework> framework_;
  std::vector<std::thread> threads_;
};

}  // namespace trellis::tests
