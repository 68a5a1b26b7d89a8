// sctp_acceptor.cc: every datagram goes to the library, which tells associations apart by their tags and ports.
#include "sctp_acceptor.h"

#include <algorithm>
#include <cstring>
#include <iterator>

#include "peer_addresses.h"

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

MessageRef way_to(const Address& remote, const Address& local, std::uint32_t label) {
  MessageRef to = new_message();
  to->remote = remote;
  to->local = local;
  to->label = label;
  return to;
}

Flow::Flow(SctpAcceptor& of, PeerKey own_key, const MessageInfo& from)
    : acceptor(of),
      key(own_key),
      out(of.host().executor().pool(), of.lower(), way_to(from.remote, from.local, from.label)) {}

bool Flow::take_packet(std::span<const std::byte> packet, std::uint8_t ecn) noexcept {
  if (muted) return true;
  for (SctpInstance* const one : several) {
    if (one->sends(packet)) return one->take_packet(packet, ecn);
  }
  if (first_type(packet) == SCTP_INITIATION_ACK && acceptor.answer_with_more(*this, packet, ecn)) return true;
  acceptor.has_packets(out);
  return out.add(packet, ecn);
}

SctpAcceptor::SctpAcceptor(AcceptHost& host, LowerPort lower, const Settings& settings)
    : host_(host), lower_(lower), settings_(settings) {
  host.executor().secret(std::as_writable_bytes(std::span(secrets_)));
  host.executor().secret(random_secret_);
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
  const MessageInfo& from = *chunk.info.get();
  // A raw socket brings those for all ports, also of other programs; a UDP socket only those that are meant for us.
  if (from.remote.port == 0 && ports_of(chunk.data.bytes()).to != port_) return;
  Flow* flow = nullptr;
  PeerKey stranger = 0;  // for whom a flow was made now
  auto bytes = chunk.data.bytes();
  const std::size_t segment = chunk.segment_size != 0 ? chunk.segment_size : std::max<std::size_t>(bytes.size(), 1);
  while (!bytes.empty()) {
    const auto packet = bytes.first(std::min(segment, bytes.size()));
    bytes = bytes.subspan(packet.size());
    if (!by_tag_.empty() && take_by_tag(from, packet, chunk.ecn)) continue;
    if (flow == nullptr) flow = flow_from(from, stranger);
    if (flow == nullptr) return;
    Library::of_process().input(flow->key, packet, chunk.ecn);
    if (first_type(packet) != SCTP_COOKIE_ECHO) continue;
    admit(packet);
    flow = nullptr;  // it may be gone
  }
  if (stranger == 0) return;
  const auto known = flows_.find(stranger);
  if (known == flows_.end() || known->second->associations > 0) return;
  known->second->out.emit();  // what the stranger was answered
  retire(*known->second);
}

// One with several paths is known by the tag that it has told its peer. A new peer's first packets have none.
bool SctpAcceptor::take_by_tag(const MessageInfo& from, std::span<const std::byte> packet, std::uint8_t ecn) noexcept {
  const auto found = by_tag_.find(tag_of(packet));
  return found != by_tag_.end() && found->second->take_from(from, packet, ecn);
}

// Null: a stranger, and nobody listens any more.
Flow* SctpAcceptor::flow_from(const MessageInfo& from, PeerKey& stranger) {
  const PeerKey key = key_of(from);
  const auto found = flows_.find(key);
  if (found != flows_.end()) return found->second.get();
  if (!listener_) return nullptr;
  stranger = key;
  Flow& made = *flows_.emplace(key, std::make_unique<Flow>(*this, key, from)).first->second;
  Library::of_process().enroll(key, made);
  return &made;
}

void SctpAcceptor::retire(Flow& flow) noexcept {
  forget(flow.out);
  Library::of_process().retire(flow.key);
  flows_.erase(flow.key);
}

void SctpAcceptor::admit(std::span<const std::byte> cookie_echo) noexcept {
  if (!listener_) return;
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
    expect_paths(*made, *flow->second, cookie_echo);
    host_.seated(seat, std::move(made));
  }
}

// Not to who wants more chunks to be authenticated than those of changes: we authenticate no others.
bool SctpAcceptor::takes_changes(const Offer& peer) const noexcept {
  return settings_.dynamic_addresses && peer.complete && !peer.demands_more;
}

// Where either side has told of several addresses, or may do so later. Below dtls addresses are not what tells peers
// apart.
void SctpAcceptor::expect_paths(SctpInstance& instance, const Flow& flow, std::span<const std::byte> cookie_echo) {
  const MessageInfo& peer = *flow.out.to().get();
  if (!settings_.multihoming || peer.label != 0) return;
  const CookieFacts facts = facts_in_cookie(cookie_echo, peer.remote);
  const bool several = !facts.addresses.empty() || !settings_.addresses.empty(), changes = takes_changes(facts.offer);
  if (facts.peer_tag == 0 || (!several && !changes)) return;
  if (!by_tag_.emplace(tag_of(cookie_echo), &instance).second) return;
  instance.know_peer(facts, cookie_echo);
  if (several) instance.expect_paths();
  if (!changes) return;
  const Random random = random_for(random_secret_, tag_of(cookie_echo), facts.peer_tag);
  instance.expect_changes(own_offer(random), facts.offer, facts.own_tsn, facts.peer_tsn);
}

bool SctpAcceptor::answer_with_more(Flow& flow, std::span<const std::byte> packet, std::uint8_t ecn) noexcept {
  const MessageInfo& peer = *flow.out.to().get();
  if (peer.label != 0 || !settings_.multihoming) return false;
  std::vector<std::byte> offering;
  if (takes_changes(facts_in_answer(packet).offer))
    offering = with_offer(packet, random_for(random_secret_, initiate_tag(packet), tag_of(packet)));
  std::vector<Address> told;
  std::ranges::copy_if(settings_.addresses, std::back_inserter(told),
                       [&](const Address& own) { return may_be_told(own, peer.remote); });
  if (told.empty() && offering.empty()) return false;
  if (!offering.empty()) packet = offering;
  std::vector<std::byte> room(packet.size() + kAddressRoom);
  const auto with = with_addresses(packet, told, room);
  if (with.empty()) return false;
  has_packets(flow.out);
  return flow.out.add(with, ecn);
}

void SctpAcceptor::unseated(ProtocolInstance& instance) noexcept {
  auto* const gone = static_cast<SctpInstance*>(&instance);
  std::erase(instances_, gone);
  Flow& flow = *gone->flow();
  std::erase(flow.several, gone);
  if (const auto known = by_tag_.find(gone->own_tag()); known != by_tag_.end() && known->second == gone)
    by_tag_.erase(known);
  flow.muted = true;
  gone->part();
  flow.muted = false;
  if (--flow.associations == 0) retire(flow);
}

void SctpAcceptor::has_packets(PacketsOut& out) noexcept {
  if (!std::exchange(out.listed, true)) talking_.push_back(&out);
  host_.wake();
}

void SctpAcceptor::flush() noexcept {
  std::erase_if(talking_, [](PacketsOut* out) {
    out->emit();
    out->listed = !out->empty();
    return !out->listed;
  });
}

}  // namespace trellis::sctp
