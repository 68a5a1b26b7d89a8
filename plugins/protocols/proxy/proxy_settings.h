// proxy_settings.h: the options that all proxy layers have, and which proxy
// they mean.
#pragma once
#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "trellis/clock.h"
#include "trellis/option.h"
#include "trellis/path.h"
#include "trellis/result.h"

namespace trellis::proxy {

struct ProxySettings {
  Endpoint proxy;  ///< host empty: the path says
  std::string user, password;
  Duration timeout{};

  /// Reads the options. Errors: configuration, with the option's name and what
  /// is wrong with its value or file.
  static Result<ProxySettings> from(const Options& options, const char* layer);
  /// The proxy on this path; empty when there is none. `scheme` is that of its
  /// URL: "socks5", "http".
  Endpoint on(const Path& path, std::string_view scheme, std::uint16_t usual_port) const;
};

/// The schema; `port` is the usual one of the protocol.
constexpr std::array<OptionSpec, 5> proxy_options(std::int64_t port) {
  return {{
      {.name = "host",
       .fallback = std::string_view(),
       .meaning = "the proxy's name or address; empty: the first one of the "
                  "path that speaks the protocol"},
      {.name = "port", .fallback = port, .meaning = "the proxy's port, if host is given", .least = 1, .most = 65535},
      {.name = "user", .fallback = std::string_view(), .meaning = "user name; empty: no authentication is offered"},
      {.name = "password-file",
       .fallback = std::string_view(),
       .meaning = "file whose first line is the user's password"},
      {.name = "handshake-timeout-ms",
       .fallback = std::int64_t{10'000},
       .meaning = "how long the proxy may take until it has connected",
       .least = 1,
       .most = 600'000},
  }};
}

/// Compares secrets in a time that does not tell where they differ.
bool same_secret(std::string_view a, std::string_view b) noexcept;

}  // namespace trellis::proxy
