#include "security/key_log.h"

#include <botan/hex.h>
#include <fcntl.h>
#include <unistd.h>

#include <cstdlib>
#include <string>

namespace trellis::security {

void log_key(std::string_view label, std::span<const std::uint8_t> client_random,
             std::span<const std::uint8_t> secret) noexcept try {
  const char* const path = std::getenv("SSLKEYLOGFILE");
  if (path == nullptr || *path == '\0') return;
  const std::string line = std::string(label) + " " + Botan::hex_encode(client_random, false) + " " +
                           Botan::hex_encode(secret, false) + "\n";
  const int file = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
  if (file < 0) return;
  [[maybe_unused]] const auto written = write(file, line.data(), line.size());  // for debugging: it may be missing
  close(file);
} catch (const std::exception&) {
  return;  // as above
}

}  // namespace trellis::security
