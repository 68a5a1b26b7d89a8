#include "tcp_acceptor.h"

#include <netinet/tcp.h>

#include <chrono>

#include "tcp_instance.h"

namespace trellis {
namespace {

constexpr std::size_t kAcceptsPerVisit = 64;
constexpr Duration kStarvedPause = std::chrono::milliseconds(50);

}  // namespace

void TcpAcceptor::open(const OpenArgs& args) noexcept {
  auto sockets = open_listeners(args.route.local, [&](const Address& at) { return listen(at, args.route.path); });
  if (!sockets) return give_up(std::move(sockets.error()));
  for (auto& socket : *sockets) doors_.push_back({.socket = std::move(socket), .watch = {}});
  if (auto done = watch(Ready::readable); !done) return give_up(std::move(done.error()));
  args.route.local = doors_.front().socket->local();
  host_.listening(args.route.local);
}

// Accepted sockets inherit the options that are set here, so that accepting costs no system calls for them.
Result<std::unique_ptr<Socket>> TcpAcceptor::listen(const Address& at, const Path& path) {
  auto socket = host_.executor().sockets().open({.kind = SocketSpec::Kind::stream,
                                                 .role = SocketSpec::Role::listen,
                                                 .family = at.family,
                                                 .local = at,
                                                 .interface_name = path.interface_name,
                                                 .share_port = host_.executor().loops() > 1});
  if (!socket) return socket;
  auto applied = TcpProperties(settings_).apply(**socket, at.family);
  if (applied) applied = TcpProperties(settings_).send_at_once(**socket);
  if (applied && settings_.fast_open) applied = set_option(**socket, IPPROTO_TCP, TCP_FASTOPEN, settings_.backlog);
  if (!applied) host_.log(Severity::warning, "an option of the socket was not set: " + applied.error().detail);
  if (auto done = (*socket)->listen(settings_.backlog); !done) return fail(std::move(done));
  return socket;
}

void TcpAcceptor::close(const CloseArgs&) noexcept {
  doors_.clear();
  host_.deadline(TimePoint::max());
  host_.closed();
}

void TcpAcceptor::on_ready(Socket& socket, Ready) noexcept {
  if (failed_ || !accept_some(socket)) return;
  more_ = true;
  host_.wake();
}

void TcpAcceptor::on_wake() noexcept {
  if (more_) accept();
}

void TcpAcceptor::on_deadline() noexcept {
  if (auto done = watch(Ready::readable); !done) return give_up(std::move(done.error()));
  accept();
}

void TcpAcceptor::accept() noexcept {
  if (failed_) return;
  more_ = false;
  for (Door& door : doors_) more_ = accept_some(*door.socket) || more_;
  if (more_) host_.wake();
}

// True: there may be more. All that wait are taken before the first of them gets a stack: in turns the kernel's code
// and ours would displace each other in the caches.
bool TcpAcceptor::accept_some(Socket& socket) noexcept {
  Result<Accepted> accepted = Accepted{};
  while (taken_.size() < kAcceptsPerVisit) {
    accepted = socket.accept();
    if (!accepted || accepted->socket == nullptr) break;
    taken_.push_back(std::move(*accepted));
  }
  const bool more = taken_.size() == kAcceptsPerVisit;
  if (!taken_.empty()) starved_ = false;
  for (Accepted& one : taken_) seat(std::move(one));
  taken_.clear();
  if (!accepted && accepted.error().reason == Reason::exhausted) {
    pause();
  } else if (!accepted) {
    give_up(std::move(accepted.error()));
  }
  return more;
}

void TcpAcceptor::seat(Accepted&& accepted) noexcept {
  Seat* const seat = host_.seat(accepted.peer, LowerPort());
  if (seat == nullptr) return accepted.socket->reset();
  host_.seated(seat, std::make_unique<TcpInstance>(*seat, settings_, std::move(accepted.socket)));
}

// The peers that wait keep the socket readable, so it must not be watched until there may be descriptors again.
void TcpAcceptor::pause() noexcept {
  if (!std::exchange(starved_, true)) host_.log(Severity::warning, "no descriptors are left: new peers have to wait");
  if (auto done = watch(Ready::none); !done) return give_up(std::move(done.error()));
  host_.deadline(host_.executor().now() + kStarvedPause);
}

Result<void> TcpAcceptor::watch(Ready what) noexcept {
  for (Door& door : doors_) {
    if (auto done = door.watch.set(*door.socket, *this, what); !done) return done;
  }
  return {};
}

void TcpAcceptor::give_up(Error error) noexcept {
  if (std::exchange(failed_, true)) return;
  error.layer = kLayer;
  host_.failed(std::move(error));
}

}  // namespace trellis
