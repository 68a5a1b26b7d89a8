// framer_metadata.h: what framers know of a message besides its bytes (RFC 9622 section 9.1.2.2).
#pragma once
#include <algorithm>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "trellis/property.h"

namespace trellis {

/// Values by framer and key (API-204). An application adds them to a Message before it is sent, and the framer of that
/// name reads them in frame(); a framer adds them to a message that it receives (FramerHost::annotate), and the
/// application reads them. Framers are named as in the stack. No two framers share a key. Costs one pointer while it is
/// empty.
class FramerMetadata {
 public:
  FramerMetadata() = default;
  FramerMetadata(FramerMetadata&&) noexcept = default;
  FramerMetadata& operator=(FramerMetadata&&) noexcept = default;
  FramerMetadata(const FramerMetadata& other)
      : entries_(other.entries_ ? std::make_unique<std::vector<Entry>>(*other.entries_) : nullptr) {}
  FramerMetadata& operator=(const FramerMetadata& other) {
    if (this != &other) *this = FramerMetadata(other);
    return *this;
  }
  ~FramerMetadata() = default;

  /// Sets a value; one of the same framer and key is replaced.
  void add(std::string_view framer, std::string_view key, PropertyValue value) {
    if (Entry* const known = find(framer, key); known != nullptr) {
      known->value = std::move(value);
      return;
    }
    if (!entries_) entries_ = std::make_unique<std::vector<Entry>>();
    entries_->push_back({std::string(framer), std::string(key), std::move(value)});
  }
  /// Adds all values of another one.
  void add(const FramerMetadata& other) {
    if (other.empty()) return;
    for (const Entry& entry : *other.entries_) add(entry.framer, entry.key, entry.value);
  }
  /// The value; null: there is none. Valid until the next add().
  const PropertyValue* get(std::string_view framer, std::string_view key) const noexcept {
    const Entry* const known = find(framer, key);
    return known != nullptr ? &known->value : nullptr;
  }
  bool empty() const noexcept { return entries_ == nullptr; }  ///< nothing was added

 private:
  struct Entry {
    std::string framer, key;
    PropertyValue value;
  };
  Entry* find(std::string_view framer, std::string_view key) const noexcept {
    if (!entries_) return nullptr;
    const auto known =
        std::ranges::find_if(*entries_, [&](const Entry& entry) { return entry.framer == framer && entry.key == key; });
    return known != entries_->end() ? &*known : nullptr;
  }
  std::unique_ptr<std::vector<Entry>> entries_;
};

}  // namespace trellis
