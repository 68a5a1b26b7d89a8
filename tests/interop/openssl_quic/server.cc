// OpenSSL as a QUIC server, by its calls alone: sends back what comes on each stream, and tells on standard output what
// happens. s_server cannot do that.
//   openssl-quic-server CERTIFICATES KEY ALPN    on a free port of 127.0.0.1
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <openssl/err.h>
#include <openssl/quic.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace {

struct Free {
  void operator()(SSL* ssl) const { SSL_free(ssl); }
};
using Handle = std::unique_ptr<SSL, Free>;

/// Says what OpenSSL refused and ends.
void require(bool good, const char* what) {
  if (good) return;
  std::printf("failed: %s: ", what);
  ERR_print_errors_fp(stdout);
  std::exit(1);
}

void tell(const std::string& line) {
  std::puts(line.c_str());
  std::fflush(stdout);
}

/// What became of a step.
enum class Step { nothing, progress, over };

/// One stream, until both directions have ended.
class Echo {
 public:
  explicit Echo(SSL* stream) : stream_(stream) {
    // Otherwise a write that found no room must be repeated with the same bytes, no more and no less.
    SSL_set_mode(stream, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  }
  Step move() {
    const std::size_t before = bytes_;
    read();
    std::size_t written = 0;
    if (!waiting_.empty() && SSL_write_ex(stream_.get(), waiting_.data(), waiting_.size(), &written) == 1)
      waiting_.erase(0, written);
    if (!waiting_.empty() || !ended_) {
      if (SSL_get_stream_write_state(stream_.get()) != SSL_STREAM_STATE_OK) return Step::over;
      return bytes_ > before || written > 0 ? Step::progress : Step::nothing;
    }
    tell("stream " + std::to_string(SSL_get_stream_id(stream_.get())) + ": " + std::to_string(bytes_) + " bytes");
    SSL_stream_conclude(stream_.get(), 0);
    return Step::over;
  }

 private:
  static constexpr std::size_t kWaitingMost = 1 << 16;
  void read() {
    char part[4096];
    std::size_t size = 0;
    while (waiting_.size() < kWaitingMost && SSL_read_ex(stream_.get(), part, sizeof part, &size) == 1) {
      waiting_.append(part, size);
      bytes_ += size;
    }
    ended_ = SSL_get_stream_read_state(stream_.get()) == SSL_STREAM_STATE_FINISHED;
  }
  Handle stream_;
  std::string waiting_;
  std::size_t bytes_ = 0;
  bool ended_ = false;
};

/// Moves each, and lets those go that are over.
template <class Moved>
Step move_all(std::vector<std::unique_ptr<Moved>>& all) {
  Step most = Step::nothing;
  std::erase_if(all, [&](const auto& one) {
    const Step step = one->move();
    if (step != Step::nothing) most = Step::progress;
    return step == Step::over;
  });
  return most;
}

/// One connection of a client.
class Client {
 public:
  explicit Client(SSL* connection) : connection_(connection) {
    SSL_set_blocking_mode(connection, 0);
    require(SSL_set_event_handling_mode(connection, SSL_VALUE_EVENT_HANDLING_MODE_EXPLICIT) == 1,
            "SSL_set_event_handling_mode");
    require(SSL_set_default_stream_mode(connection, SSL_DEFAULT_STREAM_MODE_NONE) == 1, "SSL_set_default_stream_mode");
    require(SSL_set_incoming_stream_policy(connection, SSL_INCOMING_STREAM_POLICY_ACCEPT, 0) == 1,
            "SSL_set_incoming_stream_policy");
  }
  Step move() {
    if (!greeted_ && SSL_do_handshake(connection_.get()) == 1) greet();
    while (SSL* const stream = SSL_accept_stream(connection_.get(), SSL_ACCEPT_STREAM_NO_BLOCK))
      streams_.push_back(std::make_unique<Echo>(stream));
    const Step step = move_all(streams_);
    SSL_CONN_CLOSE_INFO how{};
    if (SSL_get_conn_close_info(connection_.get(), &how, sizeof how) != 1) return step;
    if (!std::exchange(told_, true)) tell_end(how);
    return SSL_shutdown(connection_.get()) == 1 ? Step::over : Step::nothing;  // so that the peer hears of it
  }

