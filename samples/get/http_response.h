// http_response.h: reads one HTTP/1.1 response out of a bytestream, however it is cut into pieces (RFC 9112).
#pragma once
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "trellis/result.h"

/// A response to a GET, fed with bytes as they come. Its length is given by Content-Length, by chunks, or by the end
/// of the stream.
class HttpResponse {
 public:
  /// Takes a piece of the body; false: it cannot.
  using Body = std::function<bool(std::string_view)>;
  explicit HttpResponse(Body body) : body_(std::move(body)) {}

  /// Reads the next bytes. What follows a complete response is ignored.
  trellis::Result<void> read(std::string_view bytes);
  /// The stream has ended.
  trellis::Result<void> end();
  bool complete() const { return state_ == State::complete; }      ///< all of it was read
  const std::string& status_line() const { return status_line_; }  ///< "HTTP/1.1 200 OK"
  int status() const { return status_; }                           ///< 200

 private:
  enum class State { status, header, body, body_until_end, chunk_size, chunk, chunk_end, trailer, complete };
  trellis::Result<void> read_line(std::string_view line);
  trellis::Result<void> read_status(std::string_view line);
  trellis::Result<void> read_header(std::string_view line);
  trellis::Result<void> read_chunk_size(std::string_view line);
  trellis::Result<std::size_t> read_body(std::string_view bytes);
  void begin_body();
  bool in_body() const { return state_ == State::body || state_ == State::body_until_end || state_ == State::chunk; }

  Body body_;
  State state_ = State::status;
  std::string line_, status_line_;
  int status_ = 0;
  bool chunked_ = false, has_length_ = false;
  std::uint64_t left_ = 0;  // of the body or the chunk
};
