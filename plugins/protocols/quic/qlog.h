// qlog.h: what a connection does, for analysers (draft-ietf-quic-qlog, JSON text sequences), where the environment
// names a directory by QLOGDIR. It holds no keys and no data of the application.
#pragma once
#include <ngtcp2/ngtcp2.h>

#include <cstdio>
#include <memory>
#include <optional>
#include <span>
#include <string>

namespace trellis::quic {

class Qlog {
 public:
  static std::string directory();  ///< what the environment says now; empty: no logs are wanted
  /// Opens the file of a connection, named by the id that the client first spoke to and by the role. Nothing: no
  /// directory is named, or the file cannot be made; logging is never a reason to fail.
  static std::optional<Qlog> open(const std::string& directory, const ngtcp2_cid& original, bool server) noexcept;
  void write(std::span<const std::byte> text) noexcept;

 private:
  struct Close {
    void operator()(std::FILE* file) const noexcept { std::fclose(file); }
  };
  explicit Qlog(std::FILE* file) noexcept : file_(file) {}
  std::unique_ptr<std::FILE, Close> file_;
};

}  // namespace trellis::quic
