// file-transfer: sends a file over whatever stack the policy chooses, with progress.
//
//   file-transfer receive [--policy FILE | --stack LAYERS] FILE ADDRESS:PORT   waits for one file
//   file-transfer send    [--policy FILE | --stack LAYERS] FILE HOST:PORT
//
// With policies/resilient.xml the transfer survives the loss of its TCP connections, one by one.
#include <cstdio>
#include <filesystem>
#include <string>
#include <vector>

#include "transfer.h"
#include "trellis/address_text.h"
#include "trellis/endpoint_text.h"
#include "trellis/loop.h"
#include "trellis/preconnection.h"

using namespace trellis;

namespace {

struct Arguments {
  std::vector<std::string> policies;
  std::string stack;
  std::vector<std::string> words;  // what to do, file, endpoint
};

bool read(int argc, char** argv, Arguments& arguments) {
  for (int i = 1; i < argc; ++i) {
    const std::string word = argv[i];
    if (!word.starts_with("--")) {
      arguments.words.push_back(word);
      continue;
    }
    if (++i == argc) return false;
    if (word == "--policy")
      arguments.policies.emplace_back(argv[i]);
    else if (word == "--stack")
      arguments.stack = argv[i];
    else
      return false;
  }
  return arguments.words.size() == 3 && (arguments.words[0] == "send" || arguments.words[0] == "receive");
}

int complain(const std::string& what) {
  std::fprintf(stderr, "file-transfer: %s\n", what.c_str());
  return 2;
}

Task<void> send(Preconnection& preconnection, const std::string& name, Loop& loop, int& code) {
  std::error_code error;
  const std::uint64_t size = std::filesystem::file_size(name, error);
  const File file(error ? nullptr : std::fopen(name.c_str(), "rb"));
  Result<void> how;
  if (!file) {
    how = fail(Reason::invalid_argument, "cannot read " + name);
  } else if (Result<Connection> connection = co_await preconnection.initiate_async(loop); connection) {
    std::fprintf(stderr, "%s to %s\n", std::string(connection->stack()).c_str(), to_text(connection->remote()).c_str());
    how = co_await send_file(*connection, file.get(), size);
  } else {
    how = fail(std::move(connection));
  }
  code = how ? 0 : complain(how.error().detail);
  if (how) std::printf("%llu bytes sent\n", static_cast<unsigned long long>(size));
  loop.stop();
}

Task<void> receive(Listener& listener, const std::string& name, Loop& loop, int& code) {
  Result<Connection> connection = co_await listener.accept_async();
  Result<std::uint64_t> how = 0;
  const File file(std::fopen(name.c_str(), "wb"));
  if (!connection)
    how = std::unexpected(connection.error());
  else if (!file)
    how = fail(Reason::invalid_argument, "cannot write " + name);
  else
    how = co_await receive_file(*connection, file.get());
  listener.stop();  // else what carries the Connection would wait for more from the peer, and not say goodbye
  if (how) {
    if (auto closed = co_await connection->close_async(); !closed) how = fail(std::move(closed));
  }
  code = how ? 0 : complain(how.error().detail);
  if (how) std::printf("%llu bytes received\n", static_cast<unsigned long long>(*how));
  loop.stop();
}

}  // namespace

int main(int argc, char** argv) {
  Arguments arguments;
  if (!read(argc, argv, arguments)) {
    std::fputs("usage: file-transfer send|receive [--policy FILE | --stack LAYERS] FILE HOST:PORT\n", stderr);
    return 1;
  }
  const auto loop = make_loop();
  const auto framework = Framework::create({.policies = arguments.policies});
  if (!framework) return complain(framework.error().detail);
  Preconnection preconnection(**framework);
  preconnection.stack(arguments.stack).face(Face::bytestream);
  const std::string& name = arguments.words[1];
  int code = 2;
  const bool sends = arguments.words[0] == "send";
  const auto endpoint = sends ? parse_remote(arguments.words[2]) : parse_local(arguments.words[2]);
  if (!endpoint) return complain(endpoint.error().detail);
  Listener listener;
  if (sends) {
    preconnection.remote(*endpoint);
  } else {
    listener = preconnection.local(*endpoint).listen(*loop, {.listening = [](const Address& address) {
      std::printf("listening at %s\n", to_text(address).c_str());
      std::fflush(stdout);
    }});
  }
  Task<void> task = sends ? send(preconnection, name, *loop, code) : receive(listener, name, *loop, code);
  task.start();
  loop->run();
  return code;
}
