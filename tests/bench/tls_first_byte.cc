// tls_first_byte.cc: from the start of a command to the first byte of a TLS server on its standard output: `trellis
// connect` against `openssl s_client`. The server is a process on OpenSSL that greets whoever has shaken hands.
#include <fcntl.h>
#include <netinet/in.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <vector>

#include "process.h"
#include "raw_sockets.h"
#include "rows.h"
#include "tls_ends.h"

namespace trellis::bench {
namespace tls_first_byte_row {

constexpr int kStarts = 15;
constexpr double kMilliseconds = 1e3;

void greet(const Outlet& out) {
  const RawListener listener = raw_listen();
  SSL_CTX* const context = SSL_CTX_new(TLS_server_method());
  SSL_CTX_use_certificate_chain_file(context, (kTestPki + "/server.pem").c_str());
  SSL_CTX_use_PrivateKey_file(context, (kTestPki + "/server.key").c_str(), SSL_FILETYPE_PEM);
  out.put(ntohs(listener.address.sin_port));
  const Epoll epoll;
  epoll.add(listener.descriptor, EPOLLIN);
  for (epoll_event event;;) {
    check(epoll_wait(epoll.descriptor(), &event, 1, -1), "epoll_wait");
    const int peer = check(accept(listener.descriptor, nullptr, nullptr), "accept");
    SSL* const ssl = SSL_new(context);
    SSL_set_fd(ssl, peer);
    if (SSL_accept(ssl) == 1) SSL_write(ssl, "hello\n", 6);
    SSL_free(ssl);
    close(peer);
  }
}

// Milliseconds until the command has written something.
double first_byte(std::vector<std::string> words) {
  std::vector<char*> arguments;
  for (std::string& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  int out[2], in[2];
  check(pipe2(out, O_CLOEXEC), "pipe2");
  check(pipe2(in, O_CLOEXEC), "pipe2");  // its input: open and silent
  const double begin = now();
  const pid_t child = check(fork(), "fork");
  if (child == 0) {
    dup2(in[0], STDIN_FILENO);
    dup2(out[1], STDOUT_FILENO);
    dup2(check(open("/dev/null", O_WRONLY | O_CLOEXEC), "open"), STDERR_FILENO);
    execvp(arguments[0], arguments.data());
    _exit(1);
  }
  close(out[1]);
  char byte = 0;
  const ssize_t got = read(out[0], &byte, 1);
  const double taken = now() - begin;
  kill(child, SIGKILL);
  check(waitpid(child, nullptr, 0), "waitpid");
  for (const int end : {out[0], in[0], in[1]}) close(end);
  errno = 0;
  if (got != 1 || byte != 'h') die("tls-first-byte: " + words[0] + " has shown nothing of what the server sent");
  return taken * kMilliseconds;
}

double measure_command(std::vector<std::string> (*command)(const std::string& port)) {
  Child server(kServerCpu, greet);
  const auto port = server.take<std::uint16_t>(std::chrono::seconds(kSecondsMax));
  if (!port) die("tls-first-byte: the server ended");
  std::vector<double> times;
  for (int i = 0; i < kStarts; ++i) times.push_back(first_byte(command(std::to_string(*port))));
  return median(times);
}

std::vector<std::string> trellis_connect(const std::string& port) {
  return {TRELLIS_BUILD_DIR "/bin/trellis",
          "connect",
          "--stack",
          "tls/tcp",
          "--cafile",
          kTestPki + "/ca.pem",
          "--servername",
          "peer.example",
          "127.0.0.1:" + port};
}

std::vector<std::string> openssl_s_client(const std::string& port) {
  return {"openssl",
          "s_client",
          "-quiet",
          "-connect",
          "127.0.0.1:" + port,
          "-CAfile",
          kTestPki + "/ca.pem",
          "-servername",
          "peer.example",
          "-verify_hostname",
          "peer.example",
          "-verify_return_error"};
}

}  // namespace tls_first_byte_row

Row tls_first_byte() {
  using namespace tls_first_byte_row;
  return {.name = "tls-first-byte",
          .about = "from the start of `trellis connect` to the server's first byte; baseline: `openssl s_client`",
          .unit = "ms",
          .better = Better::lower,
          .target = 1,
          .ours = [] { return measure_command(trellis_connect); },
          .baseline = [] { return measure_command(openssl_s_client); },
          .pairs = kPairsNoisy};
}

}  // namespace trellis::bench
