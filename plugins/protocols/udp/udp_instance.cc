#include "udp_instance.h"

#include <sys/socket.h>

#include <chrono>
#include <cstring>

namespace trellis {
namespace {

constexpr const char* kLayer = "udp";
constexpr Duration kCloseTimeout = std::chrono::seconds(1);  // for a full send buffer to drain

}  // namespace

void UdpInstance::open(const OpenArgs& args) noexcept {
  route_ = &args.route;
  if (auto done = bind(args); !done) {
    done.error().layer = kLayer;
    return host_.failed(std::move(done.error()));
  }
  host_.ready();
  upper_.grant(settings_.send_queue);
}

Result<void> UdpInstance::bind(const OpenArgs& args) {
  const Address& remote = args.passive ? Address{} : args.remote.address;
  const Address& local = args.route.local;
  if (!remote && !args.passive)
    return fail(Reason::unresolved, "connect to " + args.remote.host + ": it has no address yet");
  family_ = remote ? remote.family : local ? local.family : Address::Family::ipv4;
  auto socket = host_.executor().sockets().open(
      {.kind = SocketSpec::Kind::datagram,
       .role = remote ? SocketSpec::Role::connect : SocketSpec::Role::unconnected,
       .family = family_,
       .local = local ? local : Address{.family = remote ? Address::Family::none : family_, .port = local.port},
       .interface_name = args.route.path.interface_name,
       .share_port = args.passive && host_.executor().loops() > 1});
  if (!socket) return fail(std::move(socket));
  socket_ = std::move(*socket);
  auto done =
      prepare_udp(*socket_, family_, settings_, [this](std::string_view text) { host_.log(Severity::warning, text); });
  if (!done) return done;
  if (remote) {
    if (auto connected = socket_->connect(remote); !connected) return fail(std::move(connected));
  }
  args.route.local = socket_->local();
  args.route.remote = remote;
  return {};
}

void UdpInstance::on_down(UpperPort, Batch& batch) noexcept {
  if (socket_ == nullptr) return;
  if (!batch.empty() && !blocked_) {
    for (Chunk& chunk : batch) forbid_splitting(chunk);
    blocked_ = send_datagrams(*socket_, batch, [this](Error error) { soft(std::move(error)); });
  }
  if (!batch.empty()) return;
  refill(upper_, settings_.send_queue);
  if (closing_) end();
}

void UdpInstance::on_ready(Socket&, Ready what) noexcept {
  if (any(what, Ready::failed)) take_error();
  if (any(what, Ready::writable)) {
    blocked_ = false;
    host_.wake();
  }
  if (any(what, Ready::readable)) {
    readable_ = true;
    read();
  }
  watch();
}

// Reads once. When more may wait it is read by on_wake(), so that others get their turn.
void UdpInstance::read() noexcept {
  if (!in_.empty()) hand_up();
  if (!readable_ || !in_.empty() || upper_.credit() == 0) return;
  auto io = socket_->receive(in_, std::min(upper_.credit(), settings_.receive_batch), upper_.takes_segments());
  readable_ = io && !io->blocked;
  if (!io) return soft(std::move(io.error()));  // where input is watched an event tells whether there is more
  hand_up();
  if (readable_ && in_.empty() && upper_.credit() > 0) host_.wake();
}

// One read brings what the kernel has, which may be more small datagrams than there is credit for.
void UdpInstance::hand_up() noexcept {
  if (upper_.charge(in_) <= upper_.credit()) {
    if (!in_.empty()) upper_.push(in_);
    return;
  }
  while (!in_.empty() && upper_.credit() > 0) upper_.push(in_.pop());
}

void UdpInstance::on_credit(UpperPort) noexcept {
  if (socket_ != nullptr) read();
}

void UdpInstance::on_wake() noexcept {
  if (socket_ != nullptr) read();
}

void UdpInstance::flush() noexcept {
  if (socket_ != nullptr) watch();
}

// Without demand for input an ICMP error would stay in the socket until the next datagram is sent.
void UdpInstance::take_error() noexcept {
  const auto code = get_option<int>(*socket_, SOL_SOCKET, SO_ERROR);
  if (!code || *code == 0) return;
  const char* text = strerrordesc_np(*code);
  soft({Reason::unreachable, static_cast<std::uint64_t>(*code), kLayer,
        std::string("an earlier datagram was refused: ") + (text != nullptr ? text : "unknown error")});
}

void UdpInstance::soft(Error error) noexcept {
  error.layer = kLayer;
  host_.notify(Notice::soft_error, std::move(error));
}

void UdpInstance::watch() noexcept {
  Ready what = blocked_ ? Ready::writable : Ready::none;
  if (upper_.credit() > 0 && in_.empty()) what = what | Ready::readable;
  if (auto done = watch_.set(*socket_, *this, what); !done) host_.failed(std::move(done.error()));
}

void UdpInstance::close(const CloseArgs& args) noexcept {
  if (args.abort || socket_ == nullptr || upper_.empty()) return end();
  closing_ = true;
  host_.deadline(host_.executor().now() + kCloseTimeout);
}

void UdpInstance::on_deadline() noexcept {
  if (closing_) end();
}

void UdpInstance::end() noexcept {
  socket_.reset();
  host_.closed();
}

UdpPlace UdpInstance::place() const noexcept {
  return {.settings = settings_,
          .socket = socket_.get(),
          .family = family_,
          .mtu = route_ != nullptr ? route_->path.mtu : Path{}.mtu,
          .shared = false};
}

Result<PropertyValue> UdpInstance::get(UpperPort, std::string_view name) noexcept {
  return get_udp(place(), *profile_, name);
}

Result<void> UdpInstance::set(UpperPort, std::string_view name, const PropertyValue& value) noexcept {
  return set_udp(place(), profile_, name, value);
}

}  // namespace trellis
