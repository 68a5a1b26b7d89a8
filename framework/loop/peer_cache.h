// peer_cache.h: one MessageInfo per pair of addresses, for the datagrams of an unconnected socket.
#pragma once
#include <array>
#include <cstddef>

#include "trellis/message.h"

namespace trellis {

/// Finds the MessageInfo of a (remote, local) pair or makes it. A set-associative cache of fixed size, so that senders
/// who invent addresses cannot make it grow; a pair that fell out gets a new MessageInfo next time. Those that nobody
/// else holds are used again, so that even then nothing is allocated. What is handed out may outlive the cache.
class PeerCache {
 public:
  /// Both addresses compare as they are, ports included.
  MessageRef find(const Address& remote, const Address& local) {
    if (last_ != nullptr && last_->remote == remote && last_->local == local) return MessageRef(last_);
    Set& set = sets_[(std::hash<Address>()(remote) * 31 + std::hash<Address>()(local)) % kSets];
    for (const MessageRef& entry : set.entries) {
      if (entry && entry->remote == remote && entry->local == local) return remember(entry);
    }
    MessageRef& entry = set.entries[set.next++ % kWays];
    if (!entry || entry->references > 1) entry = new_message();
    entry->remote = remote;
    entry->local = local;
    return remember(entry);
  }

 private:
  static constexpr std::size_t kSets = 128, kWays = 4;
  struct Set {
    std::array<MessageRef, kWays> entries;
    std::size_t next = 0;  // the way that is replaced next
  };
  MessageRef remember(const MessageRef& entry) noexcept {
    last_ = entry.get();  // never dangles: what replaces an entry is remembered
    return entry;
  }
  std::array<Set, kSets> sets_;
  MessageInfo* last_ = nullptr;
};

}  // namespace trellis
