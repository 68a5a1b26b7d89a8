#include "tcp_acceptor.h"

#include <netinet/tcp.h>

#include <cerrno>
#include <chrono>

#include "tcp_instance.h"

namespace trellis {
namespace {

constexpr const char* kLayer = "tcp";
constexpr int kAcceptsPerVisit = 64;
constexpr Duration kStarvedPause = std::chrono::milliseconds(50);

// Errors of the one connection that was to be accepted, not of the socket that listens (accept(2)).
bool concerns_one_peer(std::uint64_t code) noexcept {
  switch (code) {
    case ECONNABORTED:
    case EPROTO:
    case EPERM:
    case ENETDOWN:
    case ENETUNREACH:
    case EHOSTDOWN:
    case EHOSTUNREACH:
    case ENONET:
    case ENOPROTOOPT:
    case EOPNOTSUPP: return true;
    default: return false;
  }
}

}  // namespace

void TcpAcceptor::open(const OpenArgs& args) noexcept {
  if (auto done = listen(args); !done) {
    return host_.failed(trying("listen on " + to_text(args.route.local), std::move(done.error()), kLayer));
  }
  args.route.local = socket_->local();
  host_.listening(args.route.local);
}

// Accepted sockets inherit the options that are set here, so that accepting costs no system calls for them.
Result<void> TcpAcceptor::listen(const OpenArgs& args) {
  const Address& local = args.route.local;
  auto socket = host_.executor().sockets().open({.kind = SocketSpec::Kind::stream,
                                                 .role = SocketSpec::Role::listen,
                                                 .family = local.family,
                                                 .local = local,
                                                 .interface_name = args.route.path.interface_name,
                                                 .share_port = host_.executor().loops() > 1});
  if (!socket) return fail(std::move(socket));
  socket_ = std::move(*socket);
  auto applied = TcpProperties(settings_).apply(*socket_, local.family);
  if (applied && settings_.fast_open) applied = set_option(*socket_, IPPROTO_TCP, TCP_FASTOPEN, settings_.backlog);
  if (!applied) host_.log(Severity::warning, "an option of the socket was not set: " + applied.error().detail);
  if (auto done = socket_->listen(settings_.backlog); !done) return done;
  return watch_.set(*socket_, *this, Ready::readable);
}

void TcpAcceptor::close(const CloseArgs&) noexcept {
  socket_.reset();
  host_.deadline(TimePoint::max());
  host_.closed();
}

void TcpAcceptor::on_ready(Socket&, Ready) noexcept { accept(); }

void TcpAcceptor::on_wake() noexcept {
  if (more_) accept();
}

void TcpAcceptor::on_deadline() noexcept {
  if (socket_ == nullptr) return;
  if (auto done = watch_.set(*socket_, *this, Ready::readable); !done) return host_.failed(std::move(done.error()));
  accept();
}

void TcpAcceptor::accept() noexcept {
  more_ = false;
  if (socket_ == nullptr) return;
  for (int i = 0; i < kAcceptsPerVisit; ++i) {
    if (!accept_one()) return;
  }
  more_ = true;
  host_.wake();
}

// False: there is nothing to accept now.
bool TcpAcceptor::accept_one() noexcept {
  auto accepted = socket_->accept();
  if (!accepted) {
    if (accepted.error().reason == Reason::exhausted) {
      pause();
    } else if (concerns_one_peer(accepted.error().code)) {
      return true;
    } else {
      host_.failed(trying("accept", std::move(accepted.error()), kLayer));
    }
    return false;
  }
  if (accepted->socket == nullptr) return false;
  starved_ = false;
  Seat* seat = host_.seat(accepted->peer, LowerPort());
  if (seat == nullptr) {
    accepted->socket->reset();
    return true;
  }
  host_.seated(seat, std::make_unique<TcpInstance>(*seat, settings_, std::move(accepted->socket)));
  return true;
}

// The peers that wait keep the socket readable, so it must not be watched until there may be descriptors again.
void TcpAcceptor::pause() noexcept {
  if (!std::exchange(starved_, true)) host_.log(Severity::warning, "no descriptors are left: new peers have to wait");
  if (auto done = watch_.set(*socket_, *this, Ready::none); !done) return host_.failed(std::move(done.error()));
  host_.deadline(host_.executor().now() + kStarvedPause);
}

}  // namespace trellis
