// sim_listener.cc: see sim_listener.h.
#include "loop/sim_listener.h"

#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>

#include "loop/sim_host.h"
#include "loop/sim_stream.h"
#include "loop/socket_address.h"

namespace trellis {

SimListener::~SimListener() {
  if (listening_) host_.tcp().remove(*this);
  for (TcpConnection* connection : half_open_) connection->abandon(true);
  for (TcpConnection* connection : waiting_) connection->abandon(true);
}

Result<bool> SimListener::connect(const Address&) noexcept {
  fault(SocketCall::connect);
  return failure(EINVAL, "connect a socket that was opened to listen");
}

Result<bool> SimListener::connected() noexcept {
  fault(SocketCall::connected);
  return false;
}

Result<void> SimListener::listen(int backlog) noexcept {
  int error = fault(SocketCall::listen);
  if (error == 0 && local_.port == 0) {
    Address any = local_;
    any.family = family_;
    error = bind(any);
  }
  if (error != 0) return failure(error, "listen on " + describe(local_));
  backlog_ = static_cast<std::size_t>(std::max(backlog, 0));
  if (!std::exchange(listening_, true)) host_.tcp().add(*this);
  return {};
}

int SimListener::fits(const Address& to, const SimInterface& in) const noexcept {
  if (to.port != local_.port || to.family != family_) return 0;
  if (bound_ != nullptr && bound_ != &in && in.index() != 1) return 0;
  if (!is_wildcard(local_) && !same_ip(local_, to)) return 0;
  return 1 + (bound_ != nullptr ? 1 : 0) + (is_wildcard(local_) ? 0 : 2);
}

void SimListener::on_syn(SimPacket&& syn) noexcept {
  if (half_open_.size() > backlog_ || full()) return host_.trace("lost backlog", waiting_.size(), syn.from, syn.to);
  auto connection = std::make_unique<TcpConnection>(host_.tcp(), syn.to, syn.from, bound_);
  TcpConnection& made = *connection;
  half_open_.push_back(&made);
  made.user = this;
  const int receive_buffer = flag(SOL_SOCKET, SO_RCVBUF);
  made.receiver.capacity = receive_buffer > 0 ? static_cast<std::size_t>(receive_buffer) : host_.options.receive_buffer;
  made.settings.mss = static_cast<std::uint32_t>(flag(IPPROTO_TCP, TCP_MAXSEG));
  host_.tcp().keep(std::move(connection));
  made.answer(syn, flag(IPPROTO_TCP, TCP_FASTOPEN) != 0);
}

bool SimListener::admit(TcpConnection& connection) noexcept {
  if (full()) {
    host_.trace("lost backlog", waiting_.size(), connection.remote(), connection.local());
    return false;
  }
  std::erase(half_open_, &connection);
  waiting_.push_back(&connection);
  stir();
  return true;
}

void SimListener::stirred(TcpConnection& connection) noexcept {
  if (connection.state() != TcpConnection::State::closed || std::erase(half_open_, &connection) == 0) return;
  connection.user = nullptr;
  host_.tcp().bury(connection);
}

Result<Accepted> SimListener::accept() noexcept {
  int error = fault(SocketCall::accept);
  if (error == EAGAIN) return Accepted{};
  if (error == 0 && !listening_) error = EINVAL;
  if (error == 0 && !waiting_.empty() && host_.sockets() >= host_.options.sockets) error = EMFILE;
  if (error != 0) return failure(error, "accept on " + describe(local_));
  if (waiting_.empty()) return Accepted{};
  auto connection = host_.tcp().take(*waiting_.front());
  waiting_.pop_front();
  const Address peer = connection->remote();
  const Seat seat{host_, loop_, protocol_, family_, {}, bound_, share_port_};
  return Accepted{std::make_unique<SimStream>(seat, std::move(connection), options_), peer};
}

Result<Io> SimListener::receive(Batch&, std::size_t, bool) noexcept {
  fault(SocketCall::receive);
  return failure(ENOTCONN, "receive from a listening socket");
}

Result<Io> SimListener::send(Batch&) noexcept {
  fault(SocketCall::send);
  return failure(EPIPE, "send to a listening socket");
}

Result<void> SimListener::finish() noexcept {
  fault(SocketCall::finish);
  return failure(ENOTCONN, "finish sending to a listening socket");
}

std::vector<std::byte> SimListener::fact(int level, int option) noexcept {
  if (level != SOL_SOCKET) return {};
  const int value = option == SO_ACCEPTCONN ? (listening_ ? 1 : 0) : option == SO_TYPE ? SOCK_STREAM : protocol_;
  if (option != SO_ACCEPTCONN && option != SO_TYPE && option != SO_PROTOCOL) return {};
  const auto bytes = option_value(value);
  return {bytes.begin(), bytes.end()};
}

}  // namespace trellis
