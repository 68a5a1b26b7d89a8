// The simulated kernel against the real one: the same scripts on the loopback of both must show the same things.
#include <netinet/udp.h>

#include "sim_fixture.h"
#include "trellis/loop.h"

namespace trellis::simulation {
namespace {

using Observations = std::vector<std::string>;

/// A host with a loopback, real or simulated.
class Place {
 public:
  virtual ~Place() = default;
  virtual Executor& executor() = 0;
  /// Runs until done() says true; false when it did not within a generous time.
  virtual bool until(const std::function<bool()>& done) = 0;
  /// Runs for a while, to see that nothing happens.
  virtual void settle() = 0;
};

class RealPlace final : public Place {
 public:
  Executor& executor() override { return *loop_; }
  bool until(const std::function<bool()>& done) override {
    const auto deadline = std::chrono::steady_clock::now() + 20s;
    while (!done()) {
      if (std::chrono::steady_clock::now() > deadline) return false;
      turn(5ms);
    }
    return true;
  }
  void settle() override { turn(50ms); }

 private:
  void turn(Duration longest) {
    struct Bell final : Alarm {
      void on_alarm() noexcept override {}
    } bell;
    bell.arm(*loop_, loop_->now() + longest);
    while (bell.armed()) loop_->run_once(true);
  }
  std::unique_ptr<Loop> loop_ = make_loop();
};

class SimulatedPlace final : public Place {
 public:
  Executor& executor() override { return host_.loop(); }
  bool until(const std::function<bool()>& done) override { return world_.run_until(done, 20s); }
  void settle() override { world_.run_for(50ms); }

 private:
  VirtualWorld world_;
  SimNetwork network_{world_};
  SimHost& host_ = network_.add_host("host");
};

/// Remembers what it is told, and lets go of what it waited for.
struct Ear final : SocketEvents {
  void on_ready(Socket& socket, Ready what) noexcept override {
    ++calls;
    told = told | what;
    if (stubborn) return;
    EXPECT_TRUE(socket.watch(*this, Ready::none));
  }
  Ready told = Ready::none;
  int calls = 0;
  bool stubborn = false;  // goes on waiting
};

std::string show(Ready what) {
  std::string text;
  if (any(what, Ready::readable)) text += " readable";
  if (any(what, Ready::writable)) text += " writable";
  if (any(what, Ready::failed)) text += " failed";
  return text.empty() ? " nothing" : text;
}
std::string show(const Error& error) { return " errno " + std::to_string(error.code); }
std::string show(const Result<Io>& io) {
  if (!io) return show(io.error());
  return " " + std::to_string(io->bytes) + (io->blocked ? " blocked" : "") + (io->end ? " end" : "");
}
std::string show(const Result<bool>& done) { return done ? (*done ? " true" : " false") : show(done.error()); }
std::string show(const Result<void>& done) { return done ? " done" : show(done.error()); }

/// One script on one place.
class Script {
 public:
  explicit Script(Place& place) : place_(place), executor_(place.executor()) {}
  template <class T>
  void note(std::string_view what, const T& seen) {
    observations.push_back(std::string(what) + ":" + show(seen));
  }
  void note(std::string_view what) { observations.emplace_back(what); }

  Result<std::unique_ptr<Socket>> open(SocketSpec::Role role, const Address& local = {},
                                       SocketSpec::Kind kind = SocketSpec::Kind::stream) {
    return executor_.sockets().open({.kind = kind, .role = role, .family = Address::Family::ipv4, .local = local});
  }
  std::unique_ptr<Socket> datagram(const Address& local, const Address& remote = {}) {
    auto socket =
        *open(remote ? SocketSpec::Role::connect : SocketSpec::Role::unconnected, local, SocketSpec::Kind::datagram);
    if (remote) {
      EXPECT_TRUE(*socket->connect(remote));
    }
    return socket;
  }
  std::unique_ptr<Socket> listener() {
    auto socket = *open(SocketSpec::Role::listen, ip("127.0.0.1"));
    EXPECT_TRUE(socket->listen(8));
    return socket;
  }
  struct Pair {
    std::unique_ptr<Socket> client, server;
  };
  Pair pair(int receive_buffer = 0) {
    auto listening = listener();
    if (receive_buffer > 0) {
      EXPECT_TRUE(listening->set(SOL_SOCKET, SO_RCVBUF, option_value(receive_buffer)));
    }
    Pair made{*open(SocketSpec::Role::connect), nullptr};
    EXPECT_TRUE(made.client->connect(listening->local()));
    EXPECT_TRUE(place_.until([&] { return *made.client->connected(); }));
    EXPECT_TRUE(place_.until([&] {
      made.server = std::move(listening->accept()->socket);
      return made.server != nullptr;
    }));
    return made;
  }
  Result<Io> send(Socket& socket, std::string_view text, const Address& to = {}) {
    Batch out;
    Chunk chunk{slice_of(executor_, text)};
    if (to) {
      chunk.info = new_message();
      chunk.info->remote = to;
    }
    out.add(std::move(chunk));
    return socket.send(out);
  }
  Result<Io> receive(Socket& socket, std::size_t budget = 1000) {
    Batch in;
    auto io = socket.receive(in, budget);
    if (!in.empty()) last = std::string(text_of(in.front().data));
    return io;
  }
  /// Waits until the ear hears something, and notes that and what follows once it waits for nothing any more.
  void hear(std::string_view what, Socket& socket, Ear& ear, Ready interest) {
    ear.told = Ready::none;
    EXPECT_TRUE(socket.watch(ear, interest));
    EXPECT_TRUE(place_.until([&] { return ear.told != Ready::none; })) << what;
    place_.settle();
    note(what, ear.told);
  }
  /// Notes what the ear hears in a while.
  void hear_a_while(std::string_view what, Socket& socket, Ear& ear, Ready interest) {
    ear.told = Ready::none;
    EXPECT_TRUE(socket.watch(ear, interest));
    place_.settle();
    note(what, ear.told);
  }

