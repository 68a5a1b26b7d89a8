// message.h: what is known about one message besides its bytes, and how its fate gets back to its sender.
//
// A MessageInfo belongs to whoever made it (the Connection going down, the receiving layer going up) and is
// held by the chunks that refer to it. Dropping the last reference says "sent": the message has left the stack.
// A layer that knows better says so first: expired, failed, or, later, acknowledged.
#pragma once
#include <cstdint>
#include <utility>

#include "trellis/address.h"
#include "trellis/clock.h"
#include "trellis/framer_metadata.h"
#include "trellis/result.h"

namespace trellis {

/// What traffic is like, for one message or a Connection; sets the DSCP (RFC 9622 sections 8.1.6 and 9.1.3.8).
enum class CapacityProfile : std::uint8_t {
  of_connection,                ///< messages only: as connCapacityProfile says
  best_effort,                  ///< "Default": as the policy says
  scavenger,                    ///< only what nobody else needs
  low_latency_interactive,      ///< someone waits for the answer
  low_latency_non_interactive,  ///< fast, but nobody waits
  constant_rate_streaming,      ///< at a steady rate
  capacity_seeking,             ///< as much as there is, such as bulk transfers
};

/// What a sender asks for one message (RFC 9622 section 9.1.3). The defaults are the RFC's.
struct MessageProperties {
  TimePoint expires = TimePoint::max();        ///< msgLifetime, made absolute when the message was sent; max(): never
  std::uint32_t priority = 100;                ///< msgPriority: lower goes first
  std::uint32_t checksum_length = UINT32_MAX;  ///< msgChecksumLen: bytes that must be covered; all by default
  std::uint32_t label = 0;                     ///< the protocol's own number, e.g. SCTP's payload protocol identifier
  bool ordered = true;                         ///< msgOrdered: false lets it overtake others
  bool reliable = true;                        ///< msgReliable: false lets it be lost
  bool replayable = false;                     ///< safelyReplayable: may travel as early data and arrive twice
  bool no_fragmentation = false;               ///< noFragmentation: the network must not fragment it
  bool no_segmentation = false;                ///< noSegmentation: the transport must not split it
  /// msgCapacityProfile: for the packet of a datagram; a reliable transport has one DSCP (RFC 7657 section 6).
  CapacityProfile capacity_profile = CapacityProfile::of_connection;
  bool operator==(const MessageProperties&) const = default;
};

/// What became of a message (RFC 9622 section 9.2.2: Sent, Expired, SendError).
enum class Fate : std::uint8_t {
  sent,          ///< it has left the stack
  acknowledged,  ///< the peer's transport has it; after `sent`, only where the protocol knows
  expired,       ///< its lifetime ended before it was sent; it is gone
  failed,        ///< it cannot be sent any more; the Error says why
};

/// One message's properties, addresses and way back to its maker.
struct MessageInfo : MessageProperties {
  Address remote{};              ///< datagram faces: to or from whom; unset: the connected peer
  Address local{};               ///< datagram faces: our address it used; unset: the port's
  FramerMetadata metadata{};     ///< for the framers of the stack, or from them
  bool early = false;            ///< upwards: arrived as early data, may be a replay
  std::uint32_t references = 0;  ///< chunks and owners that hold it; one loop, so not atomic
  bool settled = false;          ///< sent, expired or failed was already said
  void (*tell)(MessageInfo*, Fate, const Error*) noexcept = nullptr;  ///< the maker's ear; null: nobody waits
  void (*release)(MessageInfo*) noexcept = nullptr;                   ///< frees it, in the maker's shared object

  /// Called by the layer that learns the fate; the first of sent, expired and failed counts.
  void report(Fate fate, const Error* why = nullptr) noexcept {
    if (fate != Fate::acknowledged && std::exchange(settled, true)) return;
    if (tell != nullptr) tell(this, fate, why);
  }
};

/// A counted reference to a MessageInfo. The last one to go reports `sent` and releases it.
class MessageRef {
 public:
  MessageRef() = default;
  /// Adds a reference; null is allowed.
  explicit MessageRef(MessageInfo* info) noexcept : info_(info) {
    if (info_ != nullptr) ++info_->references;
  }
  MessageRef(const MessageRef& other) noexcept : MessageRef(other.info_) {}
  MessageRef(MessageRef&& other) noexcept : info_(std::exchange(other.info_, nullptr)) {}
  MessageRef& operator=(const MessageRef& other) noexcept {
    if (info_ != other.info_) *this = MessageRef(other);
    return *this;
  }
  MessageRef& operator=(MessageRef&& other) noexcept {
    std::swap(info_, other.info_);
    return *this;
  }
  ~MessageRef() {
    if (info_ == nullptr || --info_->references != 0) return;
    info_->references = 1;  // whoever hears the report may keep the message
    info_->report(Fate::sent);
    if (--info_->references == 0) info_->release(info_);
  }
  explicit operator bool() const noexcept { return info_ != nullptr; }  ///< false: all defaults, nobody waits
  bool operator==(const MessageRef&) const = default;
  MessageInfo* operator->() const noexcept { return info_; }  ///< precondition: not empty
  MessageInfo* get() const noexcept { return info_; }         ///< null when empty
 private:
  MessageInfo* info_ = nullptr;
};

/// For layers that make messages themselves: the addresses of a datagram, a handshake flight that may be replayed.
inline MessageRef new_message() {
  auto* info = new MessageInfo;
  info->release = [](MessageInfo* i) noexcept { delete i; };
  return MessageRef(info);
}

}  // namespace trellis
