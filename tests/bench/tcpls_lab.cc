// tcpls_lab.cc: TCPLS over two paths of the network lab: how long a stream stands still when a path fails, and how much
// both carry together.
//
// The pauses are what the receiver sees while the client sends a little each millisecond: from the last byte on the
// first path to the first byte on the other one. That is more than the time since the client knew.
#include <cerrno>
#include <cstdlib>
#include <thread>

#include "netlab/measure.h"
#include "ours.h"
#include "process.h"
#include "rows.h"
#include "tls_ends.h"
#include "trellis/path.h"

namespace trellis::bench {
namespace tcpls_lab_row {

using namespace std::chrono_literals;
using netlab::ClientServer;
using netlab::LinkOptions;

constexpr std::uint16_t kPort = 7000;
constexpr double kMilliseconds = 1e3;
constexpr auto kDeadline = std::chrono::seconds(kSecondsMax);

const std::string kPolicy = TRELLIS_SOURCE_DIR "/policies/resilient.xml";

std::string stack(const std::string& more) { return tls_stack(",tokens=4" + more, "tcpls"); }

// What the client does for so long, with its loop.
void run_for(Ours& ours, Duration time) {
  struct Tick final : Alarm {
    void on_alarm() noexcept override {}
  } tick;
  tick.arm(*ours.loop, ours.loop->now() + time);
  while (tick.armed()) ours.loop->run_once(true);
}

template <class Done>
void run_until_soon(Ours& ours, const char* what, Done done) {
  for (int i = 0; i < 2000 && !done(); ++i) run_for(ours, 5ms);
  errno = 0;
  if (!done()) die(std::string("tcpls: ") + what);
}

/// A server in a process of its own that takes one session after the other and shows what comes to `arrived`, with the
/// bytes: 0 is the end, after which `ended` may put a result.
void serve(const netlab::Host& host, const Outlet& out, const std::function<void(std::size_t)>& arrived,
           const std::function<void()>& ended) {
  const netlab::Inside inside(host);
  Ours ours({kPolicy});
  std::vector<Connection> accepted;
  bool listening = false;
  const Listener listener =
      Preconnection(*ours.framework)
          .stack(stack({}))
          .local({.host = {}, .port = kPort})
          .listen(*ours.loop, {.listening = [&](const Address&) { listening = true; },
                               .received = [&](Connection c) { accepted.push_back(std::move(c)); },
                               .failed = [](const Error& e) { fail_measurement("listen", e); }});
  ours.run_until([&] { return listening; });
  out.put(true);
  for (;;) {
    ours.run_until([&] { return !accepted.empty(); });
    bool closed = false;
    std::function<void()> receive = [&] {
      accepted.front().receive(1, 1 << 20, [&](Result<Message> result) {
        const Message message = expect(std::move(result), "receive");
        arrived(message.data.size());
        if (!message.final) return receive();
        accepted.front().close([&](Result<void>) { closed = true; });
      });
    };
    receive();
    ours.run_until([&] { return closed; });
    accepted.clear();
    ended();
  }
}

/// The client's end of a session in which a connection on the second path has joined.
struct Session {
  Session(Ours& ours, const std::string& options) : ours_(ours) {
    bool ready = false;
    connection = Preconnection(*ours.framework)
                     .stack(stack(options))
                     .remote({.host = ClientServer::address(), .port = kPort})
                     .initiate(*ours.loop, [&ready](Result<void> how) {
                       expect(std::move(how), "initiate");
                       ready = true;
                     });
    ours.run_until([&ready] { return ready; });
    run_until_soon(ours, "no connection has joined on the second path", [this] {
      const std::string text = connections();
      return text.contains("net0") && text.contains("net1") && !text.contains("joining");
    });
  }
  std::string connections() const {
    const auto list = connection.get("tcpls.connections");
    return list ? std::get<std::string>(*list) : std::string();
  }
  /// The number of the path that carries the stream.
  std::size_t path() const { return connections().contains("in use,net1") ? 1 : 0; }
  void close() {
    bool closed = false;
    connection.close([&closed](Result<void>) { closed = true; });
    ours_.run_until([&closed] { return closed; });
  }
  Connection connection;

