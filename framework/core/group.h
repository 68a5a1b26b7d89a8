// group.h: a Connection Group (RFC 9622 section 7.4): Connections that were cloned from each other, or that are streams
// of one connection. They share their properties, can be ended together, and what the peer opens joins them.
#pragma once
#include <algorithm>
#include <memory>
#include <string_view>
#include <vector>

#include "core/connection_core.h"
#include "core/trunk.h"

namespace trellis {

class Group final : public StreamTaker, public ConnectionTaker {
 public:
  void join(ConnectionCore&);
  void leave(ConnectionCore&) noexcept;  // it has ended, or cannot follow the others
  std::size_t size() const noexcept { return members_.size(); }
  const std::vector<ConnectionCore*>& members() const noexcept { return members_; }
  bool has(const ConnectionCore* connection) const noexcept { return std::ranges::contains(members_, connection); }
  /// Sets a property of one member on all others (Reach::group). Who cannot follow leaves the group, and hears why.
  void entangle(ConnectionCore& by, std::string_view name, const PropertyValue& value) noexcept;
  void await_end(ConnectionCore& who) { awaiting_.push_back(&who); }  // deliver() when nothing of it is left
  void await_no_more(ConnectionCore& who) noexcept { std::erase(awaiting_, &who); }
  /// The trunk says goodbye: whoever ends now is told so when it has, or could not.
  void parting() noexcept { parting_ = true; }
  bool parts() const noexcept { return parting_; }
  bool over() const noexcept { return members_.empty() && !parting_; }
  void close_others(ConnectionCore& but) noexcept;
  void abort_others(ConnectionCore& but, std::uint64_t code) noexcept;

  /// Who hears of the streams that the peer opens, until `owner` has ended.
  void on_received(ConnectionCore& owner, Connection::Arrived hear);
  void forget_handler(ConnectionCore& owner) noexcept;
  bool hears() const noexcept { return handler_ != nullptr; }
  /// groupConnLimit: Connections of the group that the peer opened.
  void limit(std::uint64_t connections) noexcept { limit_ = connections; }
  std::uint64_t limit() const noexcept { return limit_; }
  bool has_room() const noexcept { return peer_opened_ < limit_; }

  // StreamTaker and ConnectionTaker, for `on_received`
  Stack* take_stream(Trunk&, const StreamArgs&) noexcept override;
  void trunk_over(Trunk&) noexcept override;
  void established(ConnectionCore&) noexcept override;
  void forget(ConnectionCore&) noexcept override;
  void not_established(ConnectionCore& connection, const Error*) noexcept override { forget(connection); }

 private:
  void tell_if_over() noexcept;
  std::vector<ConnectionCore*> members_;
  std::vector<ConnectionCore*> awaiting_;
  std::vector<ConnectionCore*> pending_;  // opened by the peer, not ready yet
  Connection::Arrived handler_;
  ConnectionCore* handler_owner_ = nullptr;
  std::uint64_t limit_ = UINT64_MAX;
  std::uint64_t peer_opened_ = 0;
  bool parting_ = false;
};

/// What a Connection knows of its group. Most Connections have none.
struct Membership final : Alarm {
  explicit Membership(ConnectionCore& owner) : core(owner) {}
  void on_alarm() noexcept override { core.too_late(); }  // a clone was not ready in time
  void await(const std::shared_ptr<Group>& whose) {       // `core` is told closed when that is over
    if (!awaited) whose->await_end(core);
    awaited = whose;
  }

  ConnectionCore& core;
  std::shared_ptr<Group> group;
  std::vector<std::pair<std::string, PropertyValue>> properties;  // that were set, for clones
  Connection::Arrived arrived;                                    // asked for before there was a group
  std::uint32_t place = 0;                                        // in the group
  ConnectionCore* parent = nullptr;                               // whom it was cloned from, until it is ready
  bool by_peer = false;                                           // it opened the stream
  std::shared_ptr<Group> awaited;                                 // see await()
};

/// Makes a Connection of a stream that the peer opened. `pending`: of the taker. Null: it cannot be made.
Stack* accept_stream(Trunk& trunk, const StreamArgs& args, ConnectionTaker& taker,
                     std::vector<ConnectionCore*>& pending, const ConnectionLimits& limits);

/// Takes one out of `pending`, where accepted_by() has put it. Nothing happens when it is not there.
void forget_pending(std::vector<ConnectionCore*>& pending, const ConnectionCore& connection) noexcept;

}  // namespace trellis
