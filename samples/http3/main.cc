// http3-server: gives the files of a folder to HTTP/3 clients.
//
//   http3-server --cert FILE --key FILE [--address ADDRESS] [--port N] [--retry] FOLDER
//
// Everything about QUIC is in the stack that it listens with; what is here is HTTP.
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <list>
#include <string>

#include "session.h"
#include "trellis/address_text.h"
#include "trellis/endpoint_text.h"
#include "trellis/loop.h"
#include "trellis/preconnection.h"

using namespace trellis;

namespace {

namespace fs = std::filesystem;

struct Arguments {
  std::string certificate, key, address = "127.0.0.1", port = "0", folder;
  bool retry = false;
};

bool read(int argc, char** argv, Arguments& arguments) {
  for (int i = 1; i < argc; ++i) {
    const std::string word = argv[i];
    std::string* value = word == "--cert"      ? &arguments.certificate
                         : word == "--key"     ? &arguments.key
                         : word == "--address" ? &arguments.address
                         : word == "--port"    ? &arguments.port
                                               : nullptr;
    if (word == "--retry") {
      arguments.retry = true;
    } else if (value != nullptr) {
      if (++i == argc) return false;
      *value = argv[i];
    } else if (!word.starts_with("--") && arguments.folder.empty()) {
      arguments.folder = word;
    } else {
      return false;
    }
  }
  return !arguments.certificate.empty() && !arguments.key.empty() && !arguments.folder.empty();
}

std::string stack_of(const Arguments& arguments) {
  return "quic(alpn=h3,close-code=" + std::to_string(http3::kNoError) + ",certificate='" + arguments.certificate +
         "',key='" + arguments.key + "'" + (arguments.retry ? ",retry=always" : "") + ")/udp";
}

// The file that a path names, if it lies in the folder.
std::optional<fs::path> file_of(const fs::path& folder, std::string_view path) {
  path = path.substr(0, path.find('?'));
  if (!path.starts_with('/')) return std::nullopt;
  std::error_code none;
  const fs::path file = fs::weakly_canonical(folder / path.substr(1), none);
  const fs::path relative = file.lexically_relative(folder);
  if (none || relative.empty() || *relative.begin() == "..") return std::nullopt;
  return fs::is_regular_file(file, none) ? std::optional(file) : std::nullopt;
}

// One client, with all of its requests.
class Client {
 public:
  Client(Connection first, const fs::path& folder, std::function<void()> over)
      : folder_(folder),
        session_(http3::Session::Role::server, std::move(first),
                 {.fields = [this](std::int64_t stream, const http3::Fields& fields) { requests_[stream] = fields; },
                  .body = {},
                  .end = [this](std::int64_t stream) { answer(stream); },
                  .over = [over = std::move(over)](const Error&) { over(); }}) {}

 private:
  void answer(std::int64_t stream) {
    const auto request = requests_.extract(stream);
    if (request.empty()) return;
    std::string method, path;
    for (const auto& [name, value] : request.mapped()) {
      if (name == ":method") method = value;
      if (name == ":path") path = value;
    }
    if (method != "GET" && method != "HEAD") return respond(stream, 405, "method not allowed\n");
    const auto file = file_of(folder_, path);
    std::ifstream in;
    if (file) in.open(*file, std::ios::binary);
    if (!in.is_open()) return respond(stream, 404, "not found\n");
    std::string body(std::istreambuf_iterator<char>(in), {});
    const std::size_t size = body.size();
    if (method == "HEAD") body.clear();
    respond(stream, 200, std::move(body), size);
  }
  void respond(std::int64_t stream, int status, std::string text) {
    const std::size_t size = text.size();
    respond(stream, status, std::move(text), size);
  }
  void respond(std::int64_t stream, int status, std::string body, std::size_t size) {
    const http3::Fields fields{{":status", std::to_string(status)}, {"content-length", std::to_string(size)}};
    session_.respond(stream, fields, std::move(body));
  }

  const fs::path& folder_;
  std::map<std::int64_t, http3::Fields> requests_;  // that are not complete
  http3::Session session_;
};

}  // namespace

int main(int argc, char** argv) {
  Arguments arguments;
  if (!read(argc, argv, arguments)) {
    std::fputs("usage: http3-server --cert FILE --key FILE [--address ADDRESS] [--port N] [--retry] FOLDER\n", stderr);
    return 1;
  }
  const auto complain = [](const std::string& what) {
    std::fprintf(stderr, "http3-server: %s\n", what.c_str());
    return 1;
  };
  std::error_code wrong;
  const fs::path folder = fs::canonical(arguments.folder, wrong);
  if (wrong) return complain(arguments.folder + ": " + wrong.message());
  const auto port = parse_port(arguments.port, 0);
  if (!port) return complain(port.error().detail);
  auto local = parse_local(arguments.address);
  if (!local) return complain(local.error().detail);
  local->port = local->address.port = *port;

  const auto loop = make_loop();
  const auto framework = Framework::create({});
  if (!framework) return complain(framework.error().detail);
  std::list<std::unique_ptr<Client>> clients;
  const Listener listener =
      Preconnection(**framework)
          .stack(stack_of(arguments))
          .local(*local)
          .listen(*loop, {.listening =
                              [](const Address& address) {
                                std::printf("listening address=%s\n", to_text(address).c_str());
                                std::fflush(stdout);
                              },
                          .received =
                              [&](Connection first) {
                                const auto place = clients.emplace(clients.end());
                                *place = std::make_unique<Client>(std::move(first), folder,
                                                                  [&clients, place] { clients.erase(place); });
                              },
                          .failed =
                              [&](const Error& error) {
                                complain(error.detail);
                                loop->stop();
                              }});
  loop->run();
  return 1;  // it runs until it is killed, or cannot listen
}
