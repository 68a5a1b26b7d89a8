#include "dtls_settings.h"

#include <botan/pkcs8.h>

#include <algorithm>
#include <chrono>
#include <format>

#include "dtls_error.h"

namespace trellis::dtls {
namespace {

constexpr std::uint16_t kTls12 = 0x0303;  // DTLS 1.2 is its datagrams

constexpr OptionSpec kOptions[] = {
    {.name = "retransmit-ms",
     .fallback = std::int64_t{1000},
     .meaning = "when a flight of the handshake is sent again; then after twice the time (RFC 6347 section 4.2.4.1)",
     .least = 10,
     .most = 60'000},
    {.name = "handshake-bytes",
     .fallback = std::int64_t{1232},
     .meaning = "largest datagram of the handshake, where the layer below takes no smaller one at most",
     .least = 256,
     .most = 65'000},
    {.name = "peers",
     .fallback = std::int64_t{4096},
     .meaning = "peers that one listener serves at once; others are not answered",
     .least = 1,
     .most = 1'000'000},
    {.name = "peer-idle-ms",
     .fallback = std::int64_t{300'000},
     .meaning = "a peer of a listener that neither sends nor is sent to for so long is closed; 0: never",
     .least = 0,
     .most = 86'400'000},
    {.name = "window-bytes",
     .fallback = std::int64_t{256 << 10},
     .meaning = "bytes that may wait on either side of this layer",
     .least = 32 << 10,
     .most = 64 << 20},
};

std::unexpected<Error> refuse(std::string detail) { return fail(Reason::configuration, std::move(detail), 0, kLayer); }

Result<void> check(const security::CredentialSettings& s, const Options& options) {
  if (s.raw_public_keys) return refuse("found raw-public-keys=true, which DTLS 1.2 has not here: expected false");
  if (!s.preshared_keys.empty())
    return refuse("found preshared-keys, which DTLS 1.2 has not here: expected a certificate");
  if (!s.algorithms.groups.empty() &&
      std::ranges::all_of(s.algorithms.groups, [](const std::string& group) { return group == "X25519MLKEM768"; })) {
    return refuse("found groups=X25519MLKEM768, which TLS 1.3 alone has: expected one more");
  }
  if (!s.identity) return {};
  const auto key = Botan::PKCS8::load_key(octets(s.identity->private_key));
  if (tls::can_sign(*key)) return {};
  return security::CredentialFile(kLayer, "key", options.text("key"))
      .refuse(std::format("which is an {} key, expected RSA or ECDSA", key->algo_name()));
}

}  // namespace

std::span<const OptionSpec> dtls_options() noexcept {
  static const std::vector<OptionSpec> kAll = security::with_credential_options(kOptions);
  return kAll;
}

Result<Settings> Settings::from(const Options& options) {
  auto credentials = security::CredentialSettings::from(options, kLayer);
  if (!credentials) return fail(std::move(credentials));
  if (auto good = check(*credentials, options); !good) return fail(std::move(good));
  Settings s{.tls = {std::move(*credentials)}};
  s.tls.version_floor = kTls12;
  s.tls.datagrams = true;
  s.tls.resumption = false;  // an abbreviated handshake turns around who must repeat the last flight
  s.tls.tickets = 0;
  s.first_repeat = std::chrono::milliseconds(options.number("retransmit-ms"));
  s.idle = std::chrono::milliseconds(options.number("peer-idle-ms"));
  s.handshake_bytes = static_cast<std::size_t>(options.number("handshake-bytes"));
  s.peers = static_cast<std::size_t>(options.number("peers"));
  s.window = static_cast<std::size_t>(options.number("window-bytes"));
  return s;
}

Result<std::shared_ptr<tls::Credentials>> Shared::credentials_of(const Security& security, bool server) const noexcept {
  if (security.version_floor > kTls12) {
    return std::unexpected(
        make_error(Reason::unsupported, Code::nothing_in_common,
                   std::format("a version of at least {:#06x} is asked for, the newest of datagrams is DTLS 1.2",
                               security.version_floor)));
  }
  auto found = credentials.get(security, server);
  if (!found) return std::unexpected(own(std::move(found.error())));
  return found;
}

}  // namespace trellis::dtls