 private:
  Ours& ours_;
};

// ---- pauses

constexpr int kRounds = 5;
constexpr LinkOptions kPath{.forth = {.delay = 10ms}, .back = {.delay = 10ms}};
constexpr std::uint32_t kLittle = 100;

struct Ticker final : Alarm {
  Ticker(Ours& to_use, Connection& to_send) : ours(to_use), connection(to_send) { on_alarm(); }
  void on_alarm() noexcept override {
    connection.send(connection.allocate(kLittle));
    arm(*ours.loop, ours.loop->now() + 1ms);
  }
  Ours& ours;
  Connection& connection;
};

void report_pauses(const netlab::Host& host, const Outlet& out) {
  double last = 0, longest = 0;
  serve(
      host, out,
      [&](std::size_t bytes) {
        const double at = now();
        if (bytes > 0 && last > 0) longest = std::max(longest, at - last);
        last = at;
      },
      [&] {
        out.put(longest);
        last = longest = 0;
      });
}

// Milliseconds, the median. `fail` breaks the path in use until what it returns is destroyed; another thread calls it.
template <class Fail>
double pause(const Fail& fail) {
  unpin();
  ClientServer lab({kPath, kPath});
  Child server(kServerCpu, [&](const Outlet& out) { report_pauses(lab.server, out); });
  errno = 0;
  if (!server.take<bool>(kDeadline)) die("tcpls: the server ended");
  const netlab::Inside inside(lab.client);
  Ours ours({kPolicy});
  std::vector<double> pauses;
  while (pauses.size() < kRounds) {
    Session session(ours, {});
    {
      Ticker ticker(ours, session.connection);
      run_for(ours, 200ms);
      std::optional<decltype(fail(lab, 0))> failure;
      const std::size_t path = session.path();
      std::thread breaks([&] { failure.emplace(fail(lab, path)); });
      run_for(ours, 700ms);
      breaks.join();
      ticker.disarm();
      session.close();
    }
    const auto longest = server.take<double>(kDeadline);
    errno = 0;
    if (!longest) die("tcpls: the server ended");
    pauses.push_back(*longest * kMilliseconds);
  }
  return median(pauses);
}

// The server's kernel ends the connection. A filter that answers packets with resets would not do: it takes their
// numbers from packets that have crossed data on their way, and TCP at the client ignores them until none has.
bool reset(ClientServer& lab, std::size_t path) {
  const netlab::Inside inside(lab.server);
  const std::string which = "sport = :" + std::to_string(kPort) + " dst " + lab.path(path).address(netlab::End::first);
  errno = 0;
  if (std::system(("ss --kill --tcp state established " + which + " >/dev/null").c_str()) != 0) die("ss --kill");
  return true;
}

auto swallow(ClientServer& lab, std::size_t path) {
  lab.path(path).black_hole();
  const auto undo = [](netlab::Link* link) { link->black_hole(false); };
  return std::unique_ptr<netlab::Link, void (*)(netlab::Link*)>(&lab.path(path), undo);
}

// ---- both paths together

constexpr LinkOptions kNarrow{.forth = {.delay = 5ms, .bits_per_second = 25'000'000}, .back = {.delay = 5ms}};
constexpr auto kTime = 4s;
constexpr std::uint32_t kMessage = 16 << 10;

// Megabits a second in the second half of the time, as netlab::megabits() counts them.
void report_rate(const netlab::Host& host, const Outlet& out) {
  double begun = 0;
  std::size_t got = 0;
  const double time = std::chrono::duration<double>(kTime).count();
  serve(
      host, out,
      [&](std::size_t bytes) {
        const double at = now();
        if (begun == 0) begun = at;
        if (at > begun + time / 2 && at <= begun + time) got += bytes;
      },
      [&] { out.put(static_cast<double>(got) * 8 / 1e6 / (time / 2)); });
}

double together() {
  unpin();
  ClientServer lab({kNarrow, kNarrow});
  Child server(kServerCpu, [&](const Outlet& out) { report_rate(lab.server, out); });
  errno = 0;
  if (!server.take<bool>(kDeadline)) die("tcpls: the server ended");
  const netlab::Inside inside(lab.client);
  Ours ours({kPolicy});
  Session session(ours, ",scheduler=aggregate");
  const auto fill = [&] {
    while (session.connection.send(session.connection.allocate(kMessage))) {
    }
  };
  session.connection.on_writable(fill);
  fill();
  run_for(ours, kTime + 200ms);
  session.connection.on_writable([] {});
  session.close();
  const auto rate = server.take<double>(kDeadline);
  if (!rate) die("tcpls: the server ended");
  return *rate;
}

double one_by_one() {
  unpin();
  const ClientServer lab({kNarrow, kNarrow});
  double sum = 0;
  for (const std::size_t n : {0, 1}) sum += netlab::megabits(lab, lab.path(n).address(netlab::End::second), kTime);
  return sum;
}

}  // namespace tcpls_lab_row

Row tcpls_reset_pause() {
  using namespace tcpls_lab_row;
  return {.name = "tcpls-reset-pause",
          .about = "the pause of a stream whose connection is reset; limit: a round trip of the other path and 5 ms",
          .unit = "ms",
          .ours = [] { return pause(reset); },
          .limit = 20 + 5};
}

Row tcpls_black_hole_pause() {
  using namespace tcpls_lab_row;
  return {.name = "tcpls-black-hole-pause",
          .about = "the same when the path swallows everything; limit: user-timeout-ms, a round trip and 20 ms",
          .unit = "ms",
          .ours = [] { return pause(swallow); },
          .limit = 250 + 20 + 20};
}

Row tcpls_paths() {
  using namespace tcpls_lab_row;
  return {.name = "tcpls-paths",
          .about = "throughput over two paths of 25 Mbit/s each; baseline: the sum of TCP over one and over the other",
          .unit = "Mbit/s",
          .better = Better::higher,
          .target = 0.95,
          .ours = together,
          .baseline = one_by_one};
}

}  // namespace trellis::bench
