#include "core/state_memory.h"

#include <algorithm>

#include "core/digest.h"
#include "core/service_endpoint.h"
#include "core/state_keeper.h"
#include "trellis/address_text.h"

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

// What the texts of all keys of one kind and partition begin with.
std::string family_of(const StateKey& key) {
  std::string text = std::to_string(static_cast<unsigned>(key.kind));
  add(text, key.partition);
  return text;
}
std::string text_of(const StateKey& key) {
  std::string text = family_of(key);
  for (const std::string* field : {&key.network, &key.endpoint, &key.protocol, &key.detail}) {
    add(text, *field);
  }
  return text;
}

}  // namespace

std::string state_endpoint(const Endpoint& remote) {
  std::string text = remote.host.empty() ? to_text(remote.address) : remote.host;
  if (text.ends_with('.')) text.pop_back();
  if (needs_discovery(remote)) text = remote.instance + "." + remote.service + "." + text;
  std::ranges::transform(text, text.begin(), [](char c) { return c >= 'A' && c <= 'Z' ? char(c - 'A' + 'a') : c; });
  return text + " " + std::to_string(remote.port != 0 ? remote.port : remote.address.port);
}

std::optional<std::string> state_partition(std::string_view partition, const Security* security) {
  std::string text;
  if (security == nullptr) return "layers of " + std::string(partition);
  if (security->verify && security->id == 0) return std::nullopt;  // who knows what it accepts
  // Only this process knows what an id with a check of its own stands for.
  if (security->verify) add(text, process_mark());
  add(text, std::to_string(security->id));
  add_all(text, security->trusted);
  add_all(text, security->pinned);
  for (const Identity& identity : security->client_identities) add_all(text, identity.chain);
  for (const PresharedKey& key : security->preshared_keys) add(text, key.identity);
  for (const auto* words : {&security->alpn, &security->groups, &security->ciphers, &security->signatures}) {
    add_all(text, *words);
  }
  add(text, security->server_name);
  add(text, std::to_string(security->version_floor));
  if (!security->must_authenticate()) add(text, "whoever it is");
  return "layers of " + std::string(partition) + ";" + sha256(text);
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

void StateMemory::make_room(const StateKey& key, std::size_t most) {
  const std::string family = family_of(key);
  const auto is_family = [&](const Entry& entry) { return entry.key.starts_with(family); };
  auto count = static_cast<std::size_t>(std::ranges::count_if(entries_, is_family));
  for (; count >= most; --count) forget(std::ranges::find_if(entries_, is_family));
}

void StateMemory::put(const StateKey& key, StateValue value, TimePoint expires, std::size_t most) {
  if (value.size() > kValueMost || most == 0) return;
  const std::lock_guard lock(mutex_);
  if (most < kEntriesMost) make_room(key, most);
  std::string text = text_of(key);
  if (const auto old = places_.find(text); old != places_.end() && !single_use(key.kind)) forget(old->second.front());
  entries_.push_back({std::move(text), std::move(value), expires});
  std::vector<Place>& places = places_[entries_.back().key];
  places.push_back(std::prev(entries_.end()));
  if (places.size() > kPerKeyMost) forget(places.front());
  if (entries_.size() > kEntriesMost) forget(entries_.begin());
}

bool StateMemory::remove(const StateKey& key, const StateValue& value) {
  const std::lock_guard lock(mutex_);
  const auto found = places_.find(text_of(key));
  if (found == places_.end()) return false;
  const auto place = std::ranges::find(found->second, value, [](Place p) -> const StateValue& { return p->value; });
  if (place == found->second.end()) return false;
  forget(*place);
  return true;
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

LayerState::LayerState(StateMemory* memory, std::shared_ptr<const StateRules> rules, StateKey key,
                       const Security* security, Executor& executor)
    : memory_(memory), rules_(std::move(rules)), key_(std::move(key)), executor_(executor) {
  if (security == nullptr) return;
  tickets_most_ = security->max_cached_sessions;
  if (security->cached_session_lifetime) tickets_keep_ = *security->cached_session_lifetime;
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
  if (memory_ == nullptr || value.empty()) return;
  keep = std::min(keep, rules_->keep_of(kind));
  if (kind == StateKind::session_ticket) keep = std::min(keep, tickets_keep_);
  if (keep <= Duration{}) return;
  StateKey where = key(kind, detail);
  // Nobody counts what other processes put into a store: what is limited stays here.
  if (kind == StateKind::session_ticket && tickets_most_)
    return memory_->put(where, std::move(value), executor_.now() + keep, *tickets_most_);
  // What may be used once is in one place only: where other processes can get it, if there is such a place.
  const bool stored = rules_->store && rules_->store->usable();
  if (!stored || !single_use(kind)) memory_->put(where, value, executor_.now() + keep);
  if (stored) rules_->store->put(std::move(where), std::move(value), keep, executor_);
}

}  // namespace trellis