 private:
  void greet() {
    greeted_ = true;
    const unsigned char* name = nullptr;
    unsigned size = 0;
    SSL_get0_alpn_selected(connection_.get(), &name, &size);
    tell("handshake: " + std::string(reinterpret_cast<const char*>(name), size) + ", " +
         SSL_get_cipher_name(connection_.get()) + (SSL_session_reused(connection_.get()) != 0 ? ", resumed" : ""));
  }
  static void tell_end(const SSL_CONN_CLOSE_INFO& how) {
    tell(std::string("closed by ") + ((how.flags & SSL_CONN_CLOSE_FLAG_LOCAL) != 0 ? "us" : "the peer") +
         ((how.flags & SSL_CONN_CLOSE_FLAG_TRANSPORT) != 0 ? ", transport's code " : ", application's code ") +
         std::to_string(how.error_code));
  }
  Handle connection_;
  std::vector<std::unique_ptr<Echo>> streams_;
  bool greeted_ = false, told_ = false;
};

int choose(SSL*, const unsigned char** out, unsigned char* size, const unsigned char* in, unsigned in_size,
           void* ours) {
  const auto& list = *static_cast<const std::string*>(ours);
  const int how =
      SSL_select_next_proto(const_cast<unsigned char**>(out), size, reinterpret_cast<const unsigned char*>(list.data()),
                            static_cast<unsigned>(list.size()), in, in_size);
  return how == OPENSSL_NPN_NEGOTIATED ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_ALERT_FATAL;
}

int bound_socket() {
  const int socket = ::socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  sockaddr_in address{.sin_family = AF_INET, .sin_port = 0, .sin_addr = {htonl(INADDR_LOOPBACK)}, .sin_zero = {}};
  socklen_t size = sizeof address;
  require(socket >= 0 && bind(socket, reinterpret_cast<sockaddr*>(&address), size) == 0 &&
              getsockname(socket, reinterpret_cast<sockaddr*>(&address), &size) == 0,
          "a socket");
  tell("listening on 127.0.0.1:" + std::to_string(ntohs(address.sin_port)));
  return socket;
}

/// Until a datagram comes, or the library has something to do.
void wait(SSL* listener, int socket) {
  timeval left{};
  int never = 1;
  SSL_get_event_timeout(listener, &left, &never);
  const auto milliseconds = static_cast<int>(left.tv_sec * 1000 + (left.tv_usec + 999) / 1000);
  const short wanted = SSL_net_write_desired(listener) != 0 ? POLLIN | POLLOUT : POLLIN;
  pollfd readiness{.fd = socket, .events = wanted, .revents = 0};
  poll(&readiness, 1, never != 0 ? -1 : milliseconds);
}

// Only SSL_handle_events() reads from the socket: what it took has been seen by all before anything is waited for.
void serve(SSL* listener, int socket) {
  std::vector<std::unique_ptr<Client>> clients;
  for (;;) {
    SSL_handle_events(listener);
    while (SSL* const connection = SSL_accept_connection(listener, SSL_ACCEPT_CONNECTION_NO_BLOCK))
      clients.push_back(std::make_unique<Client>(connection));
    if (move_all(clients) == Step::nothing) wait(listener, socket);
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) return std::fputs("usage: openssl-quic-server CERTIFICATES KEY ALPN\n", stderr), 2;
  SSL_CTX* const context = SSL_CTX_new(OSSL_QUIC_server_method());
  require(context != nullptr, "SSL_CTX_new");
  require(SSL_CTX_use_certificate_chain_file(context, argv[1]) == 1, argv[1]);
  require(SSL_CTX_use_PrivateKey_file(context, argv[2], SSL_FILETYPE_PEM) == 1, argv[2]);
  std::string names = argv[3];
  names.insert(names.begin(), static_cast<char>(names.size()));
  SSL_CTX_set_alpn_select_cb(context, choose, &names);
  const int socket = bound_socket();
  const Handle listener(SSL_new_listener(context, 0));  // it sends clients away once, to see their addresses (Retry)
  require(listener != nullptr && SSL_set_fd(listener.get(), socket) == 1, "SSL_new_listener");
  SSL_set_blocking_mode(listener.get(), 0);
  require(SSL_listen(listener.get()) == 1, "SSL_listen");
  serve(listener.get(), socket);
}
