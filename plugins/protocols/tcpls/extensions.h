// extensions.h: the TLS extensions of TCPLS in the handshake of the TLS plugin
// (draft-piraux-tcpls-00 section 5.1).
#pragma once
#include <botan/tls_extensions.h>

#include <optional>

#include "code_points.h"
#include "frame.h"
#include "handshake.h"

namespace trellis::tcpls {

/// Offers TCPLS as a client and takes the offer as a server. What the peer does
/// wrong is thrown in the library's words.
class Extensions final : public tls::HandshakeExtras {
 public:
  Extensions(CodePoints codes, bool server) noexcept : codes_(codes), server_(server) {}
  /// A client joins a session with this hello.
  void join_with(const Token& token) { join_ = token; }
  bool agreed() const noexcept { return offered_ && answered_; }

  void modify(Botan::TLS::Extensions& extensions, Botan::TLS::Handshake_Type type) override;
  void examine(const Botan::TLS::Extensions& extensions, Botan::TLS::Handshake_Type type) override;

 private:
  CodePoints codes_;
  std::optional<Token> join_;
  bool server_, offered_ = false, answered_ = false;
};

}  // namespace trellis::tcpls
