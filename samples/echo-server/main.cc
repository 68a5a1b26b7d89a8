// echo-server: sends back whatever its peers send, over every policy that it is given.
//
//   echo-server [--policy FILE]… [--stack LAYERS] [--address ADDRESS] [--port N]
//
// Which protocols that means, it does not know: the policies say so. SIGHUP makes it read them again, SIGTERM ends it.
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <thread>
#include <vector>

#include "trellis/address_text.h"
#include "trellis/endpoint_text.h"
#include "trellis/loop.h"
#include "trellis/preconnection.h"

using namespace trellis;

namespace {

// One peer. Nothing more is received while the peer does not take what it gets back: that is the whole flow control.
Task<void> echo(Connection given) {
  Connection peer = std::move(given);
  for (bool final = false; !final;) {
    Result<Message> message = co_await peer.receive_async();
    if (!message) co_return;  // the peer is gone
    final = message->final;
    if (final && message->data.size() == 0) break;
    if (!co_await peer.send_async(std::move(message->data), message->end)) co_return;
  }
  co_await peer.close_async();
}

Task<void> accept_all(Listener& listener, Loop& loop) {
  for (;;) {
    Result<Connection> peer = co_await listener.accept_async();
    if (!peer) {
      std::fprintf(stderr, "echo-server: %s\n", peer.error().detail.c_str());
      co_return loop.stop();
    }
    spawn(echo(std::move(*peer)));
  }
}

// New peers get what the policies say from now on; a policy with a fault changes nothing.
void reload_on_hangup(Framework& framework, const sigset_t& hangup) {
  for (int signal = 0; sigwait(&hangup, &signal) == 0;) {
    const Result<void> loaded = framework.reload();
    std::fprintf(stderr, "echo-server: %s\n", loaded ? "policies loaded anew" : loaded.error().detail.c_str());
  }
}

struct Arguments {
  std::vector<std::string> policies;
  std::string stack;
  std::string address, port = "0";
};

bool read(int argc, char** argv, Arguments& arguments) {
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string name = argv[i], value = argv[i + 1];
    if (name == "--policy")
      arguments.policies.push_back(value);
    else if (name == "--stack")
      arguments.stack = value;
    else if (name == "--address")
      arguments.address = value;
    else if (name == "--port")
      arguments.port = value;
    else
      return false;
  }
  return argc % 2 == 1;
}

// None of them given: every address of this host, and a free port.
Result<Endpoint> local_of(const Arguments& arguments) {
  const auto port = parse_port(arguments.port, 0);
  if (!port) return std::unexpected(port.error());
  if (arguments.address.empty()) return Endpoint{.port = *port};
  auto local = parse_local(arguments.address);
  if (local) local->port = local->address.port = *port;
  return local;
}

}  // namespace

int main(int argc, char** argv) {
  Arguments arguments;
  if (!read(argc, argv, arguments)) {
    std::fputs("usage: echo-server [--policy FILE]... [--stack LAYERS] [--address ADDRESS] [--port N]\n", stderr);
    return 1;
  }
  const auto local = local_of(arguments);
  if (!local) {
    std::fprintf(stderr, "echo-server: %s\n", local.error().detail.c_str());
    return 1;
  }
  sigset_t hangup;
  sigemptyset(&hangup);
  sigaddset(&hangup, SIGHUP);
  pthread_sigmask(SIG_BLOCK, &hangup, nullptr);  // before there are threads: the one that waits for it gets it

  const auto loop = make_loop();
  const auto framework = Framework::create({.policies = arguments.policies});
  if (!framework) {
    std::fprintf(stderr, "echo-server: %s\n", framework.error().detail.c_str());
    return 1;
  }

  const std::vector<std::string> profiles = (*framework)->profiles();
  std::vector<Listener> listeners(profiles.size());
  std::vector<Task<void>> tasks;
  for (std::size_t i = 0; i < profiles.size(); ++i) {
    Listener& listener = listeners[i];
    listener = Preconnection(**framework)
                   .profile(profiles[i])
                   .stack(arguments.stack)
                   .local(*local)
                   .listen(*loop, {.listening = [&listener, &profile = profiles[i]](const Address& address) {
                     std::printf("listening policy=%s stack=%s address=%s\n", profile.c_str(),
                                 std::string(listener.stack()).c_str(), to_text(address).c_str());
                     std::fflush(stdout);
                   }});
    tasks.push_back(accept_all(listener, *loop));
    tasks.back().start();
  }
  std::thread([&] { reload_on_hangup(**framework, hangup); }).detach();
  loop->run();
  std::quick_exit(1);  // it runs until it is killed, or cannot listen; the thread still refers to what is here
}
