// sctp_acceptor.cc: every datagram goes to the library, which tells associations apart by their tags and ports.
#include "sctp_acceptor.h"

#include <cstring>

namespace trellis::sctp {
namespace {

constexpr std::size_t kAcceptorWindow = 16
                                        << 20;  // bytes of datagrams of all peers: all is read in the turn it came in

std::uint64_t fold(std::uint64_t a, std::uint64_t b) noexcept {
  const auto product = static_cast<unsigned __int128>(a) * b;
  return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64);
}

struct Words {
  std::uint64_t high, low;
};
Words words_of(const Address& address) noexcept {
  Words words;
  std::memcpy(&words, address.ip.data(), sizeof words);
  return words;
}

}  // namespace

Flow::Flow(SctpAcceptor& of, PeerKey own_key, const MessageInfo& from)
    : acceptor(of), key(own_key), out(of.host().executor().pool(), of.lower(), [&from] {
        MessageRef to = new_message();
        to->remote = from.remote;
        to->local = from.local;
        to->label = from.label;
        return to;
      }()) {}

bool Flow::take_packet(std::span<const std::byte> packet, std::uint8_t ecn) noexcept {
  if (muted) return true;
  acceptor.has_packets(*this);
  return out.add(packet, ecn);
}

SctpAcceptor::SctpAcceptor(AcceptHost& host, LowerPort lower, const Settings& settings)
    : host_(host), lower_(lower), settings_(settings) {
  host.executor().secret(std::as_writable_bytes(std::span(secrets_)));
}

SctpAcceptor::~SctpAcceptor() {
  for (auto& [key, flow] : flows_) Library::of_process().retire(key);
  listener_.drop();
  if (joined_) Library::of_process().leave(host_.executor(), nullptr);
}

void SctpAcceptor::open(const OpenArgs& args) noexcept {
  if (auto joined = Library::of_process().join(host_.executor(), nullptr); !joined)
    return host_.failed(std::move(joined.error()));
  joined_ = true;
  auto listener = Association::listen(settings_, settings_.port != 0 ? settings_.port : args.route.local.port);
  if (!listener) return host_.failed(std::move(listener.error()));
  listener_ = std::move(*listener);
  port_ = listener_.own_port();
  lower_.grant_to(kAcceptorWindow);
  Address local = args.route.local;
  if (local.port == 0) local.port = port_;  // the layer below has none
  host_.listening(local);
}

void SctpAcceptor::close(const CloseArgs&) noexcept {
  listener_.drop();
  host_.closed();
}

// Keyed, so that nobody can choose addresses that meet; the highest bit keeps it apart from the keys of clients. By its
// label a layer below that knows who speaks tells apart those who have had the same addresses, one after the other.
PeerKey SctpAcceptor::key_of(const MessageInfo& from) const noexcept {
  const Words remote = words_of(from.remote), local = words_of(from.local);
  const std::uint64_t ports =
      std::uint64_t{from.remote.port} << 48 | std::uint64_t{from.local.port} << 32 | from.remote.scope;
  return (fold(remote.high + secrets_[0], remote.low + secrets_[1]) ^
          fold(local.high + secrets_[2], local.low + secrets_[3]) ^ fold(ports + secrets_[4], secrets_[5] | 1) ^
          fold(from.label + secrets_[6], secrets_[7] | 1)) |
         std::uint64_t{1} << 63;
}

void SctpAcceptor::on_up(LowerPort from, Batch& batch) noexcept {
  while (!batch.empty()) take(batch.pop());
  from.grant_to(kAcceptorWindow);
  if (!from.finished()) return;
  for (SctpInstance* const instance : instances_) instance->cut_off();
  host_.failed({Reason::reset, 0, kLayer, "the layer below brings nothing more"});
}

void SctpAcceptor::take(const Chunk& chunk) noexcept {
  // A raw socket brings those for all ports, also of other programs; a UDP socket only those that are meant for us.
  if (chunk.info->remote.port == 0 && ports_of(chunk.data.bytes()).to != port_) return;
  const PeerKey key = key_of(*chunk.info.get());
  auto found = flows_.find(key);
  const bool stranger = found == flows_.end();
  if (stranger) {
    if (!listener_) return;
    found = flows_.emplace(key, std::make_unique<Flow>(*this, key, *chunk.info.get())).first;
    Library::of_process().enroll(key, *found->second);
  }
  auto bytes = chunk.data.bytes();
  const std::size_t segment = chunk.segment_size != 0 ? chunk.segment_size : std::max<std::size_t>(bytes.size(), 1);
  while (!bytes.empty()) {
    const auto packet = bytes.first(std::min(segment, bytes.size()));
    bytes = bytes.subspan(packet.size());
    Library::of_process().input(key, packet, chunk.ecn);
  }
  if (!listener_) return;
  admit();
  if (!stranger) return;
  const auto known = flows_.find(key);
  if (known == flows_.end() || known->second->associations > 0) return;
  known->second->out.emit();  // what the stranger was answered
  retire(*known->second);
}

void SctpAcceptor::retire(Flow& flow) noexcept {
  std::erase(talking_, &flow);
  Library::of_process().retire(flow.key);
  flows_.erase(flow.key);
}

void SctpAcceptor::admit() noexcept {
  for (;;) {
    PeerKey key = 0;
    std::uint16_t port = 0;
    Association accepted = listener_.accept(key, port);
    if (!accepted) return;
    const auto flow = flows_.find(key);
    if (flow == flows_.end()) continue;
    Address peer = flow->second->out.to()->remote;
    if (peer.port == 0) peer.port = port;  // the layer below has none
    Seat* const seat = host_.seat(peer, lower_);
    if (seat == nullptr) continue;
    ++flow->second->associations;
    auto made = std::make_unique<SctpInstance>(*seat, settings_, std::move(accepted), *flow->second);
    instances_.push_back(made.get());
    host_.seated(seat, std::move(made));
  }
}

void SctpAcceptor::unseated(ProtocolInstance& instance) noexcept {
  std::erase(instances_, static_cast<SctpInstance*>(&instance));
  Flow& flow = *static_cast<SctpInstance&>(instance).flow();
  flow.muted = true;
  static_cast<SctpInstance&>(instance).part();
  flow.muted = false;
  if (--flow.associations == 0) retire(flow);
}

void SctpAcceptor::has_packets(Flow& flow) noexcept {
  if (!std::exchange(flow.waits, true)) talking_.push_back(&flow);
  host_.wake();
}

void SctpAcceptor::flush() noexcept {
  std::erase_if(talking_, [](Flow* flow) {
    flow->out.emit();
    flow->waits = !flow->out.empty();
    return !flow->waits;
  });
}

}  // namespace trellis::sctp
