// fates.h: what became of the messages whose sender waits for it (RFC 9622 section 9.2.2).
//
// A SentInfo may live longer than its Connection, inside a stack that is being destroyed; so both hold the ledger.
#pragma once
#include <vector>

#include "trellis/connection.h"

namespace trellis {

class Ledger;

/// The MessageInfo of a message whose sender waits.
struct SentInfo final : MessageInfo {
  Connection::Sent sent;
  Ledger* ledger = nullptr;
  SentInfo* next = nullptr;  // open messages of the ledger
  SentInfo* previous = nullptr;
};

/// All open messages of one Connection, and the news about them that the application has not heard yet.
class Ledger {
 public:
  /// `stir` is called when there is news to deliver; `lost` when a message without a `sent` expired or failed.
  static Ledger* make(std::move_only_function<void()> stir, Connection::Noticed lost);
  MessageRef record(const MessageProperties&, Connection::Sent);
  void fail_open(const Error&);      // every message that has no fate yet fails
  void deliver(ConnectionCore* of);  // calls the application; `of`: whose messages they are
  bool news() const noexcept { return !news_.empty(); }
  void leave() noexcept;  // the Connection goes: nobody listens any more

 private:
  struct News {
    Connection::Sent sent;
    Fate fate;
    std::optional<Error> why;
  };
  Ledger() = default;
  ~Ledger() = default;
  static void tell(MessageInfo*, Fate, const Error*) noexcept;
  static void release(MessageInfo*) noexcept;
  void unlink(SentInfo&) noexcept;
  void drop() noexcept;

  std::move_only_function<void()> stir_;
  Connection::Noticed lost_;
  std::vector<News> news_;
  SentInfo* open_ = nullptr;
  std::uint32_t references_ = 1;
  bool left_ = false;
};

}  // namespace trellis
