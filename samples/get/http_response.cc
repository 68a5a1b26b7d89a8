#include "http_response.h"

#include <Poco/String.h>

#include <algorithm>
#include <charconv>

using trellis::fail;
using trellis::Reason;
using trellis::Result;

namespace {

constexpr std::size_t kLineMost = 65536;

template <class Number>
bool read_number(std::string_view text, Number& out, int base = 10) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out, base);
  return error == std::errc() && end == text.data() + text.size();
}

std::unexpected<trellis::Error> wrong(const std::string& what) {
  return fail(Reason::protocol_violation, "http: " + what);
}

}  // namespace

Result<void> HttpResponse::read(std::string_view bytes) {
  while (!bytes.empty() && !complete()) {
    if (in_body()) {
      const Result<std::size_t> taken = read_body(bytes);
      if (!taken) return std::unexpected(taken.error());
      bytes.remove_prefix(*taken);
      continue;
    }
    const std::size_t newline = bytes.find('\n');
    line_ += bytes.substr(0, newline);
    if (line_.size() > kLineMost) return wrong("a line is longer than " + std::to_string(kLineMost) + " bytes");
    if (newline == std::string_view::npos) return {};
    bytes.remove_prefix(newline + 1);
    std::string line = std::exchange(line_, {});
    if (line.ends_with('\r')) line.pop_back();
    if (auto read = read_line(line); !read) return read;
  }
  return {};
}

Result<void> HttpResponse::end() {
  if (state_ == State::body_until_end) state_ = State::complete;
  if (!complete()) return wrong("the server closed the connection before the end of its answer");
  return {};
}

Result<void> HttpResponse::read_line(std::string_view line) {
  switch (state_) {
    case State::status: return read_status(line);
    case State::header: return read_header(line);
    case State::chunk_size: return read_chunk_size(line);
    case State::chunk_end:
      if (!line.empty()) return wrong("bytes behind the end of a chunk");
      state_ = State::chunk_size;
      return {};
    default:  // trailers are not of interest
      if (line.empty()) state_ = State::complete;
      return {};
  }
}

Result<void> HttpResponse::read_status(std::string_view line) {
  if (!line.starts_with("HTTP/1.") || line.size() < 12 || !read_number(line.substr(9, 3), status_))
    return wrong("expected a status line, found \"" + std::string(line.substr(0, 40)) + "\"");
  status_line_ = line;
  chunked_ = has_length_ = false;
  left_ = 0;
  state_ = State::header;
  return {};
}

Result<void> HttpResponse::read_header(std::string_view line) {
  if (line.empty()) {
    begin_body();
    return {};
  }
  const std::size_t colon = line.find(':');
  if (colon == std::string_view::npos) return wrong("a header without a colon");
  const std::string name(line.substr(0, colon));
  const std::string value = Poco::trim(std::string(line.substr(colon + 1)));
  if (Poco::icompare(name, "Content-Length") == 0) {
    std::uint64_t length = 0;
    if (!read_number(value, length) || (has_length_ && length != left_))
      return wrong("a wrong Content-Length: " + value);
    has_length_ = true;
    left_ = length;
  } else if (Poco::icompare(name, "Transfer-Encoding") == 0) {
    if (Poco::icompare(value, "chunked") != 0) return wrong("an unknown Transfer-Encoding: " + value);
    chunked_ = true;
  }
  return {};
}

// RFC 9112 section 6.3: chunks win over a length; neither means until the end.
void HttpResponse::begin_body() {
  if (status_ >= 100 && status_ < 200) {
    state_ = State::status;  // the final answer follows
  } else if (status_ == 204 || status_ == 304) {
    state_ = State::complete;
  } else if (chunked_) {
    state_ = State::chunk_size;
  } else if (has_length_) {
    state_ = left_ == 0 ? State::complete : State::body;
  } else {
    state_ = State::body_until_end;
  }
}

Result<void> HttpResponse::read_chunk_size(std::string_view line) {
  const std::string size = Poco::trim(std::string(line.substr(0, line.find(';'))));
  if (!read_number(size, left_, 16)) return wrong("expected the size of a chunk, found \"" + size.substr(0, 40) + "\"");
  state_ = left_ == 0 ? State::trailer : State::chunk;
  return {};
}

Result<std::size_t> HttpResponse::read_body(std::string_view bytes) {
  if (state_ != State::body_until_end) {
    bytes = bytes.substr(0, static_cast<std::size_t>(std::min<std::uint64_t>(left_, bytes.size())));
    left_ -= bytes.size();
    if (left_ == 0) state_ = state_ == State::chunk ? State::chunk_end : State::complete;
  }
  if (!body_(bytes)) return fail(Reason::exhausted, "cannot write standard output");
  return bytes.size();
}
