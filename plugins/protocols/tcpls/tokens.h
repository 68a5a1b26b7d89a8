// tokens.h: invitations to more connections: those that a client has, and those
// that servers have given (TCPLS-52 to TCPLS-55, TCPLS-68 to TCPLS-70,
// decisions D1 and D5).
#pragma once
#include <botan/block_cipher.h>

#include <array>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <unordered_map>

#include "frame.h"

namespace trellis::tcpls {

class Session;

/// A client's: each is used once.
class ClientTokens {
 public:
  static constexpr std::size_t kMost = 8;  ///< kept at once; servers invite to no more
  /// Fails with illegal_parameter: sequence 0, or one that had another value
  /// before.
  Result<void> add(const NewToken& token);
  std::optional<NewToken> take();
  bool empty() const noexcept { return usable_.empty(); }
  std::size_t size() const noexcept { return usable_.size(); }
  bool knows(std::uint32_t sequence) const {
    return sequence <= 255 && seen_.contains(static_cast<std::uint8_t>(sequence));
  }

 private:
  std::deque<NewToken> usable_;
  std::unordered_map<std::uint8_t, Token> seen_;
};

/// All that the sessions of one acceptor have given. Looked up by what a cipher makes of them, so that the time that
/// takes says nothing about a token.
class TokenTable {
 public:
  using Key = std::array<std::byte, 32>;
  /// `key` is secret, and of this table alone.
  explicit TokenTable(const Key& key);
  struct Entry {
    Session* session = nullptr;
    std::uint8_t sequence = 0;
  };
  void add(const Token& token, Entry entry) { entries_.emplace(sealed(token), entry); }
  std::optional<Entry> find(const Token& token) const;
  /// The same, and it is gone: a token serves once.
  std::optional<Entry> take(const Token& token);
  void forget(const Session& session);
  /// Takes back the token of this session for a connection. False: there is none.
  bool withdraw(const Session& session, std::uint32_t sequence);
  std::size_t size() const noexcept { return entries_.size(); }

 private:
  using Sealed = std::array<std::uint8_t, 32>;
  struct First {  // of its bytes: they are as good as a hash
    std::size_t operator()(const Sealed& token) const noexcept;
  };
  Sealed sealed(const Token& token) const;
  std::unique_ptr<Botan::BlockCipher> cipher_ = Botan::BlockCipher::create_or_throw("AES-256");
  std::unordered_map<Sealed, Entry, First> entries_;
};

}  // namespace trellis::tcpls
