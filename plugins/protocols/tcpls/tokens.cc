#include "tokens.h"

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

std::string TokenTable::key(const Token& token) const {
  std::string digest(hash_->output_length(), 0);
  hash_->update(reinterpret_cast<const std::uint8_t*>(token.data()), token.size());
  hash_->final(reinterpret_cast<std::uint8_t*>(digest.data()));
  return digest;
}

std::optional<TokenTable::Entry> TokenTable::find(const Token& token) const {
  const auto found = entries_.find(key(token));
  if (found == entries_.end()) return std::nullopt;
  return found->second;
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
