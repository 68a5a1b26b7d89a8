#include "qlog.h"

#include <cstdlib>
#include <format>
#include <string>

namespace trellis::quic {

std::optional<Qlog> Qlog::open(const ngtcp2_cid& original, bool server) noexcept try {
  const char* const directory = std::getenv("QLOGDIR");
  if (directory == nullptr || *directory == '\0') return {};
  std::string path = std::string(directory) + "/";
  for (const std::uint8_t byte : std::span(original.data, original.datalen)) path += std::format("{:02x}", byte);
  path += server ? "_server.sqlog" : "_client.sqlog";
  std::FILE* const file = std::fopen(path.c_str(), "wxe");
  if (file == nullptr) return {};
  return Qlog(file);
} catch (const std::exception&) {
  return {};
}

void Qlog::write(std::span<const std::byte> text) noexcept {
  [[maybe_unused]] const auto written = std::fwrite(text.data(), 1, text.size(), file_.get());  // it may be missing
}

}  // namespace trellis::quic
