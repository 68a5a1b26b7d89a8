#include "qlog.h"

#include <cstdlib>
#include <format>

namespace trellis::quic {

std::string Qlog::directory() {
  const char* const named = std::getenv("QLOGDIR");
  return named != nullptr ? named : "";
}

std::optional<Qlog> Qlog::open(const std::string& directory, const ngtcp2_cid& original, bool server) noexcept try {
  if (directory.empty()) return {};
  std::string path = directory + "/";
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
