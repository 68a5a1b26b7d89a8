// world.h: a framework with the built plugins on a real loop, and the few words that tests of stacks are written in.
#pragma once
#include <gtest/gtest.h>

#include <chrono>
#include <cstring>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "trellis/framework.h"
#include "trellis/loop.h"
#include "trellis/preconnection.h"

namespace trellis::tests {

inline std::string text(const Slice& slice) {
  return {reinterpret_cast<const char*>(slice.bytes().data()), slice.size()};
}

inline Slice slice(Connection& connection, std::string_view content) {
  Slice made = connection.allocate(static_cast<std::uint32_t>(content.size()));
  if (!content.empty()) std::memcpy(made.edit().data(), content.data(), content.size());
  return made;
}

/// What a program receives over one Connection: reads for ever, remembers everything.
class Reader {
 public:
  explicit Reader(Connection& connection, std::size_t at_least = 1, std::size_t at_most = 65536)
      : connection_(connection), at_least_(at_least), at_most_(at_most) {
    ask();
  }
  std::string all;
  std::vector<std::string> messages;  // complete ones
  bool ended = false;
  std::optional<Error> error;

 private:
  void ask() {
    connection_.receive(at_least_, at_most_, [this](Result<Message> message) {
      if (!message) {
        error = message.error();
        return;
      }
      if (message->final) {
        ended = true;
        return;
      }
      all += text(message->data);
      part_ += text(message->data);
      if (message->end) messages.push_back(std::exchange(part_, {}));
      ask();
    });
  }
  Connection& connection_;
  std::size_t at_least_, at_most_;
  std::string part_;
};

/// A framework on one real loop. Connections that tests hold must be declared after it.
struct World {
  World() {
    FrameworkOptions options;
    options.policies = {TRELLIS_SOURCE_DIR "/policies/default.xml"};
    options.plugin_directories = {TRELLIS_BUILD_DIR "/plugins"};
    options.log = [this](Severity, std::string_view who, std::string_view what) {
      log.push_back(std::string(who) + ": " + std::string(what));
    };
    auto made = Framework::create(std::move(options));
    if (!made) {
      ADD_FAILURE() << made.error().detail;
      std::abort();
    }
    framework = std::move(*made);
  }
  Preconnection preconnection(std::string_view stack) {
    Preconnection p(*framework);
    p.stack(stack).set(kSafelyReplayable.name, true);  // whatever stack it is
    return p;
  }
  /// Listens on a free port of the address; received Connections are kept in `accepted`.
  Listener listen(std::string_view stack, const std::string& address = "127.0.0.1") {
    Listener listener =
        preconnection(stack)
            .local({.host = address})
            .listen(
                *loop,
                {.listening = {},
                 .received = [this](Connection c) { accepted.push_back(std::make_unique<Connection>(std::move(c))); },
                 .failed = [this](const Error& e) { listener_error = e; }});
    EXPECT_TRUE(run_until([&] { return listener.local().port != 0 || listener_error; }));
    EXPECT_FALSE(listener_error) << listener_error->detail;
    return listener;
  }
  Connection dial(std::string_view stack, const Listener& to, Connection::Done ready = {}) {
    if (!ready) {
      ready = [this](Result<void> how) {
        ++dialled;
        if (!how) dial_error = how.error();
      };
    }
    return preconnection(stack)
        .remote({.host = {}, .port = to.local().port, .address = to.local()})
        .initiate(*loop, std::move(ready));
  }
  /// A pair of Connections over the stack. For UDP the first datagram is "hello", because the peer learns of us by it.
  std::pair<Connection, Connection> pair(std::string_view stack, const Listener& listener) {
    const int before = dialled;
    const std::size_t had = accepted.size();
    Connection client = dial(stack, listener);
    EXPECT_TRUE(run_until([&] { return dialled > before; }));
    EXPECT_FALSE(dial_error) << dial_error->detail;
    if (client.face() == Face::datagram) client.send(slice(client, "hello"));
    EXPECT_TRUE(run_until([&] { return accepted.size() > had; }));
    Connection server = std::move(*accepted.back());
    accepted.pop_back();
    if (client.face() == Face::datagram) {
      bool greeted = false;
      server.receive(1, 65536, [&](Result<Message> m) { greeted = m && text(m->data) == "hello"; });
      EXPECT_TRUE(run_until([&] { return greeted; }));
    }
    return {std::move(client), std::move(server)};
  }
  /// Closes it, which must go well.
  void close(Connection& connection) {
    bool closed = false;
    connection.close([&](Result<void> how) {
      EXPECT_TRUE(how) << how.error().detail;
      closed = true;
    });
    EXPECT_TRUE(run_until([&] { return closed; }));
  }
  /// Runs turns until done() or 20 s are over: generous, because it only ends what has failed.
  bool run_until(const std::function<bool()>& done) {
    const auto limit = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (!done()) {
      if (std::chrono::steady_clock::now() > limit) return false;
      bool late = false;
      struct Tick final : Alarm {
        bool* flag = nullptr;
        void on_alarm() noexcept override { *flag = true; }
      } tick;
      tick.flag = &late;
      tick.arm(*loop, loop->now() + std::chrono::milliseconds(50));  // so that run_once() comes back
      loop->run_once(true);
    }
    return true;
  }
  /// A number of turns that do not wait: for what must not happen.
  void spin(int turns = 50) {
    for (int i = 0; i < turns; ++i) loop->run_once(false);
  }

  std::unique_ptr<Loop> loop = make_loop();
  std::vector<std::string> log;
  std::unique_ptr<Framework> framework;
  std::vector<std::unique_ptr<Connection>> accepted;
  std::optional<Error> listener_error, dial_error;
  int dialled = 0;
};

}  // namespace trellis::tests