  Observations observations;
  std::string last;
  Place& place_;
  Executor& executor_;
};

void refused_connect(Script& s) {
  const Address nobody = s.listener()->local();  // closed again
  auto socket = *s.open(SocketSpec::Role::connect);
  (void)socket->connect(nobody);
  Ear ear;
  s.hear("told", *socket, ear, Ready::writable);
  s.note("connected", socket->connected());
  s.note("connected again", socket->connected());
  s.note("receive", s.receive(*socket));
  s.note("send", s.send(*socket, "x"));
  s.note("finish", socket->finish());
}

void unconnected_calls(Script& s) {
  auto socket = *s.open(SocketSpec::Role::connect);
  s.note("connected", socket->connected());
  s.note("receive", s.receive(*socket));
  s.note("finish", socket->finish());
  s.note("send", s.send(*socket, "x"));
  s.note(std::string("local ") + (socket->local() ? "set" : "unset"));
  s.note(std::string("remote ") + (socket->remote() ? "set" : "unset"));
}

void half_close(Script& s) {
  auto [client, server] = s.pair();
  s.note("blocked", s.receive(*server));
  s.note("send", s.send(*client, "request"));
  s.note("finish", client->finish());
  s.note("finish again", client->finish());
  s.note("send after finish", s.send(*client, "more"));
  Ear ear;
  s.hear("readable", *server, ear, Ready::readable);
  EXPECT_TRUE(s.place_.until([&] { return s.receive(*server).value().bytes > 0; }) || s.last == "request");
  s.note("got " + s.last);
  EXPECT_TRUE(s.place_.until([&] { return s.receive(*server)->end; }));
  s.note("end again", s.receive(*server));
  s.hear_a_while("after the end", *server, ear, Ready::readable);
  s.note("answer", s.send(*server, "answer"));
  EXPECT_TRUE(s.place_.until([&] { return s.receive(*client)->bytes > 0; }));
  s.note("got " + s.last);
}

void both_finished(Script& s) {
  auto [client, server] = s.pair();
  s.note("finish", client->finish());
  EXPECT_TRUE(s.place_.until([&] { return s.receive(*server)->end; }));
  s.note("finish", server->finish());
  EXPECT_TRUE(s.place_.until([&] { return s.receive(*client)->end; }));
  s.place_.settle();
  EXPECT_EQ(show(client->connected()), " true") << "what has finished was connected";
  EXPECT_EQ(show(server->connected()), " true");
  s.note("client end", s.receive(*client));
  s.note("server end", s.receive(*server));
  s.note(std::string("local ") + (client->local() ? "set" : "unset"));
}

// Nobody asked connected() before both had finished.
void both_finished_unasked(Script& s) {
  auto listening = s.listener();
  auto client = *s.open(SocketSpec::Role::connect);
  EXPECT_TRUE(client->connect(listening->local()));
  std::unique_ptr<Socket> server;
  EXPECT_TRUE(s.place_.until([&] {
    server = std::move(listening->accept()->socket);
    return server != nullptr;
  }));
  s.note("finish", server->finish());
  EXPECT_TRUE(s.place_.until([&] { return s.receive(*client)->end; }));
  s.note("finish", client->finish());
  EXPECT_TRUE(s.place_.until([&] { return s.receive(*server)->end; }));
  s.place_.settle();
  EXPECT_EQ(show(client->connected()), " true");
  EXPECT_EQ(show(server->connected()), " true");
}

void reset_after_data(Script& s) {
  auto [client, server] = s.pair();
  Ear ear;
  s.note("send", s.send(*client, "last words"));
  client->reset();
  client.reset();
  s.place_.settle();
  s.hear("told", *server, ear, Ready::readable);
  s.note("receive", s.receive(*server));
  s.note("then", s.receive(*server));
  s.note("and then", s.receive(*server));
  s.note("send", s.send(*server, "x"));
  s.note("connected", server->connected());
}

void reset_while_nothing_is_wanted(Script& s) {
  auto [client, server] = s.pair();
  Ear ear;
  EXPECT_TRUE(server->watch(ear, Ready::none));
  s.place_.settle();
  s.note("before", ear.told);
  client->reset();
  client.reset();
  EXPECT_TRUE(s.place_.until([&] { return ear.calls > 0; }));
  s.place_.settle();
  s.note("after", ear.told);
  s.note("calls " + std::to_string(ear.calls));
  s.note("connected", server->connected());
}

void close_with_unread_data(Script& s) {
  auto [client, server] = s.pair();
  s.note("send", s.send(*client, "never read"));
  s.place_.settle();
  server.reset();
  Ear ear;
  s.hear("told", *client, ear, Ready::readable);
  s.note("receive", s.receive(*client));
}

void data_for_a_closed_socket(Script& s) {
  auto [client, server] = s.pair();
  server.reset();
  EXPECT_TRUE(s.place_.until([&] { return s.receive(*client)->end; }));
  s.note("send", s.send(*client, "anybody?"));
  s.place_.settle();
  s.note("send again", s.send(*client, "hello?"));
  s.note("receive", s.receive(*client));
}

void back_pressure(Script& s) {
  auto [client, server] = s.pair(16 * 1024);
  const std::string block(64 * 1024, 'x');
  std::size_t sent = 0;
  EXPECT_TRUE(s.place_.until([&] {
    auto io = s.send(*client, block);
    sent += io->bytes;
    return io->blocked;
  }));
  s.place_.settle();
  for (auto io = s.send(*client, block); io->bytes > 0; io = s.send(*client, block)) sent += io->bytes;
  s.note("full", s.send(*client, block));
  Ear ear;
  s.hear_a_while("full", *client, ear, Ready::writable);
  std::size_t received = 0;
  EXPECT_TRUE(s.place_.until([&] {
    received += s.receive(*server, 1 << 20)->bytes;
    return received == sent;
  }));
  s.hear("drained", *client, ear, Ready::writable);
}

void readiness_is_a_level(Script& s) {
  auto [client, server] = s.pair();
  Ear ear;
  ear.stubborn = true;
  s.note("send", s.send(*client, "abc"));
  EXPECT_TRUE(server->watch(ear, Ready::readable));
  EXPECT_TRUE(s.place_.until([&] { return ear.calls >= 3; }));
  s.note("part", s.receive(*server, 2));
  ear.calls = 0;
  EXPECT_TRUE(s.place_.until([&] { return ear.calls >= 2; }));
  s.note("rest", s.receive(*server, 2));
  s.place_.settle();
  ear.calls = 0;
  s.place_.settle();
  s.note("calls when empty: " + std::to_string(ear.calls));
}

void bind_errors(Script& s) {
  auto listening = s.listener();
  auto again = s.open(SocketSpec::Role::listen, listening->local());
  s.note("in use", again ? listening->listen(1) : Result<void>(fail(std::move(again))));
  auto foreign = s.open(SocketSpec::Role::connect, ip("192.0.2.99"));
  s.note("foreign", foreign ? Result<void>() : Result<void>(fail(std::move(foreign))));
  s.note(std::string("none waits: ") + (listening->accept()->socket == nullptr ? "null" : "a socket"));
  Ear ear;
  s.hear_a_while("quiet", *listening, ear, Ready::readable);
  auto client = *s.open(SocketSpec::Role::connect, ip("127.0.0.1"));
  (void)client->connect(listening->local());
  s.hear("somebody waits", *listening, ear, Ready::readable);
  auto accepted = *listening->accept();
  s.note(accepted.peer == client->local() ? "peer is the client" : "peer is somebody else");
  s.note(accepted.socket->local() == listening->local() ? "local is the listener's" : "local differs");
}

void options(Script& s) {
  auto socket = *s.open(SocketSpec::Role::connect);
  const auto number = [&](int level, int option) {
    int value = 0;
    auto size = socket->get(level, option, std::as_writable_bytes(std::span(&value, 1)));
    s.note(size ? "size " + std::to_string(*size) + " value " + std::to_string(value) : show(size.error()));
  };
  s.note("set", socket->set(IPPROTO_TCP, TCP_NODELAY, option_value(int{1})));
  number(IPPROTO_TCP, TCP_NODELAY);
  number(SOL_SOCKET, SO_KEEPALIVE);
  s.note("unknown", socket->set(IPPROTO_TCP, 9999, option_value(int{1})));
  s.note("too short", socket->set(IPPROTO_TCP, TCP_NODELAY, {}));
  number(IPPROTO_TCP, 9999);
  auto udp = s.datagram(ip("127.0.0.1"));
  s.note("listen", udp->listen(1));
  s.note("finish", udp->finish());
}

void datagram_refused(Script& s) {
  const Address nobody = s.datagram(ip("127.0.0.1"))->local();  // closed again
  auto socket = s.datagram({}, nobody);
  s.note("connected", socket->connected());
  s.note("send", s.send(*socket, "x"));
  Ear ear;
  s.hear("told", *socket, ear, Ready::readable);
  s.note("receive", s.receive(*socket));
  s.note("receive again", s.receive(*socket));
  s.note("send", s.send(*socket, "y"));
  s.place_.settle();
  s.note("send again", s.send(*socket, "z"));
  s.note("and again", s.send(*socket, "z"));
}

void datagram_refused_while_nothing_is_wanted(Script& s) {
  const Address nobody = s.datagram(ip("127.0.0.1"))->local();
  auto socket = s.datagram({}, nobody);
  Ear ear;
  EXPECT_TRUE(socket->watch(ear, Ready::none));
  s.note("send", s.send(*socket, "x"));
  EXPECT_TRUE(s.place_.until([&] { return ear.calls > 0; }));
  s.place_.settle();
  s.note("told", ear.told);
  s.note("calls " + std::to_string(ear.calls));
  s.note("receive", s.receive(*socket));
}

void datagrams(Script& s) {
  auto server = s.datagram(ip("0.0.0.0"));
  const Address address = ip("127.0.0.1", server->local().port);
  auto client = s.datagram(ip("127.0.0.1"));
  s.note("no address", s.send(*client, "x"));
  s.note("send", s.send(*client, "hello", address));
  s.note("empty", s.send(*client, "", address));
  s.note("too large", s.send(*client, std::string(70'000, 'x'), address));
  s.place_.settle();
  Batch in;
  EXPECT_TRUE(s.place_.until([&] { return server->receive(in, 100'000).has_value() && in.size() >= 2; }));
  s.note(std::string("text ") + std::string(text_of(in.begin()[0].data)));
  s.note(in.begin()[0].info->remote == client->local() ? "from the client" : "from somebody else");
  s.note(in.begin()[0].info->local == address ? "to the address" : "to another address");
  s.note("size of the second " + std::to_string(in.begin()[1].data.size()));
  s.note("nothing more", s.receive(*server));
  auto connected = s.datagram({}, address);
  s.note("same address", s.send(*connected, "x"));
  s.place_.settle();
  auto io = s.receive(*server);
  s.note("got", io);
  s.note("got " + s.last);
}

using ScriptFunction = void (*)(Script&);
struct Named {
  const char* name;
  ScriptFunction run;
};

class Parity : public testing::TestWithParam<Named> {};

TEST_P(Parity, BothKernelsShowTheSame) {
  const auto observe = [&](Place& place) {
    Script script(place);
    GetParam().run(script);
    return script.observations;
  };
  RealPlace real;
  SimulatedPlace simulated;
  EXPECT_EQ(observe(simulated), observe(real));
}

INSTANTIATE_TEST_SUITE_P(
    Scripts, Parity,
    testing::Values(Named{"RefusedConnect", refused_connect}, Named{"UnconnectedCalls", unconnected_calls},
                    Named{"HalfClose", half_close}, Named{"BothFinished", both_finished},
                    Named{"BothFinishedUnasked", both_finished_unasked}, Named{"ResetAfterData", reset_after_data},
                    Named{"ResetWhileNothingIsWanted", reset_while_nothing_is_wanted},
                    Named{"CloseWithUnreadData", close_with_unread_data},
                    Named{"DataForAClosedSocket", data_for_a_closed_socket}, Named{"BackPressure", back_pressure},
                    Named{"ReadinessIsALevel", readiness_is_a_level}, Named{"BindErrors", bind_errors},
                    Named{"Options", options}, Named{"DatagramRefused", datagram_refused},
                    Named{"DatagramRefusedWhileNothingIsWanted", datagram_refused_while_nothing_is_wanted},
                    Named{"Datagrams", datagrams}),
    [](const auto& info) { return std::string(info.param.name); });

}  // namespace
}  // namespace trellis::simulation
