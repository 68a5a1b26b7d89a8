// establishment_owner.h: for whom something is established: a Connection, or a multiplexer that wants one more lower.
#pragma once
#include <memory>
#include <optional>
#include <string_view>

#include "core/stack.h"
#include "trellis/preconnection.h"

namespace trellis {

class ConnectionHistory;  // core/race_history.h
class Establishment;

class EstablishmentOwner : public StackOwner {
 public:
  /// What a candidate is made of; without layers yet.
  virtual Stack& make_candidate(const std::shared_ptr<const ComposedStack>& composed,
                                const std::shared_ptr<const Security>& security) = 0;
  /// A copy of the early message for a leaf that can send early data; none: there is nothing to send early.
  virtual std::optional<Chunk> share_early() { return std::nullopt; }
  /// The winner got this property of the Preconnection.
  virtual void remember(std::string_view name, const PropertyValue& value) = 0;
  /// The winner, ready. From now on it has this owner.
  virtual void bind(Stack& stack, std::string_view node, MessageRef early_copy) noexcept = 0;
  /// What came up counts for history; after bind().
  virtual void learn_on(std::unique_ptr<ConnectionHistory>) noexcept {}
  virtual void establish_failed(Error) noexcept = 0;
  /// Another establishment goes on for it; only where its plan has something to go on with.
  virtual void establishing_with(Establishment&) noexcept {}
  virtual void race_over(std::unique_ptr<RaceReport>, std::shared_ptr<Preconnection::RaceOver>) = 0;

 protected:
  ~EstablishmentOwner() = default;
};

}  // namespace trellis
