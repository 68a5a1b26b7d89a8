#include "tokens.h"

#include <cstring>
#include <format>

namespace trellis::tcpls {

Result<void> ClientTokens::add(const NewToken& token) {
  const auto illegal = [&](const char* what) {
    return tls::fail(tls::AlertDescription::illegal_parameter,
                     std::format("the peer sent token {}, {}", token.sequence, what));
  };
  if (token.sequence == 0) return illegal("but 0 is the first connection");
  const auto [known, fresh] = seen_.emplace(token.sequence, token.token);
  if (!fresh && known->second != token.token) return illegal("which had another value before");
  if (fresh && usable_.size() < kMost) usable_.push_back(token);
  return {};
}

std::optional<NewToken> ClientTokens::take() {
  if (usable_.empty()) return std::nullopt;
  const NewToken token = usable_.front();
  usable_.pop_front();
  return token;
}

std::size_t TokenTable::First::operator()(const Digest& digest) const noexcept {
  std::size_t first = 0;
  std::memcpy(&first, digest.data(), sizeof first);
  return first;
}

TokenTable::Digest TokenTable::key(const Token& token) const {
  Digest digest;
  hash_->update(reinterpret_cast<const std::uint8_t*>(token.data()), token.size());
  hash_->final(digest.data());
  return digest;
}

std::optional<TokenTable::Entry> TokenTable::find(const Token& token) const {
  const auto found = entries_.find(key(token));
  if (found == entries_.end()) return std::nullopt;
  return found->second;
}

std::optional<TokenTable::Entry> TokenTable::take(const Token& token) {
  const auto taken = entries_.extract(key(token));
  if (taken.empty()) return std::nullopt;
  return taken.mapped();
}

bool TokenTable::withdraw(const Session& session, std::uint32_t sequence) {
  return std::erase_if(entries_, [&](const auto& entry) {
           return entry.second.session == &session && entry.second.sequence == sequence;
         }) > 0;
}

void TokenTable::forget(const Session& session) {
  std::erase_if(entries_, [&](const auto& entry) { return entry.second.session == &session; });
}

}  // namespace trellis::tcpls
