#include "ours.h"

#include <cerrno>

#include "process.h"

namespace trellis::bench {

void fail_measurement(const char* what, const Error& error) {
  errno = 0;
  die(std::string(what) + ": " + error.layer + ": " + error.detail + " (" + std::string(to_string(error.reason)) + ")");
}

Ours::Ours(std::vector<std::string> policies)
    : framework(expect(Framework::create({.policies = std::move(policies)}), "Framework::create")) {}

Endpoint loopback(std::uint16_t port) { return {.host = "127.0.0.1", .port = port}; }

OurListener::OurListener(Ours& ours, std::string_view stack, std::function<void(Connection&)> first)
    : received(std::move(first)) {
  ListenerEvents events;
  events.listening = [this](const Address& local) { port = local.port; };
  events.received = [this](Connection connection) {
    if (received) received(connection);
    accepted.push_back(std::move(connection));
  };
  events.failed = [](const Error& error) { fail_measurement("listen", error); };
  listener = Preconnection(*ours.framework)
                 .stack(stack)
                 .set(kSafelyReplayable.name, true)
                 .local(loopback(0))
                 .listen(*ours.loop, std::move(events));
  ours.run_until([this] { return port != 0; });
}

Connection dial(Ours& ours, std::string_view stack, std::uint16_t port) {
  bool ready = false;
  Connection connection = Preconnection(*ours.framework)
                              .stack(stack)
                              .set(kSafelyReplayable.name, true)
                              .remote(loopback(port))
                              .initiate(*ours.loop, [&ready](Result<void> how) {
                                expect(std::move(how), "initiate");
                                ready = true;
                              });
  ours.run_until([&ready] { return ready; });
  return connection;
}

void connect_often(Loop& loop, Preconnection& to, const RawListener& listener, std::size_t times, Laps& laps,
                   const std::atomic<double>* begun) {
  for (std::size_t i = 0; i < times; ++i) {
    bool ready = false;
    const double begin = now();
    double end = 0;
    Connection connection = to.initiate(loop, [&](Result<void> how) {
      end = now();
      expect(std::move(how), "initiate");
      ready = true;
    });
    while (!ready) loop.run_once(true);
    laps.add(end - (begun != nullptr ? begun->load() : begin));
    drop_accepted(listener);
    connection.abort();
    connection = {};
    loop.run_once(false);
  }
}

OurPair::OurPair(std::string_view stack) {
  OurListener listener(*this, stack);
  client = dial(*this, stack, listener.port);
  run_until([&listener] { return !listener.accepted.empty(); });
  server = std::move(listener.accepted.front());
}

}  // namespace trellis::bench
