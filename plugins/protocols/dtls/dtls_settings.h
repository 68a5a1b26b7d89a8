// dtls_settings.h: the options of one dtls layer of one policy, with the files that they name already read.
#pragma once
#include <span>

#include "credentials.h"
#include "tls_settings.h"
#include "trellis/option.h"

namespace trellis::dtls {

/// The options. Immutable; shared by all connections of the layer.
struct Settings {
  tls::Settings tls;                ///< what all security protocols have
  Duration first_repeat{};          ///< when a flight is sent again; then after twice the time
  Duration idle{};                  ///< of a server's peer; zero: for ever
  std::size_t handshake_bytes = 0;  ///< largest datagram of the handshake
  std::size_t peers = 0;            ///< of one listener
  std::size_t window = 0;           ///< bytes that may wait on either side

  /// Reads the options. Errors: configuration, with the option's name and what is wrong with its value or file.
  static Result<Settings> from(const Options& options);
};

/// The schema, for the plugin's registration.
std::span<const OptionSpec> dtls_options() noexcept;

/// What the instances of one layer of one policy share.
struct Shared {
  explicit Shared(Settings from_options) : settings(std::move(from_options)), credentials(settings.tls) {}
  const Settings settings;
  mutable tls::CredentialsCache credentials;

  /// Parsed Security of one side. Errors: what cannot be used, a floor above DTLS 1.2.
  Result<std::shared_ptr<tls::Credentials>> credentials_of(const Security& security, bool server) const noexcept;
};

}  // namespace trellis::dtls
