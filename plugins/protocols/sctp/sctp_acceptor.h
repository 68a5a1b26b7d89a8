// sctp_acceptor.h: the peers of a listener. A handshake leaves nothing here before the peer has echoed its cookie, so a
// flood of first packets costs time but no memory (RFC 9260 section 5.1.3).
#pragma once
#include <unordered_map>

#include "sctp_instance.h"
#include "trellis/listen.h"

namespace trellis::sctp {

class SctpAcceptor;

/// The addresses that a datagram to a peer travels with.
MessageRef way_to(const Address& remote, const Address& local, std::uint32_t label = 0);

class Flow final : public PacketSink {
 public:
  Flow(SctpAcceptor& acceptor, PeerKey key, const MessageInfo& from);
  bool take_packet(std::span<const std::byte> packet, std::uint8_t ecn) noexcept override;

  SctpAcceptor& acceptor;
  const PeerKey key;
  PacketsOut out;
  unsigned associations = 0;
  std::vector<SctpInstance*> several;  ///< of these: those with several paths
  bool muted = false;                  ///< what is said now goes nowhere
};

class SctpAcceptor final : public Acceptor {
 public:
  /// `settings` outlive it.
  SctpAcceptor(AcceptHost& host, LowerPort lower, const Settings& settings);
  ~SctpAcceptor() override;

  void open(const OpenArgs&) noexcept override;
  void close(const CloseArgs&) noexcept override;
  void on_up(LowerPort, Batch&) noexcept override;
  void on_credit(LowerPort) noexcept override {}  // flush() follows
  void flush() noexcept override;
  void unseated(ProtocolInstance&) noexcept override;

  // For the flows.
  AcceptHost& host() noexcept { return host_; }
  LowerPort lower() const noexcept { return lower_; }
  void has_packets(PacketsOut& out) noexcept;
  void forget(PacketsOut& out) noexcept { std::erase(talking_, &out); }
  /// An INIT ACK with the own addresses, where the peer may be told of them, and with the offer to change them. False:
  /// there is nothing to add.
  bool answer_with_more(Flow& flow, std::span<const std::byte> packet, std::uint8_t ecn) noexcept;

 private:
  PeerKey key_of(const MessageInfo& from) const noexcept;
  void take(const Chunk& chunk) noexcept;
  bool take_by_tag(const MessageInfo& from, std::span<const std::byte> packet, std::uint8_t ecn) noexcept;
  Flow* flow_from(const MessageInfo& from, PeerKey& stranger);
  void admit(std::span<const std::byte> cookie_echo) noexcept;
  bool takes_changes(const Offer& peer) const noexcept;
  void expect_paths(SctpInstance& instance, const Flow& flow, std::span<const std::byte> cookie_echo);
  void retire(Flow& flow) noexcept;

  AcceptHost& host_;
  LowerPort lower_;
  const Settings& settings_;
  Association listener_;
  std::uint16_t port_ = 0;  // SCTP's
  std::uint64_t secrets_[8] = {};
  Random random_secret_{};  // of what is said in handshakes
  std::unordered_map<PeerKey, std::unique_ptr<Flow>> flows_;
  std::vector<PacketsOut*> talking_;  // with packets that wait for flush()
  std::vector<SctpInstance*> instances_;
  std::unordered_map<std::uint32_t, SctpInstance*> by_tag_;  // those that have several paths, or may have
  bool joined_ = false;
};

}  // namespace trellis::sctp
