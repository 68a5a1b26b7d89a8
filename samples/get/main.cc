// get: fetches from an echo server or a web server, over whatever stack the policy chooses.
//
//   get [--policy FILE | --stack LAYERS] [--bytes N] HOST:PORT    sends N bytes, checks that they come back
//   get [--policy FILE | --stack LAYERS] http[s]://HOST[:PORT]/PATH  writes the page to standard output
//
// Of https it says what it needs, not how: a stack that encrypts and authenticates. What the server then speaks, HTTP/3
// or HTTP/1.1, is agreed in the handshake.
#include <cstdio>
#include <cstdlib>
#include <string>

#include "echo_check.h"
#include "http3_get.h"
#include "http_get.h"
#include "trellis/address_text.h"
#include "trellis/endpoint_text.h"
#include "trellis/loop.h"
#include "trellis/preconnection.h"

using namespace trellis;

namespace {

constexpr auto kPatience = std::chrono::seconds(30);

struct Arguments {
  std::vector<std::string> policies;
  std::string stack, target;
  Endpoint remote;
  std::uint64_t bytes = 1 << 20;
};

bool read(int argc, char** argv, Arguments& arguments) {
  for (int i = 1; i < argc; ++i) {
    const std::string word = argv[i];
    const bool option = word.starts_with("--");
    if (option ? ++i == argc : !arguments.target.empty()) return false;
    if (!option) {
      arguments.target = word;
    } else if (word == "--policy") {
      arguments.policies.emplace_back(argv[i]);
    } else if (word == "--stack") {
      arguments.stack = argv[i];
    } else if (word == "--bytes") {
      arguments.bytes = std::strtoull(argv[i], nullptr, 10);
    } else {
      return false;
    }
  }
  return !arguments.target.empty();
}

// Gives up on a peer that does not answer: datagrams can be lost.
class Deadline final : public Alarm {
 public:
  explicit Deadline(Loop& loop) : loop_(loop) { arm(loop, loop.now() + kPatience); }
  void on_alarm() noexcept override {
    std::fputs("get: the server has not answered in time\n", stderr);
    loop_.stop();
  }

 private:
  Loop& loop_;
};

void describe(const Framework& framework, const Connection& connection) {
  std::fprintf(stderr, "plugins loaded:");
  for (const LoadedPlugin& plugin : framework.plugins())
    std::fprintf(stderr, " %s-%s", plugin.name.c_str(), plugin.version.c_str());
  std::fprintf(stderr, "\nstack: %s to %s\n", std::string(connection.stack()).c_str(),
               to_text(connection.remote()).c_str());
}

bool speaks_http3(const Connection& connection) {
  const auto agreed = connection.get("tls.alpn");
  const auto* const name = agreed ? std::get_if<std::string>(&*agreed) : nullptr;
  return name != nullptr && *name == "h3";
}

Task<void> fetch(const Arguments& arguments, Framework& framework, Loop& loop, int& code) {
  const auto url = parse_url(arguments.target);
  Preconnection preconnection(framework);
  preconnection.remote(arguments.remote).stack(arguments.stack);
  if (url) preconnection.face(Face::bytestream);
  if (url && url->secure) {
    preconnection.require(Feature::confidentiality).require(Feature::peer_authentication);
    auto security = std::make_shared<Security>();
    security->alpn = {"h3", "http/1.1"};
    preconnection.security(security);
  }

  Result<Connection> connection = co_await preconnection.initiate_async(loop);
  Result<void> how;
  if (!connection) {
    how = fail(std::move(connection));
  } else {
    describe(framework, *connection);
    const Deadline deadline(loop);
    if (url && speaks_http3(*connection))
      how = co_await http3_get(std::move(*connection), *url);
    else if (url)
      how = co_await http_get(*connection, *url);
    else
      how = co_await echo_check(*connection, arguments.bytes);
  }
  if (!how) std::fprintf(stderr, "get: %s\n", how.error().detail.c_str());
  code = how ? 0 : 2;
  loop.stop();
}

}  // namespace

int main(int argc, char** argv) {
  Arguments arguments;
  if (!read(argc, argv, arguments)) {
    std::fputs("usage: get [--policy FILE | --stack LAYERS] [--bytes N] HOST:PORT | http[s]://HOST[:PORT]/PATH\n",
               stderr);
    return 1;
  }
  auto remote = parse_remote(arguments.target);
  if (!remote) {
    std::fprintf(stderr, "get: %s\n", remote.error().detail.c_str());
    return 1;
  }
  arguments.remote = std::move(*remote);
  const auto loop = make_loop();
  const auto framework = Framework::create({.policies = arguments.policies, .state_file = default_state_file()});
  if (!framework) {
    std::fprintf(stderr, "get: %s\n", framework.error().detail.c_str());
    return 1;
  }
  int code = 2;
  Task<void> task = fetch(arguments, **framework, *loop, code);
  task.start();
  loop->run();
  return code;
}
