#include "our_transfer.h"

#include <cerrno>
#include <deque>

#include "ours.h"

namespace trellis::bench {
namespace {

constexpr std::size_t kReadBytes = 256 << 10;

// Asks for more until the peer has finished, and then ends.
struct Sink {
  std::vector<Connection>& all;
  const std::size_t index;
  std::size_t got = 0;
  bool closed = false;
  void receive() {
    all[index].receive(1, kReadBytes, [this](Result<Message> result) {
      const Message message = expect(std::move(result), "receive");
      got += message.data.size();
      if (!message.final) return receive();
      all[index].close([this](Result<void>) { closed = true; });
    });
  }
};

// One Connection that sends its part.
struct Source {
  Source(const Load& load, Connection c)
      : message(load.message), part(load.bytes / load.streams), connection(std::move(c)) {}
  void begin() {
    connection.on_writable([this] { fill(); });
    fill();
  }
  void fill() {
    for (bool room = true; room && sent < part;) {
      const auto size = static_cast<std::uint32_t>(std::min<std::size_t>(message, part - sent));
      room = connection.send(connection.allocate(size));
      sent += size;
    }
    if (sent < part || std::exchange(closing, true)) return;
    connection.close([this](Result<void>) { closed = true; });
  }
  const std::uint32_t message;
  const std::size_t part;
  Connection connection;
  std::size_t sent = 0;
  bool ready = false, closing = false, closed = false;
};

void receive(const std::string& stack, const Load& load, const Outlet& out) {
  Ours ours;
  OurListener listener(ours, stack);
  out.put(listener.port);
  ours.run_until([&] { return !listener.accepted.empty(); });
  const Meter meter;
  std::deque<Sink> sinks;
  std::size_t open = 0;  // sinks before this one have ended
  ours.run_until([&] {
    while (sinks.size() < listener.accepted.size()) {
      sinks.emplace_back(listener.accepted, sinks.size());
      sinks.back().receive();
    }
    while (open < sinks.size() && sinks[open].closed) ++open;
    return open == load.streams;
  });
  out.put(meter.used());
  std::size_t got = 0;
  for (const Sink& sink : sinks) got += sink.got;
  errno = 0;
  if (got != load.bytes) die(stack + ": bytes are missing");
}

Used send(const std::string& stack, const Load& load, std::uint16_t port) {
  Ours ours;
  std::deque<Source> sources;
  sources.emplace_back(load, dial(ours, stack, port)).ready = true;
  while (sources.size() < load.streams) {
    Source& made = sources.emplace_back(load, Connection());
    made.connection = sources.front().connection.clone([&made](Result<void> how) {
      expect(std::move(how), "clone");
      made.ready = true;
    });
  }
  const auto all = [&](bool Source::* what) { return std::ranges::all_of(sources, what); };
  ours.run_until([&] { return all(&Source::ready); });
  const Meter meter;
  for (Source& source : sources) source.begin();
  std::size_t open = 0;
  ours.run_until([&] {
    while (open < sources.size() && sources[open].closed) ++open;
    return open == sources.size();
  });
  return meter.used();
}

}  // namespace

Transfer our_transfer(const std::string& stack, const Load& load) {
  return transfer(
      load.bytes, [&](const Outlet& out) { receive(stack, load, out); },
      [&](std::uint16_t port) { return send(stack, load, port); });
}

}  // namespace trellis::bench
