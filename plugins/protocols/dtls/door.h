// door.h: who may come in, of all who speak to one server: those who have shown that they receive at their address.
// Nobody else is kept (RFC 6347 section 4.2.1).
#pragma once
#include <memory>
#include <optional>

#include "cookies.h"
#include "dtls_settings.h"
#include "flow.h"
#include "trellis/protocol.h"

namespace trellis::dtls {

class Door {
 public:
  static constexpr std::size_t kWindow = 16 << 20;  ///< bytes of datagrams of all peers: all is read in its turn

  explicit Door(LowerPort lower) : lower_(lower) {}

  /// Errors: credentials that cannot be used.
  Result<void> open(const Shared& shared, const Security& security) noexcept;
  /// Judges a ClientHello: nothing, where its sender was asked for a cookie, or is not answered.
  std::optional<FirstHello> judge(std::span<const std::byte> datagram, const Flow& from, Executor& executor) noexcept;

 private:
  LowerPort lower_;
  std::shared_ptr<tls::Credentials> credentials_;
};

}  // namespace trellis::dtls
