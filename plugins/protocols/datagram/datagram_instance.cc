#include "datagram/datagram_instance.h"

#include <sys/socket.h>

#include <chrono>
#include <cstring>

namespace trellis {
namespace {

constexpr Duration kCloseTimeout = std::chrono::seconds(1);  // for a full send buffer to drain

}  // namespace

void DatagramInstance::open(const OpenArgs& args) noexcept {
  route_ = &args.route;
  if (auto done = bind(args); !done) {
    done.error().layer = settings_.layer;
    return host_.failed(std::move(done.error()));
  }
  host_.ready();
  upper_.grant(settings_.send_queue);
}

Result<void> DatagramInstance::bind(const OpenArgs& args) {
  const Address& remote = args.remote.address;
  if (args.passive) {
    auto sockets = open_listeners(args.route.local, [&](const Address& at) { return open_socket(at, args); });
    if (!sockets) return fail(std::move(sockets));
    first_.socket = std::move(sockets->front());
    if (sockets->size() > 1) second_.socket = std::move(sockets->back());
    family_ = first_.socket->local().family;
  } else {
    if (!remote) return fail(Reason::unresolved, "connect to " + args.remote.host + ": it has no address yet");
    family_ = remote.family;
    const Address& local = args.route.local;
    auto socket = open_socket(local ? local : Address{.family = Address::Family::none, .port = local.port}, args);
    if (!socket) return fail(std::move(socket));
    first_.socket = std::move(*socket);
    if (auto connected = first_.socket->connect(remote); !connected) return fail(std::move(connected));
  }
  args.route.local = first_.socket->local();
  args.route.remote = args.passive ? Address{} : remote;
  return {};
}

Result<std::unique_ptr<Socket>> DatagramInstance::open_socket(const Address& at, const OpenArgs& args) {
  const Address::Family family = args.passive ? at.family : family_;
  // Several attempts, and Connections after them, may go out from the port that the application chose.
  const bool share = args.passive ? host_.executor().loops() > 1 : at.port != 0;
  auto socket =
      host_.executor().sockets().open({.kind = settings_.kind(),
                                       .role = args.passive ? SocketSpec::Role::unconnected : SocketSpec::Role::connect,
                                       .protocol = settings_.protocol,
                                       .family = family,
                                       .local = at,
                                       .source = is_multicast(at) ? args.remote.address : Address{},
                                       .interface_name = args.route.path.interface_name,
                                       .share_port = share});
  if (!socket) return socket;
  auto done = prepare_datagrams(**socket, family, settings_,
                                [this](std::string_view text) { host_.log(Severity::warning, text); });
  if (done && args.remote.hop_limit) done = limit_hops(**socket, family, *args.remote.hop_limit);
  if (!done) return fail(std::move(done));
  return socket;
}

void DatagramInstance::on_down(UpperPort, Batch& batch) noexcept {
  if (!is_open()) return;
  if (!batch.empty()) send(batch);
  if (!batch.empty()) return;
  refill(upper_, settings_.send_queue);
  if (closing_) end();
}

DatagramInstance::Door& DatagramInstance::door_to(const Chunk& chunk) noexcept {
  const bool other = second_.socket != nullptr && chunk.info && chunk.info->remote.family == Address::Family::ipv4;
  return other ? second_ : first_;
}

void DatagramInstance::send(Batch& batch) noexcept {
  for (Chunk& chunk : batch) {
    forbid_splitting(chunk);
    mark_profile(chunk, settings_);
  }
  if (second_.socket == nullptr) return send(first_, batch);
  for (Batch run; !batch.empty() && run.empty();) {
    Door& door = door_to(batch.front());
    while (!batch.empty() && &door_to(batch.front()) == &door) run.add(batch.pop());
    send(door, run);
    if (run.empty()) continue;
    run.append(batch);
    std::swap(run, batch);
    return;
  }
}

void DatagramInstance::send(Door& door, Batch& batch) noexcept {
  if (door.blocked) return;
  door.blocked = send_datagrams(*door.socket, batch, [this](Error error) { soft(std::move(error)); });
}

void DatagramInstance::on_ready(Socket& socket, Ready what) noexcept {
  Door& door = &socket == first_.socket.get() ? first_ : second_;
  if (any(what, Ready::failed)) take_error(socket);
  if (any(what, Ready::writable)) {
    door.blocked = false;
    host_.wake();
  }
  if (any(what, Ready::readable)) {
    door.readable = true;
    read();
  }
  watch();
}

// Reads each socket once. When more may wait it is read by on_wake(), so that others get their turn.
void DatagramInstance::read() noexcept {
  if (!in_.empty()) hand_up();
  read(first_);
  read(second_);
}

void DatagramInstance::read(Door& door) noexcept {
  if (!door.readable || !in_.empty() || upper_.credit() == 0) return;
  auto io = door.socket->receive(in_, std::min(upper_.credit(), settings_.receive_batch), upper_.takes_segments());
  door.readable = io && !io->blocked;
  if (!io) return soft(std::move(io.error()));  // where input is watched an event tells whether there is more
  hand_up();
  if (door.readable && in_.empty() && upper_.credit() > 0) host_.wake();
}

// One read brings what the kernel has, which may be more small datagrams than there is credit for.
void DatagramInstance::hand_up() noexcept {
  if (upper_.charge(in_) <= upper_.credit()) {
    if (!in_.empty()) upper_.push(in_);
    return;
  }
  while (!in_.empty() && upper_.credit() > 0) upper_.push(in_.pop());
}

void DatagramInstance::on_credit(UpperPort) noexcept {
  if (is_open()) read();
}

void DatagramInstance::on_wake() noexcept {
  if (is_open()) read();
}

void DatagramInstance::flush() noexcept {
  if (is_open()) watch();
}

// Without demand for input an ICMP error would stay in the socket until the next datagram is sent.
void DatagramInstance::take_error(Socket& socket) noexcept {
  const auto code = get_option<int>(socket, SOL_SOCKET, SO_ERROR);
  if (!code || *code == 0) return;
  const char* text = strerrordesc_np(*code);
  soft({Reason::unreachable, static_cast<std::uint64_t>(*code), settings_.layer,
        std::string("an earlier datagram was refused: ") + (text != nullptr ? text : "unknown error")});
}

void DatagramInstance::soft(Error error) noexcept {
  error.layer = settings_.layer;
  host_.notify(Notice::soft_error, std::move(error));
}

void DatagramInstance::watch() noexcept {
  watch(first_);
  if (second_.socket != nullptr) watch(second_);
}

void DatagramInstance::watch(Door& door) noexcept {
  Ready what = door.blocked ? Ready::writable : Ready::none;
  if (upper_.credit() > 0 && in_.empty()) what = what | Ready::readable;
  if (auto done = door.watch.set(*door.socket, *this, what); !done) host_.failed(std::move(done.error()));
}

void DatagramInstance::close(const CloseArgs& args) noexcept {
  if (args.abort || !is_open() || upper_.empty()) return end();
  closing_ = true;
  host_.deadline(host_.executor().now() + kCloseTimeout);
}

void DatagramInstance::on_deadline() noexcept {
  if (closing_) end();
}

void DatagramInstance::end() noexcept {
  first_.socket.reset();
  second_.socket.reset();
  host_.closed();
}

DatagramPlace DatagramInstance::place() const noexcept {
  return {.settings = settings_,
          .socket = first_.socket.get(),
          .family = family_,
          .mtu = route_ != nullptr ? route_->path.mtu : Path{}.mtu,
          .shared = second_.socket != nullptr};
}

Result<PropertyValue> DatagramInstance::get(UpperPort, std::string_view name) noexcept {
  return get_datagram(place(), profile_, name);
}

Result<void> DatagramInstance::set(UpperPort, std::string_view name, const PropertyValue& value) noexcept {
  return set_datagram(place(), profile_, name, value);
}

}  // namespace trellis
