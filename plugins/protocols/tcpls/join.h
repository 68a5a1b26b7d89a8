// join.h: the handshake of one more TCP connection. It looks like TLS 1.3 and
// costs no public-key operation on the server: ClientHello with the token,
// ServerHello, ChangeCipherSpec both ways, then records under the session's
// keys (decision D3: TCPLS-57 to TCPLS-65).
#pragma once
#include <array>
#include <optional>
#include <span>
#include <vector>

#include "code_points.h"
#include "frame.h"
#include "trellis/executor.h"

namespace trellis::tcpls {

inline constexpr std::array<std::uint8_t, 6> kChangeCipherSpec{20, 3, 3, 0, 1, 1};
inline constexpr std::uint32_t kClientCover = 53;   ///< bytes of the first protected record, as of a Finished
inline constexpr std::uint32_t kServerCover = 900;  ///< as of a certificate flight

/// What a first record says, for as long as that is there.
struct Hello {
  std::span<const std::byte> session_id;  ///< legacy_session_id, to be echoed
  std::optional<Token> join;              ///< the token of tcpls_join
};

/// Reads a record that must be a ClientHello. Fails with the alert to send. A
/// hello that does not end in this record joins nothing: it is no error here.
Result<Hello> read_client_hello(std::span<const std::byte> record, const CodePoints& codes) noexcept;

/// The server's answer, a whole record.
std::vector<std::uint8_t> server_hello(const Hello& hello, std::uint16_t suite, Executor& executor);

/// Judges the answer on the client's side: a ServerHello of TLS 1.3 with the
/// session's suite.
Result<void> check_server_hello(std::span<const std::byte> record, std::uint16_t suite) noexcept;

/// A fatal alert as a plaintext record, for who has no keys yet.
std::array<std::uint8_t, 7> plain_alert(tls::AlertDescription alert) noexcept;

}  // namespace trellis::tcpls
