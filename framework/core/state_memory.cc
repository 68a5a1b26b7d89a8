#include "core/state_memory.h"

#include <algorithm>

namespace trellis {
namespace {

// Every field with its length before it, so that no two keys come to one text.
void add(std::string& text, std::string_view field) {
  text += std::to_string(field.size());
  text += ':';
  text += field;
}
void add(std::string& text, const Der& field) {
  add(text, std::string_view(reinterpret_cast<const char*>(field.data()), field.size()));
}
template <class T>
void add_all(std::string& text, const std::vector<T>& fields) {
  add(text, std::to_string(fields.size()));
  for (const T& field : fields) add(text, field);
}

std::string text_of(const StateKey& key) {
  std::string text = std::to_string(static_cast<unsigned>(key.kind));
  for (const std::string* field : {&key.partition, &key.network, &key.endpoint, &key.protocol, &key.detail}) {
    add(text, *field);
  }
  return text;
}

}  // namespace

std::optional<std::string> state_partition(std::string_view profile, const Security* security) {
  std::string text;
  add(text, profile);
  if (security == nullptr) return text;
  if (security->id != 0) {
    add(text, "id " + std::to_string(security->id));
    return text;
  }
  if (security->verify) return std::nullopt;  // who knows what it accepts
  add_all(text, security->trusted);
  add_all(text, security->pinned);
  for (const Identity& identity : security->client_identities) add_all(text, identity.chain);
  for (const PresharedKey& key : security->preshared_keys) add(text, key.identity);
  for (const auto* words : {&security->alpn, &security->groups, &security->ciphers, &security->signatures}) {
    add_all(text, *words);
  }
  add(text, std::to_string(security->version_floor));
  return text;
}

// What has expired is forgotten here.
std::vector<StateMemory::Place>* StateMemory::find(const std::string& key, TimePoint now) {
  const auto found = places_.find(key);
  if (found == places_.end()) return nullptr;
  for (const Place place : std::vector(found->second)) {
    if (place->expires <= now) forget(place);
  }
  const auto left = places_.find(key);
  return left == places_.end() ? nullptr : &left->second;
}

void StateMemory::forget(Place place) {
  const auto found = places_.find(place->key);
  std::erase(found->second, place);
  if (found->second.empty()) places_.erase(found);
  entries_.erase(place);
}

StateValue StateMemory::take(const StateKey& key, TimePoint now) {
  const std::lock_guard lock(mutex_);
  const auto* places = find(text_of(key), now);
  if (places == nullptr) return {};
  const Place newest = places->back();
  StateValue value = std::move(newest->value);
  forget(newest);
  return value;
}

StateValue StateMemory::peek(const StateKey& key, TimePoint now) {
  const std::lock_guard lock(mutex_);
  const auto* places = find(text_of(key), now);
  return places == nullptr ? StateValue{} : places->back()->value;
}

void StateMemory::put(const StateKey& key, StateValue value, TimePoint expires) {
  if (value.size() > kValueMost) return;
  const std::lock_guard lock(mutex_);
  entries_.push_back({text_of(key), std::move(value), expires});
  std::vector<Place>& places = places_[entries_.back().key];
  places.push_back(std::prev(entries_.end()));
  if (places.size() > kPerKeyMost) forget(places.front());
  if (entries_.size() > kEntriesMost) forget(entries_.begin());
}

void StateMemory::clear() {
  const std::lock_guard lock(mutex_);
  places_.clear();
  entries_.clear();
}

std::size_t StateMemory::size() const {
  const std::lock_guard lock(mutex_);
  return entries_.size();
}

StateKey LayerState::key(StateKind kind, std::string_view detail) const {
  StateKey whole = key_;
  whole.kind = kind;
  whole.detail = detail;
  return whole;
}
StateValue LayerState::take(StateKind kind, std::string_view detail) noexcept {
  return memory_ == nullptr ? StateValue{} : memory_->take(key(kind, detail), executor_.now());
}
StateValue LayerState::peek(StateKind kind, std::string_view detail) noexcept {
  return memory_ == nullptr ? StateValue{} : memory_->peek(key(kind, detail), executor_.now());
}
void LayerState::put(StateKind kind, std::string_view detail, StateValue value, Duration keep) noexcept {
  if (memory_ == nullptr || value.empty() || keep <= Duration{}) return;
  memory_->put(key(kind, detail), std::move(value),
               executor_.now() + std::min<Duration>(keep, std::chrono::hours(24 * 7)));
}

}  // namespace trellis
