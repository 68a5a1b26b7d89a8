// association.h: one DTLS association: its handshake, its records, its end. It knows no ports above: whoever owns it is
// told what arrives.
//
// Nothing that comes from the network ends an open association but an alert that passed its check (RFC 6347 section
// 4.1.2.7). During the handshake nothing can be checked yet: an alert in clear ends that.
#pragma once
#include <memory>
#include <optional>

#include "dtls_settings.h"
#include "negotiation.h"
#include "record_protection.h"
#include "security/peer_question.h"
#include "trellis/protocol.h"

namespace trellis::dtls {

class Association;

/// Whose it is. May be called inside calls to the association, but for its destructor; must not destroy it there.
class AssociationOwner {
 public:
  /// A datagram of the layer above, with the ECN bits of the packet that it came in.
  virtual void arrived(Association&, Slice&& content, std::uint8_t ecn) noexcept = 0;
  virtual void opened(Association&) noexcept = 0;                           ///< data can flow
  virtual void ended(Association&, std::optional<Error> why) noexcept = 0;  ///< last call; nothing: the peer closed it
  virtual void deadline(Association&, TimePoint) noexcept = 0;              ///< on_deadline() is wanted at that time
  virtual void heard(Association&, unsigned rtts_left) noexcept = 0;        ///< the peer reacted, it is not ready yet

 protected:
  ~AssociationOwner() = default;
};

class Association {
 public:
  /// What travels with each of its datagrams, the addresses of a peer of a listener; empty: the port's.
  Association(LayerHost& host, LowerPort lower, const Shared& shared, AssociationOwner& owner, MessageRef to)
      : host_(host), lower_(lower), shared_(shared), owner_(owner), to_(std::move(to)) {}

  /// Begins. `hello`: of a client that has shown that it receives at its address. `datagram_most`: what the layer below
  /// takes in one piece.
  void open(const OpenArgs& args, const FirstHello* hello, std::size_t datagram_most) noexcept;
  /// A datagram of the peer.
  void take(Chunk&& chunk) noexcept;
  /// Seals a datagram and hands it down. Precondition: is_open().
  void send(Chunk&& chunk) noexcept;
  void on_deadline() noexcept;
  /// The application may have answered whether it trusts the peer.
  void on_wake() noexcept;
  /// Says goodbye. Nothing is called after this.
  void close(bool abort) noexcept;
  /// Gives way to another one with the same addresses. Nothing is called after this.
  void replaced() noexcept;

  bool is_open() const noexcept { return stage_ == Stage::open; }
  bool is_over() const noexcept { return stage_ == Stage::over; }
  const tls::Agreed& agreed() const noexcept { return agreed_; }  ///< once it is open
  const MessageRef& to() const noexcept { return to_; }
  std::uint64_t forged() const noexcept { return opener_ ? opener_->forged() : 0; }
  std::uint64_t replayed() const noexcept { return opener_ ? opener_->replayed() : 0; }
  /// The hello that it began with is this one: its sender repeats itself.
  bool began_with(const FirstHello& hello) const noexcept;
  /// Bytes of a datagram that a path takes in one piece, as far as is known without asking the layer below.
  static std::uint32_t datagram_most(const Path& path) noexcept;
  /// What the layer above may send at most, if the layer below takes `below` bytes.
  static std::uint64_t content_most(std::uint64_t below) noexcept;

 private:
  enum class Stage : std::uint8_t { handshake, asking, open, over };
  void take_record(const RecordHeader& header, Slice&& record) noexcept;
  void take_handshake(const RecordHeader& header, const Slice& record) noexcept;
  void take_protected(const RecordHeader& header, Slice&& record) noexcept;
  void take_alert(std::span<const std::byte> content) noexcept;
  void ask() noexcept;
  void advance() noexcept;
  void become_open() noexcept;
  void refuse(Error why) noexcept;
  void tell_progress() noexcept;
  void say_flight() noexcept;
  void send_flight(bool again) noexcept;
  void answer_repetition() noexcept;
  void say_alert(tls::AlertDescription alert) noexcept;
  void set_deadline() noexcept;
  bool lets_idle_go() const noexcept { return server_ && shared_.settings.idle > Duration::zero(); }
  void push(Slice&& record, MessageRef info, const Chunk* like = nullptr) noexcept;
  void finish(std::optional<Error> why) noexcept;

  LayerHost& host_;
  LowerPort lower_;
  const Shared& shared_;
  AssociationOwner& owner_;
  MessageRef to_;
  std::unique_ptr<Negotiation> negotiation_;  // until it is open
  Flight last_flight_;                        // of a server, until the client is known to have it
  std::optional<Sealer> sealer_;
  std::optional<Opener> opener_;
  security::PeerQuestion question_;
  tls::Agreed agreed_;
  std::vector<std::byte> first_random_;
  std::string peer_name_ = "the peer";
  std::size_t datagram_most_ = 0;
  std::uint64_t clear_number_ = 0;  // of our next record in clear
  TimePoint give_up_ = TimePoint::max(), repeat_at_ = TimePoint::max(), repeated_at_{}, active_at_{};
  Duration pause_{};  // before the flight is sent again
  Stage stage_ = Stage::handshake;
  std::uint8_t ecn_ = 0;  // of the datagram that is being taken
  bool server_ = false;
};

}  // namespace trellis::dtls
