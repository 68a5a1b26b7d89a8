#include "datagram/datagram_acceptor.h"

#include <net/if.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstring>

namespace trellis {
namespace {

constexpr std::size_t kOutMost = 1024;  // datagrams that wait for a socket that takes no more
constexpr Duration kReportPause = std::chrono::seconds(10);

}  // namespace

void DatagramAcceptor::open(const OpenArgs& args) noexcept {
  auto sockets = open_listeners(args.route.local, [&](const Address& at) { return listen(at, args); });
  if (!sockets) return give_up(std::move(sockets.error()));
  for (auto& socket : *sockets) {
    doors_.push_back(std::make_unique<DatagramDoor>());
    doors_.back()->socket = std::move(socket);
    watch(*doors_.back());
  }
  if (failed_) return;
  args.route.local = doors_.front()->socket->local();
  if (is_multicast(args.route.local)) note_interface(args.route.path);
  host_.listening(args.route.local);
}

// Where routing has chosen the interface on which the group was joined.
void DatagramAcceptor::note_interface(Path& path) noexcept {
  std::array<char, IF_NAMESIZE> name{};
  const auto size = doors_.front()->socket->get(SOL_SOCKET, SO_BINDTODEVICE, std::as_writable_bytes(std::span(name)));
  if (size) path.interface_name = std::string_view(name.data(), strnlen(name.data(), *size));
}

// Of a group each Listener has all that comes, so several loops do not share its port.
Result<std::unique_ptr<Socket>> DatagramAcceptor::listen(const Address& at, const OpenArgs& args) {
  const bool group = is_multicast(at);
  auto socket = host_.executor().sockets().open({.kind = settings_.kind(),
                                                 .role = SocketSpec::Role::unconnected,
                                                 .protocol = settings_.protocol,
                                                 .family = at.family,
                                                 .local = at,
                                                 .source = group ? args.remote.address : Address{},
                                                 .interface_name = args.route.path.interface_name,
                                                 .share_port = !group && host_.executor().loops() > 1});
  if (!socket) return socket;
  auto done = prepare_datagrams(**socket, at.family, settings_,
                                [this](std::string_view text) { host_.log(Severity::warning, text); });
  if (done && group && args.remote.hop_limit) done = limit_hops(**socket, at.family, *args.remote.hop_limit);
  if (!done) return fail(std::move(done));
  return socket;
}

// The sockets stay as long as there are peers.
void DatagramAcceptor::close(const CloseArgs&) noexcept {
  closing_ = true;
  report_losses();
  if (peers_.empty()) doors_.clear();
  host_.closed();
}

void DatagramAcceptor::on_ready(Socket& socket, Ready what) noexcept {
  const auto door = std::ranges::find_if(doors_, [&](const auto& d) { return d->socket.get() == &socket; });
  if (any(what, Ready::writable)) {
    (*door)->blocked = false;
    send(**door);
  }
  if (any(what, Ready::readable)) read(**door);
}

void DatagramAcceptor::on_wake() noexcept {
  for (auto& door : doors_) {
    if (door->readable) read(*door);
  }
}

// Reads whatever its peers' demand is: one slow application must not hold up the others.
void DatagramAcceptor::read(DatagramDoor& door) noexcept {
  auto io = door.socket->receive(in_, settings_.receive_batch, keep_segments_);
  while (!in_.empty()) deliver(door, in_.pop());
  door.readable = io && !io->blocked;
  if (door.readable && !closing_) host_.wake();
  report_losses();
}

void DatagramAcceptor::deliver(DatagramDoor& door, Chunk&& chunk) noexcept {
  if (!chunk.info) return;
  DatagramFlow flow{.remote = chunk.info->remote, .local = chunk.info->local};
  flow.remote.hop_limit = flow.local.hop_limit = 0;
  DatagramPeer* peer = find(flow);
  if (peer == nullptr) return admit(door, flow, std::move(chunk));
  active(*peer);
  if (!peer->take(std::move(chunk))) ++dropped_;
}

DatagramPeer* DatagramAcceptor::find(const DatagramFlow& flow) noexcept {
  if (last_ != nullptr && last_->flow() == flow) return last_;
  const auto found = peers_.find(flow);
  if (found == peers_.end()) return nullptr;
  return last_ = found->second;
}

void DatagramAcceptor::admit(DatagramDoor& door, const DatagramFlow& flow, Chunk&& chunk) noexcept {
  if (closing_) return;
  Seat* seat = peers_.size() < settings_.peers ? host_.seat(flow.remote, LowerPort()) : nullptr;
  if (seat == nullptr) {
    ++refused_;
    return;
  }
  auto made = std::make_unique<DatagramPeer>(*seat, *this, door, flow);
  DatagramPeer& peer = *made;
  keep_segments_ = peer.takes_segments();
  peers_.emplace(flow, &peer);
  peer.by_activity = by_activity_.insert(by_activity_.end(), &peer);
  peer.active_at = host_.executor().now();
  (void)peer.take(std::move(chunk));
  host_.seated(seat, std::move(made));
  watch_idleness();
}

void DatagramAcceptor::unseated(ProtocolInstance& instance) noexcept {
  auto& peer = static_cast<DatagramPeer&>(instance);
  const auto found = peers_.find(peer.flow());
  if (found == peers_.end() || found->second != &peer) return;
  peers_.erase(found);
  by_activity_.erase(peer.by_activity);
  if (last_ == &peer) last_ = nullptr;
  for (auto& door : doors_) std::erase(door->waiting, &peer);
  if (closing_ && peers_.empty()) doors_.clear();
}

bool DatagramAcceptor::has_room(DatagramDoor& door, DatagramPeer& peer) noexcept {
  if (door.out.size() < kOutMost) return true;
  send(door);
  if (door.out.size() < kOutMost) return true;
  if (!std::ranges::contains(door.waiting, &peer)) door.waiting.push_back(&peer);
  return false;
}

void DatagramAcceptor::send(DatagramDoor& door) noexcept {
  if (door.socket == nullptr) return;
  if (!door.blocked) {
    door.blocked = send_datagrams(*door.socket, door.out, [this](const Error& error) {
      host_.log(Severity::trace, "a datagram was not sent: " + error.detail);
    });
  }
  watch(door);
  if (door.blocked) return;
  for (DatagramPeer* peer : door.waiting) peer->room();
  door.waiting.clear();
}

void DatagramAcceptor::watch(DatagramDoor& door) noexcept {
  const Ready what = door.blocked ? Ready::readable | Ready::writable : Ready::readable;
  if (auto done = door.watch.set(*door.socket, *this, what); !done) give_up(std::move(done.error()));
}

void DatagramAcceptor::give_up(Error error) noexcept {
  if (std::exchange(failed_, true)) return;
  error.layer = settings_.layer;
  host_.failed(std::move(error));
}

void DatagramAcceptor::active(DatagramPeer& peer) noexcept {
  peer.active_at = host_.executor().now();
  if (by_activity_.back() != &peer) by_activity_.splice(by_activity_.end(), by_activity_, peer.by_activity);
}

void DatagramAcceptor::watch_idleness() noexcept {
  if (settings_.peer_idle == Duration::zero() || by_activity_.empty() || std::exchange(watching_idleness_, true))
    return;
  host_.deadline(by_activity_.front()->active_at + settings_.peer_idle);
}

void DatagramAcceptor::on_deadline() noexcept {
  watching_idleness_ = false;
  const TimePoint idle_since = host_.executor().now() - settings_.peer_idle;
  while (!by_activity_.empty() && by_activity_.front()->active_at <= idle_since) {
    DatagramPeer& peer = *by_activity_.front();
    peer.end_idle();
    unseated(peer);
  }
  watch_idleness();
}

// One line at most in a while: these are events that a stranger can cause.
void DatagramAcceptor::report_losses() noexcept {
  if (refused_ == 0 && dropped_ == 0) return;
  const TimePoint now = host_.executor().now();
  if (reported_ && !closing_ && now - reported_at_ < kReportPause) return;
  reported_ = true;
  reported_at_ = now;
  if (const auto n = std::exchange(refused_, 0)) {
    host_.log(Severity::warning,
              std::to_string(n) + " datagrams of new peers were dropped: " + std::to_string(peers_.size()) +
                  " peers are served, " + std::to_string(settings_.peers) + " at most (option peers)");
  }
  if (const auto n = std::exchange(dropped_, 0)) {
    host_.log(Severity::warning, std::to_string(n) +
                                     " datagrams were dropped: their applications do not ask for them as fast " +
                                     "as they come (option peer-queue-bytes)");
  }
}

}  // namespace trellis
