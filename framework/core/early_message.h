// early_message.h: what an application gave to initiate() and marked as safely replayable: kept while the race runs,
// and shared with every leaf that can send early data (RFC 9623 section 5.3).
//
// Each leaf has a copy of the MessageInfo (the bytes are shared), because what becomes of a loser's copy is nobody's
// business. The copy of the winner speaks for the message.
#pragma once
#include <optional>

#include "trellis/buffer.h"

namespace trellis {

/// The MessageInfo of one leaf's copy.
class EarlyCopy final : public MessageInfo {
 public:
  /// A copy of the properties of `original`, which must not be empty.
  static MessageRef make(const MessageRef& original);
  /// Its leaf has won: from now on it speaks for the original.
  static void bind(MessageRef& copy);

 private:
  struct Said {
    Fate fate;
    std::optional<Error> why;
  };
  explicit EarlyCopy(const MessageRef& original);
  MessageRef original_;
  std::optional<Said> said_;  // before it was bound
  bool bound_ = false;
};

}  // namespace trellis
