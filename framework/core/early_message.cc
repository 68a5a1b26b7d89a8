#include "core/early_message.h"

namespace trellis {

EarlyCopy::EarlyCopy(const MessageRef& original) : original_(original) {
  static_cast<MessageProperties&>(*this) = *original.get();
  expires = TimePoint::max();  // it goes out now or never
  metadata = original->metadata;
  tell = [](MessageInfo* info, Fate fate, const Error* why) noexcept {
    auto& self = static_cast<EarlyCopy&>(*info);
    if (self.bound_) return self.original_->report(fate, why);
    self.said_ = Said{fate, why == nullptr ? std::nullopt : std::optional(*why)};
  };
  release = [](MessageInfo* info) noexcept { delete static_cast<EarlyCopy*>(info); };
}

MessageRef EarlyCopy::make(const MessageRef& original) { return MessageRef(new EarlyCopy(original)); }

void EarlyCopy::bind(MessageRef& copy) {
  auto& self = static_cast<EarlyCopy&>(*copy.get());
  self.bound_ = true;
  if (self.said_) self.original_->report(self.said_->fate, self.said_->why ? &*self.said_->why : nullptr);
}

}  // namespace trellis
