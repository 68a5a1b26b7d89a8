#include "tcp_instance.h"

#include <netinet/tcp.h>

#include <algorithm>
#include <cerrno>

namespace trellis {
namespace {

constexpr std::size_t kLastWords = 8 << 20;     // bytes that are still delivered after a reset, whatever the demand
constexpr std::size_t kDrainBytes = 256 << 10;  // to drop at once while waiting for the peer's end
constexpr Duration kLook = std::chrono::seconds(3);  // between two looks for retransmissions
constexpr std::uint8_t kKernelEstablished = 1;       // tcpi_state: TCP_ESTABLISHED

// Behind a listener at one address it is known already, and asking would be a system call for each peer.
bool names_one_address(const Address& local) {
  return local && local.port != 0 && std::ranges::any_of(local.ip, [](std::uint8_t byte) { return byte != 0; });
}

}  // namespace

TcpInstance::TcpInstance(const Seat& seat, const TcpLayerSettings& settings, std::unique_ptr<Socket> accepted)
    : host_(seat.host), upper_(seat.upper), settings_(settings), properties_(settings), socket_(std::move(accepted)) {}

void TcpInstance::open(const OpenArgs& args) noexcept {
  route_ = &args.route;
  remote_ = args.remote.address;
  if (socket_ != nullptr) {  // accepted; it has inherited the listening socket's options
    sends_at_once_ = true;
    if (!names_one_address(route_->local)) route_->local = socket_->local();
    return established();
  }
  if (!remote_) {
    return host_.failed({Reason::unresolved, 0, kLayer, "connect to " + args.remote.host + ": it has no address yet"});
  }
  if (auto begun = connect(settings_.fast_open); !begun) refused(std::move(begun.error()));
}

Result<void> TcpInstance::connect(bool fast_open) {
  auto socket = host_.executor().sockets().open({.kind = SocketSpec::Kind::stream,
                                                 .role = SocketSpec::Role::connect,
                                                 .family = remote_.family,
                                                 .local = route_->local,
                                                 .interface_name = route_->path.interface_name});
  if (!socket) return fail(std::move(socket));
  socket_ = std::move(*socket);
  watch_.forget();
  sends_at_once_ = false;
  note(properties_.apply(*socket_, remote_.family));
  const bool may_wait = fast_open && prepare_fast_open();
  auto connected = socket_->connect(remote_);
  if (!connected) return fail(std::move(connected));
  if (!*connected) return watch_.set(*socket_, *this, Ready::writable);
  if (!may_wait || !handshake_waits()) {
    established();
    return {};
  }
  // Layers above push their early data in this turn. If there is none the deadline starts a usual handshake.
  stage_ = Stage::early;
  open_credit();
  host_.early();
  host_.deadline(host_.executor().now());
  return {};
}

void TcpInstance::refused(Error error) noexcept {
  error.layer = kLayer;
  host_.failed(std::move(error));
}

bool TcpInstance::prepare_fast_open() noexcept {
  return set_option(*socket_, IPPROTO_TCP, TCP_FASTOPEN_CONNECT, 1).has_value();
}

// With a cookie at hand the kernel says "connected" and sends the SYN together with the first data.
bool TcpInstance::handshake_waits() noexcept {
  auto info = get_option<tcp_info>(*socket_, IPPROTO_TCP, TCP_INFO);
  return info && info->tcpi_state != kKernelEstablished;
}

void TcpInstance::check_connected() noexcept {
  auto connected = socket_->connected();
  if (!connected) return lost(std::move(connected.error()));
  if (*connected) established();
}

void TcpInstance::established() noexcept {
  stage_ = Stage::open;
  open_credit();
  route_->remote = remote_;
  if (sent_early_) report_early();
  host_.ready();
}

void TcpInstance::report_early() noexcept {
  auto info = get_option<tcp_info>(*socket_, IPPROTO_TCP, TCP_INFO);
  const bool taken = info && (info->tcpi_options & TCPI_OPT_SYN_DATA) != 0;
  host_.notify(taken ? Notice::early_accepted : Notice::early_refused);
}

void TcpInstance::send_early(Batch& batch) noexcept {
  if (sent_early_) return;
  while (!batch.empty() && batch.front().info && batch.front().info->replayable) early_.add(batch.pop());
  if (early_.empty()) return;
  sent_early_ = true;
  host_.deadline(TimePoint::max());
  begin_to_send();
  auto io = socket_->send(early_);
  if (!io) return lost(std::move(io.error()));
  give_back(io->bytes);
  check_connected();
  if (stage_ != Stage::early || error_ != nullptr) return;
  if (auto done = watch_.set(*socket_, *this, Ready::writable); !done) lost(std::move(done.error()));
}

void TcpInstance::on_down(UpperPort from, Batch& batch) noexcept {
  if (stage_ == Stage::early) return send_early(batch);
  if (stage_ != Stage::open || error_ != nullptr) return;
  if (!early_.empty()) send(early_);
  if (from.finished() && !batch.empty()) hold_for_the_end();
  if (early_.empty()) send(batch);
  if (error_ != nullptr || !batch.empty() || !early_.empty()) return;
  if (from.finished()) finish_sending();
  try_close();
}

void TcpInstance::note(const Result<void>& option) noexcept {
  if (!option) host_.log(Severity::warning, "an option of the socket was not set: " + option.error().detail);
}

// One system call less until the connection is ready, and none for those that never send.
void TcpInstance::begin_to_send() noexcept {
  if (!std::exchange(sends_at_once_, true)) note(properties_.send_at_once(*socket_));
}

void TcpInstance::send(Batch& batch) noexcept {
  begin_to_send();
  while (!batch.empty() && !blocked_) {
    auto io = socket_->send(batch);
    if (!io) return lost(std::move(io.error()));
    give_back(io->bytes);
    blocked_ = io->blocked;
  }
  want_writable_ = want_writable_ || blocked_;
  watch_retransmissions();
}

// The kernel does not say that nothing arrives any more, so it is asked, seldom and only while data are under way.
void TcpInstance::watch_retransmissions() noexcept {
  if (watches_retransmissions_ || settings_.retransmissions_told == 0) return;
  watches_retransmissions_ = true;
  host_.deadline(host_.executor().now() + kLook);
}

// RFC 9293 section 3.8.3: beyond R1 the application is told, and the connection lives on (RFC 9622 section 8.3.1).
void TcpInstance::look_for_retransmissions() noexcept {
  auto info = get_option<tcp_info>(*socket_, IPPROTO_TCP, TCP_INFO);
  watches_retransmissions_ = false;
  if (!info || info->tcpi_unacked == 0) return;  // what is sent next is watched again
  const bool many = info->tcpi_retransmits >= settings_.retransmissions_told;
  if (many && !told_of_retransmissions_) {
    host_.notify(Notice::soft_error,
                 {Reason::timed_out, 0, kLayer,
                  std::to_string(info->tcpi_retransmits) + " retransmissions in a row were not acknowledged"});
  }
  told_of_retransmissions_ = many;
  watch_retransmissions();
}

void TcpInstance::open_credit() noexcept {
  if (!std::exchange(has_credit_, true)) upper_.grant(settings_.send_queue);
}

// Credit goes back by halves of the queue, because each grant costs a visit of the layer above.
void TcpInstance::give_back(std::size_t bytes) noexcept {
  owed_ += bytes;
  if (owed_ * 2 >= settings_.send_queue) upper_.grant(std::exchange(owed_, 0));
}

// The last data and the end travel in one packet: the end, which follows at once, sends what is held.
void TcpInstance::hold_for_the_end() noexcept {
  (void)set_option(*socket_, IPPROTO_TCP, TCP_CORK, 1);  // where there is no such thing they are two packets
}

void TcpInstance::finish_sending() noexcept {
  if (closing_ && ended_) return;  // the socket is closed next, which says it too
  if (std::exchange(finished_, true)) return;
  if (auto done = socket_->finish(); !done) lost(std::move(done.error()));
}

void TcpInstance::on_ready(Socket&, Ready what) noexcept {
  switch (stage_) {
    case Stage::connecting:
    case Stage::early: return check_connected();
    case Stage::draining: return drain();
    case Stage::over: return;
    case Stage::open: break;
  }
  if (error_ != nullptr) return;
  if (any(what, Ready::failed)) return broken();
  if (any(what, Ready::writable)) {
    blocked_ = false;
    want_writable_ = !upper_.empty() || !early_.empty();
    if (want_writable_) host_.wake();
  }
  if (any(what, Ready::readable)) {
    readable_ = true;
    read();
  }
  watch();
}

// Reads once. A full read means that more may wait: that is read by on_wake(), so that others get their turn.
void TcpInstance::read() noexcept {
  const std::size_t credit = upper_.credit();
  if (!readable_ || ended_ || credit == 0) return;
  auto io = socket_->receive(in_, std::min(credit, settings_.read_bytes));
  if (!in_.empty()) upper_.push(in_);
  if (!io) return lost(std::move(io.error()));
  if (properties_.acknowledges_at_once()) note(properties_.acknowledge_at_once(*socket_));
  if (io->end) {
    ended_ = true;
    readable_ = false;
    return upper_.finish();
  }
  readable_ = !io->blocked;
  if (readable_ && upper_.credit() > 0) host_.wake();
}

void TcpInstance::on_credit(UpperPort) noexcept {
  if (stage_ == Stage::open && error_ == nullptr) read();
}

void TcpInstance::on_wake() noexcept {
  if (error_ != nullptr) {
    if (route_->local.port == 0) route_->local = socket_->local();  // whose connection it was
    stage_ = Stage::over;
    socket_.reset();
    return host_.failed(std::move(*error_));
  }
  if (stage_ == Stage::open) return read();
  if (stage_ == Stage::early && !sent_early_) return connect_without_early_data();
  if (stage_ != Stage::over) return;
  socket_.reset();
  host_.closed();
}

void TcpInstance::on_deadline() noexcept {
  if (stage_ == Stage::draining) {  // the peer keeps its side open; all of ours is with the kernel
    stage_ = Stage::over;
    return host_.wake();
  }
  if (stage_ == Stage::open && error_ == nullptr) return look_for_retransmissions();
  if (stage_ == Stage::early && !sent_early_) host_.wake();  // what waits above is offered before that is answered
}

void TcpInstance::connect_without_early_data() noexcept {
  stage_ = Stage::connecting;
  if (auto begun = connect(false); !begun) refused(std::move(begun.error()));
}

void TcpInstance::flush() noexcept {
  if (stage_ == Stage::open) watch();
}

void TcpInstance::watch() noexcept {
  if (error_ != nullptr || socket_ == nullptr) return;
  Ready what = want_writable_ ? Ready::writable : Ready::none;
  if (!ended_ && upper_.credit() > 0) what = what | Ready::readable;
  if (auto done = watch_.set(*socket_, *this, what); !done) lost(std::move(done.error()));
}

// The kernel keeps what has arrived before a reset, and some of it may never have been asked for.
void TcpInstance::read_last_words() noexcept {
  for (std::size_t read = 0; read < kLastWords;) {
    auto io = socket_->receive(in_, kLastWords - read);
    if (!io || io->bytes == 0) return;
    read += io->bytes;
    upper_.push(in_);
  }
}

void TcpInstance::broken() noexcept {
  auto state = socket_->connected();
  if (state && *state) {  // news of the socket that do not end it
    readable_ = true;
    return read();
  }
  lost(state ? Error{Reason::reset, ECONNRESET, kLayer, "the connection was reset"} : std::move(state.error()));
}

void TcpInstance::lost(Error error) noexcept {
  if (error_ != nullptr || stage_ == Stage::over) return;
  if (stage_ == Stage::open && !ended_) read_last_words();
  error.layer = kLayer;
  error_ = std::make_unique<Error>(std::move(error));
  host_.wake();
}

void TcpInstance::close(const CloseArgs& args) noexcept {
  if (args.abort || stage_ != Stage::open) {
    if (socket_ != nullptr) {
      socket_->reset();
      socket_.reset();
    }
    stage_ = Stage::over;
    return host_.closed();
  }
  closing_ = true;
  try_close();
}

void TcpInstance::try_close() noexcept {
  if (!closing_ || stage_ != Stage::open || !upper_.empty() || !early_.empty()) return;
  finish_sending();
  if (error_ != nullptr) return;
  stage_ = ended_ ? Stage::over : Stage::draining;
  if (ended_) return host_.wake();
  host_.deadline(host_.executor().now() + settings_.close_timeout);
  if (auto done = watch_.set(*socket_, *this, Ready::readable); !done) lost(std::move(done.error()));
}

// Closing a socket with unread input makes the kernel send a reset, which destroys what is on its way to the peer.
void TcpInstance::drain() noexcept {
  if (error_ != nullptr) return;
  auto io = socket_->receive(in_, kDrainBytes);
  in_.clear();
  if (!io) return lost(std::move(io.error()));
  if (!io->end) return;
  stage_ = Stage::over;
  host_.wake();
}

Result<PropertyValue> TcpInstance::get(UpperPort, std::string_view name) noexcept {
  return properties_.get(socket_.get(), name);
}

Result<void> TcpInstance::set(UpperPort, std::string_view name, const PropertyValue& value) noexcept {
  return properties_.set(socket_.get(), remote_.family, name, value);
}

}  // namespace trellis
