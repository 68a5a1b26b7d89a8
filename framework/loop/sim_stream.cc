// sim_stream.cc: see sim_stream.h.
#include "loop/sim_stream.h"

#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "loop/sim_host.h"
#include "loop/socket_address.h"
#include "loop/socket_error.h"

namespace trellis {

namespace {

constexpr std::size_t kPiece = 64 * 1024;  // the largest piece that is received at once
constexpr std::size_t kBlocks = 4;

std::uint32_t microseconds(Duration duration) noexcept {
  return static_cast<std::uint32_t>(std::chrono::duration_cast<std::chrono::microseconds>(duration).count());
}

std::uint8_t kernel_state(const TcpConnection* connection) noexcept {
  if (connection == nullptr) return TCP_CLOSE;
  switch (connection->state()) {
    case TcpConnection::State::deferred:
    case TcpConnection::State::syn_sent: return TCP_SYN_SENT;
    case TcpConnection::State::syn_received: return TCP_SYN_RECV;
    case TcpConnection::State::time_wait: return TCP_TIME_WAIT;
    case TcpConnection::State::closed: return TCP_CLOSE;
    case TcpConnection::State::open: break;
  }
  const bool peer_finished = connection->receiver.finished();
  if (!connection->finishing()) return peer_finished ? TCP_CLOSE_WAIT : TCP_ESTABLISHED;
  if (peer_finished) return TCP_LAST_ACK;
  return connection->sender.fin_acked() ? TCP_FIN_WAIT2 : TCP_FIN_WAIT1;
}

tcp_info info_of(const TcpConnection* connection) noexcept {
  tcp_info info{};
  info.tcpi_state = kernel_state(connection);
  if (connection == nullptr) return info;
  const TcpSender& sender = connection->sender;
  info.tcpi_options = connection->early_accepted() ? TCPI_OPT_SYN_DATA : 0;
  info.tcpi_snd_mss = sender.mss();
  info.tcpi_rtt = microseconds(sender.smoothed_rtt());
  info.tcpi_rttvar = microseconds(sender.rtt_variance());
  info.tcpi_snd_cwnd = static_cast<std::uint32_t>(sender.window() / sender.mss());
  info.tcpi_unacked = static_cast<std::uint32_t>((sender.in_flight() + sender.mss() - 1) / sender.mss());
  info.tcpi_total_retrans = static_cast<std::uint32_t>(sender.retransmissions());
  return info;
}

}  // namespace

SimStream::SimStream(const Seat& seat, std::unique_ptr<TcpConnection> accepted, const SimOptions& options)
    : SimSocket(seat), connection_(std::move(accepted)) {
  options_ = options;
  local_ = connection_->local();
  remote_ = connection_->remote();
  connection_->user = this;
  apply_options();
  stirred(*connection_);  // it may have failed while it waited
}

SimStream::~SimStream() {
  if (connection_ == nullptr) return;
  const auto linger_value = options_.get(SOL_SOCKET, SO_LINGER);
  linger at_once{};
  std::memcpy(&at_once, linger_value->data(), sizeof at_once);
  TcpConnection& connection = *connection_;
  host_.tcp().keep(std::move(connection_));
  connection.abandon(abruptly_ || (at_once.l_onoff != 0 && at_once.l_linger == 0));
}

int SimStream::bind_to(const Address& address) {
  if (address.port != 0) return bind(address);
  local_ = address;  // the port is chosen by connect(), so that one can serve many remote addresses
  return 0;
}

std::unexpected<Error> SimStream::final_failure(int error, std::string doing) {
  if (final_error_ == 0) final_error_ = error;
  return failure(final_error_, std::move(doing));
}

void SimStream::stirred(TcpConnection& connection) noexcept {
  if (connection.failure() != 0 && final_error_ == 0) {
    final_error_ = connection.failure();
    error_came();
  }
  stir();
}

int SimStream::bind_towards(const Address& remote) {
  Address source = host_.source_for(remote, local_, bound_);
  if (!source) return ENETUNREACH;
  if (local_.port != 0) {
    local_ = source;
    return host_.tcp().in_use(local_, remote) ? EADDRNOTAVAIL : 0;
  }
  source.port = 0;
  return bind(source, remote);
}

Result<bool> SimStream::connect(const Address& remote) noexcept {
  if (!remote) return fail(Reason::invalid_argument, "connect: the address is unset", 0, "socket");
  remote_ = remote;
  remote_.hop_limit = 0;
  int error = fault(SocketCall::connect);
  if (error == 0 && connection_ != nullptr) error = connection_->established() ? EISCONN : EALREADY;
  if (error == 0 && remote.family != family_) error = EAFNOSUPPORT;
  if (error == 0) error = bind_towards(remote_);
  if (error != 0) return final_failure(error, "connect to");
  if (remote.hop_limit != 0) {
    const bool v6 = family_ == Address::Family::ipv6;
    options_.set(v6 ? IPPROTO_IPV6 : IPPROTO_IP, v6 ? IPV6_UNICAST_HOPS : IP_TTL, option_value(int{remote.hop_limit}));
  }
  connection_ = std::make_unique<TcpConnection>(host_.tcp(), local_, remote_, bound_);
  connection_->user = this;
  apply_options();
  connection_->connect(flag(IPPROTO_TCP, TCP_FASTOPEN_CONNECT) != 0);
  return connection_->state() == TcpConnection::State::deferred;
}

Result<bool> SimStream::connected() noexcept {
  if (const int error = fault(SocketCall::connected)) return final_failure(error, "connect to");
  if (final_error_ != 0) return final_failure(final_error_, "connect to");
  return connection_ != nullptr && connection_->established();
}

Result<void> SimStream::listen(int) noexcept {
  fault(SocketCall::listen);
  return failure(EINVAL, "listen with a socket that was opened to connect");
}

Result<Accepted> SimStream::accept() noexcept {
  fault(SocketCall::accept);
  return failure(EINVAL, "accept with a socket that does not listen");
}

void SimStream::apply_options() noexcept {
  if (connection_ == nullptr) return;
  const auto size = [this](int option, std::size_t otherwise) {
    const int value = flag(SOL_SOCKET, option);
    return value > 0 ? static_cast<std::size_t>(value) : otherwise;
  };
  TcpSender& sender = connection_->sender;
  sender.capacity = size(SO_SNDBUF, host_.options.send_buffer);
  sender.no_delay = flag(IPPROTO_TCP, TCP_NODELAY) != 0;
  sender.user_timeout = options_.span<std::chrono::milliseconds>(IPPROTO_TCP, TCP_USER_TIMEOUT);
  connection_->receiver.capacity = size(SO_RCVBUF, host_.options.receive_buffer);
  TcpSettings& settings = connection_->settings;
  settings.mss = static_cast<std::uint32_t>(flag(IPPROTO_TCP, TCP_MAXSEG));
  settings.syn_retries = static_cast<unsigned>(flag(IPPROTO_TCP, TCP_SYNCNT));
  const bool v6 = family_ == Address::Family::ipv6;
  settings.hops = static_cast<std::uint8_t>(flag(v6 ? IPPROTO_IPV6 : IPPROTO_IP, v6 ? IPV6_UNICAST_HOPS : IP_TTL));
  const bool keep_alive = flag(SOL_SOCKET, SO_KEEPALIVE) != 0;
  settings.keep_idle = keep_alive ? options_.span<std::chrono::seconds>(IPPROTO_TCP, TCP_KEEPIDLE) : Duration::zero();
  settings.keep_interval = options_.span<std::chrono::seconds>(IPPROTO_TCP, TCP_KEEPINTVL);
  settings.keep_count = static_cast<unsigned>(flag(IPPROTO_TCP, TCP_KEEPCNT));
  connection_->settings_changed();
}

Result<Io> SimStream::receive(Batch& into, std::size_t byte_budget, bool) noexcept {
  if (byte_budget == 0) return Io{};
  if (const int error = fault(SocketCall::receive)) {
    if (error == EAGAIN) return Io{.blocked = true};
    return final_failure(error, "receive from");
  }
  const std::size_t available = connection_ == nullptr ? 0 : connection_->receiver.available();
  if (available > 0) {
    const std::size_t most = std::min(byte_budget, kPiece * kBlocks);
    const std::size_t size = cut(std::min(most, available));
    read(into, size);
    return Io{.bytes = size, .blocked = size < most};
  }
  if (connection_ == nullptr) return final_failure(ENOTCONN, "receive from");
  if (!connection_->receiver.finished() && connection_->failure() == 0) return Io{.blocked = true};
  if (final_error_ != 0) return final_failure(final_error_, "receive from");
  ended_ = true;
  return Io{.end = true};
}

void SimStream::read(Batch& into, std::size_t size) {
  while (size > 0) {
    const std::size_t part = cut(std::min(size, kPiece));
    Slice slice = loop_.pool().allocate(0, static_cast<std::uint32_t>(part), 0);
    connection_->read(slice.edit());
    into.add(Chunk{std::move(slice)});
    size -= part;
  }
}

Result<Io> SimStream::send(Batch& from) noexcept {
  if (const int error = fault(SocketCall::send)) {
    if (error == EAGAIN) return Io{.blocked = true};
    return final_failure(error, "send to");
  }
  if (final_error_ != 0) return final_failure(final_error_, "send to");
  if (connection_ == nullptr || connection_->finishing()) return final_failure(EPIPE, "send to");
  const bool deferred = connection_->state() == TcpConnection::State::deferred;
  if (!deferred && !connection_->established()) return Io{.blocked = true};
  const std::size_t offered = from.bytes();
  std::size_t left = cut(std::min(offered, connection_->sender.room()));
  Io io{.bytes = left, .blocked = left < offered};
  for (const Chunk* chunk = from.begin(); left > 0; ++chunk) {
    left -= connection_->sender.write(chunk->data.bytes().first(std::min<std::size_t>(left, chunk->data.size())));
  }
  from.consume(io.bytes);
  while (!from.empty() && from.front().data.size() == 0) from.pop();  // an empty chunk means nothing in a stream
  if (io.bytes > 0) connection_->push();
  return io;
}

Result<void> SimStream::finish() noexcept {
  if (const int error = fault(SocketCall::finish)) return final_failure(error, "finish sending to");
  if (final_error_ != 0) return final_failure(final_error_, "finish sending to");
  if (connection_ == nullptr || !connection_->established()) return final_failure(ENOTCONN, "finish sending to");
  connection_->finish();
  return {};
}

Ready SimStream::state() const noexcept {
  if (connection_ == nullptr) return Ready::none;
  const bool failed = connection_->failure() != 0;
  Ready now = failed ? Ready::failed : Ready::none;
  const TcpReceiver& receiver = connection_->receiver;
  if (!ended_ && (failed || receiver.available() > 0 || receiver.finished())) now = now | Ready::readable;
  const bool open = connection_->established() || connection_->state() == TcpConnection::State::deferred;
  if (failed || (open && (connection_->finishing() || connection_->sender.writable()))) now = now | Ready::writable;
  return now;
}

std::vector<std::byte> SimStream::fact(int level, int option) noexcept {
  const auto bytes = [](const auto& value) {
    const auto span = option_value(value);
    return std::vector<std::byte>(span.begin(), span.end());
  };
  if (level == SOL_SOCKET && option == SO_ERROR) return bytes(final_error_);
  if (level == SOL_SOCKET && option == SO_TYPE) return bytes(int{SOCK_STREAM});
  if (level == SOL_SOCKET && option == SO_PROTOCOL) return bytes(protocol_);
  if (level == IPPROTO_TCP && option == TCP_INFO) return bytes(info_of(connection_.get()));
  if (connection_ == nullptr) return {};
  if (level == IPPROTO_TCP && option == TCP_MAXSEG) return bytes(static_cast<int>(connection_->sender.mss()));
  if ((level == IPPROTO_IP && option == IP_MTU) || (level == IPPROTO_IPV6 && option == IPV6_MTU))
    return bytes(static_cast<int>(host_.path_mtu(remote_, local_, bound_)));
  return {};
}

}  // namespace trellis
