// http3_by_hand.h: as much HTTP/3 (RFC 9114) as a GET takes, so that a test has every stream of its connection in its
// own hands.
#pragma once
#include <optional>
#include <string>
#include <string_view>

namespace trellis::test {

/// What a client says first on its control stream: that it has no wishes (RFC 9114 section 6.2.1).
inline constexpr std::string_view kHttp3Control{"\0\4\0", 3};

/// The request: one HEADERS frame. Names come from QPACK's static table (RFC 9204 appendix A). Precondition: path and
/// authority are short.
inline std::string http3_get(std::string_view path, std::string_view authority = "peer.example") {
  std::string fields("\0\0\xd1\xd7", 4);  // no dynamic table, :method GET, :scheme https
  const auto add = [&](char name, std::string_view value) {
    fields += name;
    fields += static_cast<char>(value.size());
    fields += value;
  };
  add('\x50', authority);
  add('\x51', path);
  return std::string("\1") + static_cast<char>(fields.size()) + fields;
}

/// What came on the stream of a request.
struct Http3Answer {
  bool ok = false;  ///< :status 200
  std::string body;
};

/// A number of one to eight bytes (RFC 9000 section 16), taken away from the front; none: they are not all there.
inline std::optional<std::size_t> take_number(std::string_view& bytes) {
  if (bytes.empty()) return std::nullopt;
  const std::size_t size = std::size_t{1} << (static_cast<unsigned char>(bytes[0]) >> 6);
  if (bytes.size() < size) return std::nullopt;
  std::size_t number = static_cast<unsigned char>(bytes[0]) & 0x3f;
  for (std::size_t i = 1; i < size; ++i) number = number << 8 | static_cast<unsigned char>(bytes[i]);
  bytes.remove_prefix(size);
  return number;
}

/// Frames of other types are passed over (RFC 9114 section 9).
inline Http3Answer read_http3_answer(std::string_view bytes) {
  Http3Answer answer;
  while (!bytes.empty()) {
    const auto type = take_number(bytes), size = take_number(bytes);
    if (!type || !size) break;
    const std::string_view payload = bytes.substr(0, *size);
    bytes.remove_prefix(payload.size());
    if (*type == 0) answer.body += payload;
    if (*type == 1 && payload.size() > 2 && payload[2] == '\xd9') answer.ok = true;
  }
  return answer;
}

}  // namespace trellis::test
