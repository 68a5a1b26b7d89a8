// session.h: HTTP/3 (RFC 9114) over a group of Connections: nghttp3 knows the protocol, each Connection is one of its
// streams.
#pragma once
#include <nghttp3/nghttp3.h>

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "trellis/connection.h"

namespace http3 {

inline constexpr std::uint64_t kNoError = NGHTTP3_H3_NO_ERROR;  ///< code of an end without fault

using Fields = std::vector<std::pair<std::string, std::string>>;  ///< ":method" and the other pseudo-fields first

/// What a session says. Called on the loop; the session may be destroyed in `over` only.
struct Events {
  std::function<void(std::int64_t stream, const Fields&)> fields;        ///< those of a request, or of its response
  std::function<void(std::int64_t stream, std::string_view part)> body;  ///< the next part of it
  std::function<void(std::int64_t stream)> end;                          ///< the request or the response is complete
  std::function<void(const trellis::Error&)> over;                       ///< it cannot go on; the last of its events
};

class Session {
 public:
  enum class Role : std::uint8_t { client, server };
  /// `first`: of a client the stream of its request, of a server the first that the peer has opened.
  Session(Role role, trellis::Connection first, Events events);
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  /// A client's, on its first stream.
  void request(Fields fields);
  /// A server's.
  void respond(std::int64_t stream, const Fields& fields, std::string body);

 private:
  struct Stream;
  friend struct Library;
  static constexpr std::size_t kOwn = 3;  // control, and two of QPACK

  void open_own();
  void own_ready(const trellis::Result<void>& how);
  void begin();
  void adopt(trellis::Connection connection);
  void add(std::unique_ptr<Stream> stream);
  void read(Stream& stream);
  void take(Stream& stream, trellis::Result<trellis::Message> message);
  void pump();
  void send(Stream& stream, std::span<const nghttp3_vec> parts, bool final);
  void forget_if_over(Stream& stream);
  void fail(trellis::Error error, std::uint64_t code);
  Stream* find(std::int64_t id);

  Events events_;
  trellis::Executor& executor_;
  nghttp3_conn* library_ = nullptr;
  std::map<std::int64_t, std::unique_ptr<Stream>> streams_;
  std::unique_ptr<Stream> own_[kOwn];
  std::vector<std::unique_ptr<Stream>> early_;  // came before our own streams were open
  std::size_t own_ready_ = 0;
  Fields request_;  // until it can be sent
  bool begun_ = false, over_ = false, pumping_ = false;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace http3
