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

TokenTable::TokenTable(const Key& key) {
  cipher_->set_key(reinterpret_cast<const std::uint8_t*>(key.data()), key.size());
}

std::size_t TokenTable::First::operator()(const Sealed& token) const noexcept {
  std::size_t first = 0;
  std::memcpy(&first, token.data(), sizeof first);
  return first;
}

// Block by block, so that no two tokens give the same: a hash would take a tenth of all that a join costs.
TokenTable::Sealed TokenTable::sealed(const Token& token) const {
  Sealed out;
  cipher_->encrypt_n(reinterpret_cast<const std::uint8_t*>(token.data()), out.data(),
                     out.size() / cipher_->block_size());
  return out;
}

std::optional<TokenTable::Entry> TokenTable::find(const Token& token) const {
  const auto found = entries_.find(sealed(token));
  if (found == entries_.end()) return std::nullopt;
  return found->second;
}

std::optional<TokenTable::Entry> TokenTable::take(const Token& token) {
  const auto taken = entries_.extract(sealed(token));
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
